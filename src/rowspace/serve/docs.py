"""`/docs`: the description of the server as a page to read, made here and without a script.

FastAPI's own page loads its parts from elsewhere. This one needs its style sheet alone, and works
without any network but the server.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup, escape

from rowspace.serve.config import ServeConfig
from rowspace.serve.served import Served
from rowspace.space.pages import page_template

_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
_POLICY += "frame-ancestors 'none'"
_HEADERS = {"Content-Security-Policy": _POLICY}
_METHODS = ("get", "post", "put", "patch", "delete")
_KINDS = {"boolean": "true or false", "integer": "whole number"}
_REF = "#/components/schemas/"

Schema = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A field of a request or an answer, a row of a table."""

    name: str
    """With the names it is in, as `data[].hits[].score`."""
    type: str
    required: bool
    default: str
    description: str


@dataclass(frozen=True)
class Operation:
    """A route, as the page shows it."""

    method: str
    path: str
    summary: str
    paragraphs: list[str]
    parameters: list[Row]
    body: list[Row]
    example: str
    """A command for the shell."""
    answer: list[Row]
    errors: list[tuple[str, str]]
    """Status and what it means."""

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        kept = (c if c.isalnum() else "-" for c in f"{self.method}{self.path}")
        return "".join(kept).strip("-").lower()


def routes(served: Served, config: ServeConfig) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(_page(json.dumps(request.app.openapi())), headers=_HEADERS)

    @router.get("/docs.css")
    async def style() -> Response:
        return Response(_style(), media_type="text/css", headers=_HEADERS)

    return router


@functools.lru_cache(maxsize=2)
def _page(description: str) -> str:
    """The page of a description, in JSON."""
    schema = json.loads(description)
    groups: dict[str, list[Operation]] = {}
    for tag, operation in operations_of(schema):
        groups.setdefault(tag, []).append(operation)
    template = page_template("rowspace.serve", "docs.html")
    return template.render(info=schema["info"], groups=groups, marked=marked)


def marked(text: str) -> Markup:
    """A text as HTML, with what is in backticks as code.

    Examples
    --------
    >>> marked("a `k` < 3")
    Markup('a <code>k</code> &lt; 3')
    """
    parts = enumerate(text.split("`"))
    shown = (f"<code>{escape(part)}</code>" if i % 2 else escape(part) for i, part in parts)
    return Markup("".join(shown))  # noqa: S704 - each part is escaped


@functools.cache
def _style() -> bytes:
    return resources.files("rowspace.serve").joinpath("templates/docs.css").read_bytes()


def operations_of(schema: Schema) -> Iterator[tuple[str, Operation]]:
    """The operations of a description, each with its tag, in their order.

    Parameters
    ----------
    schema : dict
        Of OpenAPI 3.1.
    """
    parts = schema.get("components", {}).get("schemas", {})
    for path, item in schema["paths"].items():
        for method in _METHODS:
            if method in item:
                tag = next(iter(item[method].get("tags", [])), "other")
                yield tag, _operation(method, path, item[method], parts)


def _operation(method: str, path: str, told: Schema, parts: Schema) -> Operation:
    body = _content(told.get("requestBody", {}))
    answers = told["responses"]
    text = told.get("description", "").strip()
    return Operation(
        method.upper(),
        path,
        told.get("summary", path),
        [part.replace("\n", " ") for part in text.split("\n\n") if part.strip()],
        [
            _row(one["name"], one["schema"] | one, one.get("required", False), parts)
            for one in told.get("parameters", [])
        ],
        list(_rows(body.get("schema", {}), parts)),
        _command(method, path, _example(body, parts)),
        list(_rows(_content(answers.get("200", {})).get("schema", {}), parts)),
        [(status, one["description"]) for status, one in answers.items() if status >= "400"],
    )


def _content(told: Schema) -> Schema:
    content: Schema = told.get("content", {}).get("application/json", {})
    return content


def _example(body: Schema, parts: Schema) -> Any:
    """What is shown as a request's body; None if there is nothing to show."""
    if "example" in body:
        return body["example"]
    schema = body.get("schema", {})
    given = schema.get("examples") or _resolved(schema, parts).get("examples")
    return given[0] if given else None


def _command(method: str, path: str, example: Any) -> str:
    """How `curl` asks; the address is the usual one."""
    lines = [f"curl http://127.0.0.1:8000{path}"]
    if method not in ("get", "post") or (method == "post" and example is None):
        lines[0] = f"curl -X {method.upper()} http://127.0.0.1:8000{path}"
    if example is not None:
        text = json.dumps(example, ensure_ascii=False, indent=2).replace("'", "'\\''")
        lines += ["-H 'Content-Type: application/json'", f"-d '{text}'"]
    return " \\\n  ".join(lines)


# --- Schemas -------------------------------------------------------------------------------------


def _resolved(schema: Schema, parts: Schema) -> Schema:
    """The schema that a reference stands for, or the only one that is not null."""
    while "$ref" in schema:
        schema = parts[schema["$ref"].removeprefix(_REF)]
    return schema


def _rows(
    schema: Schema, parts: Schema, prefix: str = "", above: tuple[str, ...] = ()
) -> Iterator[Row]:
    """The fields of an object, with those of the objects in it."""
    name = schema.get("$ref", "")
    if name and name in above:  # it holds itself
        return
    schema = _resolved(schema, parts)
    required = schema.get("required", [])
    fields = schema.get("properties", {}).items()
    for field, one in sorted(fields, key=lambda item: item[0] not in required):
        yield _row(prefix + field, one, field in required, parts)
        inner, mark = _inner(one, parts)
        yield from _rows(inner, parts, f"{prefix}{field}{mark}.", (*above, name))


def _inner(schema: Schema, parts: Schema) -> tuple[Schema, str]:
    """What a field holds, and how it is written: `[]` for the items of a list."""
    for one in schema.get("anyOf", [schema]):
        if "$ref" in one or "properties" in one:
            return one, ""
        if _resolved(one, parts).get("type") == "array":
            return one.get("items", {}), "[]"
    return {}, ""


def _row(name: str, schema: Schema, required: bool, parts: Schema) -> Row:
    default = schema.get("default")
    return Row(
        name,
        _type(schema, parts),
        required,
        "" if default is None else json.dumps(default, ensure_ascii=False),
        schema.get("description") or _resolved(schema, parts).get("description", ""),
    )


def _type(schema: Schema, parts: Schema) -> str:
    """A type in a word or two: `string or list of strings`."""
    schema = _resolved(schema, parts)
    if "anyOf" in schema:
        kinds = [_type(one, parts) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = schema.get("type", "any")
    if kind == "array" and "prefixItems" in schema:
        return " and ".join(_type(one, parts) for one in schema["prefixItems"])
    if kind == "array":
        return f"list of {_type(schema.get('items', {}), parts)}"
    return _KINDS.get(kind, str(kind))

"""The description of the server at /openapi.json: what every route may answer that fails.

FastAPI describes routes by their signatures and docstrings. Here the errors are added, which all
have one form, in the place of FastAPI's own.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from rowspace.serve.errors import TYPES

_METHODS = ("get", "put", "post", "delete", "patch")
_ERROR: dict[str, Any] = {
    "type": "object",
    "description": "Why a request was refused, as OpenAI's servers tell it.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "What happened, and what to do."},
                "type": {"type": "string"},
                "param": {
                    "anyOf": [{"type": "string"}, {"type": "null"}],
                    "description": "The field of the request that is to blame.",
                },
                "code": {
                    "anyOf": [{"type": "string"}, {"type": "null"}],
                    "description": "A word for programs.",
                },
            },
            "required": ["message", "type", "param", "code"],
        }
    },
    "required": ["error"],
}
_FAILS = {
    400: "A field is missing, unknown, of another type, or beyond a limit.",
    401: "The server asks for a token, and none or another was sent.",
    403: "A page of a site that may not call sent the request.",
    404: "There is no such model or document.",
    413: "The body is larger than the server takes.",
    421: "The request came by a name that the server does not go by.",
    429: "Too much waits already; `Retry-After` says after how many seconds to try again.",
    500: "The server failed; its log says how.",
    503: "There was no time, or another process writes; try again after `Retry-After` seconds.",
}
_OF_BODIES = (413,)
_STATES = {"/health": (403, 421), "/ready": (401, 403, 421, 503)}
"""How paths fail that only tell a state."""


def describe(app: FastAPI) -> None:
    """Let `app` describe its errors too."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_errors(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def with_errors(schema: dict[str, Any]) -> dict[str, Any]:
    """A description in which each operation has the errors it may answer with.

    Parameters
    ----------
    schema : dict
        As FastAPI makes it; it is changed.
    """
    parts = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        parts.pop(name, None)
    parts["Error"] = _ERROR
    for path, operations in schema["paths"].items():
        for method in _METHODS:
            if method in operations:
                _add_errors(path, method, operations[method])
    return schema


def _add_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status, text in _FAILS.items():
        if _may_fail(status, path, method, operation):
            responses.setdefault(str(status), _response(status, text))


def _may_fail(status: int, path: str, method: str, operation: dict[str, Any]) -> bool:
    has_body = method == "post"
    if path in _STATES:
        return status in _STATES[path]
    if status in _OF_BODIES:
        return has_body
    if status in (400, 404, 429):
        return has_body or "parameters" in operation
    return True


def _response(status: int, text: str) -> dict[str, Any]:
    kind = TYPES.get(status, "invalid_request_error")
    example = {"error": {"message": text, "type": kind, "param": None, "code": None}}
    content = {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}
    return {"description": text, "content": {"application/json": content}}

"""Requests that are wrong: bytes that are hardly HTTP, and values that no field expects.

The second kind follows the description that the server gives of itself, so that a new route is
covered when it is described there.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

Schema = dict[str, Any]

DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
NUMBERS = [0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, 1e308, -0.0]
NUMBERS += [float("nan"), float("inf"), float("-inf"), True]
TEXTS = ["", " ", "\0", "\ud800", "a\udfffb", "\U0010ffff", "\u202e", "é" * 9, "x" * 70_000, "null"]
TEXTS += ["../../etc/passwd", "%00", "'; --", "NaN", "-1", "1e999", "<script>", "year >", "((((("]
TEXTS += ["not " * 300, "a = 'x' and " * 300 + "a = 'x'", "[" * 5000, "𝒳", "\r\nx: y", "default"]
OTHERS = [None, [], {}, [None], [[]], [0], [-1], [2**70], ["\ud800"], [""], ["x"] * 3000, DEEP]
OTHERS += [{"": ""}, {"\ud800": 1}, {"__class__": "x"}, {"a": {"b": [1, {"c": None}]}}, [[1.5]]]
VALUES = [*NUMBERS, *TEXTS, *OTHERS]
"""What is put in place of a value."""
BODIES = [b"", b"null", b"[]", b'"x"', b"{", b"{}", b'{"a":}', b"\xff\xfe\x00", b"\xef\xbb\xbf{}"]
BODIES += [b"[" * 100_000, b'{"a":' * 50_000, b"1" * 10_000, b'{"a":1}{"a":2}', b"\x1f\x8b\x08\x00"]
BODIES += [b"NaN", b'{"query":"a","query":"b"}', b'{"input":"\xed\xa0\x80"}', b"\0" * 100, b"-"]
TYPES = ["application/json"] * 6
TYPES += ["", "text/plain", "application/json; charset=utf-16", "multipart/form-data", "x", "a/b/c"]


@dataclass(frozen=True)
class Asked:
    """A request that is HTTP."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


# --- By the description of the server -------------------------------------------------------------


class Fields:
    """Makes requests by an OpenAPI description.

    Parameters
    ----------
    described : dict
        As `/openapi.json` has it.
    rng : random.Random
    """

    def __init__(self, described: Schema, rng: random.Random) -> None:
        self._described, self._rng = described, rng
        self.operations = [
            (method.upper(), path, operation)
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
        ]

    def every(self) -> Iterator[Asked]:
        """Every value in every field of every route."""
        for method, path, operation in self.operations:
            for body in BODIES if "requestBody" in operation else []:
                yield Asked(method, self._fill(path, operation), body, _json())
            for name in (parameter["name"] for parameter in operation.get("parameters", [])):
                for value in VALUES:
                    yield self._asked(method, path, operation, {name: value})
            for where in self._places(operation):
                for value in VALUES:
                    yield self._asked(method, path, operation, {}, {where: value})

    def right(self) -> Iterator[Asked]:
        """A request of each route with a body, as its example has it."""
        for method, path, operation in self.operations:
            if "requestBody" in operation:
                yield self._asked(method, path, operation, {})

    def any(self) -> Asked:
        """A few values in a few fields of some route."""
        rng = self._rng
        method, path, operation = rng.choice(self.operations)
        names = [parameter["name"] for parameter in operation.get("parameters", [])]
        names += ["model", "set", "q", "k", "row", "subject", "by", "method", "fields", "unknown"]
        given = {rng.choice(names): rng.choice(VALUES) for _ in range(rng.randrange(4))}
        places = [*self._places(operation), ("unknown",)]
        wrong = {rng.choice(places): rng.choice(VALUES) for _ in range(rng.randrange(4))}
        asked = self._asked(method, path, operation, given, wrong)
        if rng.random() < 0.15:
            method = rng.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
        body = asked.body
        if body is not None and rng.random() < 0.1:
            body = _damaged(body, rng)
        return Asked(method, asked.path, body, {"content-type": rng.choice(TYPES)})

    def _asked(
        self,
        method: str,
        path: str,
        operation: Schema,
        given: dict[str, Any],
        wrong: dict[tuple[str | int, ...], Any] | None = None,
    ) -> Asked:
        place = self._fill(path, operation, given)
        if "requestBody" not in operation:
            return Asked(method, place)
        body = self._instance(self._schema(operation))
        for where, value in (wrong or {}).items():
            body = _put(body, where, value)
        return Asked(method, place, json.dumps(body).encode(), _json())

    def _fill(self, path: str, operation: Schema, given: dict[str, Any] | None = None) -> str:
        given = dict(given or {})
        for parameter in operation.get("parameters", []):
            name = parameter["name"]
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", _quoted(given.pop(name, "a")) or "%20")
            elif parameter.get("required") and name not in given:
                given[name] = self._instance(parameter["schema"], name=name)
        pairs = "&".join(f"{quote(name)}={_quoted(value)}" for name, value in given.items())
        return f"{path}?{pairs}" if pairs else path

    def _schema(self, operation: Schema) -> Schema:
        content = operation.get("requestBody", {}).get("content", {})
        schema: Schema = content.get("application/json", {}).get("schema", {})
        return schema

    def _instance(self, schema: Schema, depth: int = 0, name: str = "") -> Any:
        schema = self._resolved(schema)
        for said in ("examples", "enum"):
            if schema.get(said):
                return copy.deepcopy(schema[said][0])
        if "default" in schema or {"type": "null"} in schema.get("anyOf", []) or depth > 5:
            return copy.deepcopy(schema.get("default"))
        kind = schema.get("type")
        if kind == "object":
            fields = schema.get("properties", {}).items()
            return {name: self._instance(inner, depth + 1, name) for name, inner in fields}
        if kind == "array":
            return [self._instance(schema.get("items", {}), depth + 1, name)]
        text = "word1" if len(name) == 1 else "heat flows"
        plain = {"string": text, "integer": 1, "number": 0.5, "boolean": False}
        return plain.get(str(kind), text)

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            resolved = self._described["components"]["schemas"][name]
            schema = {**resolved, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema

    def _places(self, operation: Schema) -> list[tuple[str | int, ...]]:
        """Every field of a body, by the way to it."""
        found = list(_ways(self._instance(self._schema(operation))))
        named = self._resolved(self._schema(operation)).get("properties", {})
        return [*found, *((name,) for name in named if (name,) not in found)]


def _ways(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner: Sequence[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))[:2]
    for key, one in inner:
        yield (*before, key)
        yield from _ways(one, (*before, key))


def _put(body: Any, where: tuple[str | int, ...], value: Any) -> Any:
    """`body` with a value in a place, if the place is still there."""
    inner = body
    with contextlib.suppress(KeyError, IndexError, TypeError):
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = copy.deepcopy(value)
    return body


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return quote(text[:3000].encode("utf-8", "surrogatepass"), safe="")


def _damaged(body: bytes, rng: random.Random) -> bytes:
    cut = rng.randrange(len(body) + 1)
    return body[:cut] + rng.randbytes(rng.randrange(4)) + body[cut + rng.randrange(3) :]


def _json() -> dict[str, str]:
    return {"content-type": "application/json"}


# --- Bytes ----------------------------------------------------------------------------------------

METHODS = [b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"]
METHODS += [b"get", b"", b"G\0T", b"CONNECT", b"PRI", b"M-SEARCH", b"A" * 5000, b"GET GET", b"\xff"]
TARGETS = [b"/health", b"/v1/search", b"/v1/embeddings", b"/explore/", b"/explore/api/about", b"/"]
TARGETS += [
    b"//",
    b"*",
    b"",
    b"?",
    b"#",
    b"http://evil.example/health",
    b"localhost:80",
    b"/%",
    b"/%zz",
]
TARGETS += [b"/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/explore/../../etc/passwd"]
TARGETS += [b"/explore/%2e%2e/%2e%2e/pyproject.toml", b"/explore/..%2f..%2fsubject.py"]
TARGETS += [b"/explore/..%5c..%5csubject.py", b"/explore/%00", b"/explore/js/main.js%00.css"]
TARGETS += [b"/explore//etc/passwd", b"/explore/%2fetc%2fpasswd", b"/explore/" + b"a/" * 3000]
TARGETS += [b"/explore/" + b"a" * 300, b"/\xff\xfe", b"/%ff%fe", b"/a b", b"/" + b"x" * 9000]
TARGETS += [b"/explore/api/map?set=../..&method=%00", b"/explore/api/find?q=%ed%a0%80&k=1e9"]
TARGETS += [b"/v1/documents/..%2f..%2fx", b"/v1/models/%2e%2e/%00", b"/explore/api/%2e%2e/about"]
TARGETS += [b"/explore/?" + b"&" * 4000, b"/explore/api/about?subject=9&subject=-1", b"/\x01"]
VERSIONS = [b"HTTP/1.1"] * 12 + [
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/9.9",
    b"",
    b"http/1.1",
]
VERSIONS += [b"HTTP/1.1 x", b"HTTP/11", b"HTTQ/1.1"]
HOSTS = [b"Host: localhost\r\n"] * 12 + [
    b"",
    b"Host:\r\n",
    b"Host: evil.example\r\n",
    b"Host: \xff\r\n",
]
HOSTS += [b"Host: localhost\r\nHost: localhost\r\n", b"Host: localhost/x\r\n", b"Host: a b\r\n"]
HOSTS += [b"Host: localhost:99999999999\r\n", b"Host: [::1\r\n", b"Host : localhost\r\n"]
HEADERS = [b"Connection: close", b"Connection: keep-alive", b"Expect: 100-continue", b"Expect: x"]
HEADERS += [
    b"Content-Length: -1",
    b"Content-Length: abc",
    b"Content-Length: +5",
    b"Content-Length: 0x10",
]
HEADERS += [b"Content-Length: 99999999999999999999", b"Content-Length: 7", b"Content-Length: 0"]
HEADERS += [b"Content-Length: 7\r\nContent-Length: 9", b"Content-Length: 5, 5", b"Content-Length:"]
HEADERS += [b"Transfer-Encoding: chunked", b"Transfer-Encoding: xchunked"]
HEADERS += [b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked"]
HEADERS += [b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Transfer-Encoding:\x0bchunked"]
HEADERS += [b"Upgrade: websocket\r\nConnection: upgrade", b"Upgrade: h2c\r\nConnection: upgrade"]
HEADERS += [
    b"no colon",
    b": empty",
    b"x: \0",
    b"x: \xff\xfe",
    b"x : y",
    b"x:y\r\n folded",
    b"\xff: y",
]
HEADERS += [b"x: " + b"y" * 100_000, b"\r\n".join(b"h%d: v" % n for n in range(3000))]
HEADERS += [
    b"Content-Type: text/plain",
    b"Content-Type: \xff",
    b"Content-Encoding: gzip",
]
HEADERS += [
    b"Range: bytes=0-,0-,0-",
    b"Range: bytes=9999999999-",
    b"Range: bytes=-",
    b"Range: x=1-2",
]
HEADERS += [b"Range: bytes=" + b"0-1," * 5000, b"If-None-Match: \xff", b"If-Modified-Since: \xff"]
HEADERS += [b"If-Range: x\r\nRange: bytes=0-1", b"Authorization: Bearer \xff", b"Authorization:"]
HEADERS += [b"Origin: null", b"Origin: \xff", b"Origin: http://localhost\r\nOrigin: null"]
HEADERS += [
    b"Origin: http://localhost\r\nAccess-Control-Request-Method: \xff",
    b"X-Request-Id: \xff",
]
HEADERS += [b"X-Forwarded-For: evil", b"X-Forwarded-Host: evil.example", b"Sec-Fetch-Site: \xff"]
HEADERS += [b"Accept-Encoding: gzip;q=x", b"Accept: */*;q=zz", b"Cookie: " + b"a=b;" * 2000]
ENDS = [b"\n", b"", b"\r", b"\r\n\r\n", b"\0"]
CHUNKS = [
    b"2\r\n{}\r\n0\r\n\r\n",
    b"zz\r\nx\r\n",
    b"-1\r\nx\r\n",
    b"ffffffffffffffffff\r\nx",
    b"5\r\nab",
]
CHUNKS += [
    b"2;" + b"e" * 5000 + b"\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}xx0\r\n\r\n",
    b"0\r\nHost: evil\r\n\r\n",
]
CHUNKS += [
    b"2\n{}\n0\n\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b" 2\r\n{}\r\n0\r\n\r\n",
    b"0\r\n" + b"t: v\r\n" * 9000,
]


def raw(rng: random.Random) -> bytes:
    """Bytes that are nearly a request, with a defect or two."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(1, 3000))
    wrong = set(rng.choices(["line", "target", "host", "header", "end", "body"], k=2))
    posts = rng.random() < 0.5
    line = [b"POST" if posts else b"GET", b"/v1/search" if posts else b"/health", b"HTTP/1.1"]
    if "line" in wrong:
        line = [rng.choice(METHODS), line[1], rng.choice(VERSIONS)]
    if "target" in wrong:
        line[1] = rng.choice(TARGETS)
    host = rng.choice(HOSTS) if "host" in wrong else HOSTS[0]
    headers = rng.choices(HEADERS, k=rng.randrange(1, 3)) if "header" in wrong else []
    body = rng.choice([*CHUNKS, *BODIES]) if "body" in wrong else b'{"query":"heat"}'
    if posts:
        body_length = b"Content-Length: %d" % len(body)
        is_chunked = body in CHUNKS or rng.random() < 0.1
        headers += [b"Content-Type: application/json"]
        headers += [b"Transfer-Encoding: chunked" if is_chunked else body_length]
    end = rng.choice(ENDS) if "end" in wrong else b"\r\n"
    head = b" ".join(line) + b"\r\n" + host + b"".join(one + b"\r\n" for one in headers)
    message = head + end + (body if posts else b"")
    if rng.random() < 0.1:
        message = message[: rng.randrange(1, len(message) + 1)]
    return message * 3 if rng.random() < 0.05 else message

"""Stands around all routes: who may ask, how much, and what every answer carries.

The order matters. Nothing of a body is read before a request has shown a name of this server, an
origin that may call it and the token; nothing of the application runs before the body is there and
within bounds; and no error leaves but in the shape of `errors.py`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import sys
import time
from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from rowspace.serve.answer import Answer
from rowspace.serve.bodies import Bodies, ClientLeftError, replay
from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import CLIENT_LEFT, ApiError, told_to_log
from rowspace.serve.headers import is_page
from rowspace.serve.hosts import comes_from_elsewhere, is_own_host, is_own_origin
from rowspace.serve.life import Life
from rowspace.serve.metrics import Metrics
from rowspace.serve.protocol import CROWDED

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MAX_URL = 8192
"""Bytes of an address with its query."""
ALWAYS_ANSWERED = ("/health", "/ready")
"""However much is going on, and while the server drains."""
PREFLIGHT_SECONDS = 600
"""How long a browser may remember that a site may call."""

_ONCE = (b"host", b"origin", b"authorization", b"content-type", b"content-length")
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_NAMES = re.compile(r"[\w, -]{1,1000}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_logger = logging.getLogger("rowspace")

Headers = dict[bytes, bytes]


class Guard:
    """The middleware around an application.

    Parameters
    ----------
    app : callable
        Of ASGI.
    config : ServeConfig
    life : Life
    metrics : Metrics
    """

    def __init__(self, app: ASGIApp, config: ServeConfig, life: Life, metrics: Metrics) -> None:
        self._app, self._config, self._life, self._metrics = app, config, life, metrics
        self._bodies = Bodies(config)
        self._token = None if config.token is None else config.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; websockets are not offered."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        headers = dict(reversed(scope["headers"]))  # of several the first
        answer = Answer(scope, send, self._life, _request_id(headers))
        self._life.running += 1
        try:
            await self._pass(scope, headers, receive, answer)
        except ApiError as error:  # of this file: routes' own are answered within
            scope.setdefault("state", {})["refusal"] = error.code
            await answer.refuse(error, receive if _has_body(headers) else None)
        except ClientLeftError:
            pass
        except asyncio.CancelledError:
            if not self._life.draining:
                raise
            await answer.refuse(_ends())
        except Exception as error:
            _logger.error("request %s failed by %s", answer.request_id, told_to_log(error))
            answer.closes = True
            await answer.refuse(_bug(answer.request_id))
        finally:
            self._life.running -= 1
            self._note(scope, answer, time.perf_counter() - begun)

    async def _pass(self, scope: Scope, headers: Headers, receive: Receive, answer: Answer) -> None:
        """Everything that is asked of a request, then the application."""
        self._check_load(scope, answer)
        check_head(scope, self._config)
        answer.closes |= b"upgrade" in headers  # what follows would be of another protocol
        if self._check_origin(scope, headers, answer):
            await answer.plain(204, _preflight(headers))
            return
        self._check_token(scope, headers)
        body = await self._bodies.read(receive, _declared(headers))
        try:
            await self._app(scope, replay(body, receive), answer.send)
        finally:
            self._bodies.forget(body)

    def _check_load(self, scope: Scope, answer: Answer) -> None:
        crowded = scope.get("state", {}).get(CROWDED, False)
        answer.closes = crowded
        if scope["path"] in ALWAYS_ANSWERED:
            return
        if self._life.draining:
            raise _ends()
        if crowded or self._life.running > self._config.max_requests:
            raise ApiError(
                503,
                "too many requests are being answered; try again in a second",
                code="overloaded",
                headers={"retry-after": "1"},
            )

    def _check_origin(self, scope: Scope, headers: Headers, answer: Answer) -> bool:
        """Whether the request only asks if another may be sent."""
        host = headers[b"host"].decode("latin-1")
        if not is_own_host(host, self._config):
            raise ApiError(
                421,
                "this server does not go by the name in the Host header; call it by its address, "
                "or start it with --allow-host",
                code="unknown_host",
            )
        answer.vary = bool(self._config.origins)
        if b"origin" not in headers:
            page = is_page(scope["method"], scope["path"])
            if comes_from_elsewhere(headers, page):
                raise _foreign()
            return False
        origin = headers[b"origin"].decode("latin-1")
        if origin in self._config.origins:
            answer.origin = origin
            return scope["method"] == "OPTIONS" and b"access-control-request-method" in headers
        if not is_own_origin(origin, host):
            raise _foreign()
        return False

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        if self._token is None or scope["path"] == "/health":
            return
        if is_page(scope["method"], scope["path"]):  # it asks for the token itself
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not secrets.compare_digest(given.strip(), self._token):
            raise ApiError(
                401,
                "the token is missing or wrong; send it as `Authorization: Bearer TOKEN`",
                code="invalid_api_key",
                headers={"www-authenticate": 'Bearer realm="rowspace"'},
            )

    def _note(self, scope: Scope, answer: Answer, seconds: float) -> None:
        """Count a request, and write its line where that is asked for: never what it said."""
        status = CLIENT_LEFT if answer.status is None else answer.status
        route, method = _route(scope), _method(scope)
        self._metrics.finished(route, method, status, seconds)
        refusal = scope.get("state", {}).get("refusal")
        if refusal is not None:
            self._metrics.refused(refusal)
        if self._config.log:
            moment = time.strftime("%Y-%m-%dT%H:%M:%S")
            line = f"{moment} {method} {route} {status} {seconds * 1e3:.1f} ms {answer.request_id}"
            print(line, file=sys.stderr, flush=True)


def check_head(scope: Scope, config: ServeConfig) -> None:
    """Refuse a request whose method, address or headers are none that a route could answer.

    Raises
    ------
    ApiError
    """
    if scope["method"] not in METHODS:
        allowed = {"allow": ", ".join(METHODS)}
        raise ApiError(405, "no address takes this method", code="bad_method", headers=allowed)
    url = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if url > MAX_URL:
        raise ApiError(414, f"the address has more than {MAX_URL:,} bytes", code="long_address")
    size = url + sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size > config.max_head:
        message = f"the headers have more than {config.max_head:,} bytes; send fewer"
        raise ApiError(431, message, code="long_headers")
    if _CONTROL.search(scope["path"]):
        raise ApiError(400, "the address has control characters in it", code="bad_address")
    counts = Counter(name for name, _ in scope["headers"] if name in _ONCE)
    if counts[b"host"] != 1 or any(n > 1 for n in counts.values()):
        message = "send the header Host once, and Origin, Authorization and Content-* at most once"
        raise ApiError(400, message, code="bad_headers")
    headers = dict(scope["headers"])
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise ApiError(415, "the body is compressed; send it as it is", code="compressed")
    if b"upgrade" in headers and _has_body(headers):
        raise ApiError(400, "there is no other protocol to upgrade to", code="bad_headers")


def _has_body(headers: Headers) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _declared(headers: Headers) -> int | None:
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() else None


def _preflight(headers: Headers) -> dict[str, str]:
    """What another site may send. Its page's libraries add headers of their own: they may."""
    asked = headers.get(b"access-control-request-headers", b"").decode("latin-1")
    answer = {
        "access-control-allow-methods": ", ".join(METHODS),
        "access-control-max-age": str(PREFLIGHT_SECONDS),
    }
    if _NAMES.fullmatch(asked):
        answer["access-control-allow-headers"] = asked
    if headers.get(b"access-control-request-private-network") == b"true":
        answer["access-control-allow-private-network"] = "true"
    return answer


def _request_id(headers: Headers) -> str:
    """The client's, if it is one that can be logged, or a new one."""
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if _ID.fullmatch(given) else secrets.token_hex(8)


def _route(scope: Scope) -> str:
    """The route's template, so that neither ids nor what nobody serves become names."""
    template = getattr(scope.get("route"), "path_format", None)
    if template is None:
        return "/explore/" if is_page("GET", scope["path"]) else "none"
    # A route may know its path without the prefix that it was included with.
    path: str = scope["path"]
    filled = template.format(**scope.get("path_params", {}))
    prefix = path.removesuffix(filled) if path.endswith(filled) else ""
    return f"{prefix}{template}"


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "other"


def _bug(request_id: str) -> ApiError:
    message = f"the server failed; its log tells more about the request {request_id}"
    return ApiError(500, message, code="internal_error")


def _ends() -> ApiError:
    message = "the server is ending; try again in a few seconds"
    return ApiError(503, message, code="draining", headers={"retry-after": "5"})


def _foreign() -> ApiError:
    message = "pages of this origin may not call; start the server with --allow-origin to let them"
    return ApiError(403, message, code="foreign_origin")

"""One answer on its way out: its headers completed, its status kept for the log."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from rowspace.serve.bodies import linger
from rowspace.serve.errors import ApiError
from rowspace.serve.headers import add_headers, is_page
from rowspace.serve.life import Life

EXPOSED = "x-request-id, retry-after"


class Answer:
    """What is sent to a request.

    Parameters
    ----------
    scope : mapping
        Of ASGI.
    send : callable
        Of ASGI.
    life : Life
    request_id : str
    """

    def __init__(self, scope: Scope, send: Send, life: Life, request_id: str) -> None:
        self._send, self._life, self.request_id = send, life, request_id
        self._page = is_page(scope["method"], scope["path"])
        self._head = scope["method"] == "HEAD"
        self.status: int | None = None
        """None until it begins."""
        self.origin: str | None = None
        """The other site that may read it."""
        self.vary = False
        """Whether another origin would get another."""
        self.closes = False
        """Whether the connection ends with it."""

    async def send(self, message: Message) -> None:
        """Send a message of ASGI, the first with complete headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._complete(MutableHeaders(raw=message.setdefault("headers", [])))
        await self._send(message)

    async def refuse(self, error: ApiError, receive: Receive | None = None) -> None:
        """Send an error, unless something was sent already.

        Parameters
        ----------
        error : ApiError
        receive : callable, optional
            Where there may be a body that was not read: the connection ends after the answer.
        """
        if self.status is not None:
            return
        self.closes = self.closes or receive is not None
        body = json.dumps(error.body()).encode()
        await self.plain(
            error.status, {"content-type": "application/json", **error.headers}, body, receive
        )

    async def plain(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes = b"",
        receive: Receive | None = None,
    ) -> None:
        """Send a whole answer."""
        fields = dict(headers) if status == 204 else {**headers, "content-length": str(len(body))}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})
        more = receive is not None
        sent = b"" if self._head else body
        await self.send({"type": "http.response.body", "body": sent, "more_body": more})
        if receive is not None:
            await linger(receive, self._send)

    def _complete(self, headers: MutableHeaders) -> None:
        assert self.status is not None
        add_headers(headers, page=self._page, status=self.status)
        headers["x-request-id"] = self.request_id
        if self.closes or self._life.draining:
            headers["connection"] = "close"
        if self.vary:
            headers.add_vary_header("Origin")
        if self.origin is not None:
            headers["access-control-allow-origin"] = self.origin
            headers["access-control-expose-headers"] = EXPOSED

"""The connection below HTTP: bounds on what comes before a request is one.

Uvicorn's protocol over httptools keeps a head of any length, waits for one for ever, and tells of
broken HTTP in a shape of its own. All three are put right here; the guard sees whole requests only.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from rowspace.serve.errors import error_body
from rowspace.serve.headers import ALWAYS, DATA_POLICY

HEAD_SECONDS = 10.0
"""What a head may take to arrive, from the connection's or the request's first byte."""
MAX_QUIET = 1 << 16
"""Bytes that may come without being a whole head or part of a body: an endless header, the trailers
or the extensions of a chunked body."""
CROWDED = "crowded"
"""What a request's state says of a connection that is one too many."""
SEND_SECONDS = 60.0
"""How long a client may leave what is sent to it unread."""


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with bounds."""

    _quiet = 0
    _in_head = True
    _deaf = False
    """Whether what comes is nonsense, and only waited for is what is asked already."""
    _head_clock: asyncio.TimerHandle | None = None
    _send_clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there; its first head is waited for."""
        super().connection_made(cast(asyncio.Transport, _Patient(transport)))
        # Uvicorn's own answer to too many would not be in our shape.
        limit, self.limit_concurrency = self.config.limit_concurrency or 0, None
        # Those that were there before go on: else a crowd that comes again and again shuts out all.
        self._is_crowded = len(self.connections) > limit
        if len(self.connections) > 2 * limit:
            transport.abort()
            return
        self._head_clock = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        _cancel(self._head_clock)
        _cancel(self._send_clock)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is too much of nothing."""
        if self._deaf or self.transport.is_closing():
            return
        self._quiet += len(data)
        super().data_received(data)
        if self._quiet > MAX_QUIET and not self.transport.is_closing():
            self._end(431, f"the headers have more than {MAX_QUIET:,} bytes; send fewer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of a head; what comes after the body is no header of the request."""
        if self._in_head:
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._in_head = True
        if self._head_clock is None:
            self._head_clock = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head, self._quiet = False, 0
        _cancel(self._head_clock)
        self._head_clock = None
        self.scope["state"][CROWDED] = self._is_crowded
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._quiet = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._in_head, self._quiet = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is sent."""
        is_last = not self.pipeline
        super().on_response_complete()
        if self._deaf and is_last:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read what it is sent."""
        super().pause_writing()
        self._abort_later()

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        _cancel(self._send_clock)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked; what is still unread is not waited for endlessly."""
        super().timeout_keep_alive_handler()
        self._abort_later()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._end(400, "this is no HTTP/1.1 request, or a broken one")

    def _unsupported_upgrade_warning(self) -> None:
        """The guard answers it."""

    def _too_slow(self) -> None:
        if not self.cycle and not self._quiet:  # nothing was said: a probe, or a spare one
            self.transport.close()
            return
        self._end(408, f"the headers did not arrive in {HEAD_SECONDS:g} seconds; send them at once")

    def _end(self, status: int, message: str) -> None:
        """Tell what is wrong and hang up, after the answers that whole requests still get."""
        cycle = self.cycle
        if self.pipeline and cycle.more_body:  # the broken one waits behind others
            self.pipeline.popleft()
            self._deaf = True
            return
        if cycle and not cycle.more_body and not cycle.response_complete:
            self._deaf = True
            return
        if not cycle or cycle.response_complete or not cycle.response_started:
            self.transport.write(_answer(status, message))
        if cycle:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def _abort_later(self) -> None:
        _cancel(self._send_clock)
        self._send_clock = self.loop.call_later(SEND_SECONDS, self.transport.abort)


class _Patient:
    """A transport to which one may write when the client has left, as to asyncio's own.

    uvloop's raises, which would look like an error of the application.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _cancel(clock: asyncio.TimerHandle | None) -> None:
    if clock is not None:
        clock.cancel()


def _answer(status: int, message: str) -> bytes:
    body = json.dumps(error_body(status, message)).encode()
    headers = {
        **ALWAYS,
        "content-security-policy": DATA_POLICY,
        "cache-control": "no-store",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[status] + lines.encode() + b"\r\n" + body

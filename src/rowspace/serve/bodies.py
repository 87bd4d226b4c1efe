"""Reads a request's body within bounds, before anything else looks at it."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import Message, Receive, Send

from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import ApiError

HELD = 8
"""How many of the largest bodies are kept at once, of all requests together."""
LINGER_SECONDS = 1.0
"""How long what a refused client still sends is read, so that it comes to read the answer."""


class ClientLeftError(Exception):
    """The connection ended before the body did."""


class Bodies:
    """The bodies of all requests that are being answered.

    Parameters
    ----------
    config : ServeConfig
    """

    def __init__(self, config: ServeConfig) -> None:
        self._max_body, self._seconds = config.max_body, config.body_seconds
        self._held = 0

    async def read(self, receive: Receive, declared: int | None) -> bytes:
        """The body. Of one that is too large no more is kept than what is allowed.

        Parameters
        ----------
        receive : callable
            Of ASGI.
        declared : int or None
            What `Content-Length` says.

        Raises
        ------
        ApiError
            If it is too large (413), too slow (408), or too much is kept already (503).
        ClientLeftError
        """
        if declared is not None and declared > self._max_body:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._gather(receive)
        except TimeoutError:
            raise ApiError(
                408,
                f"the body did not arrive in {self._seconds:g} seconds; send it at once, or less",
                code="request_timeout",
            ) from None

    def forget(self, body: bytes) -> None:
        """Make room, when a request is answered."""
        self._held -= len(body)

    async def _gather(self, receive: Receive) -> bytes:
        body = bytearray()
        try:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientLeftError
                part = message.get("body", b"")
                self._check(len(body) + len(part), len(part))
                body += part
                self._held += len(part)
                if not message.get("more_body", False):
                    return bytes(body)
        except BaseException:
            self._held -= len(body)
            raise

    def _check(self, size: int, more: int) -> None:
        if size > self._max_body:
            raise self._too_large()
        if self._held + more > HELD * self._max_body:
            raise ApiError(
                503,
                "too many large requests are being answered; try again in a second",
                code="overloaded",
                headers={"retry-after": "1"},
            )

    def _too_large(self) -> ApiError:
        return ApiError(
            413,
            f"the body has more than {self._max_body:,} bytes; send less in one request",
            code="request_too_large",
        )


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body which was read, then what else `receive` has to tell."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def linger(receive: Receive, send: Send) -> None:
    """Read on for a moment after an answer's last byte but before the connection is closed.

    A connection that is closed with bytes unread is reset, and the client may lose the answer.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (message := await receive())["type"] == "http.request":
                if not message.get("more_body", False):
                    break
    await send({"type": "http.response.body", "body": b"", "more_body": False})

"""Servers of the tests: a tiny encoder, routes that are slow or broken, and raw connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request

from rowspace.serve import run
from rowspace.serve.app import create_app
from rowspace.serve.config import ServeConfig
from rowspace.serve.run import running
from rowspace.serve.served import Served
from tests.search.stub import HashEncoder

TOKEN = "a token of 🦉 the tests".replace(" ", "-")
SECRET = "a text that nobody else may see"


def stub() -> Served:
    return Served("stub", Path(), encoder=HashEncoder())


def app_with_more(served: Served, config: ServeConfig | None = None) -> FastAPI:
    """The application with routes that only tests need."""
    app = create_app(served, config)

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.get("/slow")
    async def slow(seconds: float = 0.5) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @app.get("/stuck")
    def stuck(seconds: float = 60) -> str:
        time.sleep(seconds)
        return "done"

    @app.get("/large")
    async def large() -> str:
        return "x" * (1 << 24)

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError(SECRET)

    return app


@contextlib.contextmanager
def serving(patch: pytest.MonkeyPatch, **settings: Any) -> Iterator[str]:
    """A server with those routes; gives its address."""
    patch.setattr(run, "create_app", app_with_more)
    with running(stub(), ServeConfig(port=0, **settings)) as address:
        yield address


def connect(address: str) -> socket.socket:
    place = urlsplit(address)
    assert place.hostname is not None
    return socket.create_connection((place.hostname, place.port or 80), timeout=10)


def talk(address: str, *parts: bytes) -> bytes:
    """Send bytes as they are; gives all that comes until the server hangs up."""
    with connect(address) as connection:
        for part in parts:
            connection.sendall(part)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(1 << 16):
        found += part
    return found


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer[9:12])


def wait_for(ask: Callable[[], bool], seconds: float = 20) -> None:
    """Until `ask` says yes; an answer that did not come is a no."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            if ask():
                return
        time.sleep(0.02)
    raise AssertionError("it never came")

"""A server on this machine that speaks OpenAI's protocol, and misbehaves when told to."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

Reply = Callable[["Handler", Any], None]
"""Answers one request, of which it is given the body."""


@dataclass
class Server:
    """What it was asked, and how it will answer."""

    url: str = ""
    bodies: list[Any] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    troubles: list[Reply] = field(default_factory=list)
    """How the next requests are answered; then `usual` answers."""
    usual: Reply | None = None
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end, for a reply that hangs until then."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        """All texts it was asked to embed."""
        return [text for body in self.bodies for text in body["input"]]


class Handler(BaseHTTPRequestHandler):
    state: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.state.lock:
            self.state.bodies.append(body)
            self.state.keys.append(self.headers.get("Authorization"))
            reply = self.state.troubles.pop(0) if self.state.troubles else self.state.usual
        assert reply is not None
        with contextlib.suppress(ConnectionError):
            reply(self, body)

    def send(self, status: int, body: Any, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *_: Any) -> None:
        return


@contextlib.contextmanager
def serve(usual: Reply) -> Iterator[Server]:
    state = Server(usual=usual)
    handler = type("OneHandler", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def status(code: int, message: str = "out of order", **headers: str) -> Reply:
    """An answer that is an error."""
    return lambda handler, _: handler.send(code, {"error": {"message": message}}, **headers)


def says(body: Any) -> Reply:
    """An answer, whatever was asked."""
    return lambda handler, _: handler.send(200, body)


def hang(handler: Handler, _: Any) -> None:
    handler.state.released.wait(10)


def drop(handler: Handler, _: Any) -> None:
    handler.close_connection = True


def cut_short(handler: Handler, _: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.close_connection = True


def vector_of(text: str, dim: int = 4) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vector that `embed` gives a text: counts of some characters, not a whole number."""
    counts = [text.count(letter) + len(text) / 7 for letter in "aeiou"[:dim]]
    return np.array(counts, dtype=np.float32)


def embed(handler: Handler, body: Any) -> None:
    """Embeddings as base64, as OpenAI answers when asked for it."""
    assert body["encoding_format"] == "base64"
    data = [
        {"index": i, "embedding": base64.b64encode(vector_of(text).tobytes()).decode()}
        for i, text in enumerate(body["input"])
    ]
    handler.send(200, {"data": data})


def embed_shuffled(handler: Handler, body: Any) -> None:
    """Embeddings as lists, in another order than asked."""
    data = [
        {"index": i, "embedding": [float(x) for x in vector_of(text)]}
        for i, text in enumerate(body["input"])
    ]
    handler.send(200, {"data": data[1::2] + data[::2]})

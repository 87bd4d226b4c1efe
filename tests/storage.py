"""An S3 server on this machine for tests, and a proxy in front of it that fails some requests."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

BUCKET = "bucket"
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret"}
FAULTS = ("500", "503", "closed", "done, then closed", "done, then 500")
_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "server", "date"}


@dataclass
class Seen:
    """What went through the proxy."""

    requests: Counter[str] = field(default_factory=Counter)
    """By method."""
    bytes: int = 0
    """Of bodies, both ways."""
    faults: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        self.requests.clear()
        self.faults.clear()
        self.bytes = 0


class Proxy:
    """Hands requests on to a server; by `share` and a seed, some go wrong on the way."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.share = 0.0
        self.random = random.Random(0)
        self.seen = Seen()
        self.lock = threading.Lock()
        self.before: Callable[[str, str], None] = lambda method, path: None
        """Called with each request's method and path before it is handed on."""
        proxy = self

        class Handler(_Handler):
            through = proxy

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def fault(self) -> str | None:
        """What goes wrong with the next request; None mostly."""
        with self.lock:
            if self.random.random() >= self.share:
                return None
            fault = self.random.choice(FAULTS)
            self.seen.faults[fault] += 1
            return fault

    @contextlib.contextmanager
    def failing(self, share: float, seed: int = 0) -> Iterator[Seen]:
        """Let a share of the requests fail."""
        self.random, self.share = random.Random(seed), share
        self.seen.clear()
        try:
            yield self.seen
        finally:
            self.share = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may be killed: nothing is printed of those that hang up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a body waits 40 ms for the word that its headers came
    through: Proxy

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy = self.through
        proxy.before(self.command, self.path)
        fault = proxy.fault()
        if fault in ("500", "503"):
            return self._answer(int(fault), {}, b"")
        if fault == "closed":
            return self._close()
        status, headers, answer = self._ask(body)
        with proxy.lock:
            proxy.seen.requests[self.command] += 1
            proxy.seen.bytes += len(body) + len(answer)
        if fault == "done, then closed":
            return self._close()
        if fault == "done, then 500":
            return self._answer(500, {}, b"")
        return self._answer(status, headers, answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.through.upstream, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, dict(answer.getheaders()), data
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = next((v for k, v in headers.items() if k.lower() == "content-length"), None)
        is_head = self.command == "HEAD"
        self.send_header("Content-Length", length or "0" if is_head else str(len(data)))
        self.end_headers()
        if not is_head:
            self.wfile.write(data)

    def _close(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def s3_server() -> Iterator[Proxy]:
    """A server with an empty bucket, behind a proxy."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    proxy = Proxy(port)
    thread = threading.Thread(target=proxy.server.serve_forever, daemon=True)
    thread.start()
    client = boto3.client(
        "s3",
        endpoint_url=proxy.url,
        region_name="us-east-1",
        aws_access_key_id="tester",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join()
        server.stop()


def use(monkeypatch: pytest.MonkeyPatch, proxy: Proxy, cache: os.PathLike[str] | str) -> None:
    """Let commands find the server, and keep their copies in a folder of the test."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setenv("ROWSPACE_CACHE", str(cache))

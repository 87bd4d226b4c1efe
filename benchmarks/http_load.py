"""A load of requests from many clients, at little cost: bytes made before, answers only split."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 120
"""Seconds that a server has to come up."""


@dataclass
class Load:
    """What a load came to."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    """Seconds from each request to its whole answer, in the order of the answers."""
    statuses: list[int] = field(default_factory=list)
    processor_seconds: float = 0.0
    """What making the load took of a core."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    def wait_ms(self, percent: float) -> float:
        """The wait that so many percent of the requests did not exceed."""
        waits = sorted(self.waits)
        return 1000 * waits[min(len(waits) - 1, int(len(waits) * percent / 100))]


@contextlib.contextmanager
def server(arguments: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that listens on a port, ended afterwards."""
    with _ended(subprocess.Popen([sys.executable, *arguments])) as process:
        _await(process, port)
        yield process


@contextlib.contextmanager
def rowspace_server(arguments: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`rowspace serve` at a free port, once all its workers take requests; and that port.

    The socket of several workers takes connections before they do: the printed address says when.
    """
    command = [sys.executable, "-m", "rowspace", "serve", *arguments, "--port", "0"]
    with _ended(subprocess.Popen(command, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        if not address:
            sys.exit(f"no server came up: {' '.join(command)}")
        yield process, int(address.rpartition(":")[2])


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit(f"no server came up on port {port}")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def request_bytes(fields: dict[str, Any], path: str = "/v1/embeddings") -> bytes:
    """A request as it is sent."""
    body = json.dumps(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def ask(port: int, request: bytes) -> tuple[int, bytes]:
    """The status and body of one request's answer."""

    async def once() -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await exchange(reader, writer, request)
        finally:
            writer.close()

    return asyncio.run(once())


def run_load(port: int, requests: Sequence[bytes], n_clients: int) -> Load:
    """Send all, each client its next as soon as it has its answer, on a connection it keeps."""
    return asyncio.run(_load(port, requests, n_clients))


async def _load(port: int, requests: Sequence[bytes], n_clients: int) -> Load:
    load, left = Load(), iter(requests)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in left:
            started = time.perf_counter()
            status, _ = await exchange(reader, writer, request)
            load.waits.append(time.perf_counter() - started)
            load.statuses.append(status)
        writer.close()

    started, processor = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(n_clients)))
    load.seconds = time.perf_counter() - started
    load.processor_seconds = time.process_time() - processor
    return load


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """Send a request on a connection; gives the status and the body of its answer."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    after = head.index(b"content-length:") + len(b"content-length:")
    length = int(head[after : head.index(b"\r\n", after)])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from rowspace.serve import protocol
from tests.serve.servers import connect, read_all, serving, status_of, talk, wait_for

HEAD = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, serving(patch) as address:
        yield address


def _send_until_closed(address: str, start: bytes, part: bytes) -> tuple[int, bytes]:
    """Send a start and then the same part again and again: how many bytes went, and the answer."""
    sent = 0
    with connect(address) as connection:
        connection.sendall(start)
        try:
            while sent < 1 << 24:
                sent += connection.send(part)
        except OSError:
            pass
        try:
            return sent, read_all(connection)
        except OSError:
            return sent, b""


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET /health HTTP/1.1\r\nx-long: ",
        b"GET /health HTTP/1.1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nx-trailer: ",
    ],
)
def test_what_never_becomes_a_request_is_cut_off(server: str, start: bytes) -> None:
    part = b"x: y\r\n" * 2000 if start.endswith(b"\r\n") else b"x" * 8192
    sent, answer = _send_until_closed(server, start, part)
    assert sent < 1 << 23  # what the buffers of both ends hold, of 16 MB
    assert not answer or status_of(answer) in (431, 400)
    assert httpx.get(f"{server}/health").status_code == 200


def test_trailers_do_not_become_headers(server: str) -> None:
    chunks = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n"
    trailers = b"Host: evil.example\r\nOrigin: null\r\n\r\n"
    assert status_of(talk(server, HEAD, chunks, trailers)) == 200


def test_a_head_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with serving(monkeypatch) as address:
        assert status_of(talk(address, b"GET /health HTTP/1.1\r\nHost:")) == 408
        assert talk(address) == b""  # who said nothing is told nothing
        with connect(address) as drips:
            answer = _drip(drips)
        assert status_of(answer) == 408
        whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answers = talk(address, whole, b"GET /health")  # on a kept connection too
        assert answers.count(b"HTTP/1.1 200") == 1
        assert answers.count(b"HTTP/1.1 408") == 1


def _drip(connection: socket.socket) -> bytes:
    connection.sendall(b"GET /health HTTP/1.1\r\n")
    connection.settimeout(0.05)
    for _ in range(100):
        try:
            return connection.recv(1 << 16)
        except TimeoutError:
            connection.sendall(b"x")
    raise AssertionError("never given up")


def test_nonsense_after_a_request_does_not_cost_its_answer(server: str) -> None:
    asks = b"GET /slow?seconds=0.2 HTTP/1.1\r\nHost: localhost\r\n\r\nnonsense\r\n\r\n"
    answers = talk(server, asks)
    assert answers.count(b"HTTP/1.1") == 1
    assert status_of(answers) == 200


def test_a_request_that_breaks_off_does_not_cost_the_answer_before_it(server: str) -> None:
    asks = b"GET /slow?seconds=0.1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    broken = HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    answers = talk(server, asks * 2 + broken)
    assert answers.count(b"HTTP/1.1 200") == answers.count(b"HTTP/1.1") == 2


def test_a_client_that_leaves_is_no_failure(server: str, caplog: pytest.LogCaptureFixture) -> None:
    before = _running(server)
    for _ in range(20):
        with connect(server) as connection:
            connection.sendall(b"GET /slow?seconds=0.1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: _running(server) == before)
    assert caplog.text == ""


def _running(address: str) -> float:
    text = httpx.get(f"{address}/metrics").text
    return float(text.partition("\nrowspace_requests_running ")[2].partition("\n")[0])


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SEND_SECONDS", 0.2)
    with serving(monkeypatch) as address, socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect((urlsplit(address).hostname, urlsplit(address).port))
        lazy.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        wait_for(lambda: _is_gone(lazy))
        assert httpx.get(f"{address}/health").status_code == 200


def _is_gone(connection: socket.socket) -> bool:
    try:
        connection.send(b"x")
    except OSError:
        return True
    return False


def test_what_is_beyond_the_connections_is_told_or_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(monkeypatch, max_requests=2) as address:  # 4 connections, 8 at the very most
        open_ones = [connect(address) for _ in range(6)]
        try:
            wait_for(lambda: httpx.get(f"{address}/none").status_code == 503)
            assert httpx.get(f"{address}/health").status_code == 200
            open_ones += [connect(address) for _ in range(6)]
            assert talk(address) == b""
        finally:
            for one in open_ones:
                one.close()
        wait_for(lambda: httpx.get(f"{address}/none").status_code == 404)

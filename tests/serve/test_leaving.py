"""Clients that leave before they are answered, over real connections."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rowspace.search.space import Space, open_space
from rowspace.serve.config import ServeConfig
from rowspace.serve.run import running
from rowspace.serve.served import Served
from tests.search.stub import document, make_space


class Held:
    """Takes the place of a method, and goes on with it when it is let go."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.n_calls = 0
        original = getattr(Space, name)

        def held(*arguments: Any, **settings: Any) -> Any:
            self.n_calls += 1
            self.began.set()
            assert self.go.wait(10)
            return original(*arguments, **settings)

        patch.setattr(Space, name, held)


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return make_space(tmp_path / "a.space", [document("a", "a river"), document("b", "a bank")])


def _send(address: str, path: str, body: dict[str, Any]) -> socket.socket:
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname, place.port), timeout=10)
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    return connection


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_search_whose_client_left_while_it_waited_is_not_made(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "answer")
    served = Served("a", space.path, space)
    body = {"query": "river", "k": 1}
    with running(served, ServeConfig(port=0, search_threads=1)) as address:
        first = _send(address, "/v1/search", body)
        assert held.began.wait(10)
        leaving = [_send(address, "/v1/search", body) for _ in range(3)]
        time.sleep(0.1)  # they wait by now
        for connection in leaving:
            connection.close()
        time.sleep(0.1)
        last = _send(address, "/v1/search", body)
        held.go.set()
        for connection in (first, last):
            assert connection.recv(12) == b"HTTP/1.1 200"
            connection.close()
        assert held.n_calls == 2


def test_an_addition_that_began_is_finished_when_its_client_leaves(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "add")
    served = Served("a", space.path, space)
    with running(served, ServeConfig(port=0)) as address:
        body = {"documents": [{"id": str(i), "text": "a comet"} for i in range(50)]}
        connection = _send(address, "/v1/documents", body)
        assert held.began.wait(10)
        connection.close()
        time.sleep(0.1)
        held.go.set()
        _until(lambda: len(space.search("comet", 100, mode="lexical")) == 50)
    assert len(open_space(space.path).search("comet", 100, mode="lexical")) == 50

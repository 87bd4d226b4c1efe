"""Thousands of malformed requests: none is answered by a failure, and the server is well after."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.program import start
from tests.serve.malformed import Asked, Fields, raw
from tests.serve.servers import connect

N_RAW = 1500
N_IN_ALL = 5000
SECONDS = 15
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
WRITES = "/v1/documents"


@contextlib.contextmanager
def _process(folder: Path, log: Path) -> Iterator[str]:
    with log.open("w") as stream:
        process = start(folder, module="tests.serve.malformed_process", stderr=stream)
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.communicate()


def _check(asked: object, status: int, body: bytes) -> None:
    shown = repr(asked)[:2000]
    assert status < 500 or status == 503, f"{status} {body[:500]!r} to {shown}"
    assert b"Traceback" not in body, shown
    assert b"root:" not in body, shown  # of /etc/passwd
    assert b"build-system" not in body, shown


def _send(client: httpx.Client, asked: Asked) -> int:
    request = client.build_request(
        asked.method, "/", content=asked.body, headers=asked.headers, timeout=SECONDS
    )
    request.url = request.url.copy_with(raw_path=asked.path.encode())
    answer = client.send(request)
    _check(asked, answer.status_code, answer.content)
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400 and asked.method != "HEAD":
        assert answer.json()["error"]["message"], asked
    return answer.status_code


def _send_raw(address: str, message: bytes) -> int:
    """The status of the first answer; 0 if the connection was closed without one."""
    found = b""
    with connect(address) as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(SECONDS)
        connection.sendall(message)
        while b"\r\n\r\n" not in found and (part := connection.recv(1 << 16)):
            found = (found + part).removeprefix(GO_ON)
    if not found:
        return 0
    assert found.startswith(b"HTTP/1.1 "), (found[:100], message[:500])
    _check(message, int(found[9:12]), found)
    return int(found[9:12])


def _is_well(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}
    new = {"documents": [{"id": "new", "text": "Volcanoes erupt."}]}
    assert client.post("/v1/documents", json=new).status_code == 200
    found = client.post("/v1/search", json={"query": "volcanoes", "k": 1, "mode": "lexical"})
    assert found.status_code == 200
    assert "Volcanoes erupt." in found.text
    vectors = client.post("/v1/embeddings", json={"model": "default", "input": "heat"}).json()
    assert len(vectors["data"][0]["embedding"]) == 16
    assert client.get("/explore/").status_code == 200


@pytest.mark.slow
def test_malformed_requests_are_refused_and_do_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    rng = random.Random(2026)
    with (
        _process(tmp_path, log) as address,
        httpx.Client(base_url=address) as client,
        ThreadPoolExecutor(32) as threads,
    ):
        _is_well(client)
        messages = [raw(rng) for _ in range(N_RAW)]
        statuses = Counter(threads.map(lambda message: _send_raw(address, message), messages))
        fields = Fields(client.get("/openapi.json").json(), rng)
        for right in fields.right():
            assert _send(client, right) == 200 or right.path.startswith("/explore/"), right
        # Few of those that write, each of which waits for the disk.
        every = [one for one in fields.every() if one.path != WRITES or rng.random() < 0.3]
        rng.shuffle(every)
        n = N_IN_ALL - N_RAW
        asked = [*every[: n * 3 // 4], *(fields.any() for _ in range(n))][:n]
        statuses += Counter(_send(client, one) for one in asked)
        _is_well(client)
    assert statuses.total() == N_IN_ALL
    assert statuses[400] > 1000  # most are refused for what they are,
    assert statuses[503] < 100  # and not for want of time
    assert "Traceback" not in log.read_text()
    assert "failed by" not in log.read_text()

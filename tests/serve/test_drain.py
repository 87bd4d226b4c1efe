"""A server that is told to end, as a process of its own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from tests.minilm import minilm_folder
from tests.program import start
from tests.serve.servers import connect, read_all, wait_for

Started = subprocess.Popen[str]
GRACE_SECONDS = 1
"""What uvicorn gives connections, once it is told to end."""


def _process(drain: float) -> contextlib.AbstractContextManager[tuple[Started, str]]:
    return _serving(start(str(drain), module="tests.serve.slow_process"))


@contextlib.contextmanager
def _serving(process: Started) -> Iterator[tuple[Started, str]]:
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def _asking(address: str, path: str) -> Iterator[Future[httpx.Response]]:
    """A request that runs, once this is entered."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(httpx.get, f"{address}{path}", timeout=30)
        wait_for(lambda: "rowspace_requests_running 2.0" in httpx.get(f"{address}/metrics").text)
        yield future


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_is_answered_and_what_comes_is_refused(sent: signal.Signals) -> None:
    with (
        _process(drain=20) as (process, address),
        _asking(address, "/slow?seconds=2") as running,
        httpx.Client(base_url=address) as kept,
    ):
        assert kept.get("/ready").status_code == 200
        process.send_signal(sent)
        wait_for(lambda: kept.get("/ready").status_code == 503)
        assert kept.get("/health").status_code == 200
        refused = kept.get("/none")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
        assert refused.headers["connection"] == "close"
        assert "retry-after" in refused.headers
        assert not running.done()
        answer = running.result()
        assert (answer.status_code, answer.json()) == (200, "done")
        assert answer.headers["connection"] == "close"
        assert process.wait(10) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/health")


@pytest.mark.slow
def test_what_does_not_end_in_time_is_told_so() -> None:
    with (
        _process(drain=0.3) as (process, address),
        _asking(address, "/slow?seconds=60") as running,
    ):
        process.send_signal(signal.SIGTERM)
        assert running.result().json()["error"]["code"] == "draining"
        assert process.wait(10) == 0


@pytest.mark.slow
def test_a_thread_that_computes_for_ever_does_not_keep_the_process() -> None:
    with (
        _process(drain=0.3) as (process, address),
        _asking(address, "/stuck?seconds=60") as running,
    ):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 20
        with contextlib.suppress(httpx.HTTPError):
            assert running.result().status_code == 503


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once() -> None:
    with _process(drain=60) as (process, address), _asking(address, "/slow?seconds=60") as running:
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: httpx.get(f"{address}/ready").status_code == 503)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
        with pytest.raises(httpx.HTTPError):
            running.result()


def test_an_answer_that_is_read_slowly_is_sent_whole() -> None:
    with _process(drain=60) as (process, address), connect(address) as slow:
        slow.sendall(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n")
        head = slow.recv(1000)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: httpx.get(f"{address}/ready").status_code == 503)
        time.sleep(2 * GRACE_SECONDS)  # nothing is computed any more, and half is still unsent
        assert process.poll() is None
        assert len(head + read_all(slow)) > 1 << 24
        assert process.wait(10) == 0


@pytest.mark.slow
def test_a_model_that_computes_what_nobody_waits_for_does_not_abort_the_end() -> None:
    with _serving(start("serve", str(minilm_folder()), "--port", "0")) as (process, address):
        given = {
            "model": "all-MiniLM-L6-v2",
            "input": "lakes shrink " * 70_000,
            "on_truncate": "chunk",
        }
        with contextlib.suppress(httpx.ReadTimeout):
            httpx.post(f"{address}/v1/embeddings", json=given, timeout=1.5)
            raise AssertionError("it was too fast for this test")
        wait_for(lambda: "rowspace_queue_tokens 0.0" in httpx.get(f"{address}/metrics").text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_who_asks_nothing_waits_for_nothing() -> None:
    with _process(drain=60) as (process, address), httpx.Client(base_url=address) as idle:
        assert idle.get("/health").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""

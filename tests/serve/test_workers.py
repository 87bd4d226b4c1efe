"""Several processes at one address, as the program runs them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import rowspace as rs
from rowspace.cli import serve as cli
from rowspace.errors import ConfigError
from rowspace.files import WriterLock
from rowspace.machine import n_cores
from rowspace.serve.config import ServeConfig
from rowspace.serve.workers import MOST_DEATHS, THREAD_VARIABLES, serve_workers
from tests.minilm import minilm_folder
from tests.program import RunMain, finish, start
from tests.serve.clients import copy_of
from tests.serve.groups import (
    HEADERS,
    TOKEN,
    Group,
    command_line,
    group,
    is_running,
    taken_by,
)
from tests.serve.servers import wait_for
from tests.speeches import write_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")

DEATHS = """
import os, sys
from rowspace.serve import workers
from rowspace.serve.config import ServeConfig
from rowspace.serve.worker import Worker


class Dying(Worker):
    def target(self, sockets=None):
        os.write(1, b"x")
        os._exit(9)


if __name__ == "__main__":
    workers.Worker = Dying
    try:
        workers.serve_workers("nothing", 2, ServeConfig(port=0))
    except Exception as error:
        sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    path = folder / "a.space"
    words = {"dim": 8, "epochs": 1, "min_count": 1, "n_threads": 1}
    rs.build(write_folder(folder / "speeches"), out=path, word2vec=words)
    return path


@pytest.fixture(scope="module")
def two(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    folder = tmp_path_factory.mktemp("two")
    with group(copy_of(made, folder), folder, "--no-explorer") as found:
        yield found


@pytest.fixture(scope="module")
def of_minilm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    options = ("--name", "default", "--no-explorer")
    with group(minilm_folder(), tmp_path_factory.mktemp("minilm"), *options) as found:
        yield found


def test_workers_have_their_share_of_the_cores_and_no_token_in_sight(two: Group) -> None:
    assert len(two.workers()) == 2
    share = str(max(1, n_cores() // 2))
    for pid in two.workers():
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        assert [f"{name}={share}" in environment for name in THREAD_VARIABLES] == [True] * 6
        assert TOKEN not in "\n".join(environment)
    for pid in [two.parent.pid, *two.workers()]:
        assert TOKEN not in command_line(pid)


def test_what_one_worker_writes_the_others_see_at_their_next_request(two: Group) -> None:
    one, other = two.workers()
    body = {"query": "quokka", "mode": "lexical"}

    def found(client: httpx.Client) -> list[str]:
        hits = client.post("/v1/search", json=body).json()["data"][0]["hits"]
        return [hit["document_id"] for hit in hits]

    with two.client_of(one) as writer, two.client_of(other) as reader:
        assert found(reader) == found(writer) == []
        document = {"id": "new", "text": "A quokka sings."}
        assert writer.post("/v1/documents", json={"documents": document}).status_code == 200
        assert found(reader) == ["new"]
        assert reader.delete("/v1/documents/new").json()["deleted"] == 1
        assert found(writer) == []


def test_any_worker_tells_the_counts_of_all(two: Group) -> None:
    name = 'rowspace_requests_total{method="GET",route="/v1/models",status="200"}'
    one, other = two.workers()
    with two.client_of(one) as first, two.client_of(other) as second:
        for client in (first, second, second):
            assert client.get("/v1/models").status_code == 200
        told = [client.get("/metrics").text for client in (first, second)]
    for text in told:
        assert f"{name} 3.0" in text
        assert "rowspace_workers 2.0" in text
        for pid in (one, other):
            assert f'process_resident_memory_bytes{{pid="{pid}"}}' in text


def test_a_worker_that_is_killed_is_replaced_while_the_other_answers(two: Group) -> None:
    one, other = two.workers()
    tokens = two.counted("process_cpu_seconds_total")
    with two.client_of(other) as client:
        os.kill(one, signal.SIGKILL)
        wait_for(lambda: one not in two.workers())
        assert client.get("/ready").status_code == 200
        wait_for(lambda: len(two.workers()) == 2 and two.counted("rowspace_workers") == 2, 60)
        assert client.get("/ready").status_code == 200
    assert two.counted("process_cpu_seconds_total") >= tokens  # those of the dead one still count
    (new,) = set(two.workers()) - {other}
    with two.client_of(new) as client:
        assert client.get("/ready").status_code == 200


def test_connections_that_come_together_go_to_all(two: Group) -> None:
    addresses = []
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            client = stack.enter_context(httpx.Client(base_url=two.address, headers=HEADERS))
            answer = client.get("/health")
            assert answer.status_code == 200
            stream = answer.extensions["network_stream"]
            addresses.append(stream.get_extra_info("client_addr"))
        taken = [taken_by(pid, addresses) for pid in two.workers()]
    assert sum(taken) == 16
    assert all(taken)


def test_what_a_worker_does_is_finished_before_all_end(two: Group) -> None:
    document = {"id": "new", "text": "A quokka sings."}
    one, other = two.workers()
    with two.client_of(one) as writer, ThreadPoolExecutor(1) as threads:
        with WriterLock(two.space / "lock"):
            adding = threads.submit(writer.post, "/v1/documents", json={"documents": document})
            wait_for(lambda: two.counted("rowspace_requests_running") == 2)
            os.killpg(two.parent.pid, signal.SIGTERM)  # to each, as a service's manager does
            wait_for(lambda: not is_running(other))
            assert is_running(one)
            assert not adding.done()
        assert adding.result().status_code == 200
    assert two.parent.wait(20) == 0
    assert list(two.folder.iterdir()) == []
    assert two.parent.stderr is not None
    for line in two.parent.stderr.read().splitlines():  # of the test before
        assert "another is started" in line
    assert rs.open_space(two.space).search("quokka", 1, mode="lexical")[0].document_id == "new"


@pytest.mark.slow
def test_a_second_signal_ends_all_at_once(made: Path, tmp_path: Path) -> None:
    space = copy_of(made, tmp_path)
    document = {"id": "new", "text": "A quokka sings."}
    with group(space, tmp_path) as found, ThreadPoolExecutor(1) as threads:
        one, other = found.workers()
        with found.client_of(one) as writer, WriterLock(space / "lock"):
            adding = threads.submit(writer.post, "/v1/documents", json={"documents": document})
            wait_for(lambda: found.counted("rowspace_requests_running") == 2)
            found.parent.send_signal(signal.SIGINT)
            wait_for(lambda: not is_running(other))
            found.parent.send_signal(signal.SIGINT)
            assert found.parent.wait(20) == 130
            assert not is_running(one)
            with pytest.raises(httpx.HTTPError):
                adding.result()
        assert list(found.folder.iterdir()) == []


@pytest.mark.parametrize("what", ["nothing", "damaged"])
def test_what_cannot_be_served_is_one_line_and_no_restart(
    what: str, made: Path, tmp_path: Path
) -> None:
    path = tmp_path / "nothing"
    if what == "damaged":
        path = copy_of(made, tmp_path)
        shutil.rmtree(path / "model")
    given = ("serve", path, "--port", "0", "--workers", "2", "--no-explorer")
    error = finish(start(*given)).error()
    assert str(path) in error


@pytest.mark.slow
def test_workers_that_die_at_the_start_are_not_started_for_ever(tmp_path: Path) -> None:
    script = tmp_path / "deaths.py"
    script.write_text(DEATHS)
    ran = finish(start(module="deaths", cwd=tmp_path))
    assert ran.code == 1
    assert ran.out == "x" * MOST_DEATHS
    assert f"{MOST_DEATHS} workers ended (status 9) before they were ready" in ran.err


def test_a_number_of_workers_that_cannot_be_is_told(made: Path, run_main: RunMain) -> None:
    with pytest.raises(ConfigError, match="workers is 0; give 1 or more"):
        serve_workers(made, 0)
    assert run_main("serve", made, "--workers", "0").code == 2


def test_the_explorer_is_left_out_and_that_is_told_unless_asked_for(
    run_main: RunMain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(cli, "serve_workers", lambda *given, **named: called.append((given, named)))
    monkeypatch.delenv(cli.TOKEN_VARIABLE, raising=False)
    told = run_main("serve", tmp_path, "--port", "0", "--workers", "3", "--name", "mine")
    assert told.err.startswith("rowspace: the explorer is left out")
    quiet = run_main("serve", tmp_path, "--port", "0", "--workers", "3", "--no-explorer")
    assert quiet.err == ""
    (path, n, config, _, _), named = called[0]
    assert (path, n, config) == (str(tmp_path), 3, ServeConfig(port=0))
    assert named == {"rerank": None, "name": "mine"}


@pytest.mark.slow
def test_workers_give_the_bits_that_the_library_gives(of_minilm: Group) -> None:
    texts = ["a river", "Lake Chad has shrunk since 1963.", "word " * 200]
    expected = rs.load_encoder(of_minilm.space, deterministic=True).encode(texts)
    body = {"model": "default", "input": texts, "on_truncate": "cut"}
    for pid in of_minilm.workers():
        with of_minilm.client_of(pid) as client:
            data = client.post("/v1/embeddings", json=body).json()["data"]
        np.testing.assert_array_equal(
            np.array([row["embedding"] for row in data], np.float32), expected
        )


@pytest.mark.slow
def test_workers_end_when_their_parent_is_gone(of_minilm: Group) -> None:
    pids = of_minilm.workers()
    os.kill(of_minilm.parent.pid, signal.SIGKILL)
    wait_for(lambda: not any(map(is_running, pids)))
    assert list(of_minilm.folder.iterdir()) == []

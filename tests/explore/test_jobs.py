from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowspace.explore.jobs import Computing, Jobs, LayoutError, Task

ROOT = Path(__file__).resolve().parents[2]
FAILED = r"the map could not be made: the process that made it ended with -?\d+; ask for it again"


def task(kind: str, path: str = "", seed: int = 0) -> Task:
    return Task(path=path, kind=kind, model="", fingerprint="", method="umap", seed=seed)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    made = Jobs("tests.explore.crashing")
    yield made
    made.close()


def ask_until_it_ends(jobs: Jobs, wanted: Task) -> None:
    """Raises what it failed with."""
    deadline = time.monotonic() + 30
    jobs.ask(wanted)
    job = jobs._running
    assert job is not None
    while job.process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    jobs.ask(wanted)


@pytest.mark.parametrize("kind", ["killed", "raises", "garbles"])
def test_a_crash_is_told_once_and_it_may_be_asked_for_again(
    jobs: Jobs, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "rowspace"), pytest.raises(LayoutError, match=FAILED):
        ask_until_it_ends(jobs, task(kind))
    if kind == "raises":
        assert "ValueError: what went wrong" in caplog.text
    assert isinstance(jobs.ask(task(kind)), Computing)


def test_what_ends_well_is_no_failure(jobs: Jobs) -> None:
    ask_until_it_ends(jobs, task("done"))


def test_a_second_request_does_not_start_a_second_process(jobs: Jobs, tmp_path: Path) -> None:
    wanted = task("waits", str(tmp_path / "pid"))
    jobs.ask(wanted)
    first = jobs._running
    assert first is not None
    while jobs.ask(wanted).message != "half":
        time.sleep(0.01)
    assert jobs._running is first
    assert jobs.ask(task("waits", seed=1)) == Computing(0.0, "waiting for another map")
    assert jobs._running is first


def test_what_is_made_of_points_that_have_changed_is_ended_for_the_new_ones(
    jobs: Jobs, tmp_path: Path
) -> None:
    old = task("waits", str(tmp_path / "pid"))
    jobs.ask(old)
    first = jobs._running
    assert first is not None
    new = dataclasses.replace(old, fingerprint="new")
    assert jobs.ask(new).message == "starting"
    assert first.process.poll() is not None and first.failure is None
    assert jobs._running is not None and jobs._running.task == new


def test_a_process_that_cannot_be_started_is_told(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(LayoutError, match=r"could not be started \(.*\); ask again"):
        jobs.ask(task("done"))
    monkeypatch.undo()
    assert jobs._running is None


def test_closing_ends_the_process(jobs: Jobs, tmp_path: Path) -> None:
    jobs.ask(task("waits", str(tmp_path / "pid")))
    job = jobs._running
    assert job is not None
    jobs.close()
    assert job.process.poll() is not None and job.failure is None


def test_the_process_ends_with_the_server(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from rowspace.explore.jobs import Jobs, Task\n"
        f"path = {str(tmp_path / 'pid')!r}\n"
        "jobs = Jobs('tests.explore.crashing')\n"
        "jobs.ask(Task(path=path, kind='waits', model='', fingerprint='', method=None, seed=0))\n"
        "while not Path(path).exists() or not Path(path).read_text(): time.sleep(0.01)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    process = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 20
    while _is_running(process):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"

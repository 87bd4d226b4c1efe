"""Where a space can be used: not after a fork, not on a processor that LanceDB cannot run on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowspace import machine
from rowspace.errors import SpaceError
from rowspace.search import store
from tests.program import ROOT
from tests.search.stub import document, make_space

FORK = """
import os, sys, warnings
from rowspace.errors import SpaceError
from rowspace.search.space import open_space
from tests.search.stub import HashEncoder, document
warnings.simplefilter("ignore")
space = open_space(sys.argv[1], HashEncoder())
space.search("heat")
child = os.fork()
if child == 0:
    for use in (
        lambda: space.search("heat"),
        lambda: space.add([document("x", "text")]),
        lambda: space.delete(["a"]),
        lambda: space.compact(),
    ):
        try:
            use()
        except SpaceError as error:
            print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(len(space.search("heat")))
"""


def test_a_space_from_before_a_fork_says_so_and_does_not_hang(tmp_path: Path) -> None:
    make_space(tmp_path / "a.space", [document("a", "heat flows")])
    run = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path / "a.space")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    *errors, found = run.stdout.splitlines()
    assert len(errors) == 4
    assert all("was opened before this process was forked; open it anew" in e for e in errors)
    assert found == "1"


@pytest.fixture
def _unchecked() -> Iterator[None]:
    store.check_processor.cache_clear()
    yield
    store.check_processor.cache_clear()


@pytest.mark.usefixtures("_unchecked")
def test_a_processor_without_avx2_is_told_before_lancedb_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(store, "processor_flags", lambda: {"sse4_2", "avx"})
    monkeypatch.setitem(sys.modules, "lancedb", None)  # importing it would fail
    with pytest.raises(SpaceError, match="this processor has no AVX2"):
        store.Store.open(tmp_path)


@pytest.mark.usefixtures("_unchecked")
@pytest.mark.parametrize(("code", "can"), [(0, True), (1, True), (-4, False)])
def test_where_the_flags_are_not_told_a_process_tries(
    monkeypatch: pytest.MonkeyPatch, code: int, can: bool
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(store, "processor_flags", lambda: None)
    kill = "import os; os.kill(os.getpid(), 4)" if code < 0 else f"raise SystemExit({code})"
    run = subprocess.run
    monkeypatch.setattr(
        "subprocess.run", lambda command, check: run([sys.executable, "-c", kill], check=check)
    )
    if can:
        store.check_processor()
    else:
        with pytest.raises(SpaceError, match="AVX2"):
            store.check_processor()


@pytest.mark.usefixtures("_unchecked")
def test_other_processors_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr(store, "processor_flags", lambda: {"asimd"})
    store.check_processor()


def test_the_flags_are_those_the_system_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\n")
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "cpuinfo")
    assert machine.processor_flags() == {"fpu", "avx2", "amx_bf16"}
    assert machine.has_native_bfloat16()
    (tmp_path / "cpuinfo").unlink()
    assert machine.processor_flags() is None
    assert not machine.has_native_bfloat16()

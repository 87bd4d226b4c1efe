"""What happens to a space when processes die, disks fill and bytes change."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from rowspace.errors import (
    RowspaceError,
    SpaceCorruptError,
    SpaceError,
    SpaceLockedError,
    SpaceVersionError,
)
from rowspace.files import WriterLock
from rowspace.search import store as store_module
from rowspace.search import writer
from rowspace.search.commit import flush_and_hash, read_commit, remove_leftovers, write_commit
from rowspace.search.space import Space, open_space
from rowspace.search.store import Store
from rowspace.search.writer import create_space
from tests.search.stub import HashEncoder, document, make_space

ROOT = Path(__file__).parents[2]
DOCUMENTS = [document(f"d{i}", f"text number{i}", n=i) for i in range(30)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("integrity") / "a.space"
    make_space(path, DOCUMENTS).add([document("added", "text more")])
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "b.space"))


def _start(path: Path, prefix: str, n: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.search.writer_process", str(path), prefix, str(n)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def _ids(space: Space) -> dict[str, int]:
    hits = space.search("number", k=10_000, mode="lexical")
    return {hit.document_id: hit.metadata["i"] for hit in hits if "i" in hit.metadata}


# --- Processes -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_lose_and_double_nothing(path: Path) -> None:
    processes = [_start(path, prefix, 12) for prefix in ("left", "right")]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    space = open_space(path)
    assert _ids(space) == {f"{p}{i}": i for p in ("left", "right") for i in range(12)}
    assert space.status()["documents"] == 31 + 24
    assert space.verify() == []


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill(path: Path) -> None:
    acknowledged: dict[str, int] = {}
    for trial in range(6):
        process = _start(path, f"p{trial}_", 1000)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(0.35 + 0.17 * trial)
        process.send_signal(signal.SIGKILL)
        with process:  # `communicate` would pass over what `readline` took from the pipe
            for line in process.stdout:
                name, number = line.split()
                acknowledged[name] = int(number)
        found = _ids(open_space(path))
        for name, i in acknowledged.items():
            assert found[name] in (i, i + 40)  # the one under way may have been finished
        unacknowledged = found.keys() - acknowledged.keys()
        assert len(unacknowledged) <= trial + 1
        acknowledged.update(found)
    assert len(acknowledged) > 6
    space = open_space(path)
    assert space.verify() == []
    space.add([document("after", "number after", i=0)])
    assert space.verify() == []


def test_a_locked_space_can_be_read_and_says_who_writes(path: Path) -> None:
    space = open_space(path)
    with WriterLock(path / "lock"):
        assert space.search("number3", k=1)[0].document_id == "d3"
        assert space.status()["writer_active"] is True
        with pytest.raises(SpaceLockedError, match=rf"\(pid {os.getpid()}\)"):
            space.add([document("x", "text")], timeout=0.1)
        with pytest.raises(SpaceLockedError):
            space.delete(["d1"], timeout=0)


@pytest.mark.parametrize(
    "step",
    ["delete", "append", "index_text", "compact", "remove_old_files", "flush", "write_commit"],
)
def test_a_write_that_stops_anywhere_changes_nothing(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {hit.passage_id for hit in open_space(path).search("text", k=100, mode="lexical")}

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer, "MAX_FRAGMENTS", 0)  # compacts at each write
        if step == "flush":
            patch.setattr(writer, "flush_and_hash", stop)
        elif step in ("remove_old_files", "write_commit"):
            patch.setattr(writer, step, stop)
        else:
            patch.setattr(Store, step, stop)
        patch.setattr(writer, "remove_leftovers", _nothing_after(remove_leftovers))
        with pytest.raises(KeyboardInterrupt):
            open_space(path).add([document("d1", "text new"), document("x", "text x")])
    space = open_space(path)
    after = {hit.passage_id for hit in space.search("text", k=100, mode="lexical")}
    changed = step == "remove_old_files"  # by then it is committed
    assert after == (before | {"x#0"} if changed else before)
    assert space.verify() == []
    space.add([document("y", "text y")])
    assert space.verify() == []
    assert space.status()["documents"] == 32 + changed
    unknown = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    unknown -= set(read_commit(path).files)
    assert {name for name in unknown if not name.endswith("hint.json")} == {
        "commit.json",
        "commit.copy.json",
        "lock",
    }


def _nothing_after(function: Callable[..., None]) -> Callable[..., None]:
    """`function` the first time, then nothing: as if the process had died there."""
    calls = []

    def once(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            function(*arguments)

    return once


def test_a_reader_goes_on_when_its_version_is_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = open_space(path)
    old = reader._current()
    monkeypatch.setattr(writer, "MAX_FRAGMENTS", 0)
    open_space(path).add([document("new", "text fresh")])
    with pytest.raises(SpaceCorruptError):
        old.store.fetch(old.store.row_ids("n = 3"))
    taken = [old]
    current = reader._current
    monkeypatch.setattr(reader, "_current", lambda: taken.pop() if taken else current())
    assert reader.search("fresh", k=1)[0].document_id == "new"
    assert not taken


# --- Damage --------------------------------------------------------------------------------------


def _data_file(path: Path) -> Path:
    return max((path / "store").rglob("*.lance"), key=lambda file: file.stat().st_size)


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["model/config.json", "manifest"])
def test_a_changed_small_file_is_named_when_opening(path: Path, name: str) -> None:
    file = next(path.rglob("*.manifest")) if name == "manifest" else path / name
    original = file.read_bytes()
    for damage in (_flip, lambda f: f.write_bytes(original[:-3]), lambda f: f.unlink()):
        file.write_bytes(original)
        open_space(path)
        damage(file)
        with pytest.raises(SpaceCorruptError, match=str(file)):
            open_space(path).search("text")


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


@pytest.mark.parametrize("harm", [_flip, _truncate, Path.unlink], ids=["flip", "cut", "gone"])
@pytest.mark.parametrize("name", ["space.json", "commit.json", "commit.copy.json"])
def test_a_small_file_with_a_copy_is_put_right_by_the_next_write(
    path: Path, name: str, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    before = (path / "space.json").read_bytes()
    harm(path / name)
    with caplog.at_level(logging.WARNING, "rowspace"):
        space = open_space(path)
        assert space.search("number3", k=1)[0].document_id == "d3"
        assert space.manifest.language == "english"
    assert len(caplog.records) == 1
    assert f"{path}/{name} is " in caplog.text
    assert "its copy is used" in caplog.text
    assert [line for line in space.verify() if f"{path}/{name} is " in line]
    space.add([document("x", "text x")])
    assert open_space(path).verify() == []
    assert (path / "space.json").read_bytes() == before
    assert (path / "quarantine" / name).exists() == (harm is not Path.unlink)


def test_a_damaged_commit_never_loses_the_last_write(path: Path) -> None:
    for name in ("commit.json", "commit.copy.json"):
        space = open_space(path)
        space.add([document(name, f"text {name}")])
        _flip(path / name)
        assert open_space(path).search(name, k=1, mode="lexical")[0].document_id == name


def test_the_newer_commit_counts_whichever_file_it_is_in(path: Path) -> None:
    old = {name: (path / name).read_bytes() for name in ("commit.json", "commit.copy.json")}
    open_space(path).add([document("new", "text fresh")])
    for name, content in old.items():
        new = (path / name).read_bytes()
        (path / name).write_bytes(content)
        space = open_space(path)
        assert space.search("fresh", k=1, mode="lexical")[0].document_id == "new"
        # A write that stops between the two leaves the copy the newer: no damage.
        assert len(space.verify()) == (name == "commit.copy.json")
        (path / name).write_bytes(new)


def test_a_space_that_lost_its_manifest_is_not_built_over(path: Path) -> None:
    (path / "space.json").unlink()
    with pytest.raises(SpaceError, match="is a space already"):
        create_space(path, HashEncoder(), [], encoder_kind="stub", field_types={})


def test_a_space_without_both_commits_says_so(path: Path) -> None:
    (path / "commit.json").write_text("{")
    (path / "commit.copy.json").unlink()
    with pytest.raises(SpaceCorruptError, match="is not readable, and so is its copy"):
        open_space(path)


def test_a_flipped_bit_in_a_large_file_is_named_by_verify(path: Path) -> None:
    _flip(path / "model" / "weights.bin")
    space = open_space(path)
    assert space.verify() == [
        f"{path}/model/weights.bin is altered (its SHA-256 is another); "
        f"`rowspace repair {path}` takes it from a backup, or from where the model came from, "
        "with --from FOLDER"
    ]


def test_every_damaged_file_is_named(path: Path) -> None:
    space = open_space(path)
    data = _data_file(path)
    data.write_bytes(data.read_bytes()[:100])
    (path / "model" / "config.json").unlink()
    problems = space.verify()
    assert len(problems) == 2
    assert "config.json is missing" in problems[0]
    assert "100 bytes long where" in problems[1]


def test_a_missing_store_is_named(path: Path) -> None:
    shutil.rmtree(path / "store")
    with pytest.raises(SpaceCorruptError, match=r"store/\S+ is missing; `rowspace repair"):
        open_space(path)


def test_damage_that_lance_finds_is_one_line(path: Path) -> None:
    commit = read_commit(path)
    _data_file(path).write_bytes(b"")
    with pytest.raises(SpaceCorruptError) as caught:
        Store.open(path / "store", commit.version).vectors()
    assert "could not read the vectors" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ".cargo" not in str(caught.value)


def test_an_empty_manifest_left_by_a_power_loss_is_set_aside(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    versions = next(path.rglob("_versions"))
    torn = versions / f"{2**64 - 1 - read_commit(path).version - 1:020}.manifest"
    torn.touch()
    with WriterLock(path / "lock"), pytest.raises(SpaceCorruptError):
        open_space(path)  # someone is writing: not ours to touch
    with caplog.at_level(logging.WARNING, "rowspace"):
        space = open_space(path)
    assert space.search("number3", k=1)[0].document_id == "d3"
    assert (path / "quarantine" / torn.name).exists()
    assert len(caplog.records) == 1
    assert "set the empty file" in caplog.text
    torn.touch()
    space.add([document("x", "text x")])
    assert space.search("x", mode="lexical")[0].document_id == "x"


def test_doubled_rows_are_found_by_verify(path: Path) -> None:
    commit = read_commit(path)
    store = Store.open(path / "store")
    rows = store._table.search().limit(1).to_arrow()
    store._table.add(rows)
    files = flush_and_hash(path, commit.files)
    write_commit(path, replace(commit, version=store.version, files=files))
    problems = open_space(path).verify()
    assert len(problems) == 2
    assert "32 passages of 32 documents where 31" in problems[0]
    assert "is there twice" in problems[1]


# --- What is not a space -------------------------------------------------------------------------


def test_what_is_not_a_space_says_what_it_is(path: Path, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"no space at .*; make one with `rowspace build`"):
        open_space(tmp_path / "nowhere")
    with pytest.raises(SpaceError, match="is not a space"):
        open_space(tmp_path)
    (tmp_path / "c" / ".build").mkdir(parents=True)
    with pytest.raises(SpaceError, match=r"not finished; run `rowspace build … --out \S+ --resume"):
        open_space(tmp_path / "c")


def test_another_format_is_refused(path: Path) -> None:
    manifest = json.loads((path / "space.json").read_text())
    for format_, message in [(2, "format 2 and this Rowspace reads 1; upgrade"), ("x", "'x'")]:
        (path / "space.json").write_text(json.dumps(manifest | {"format": format_}))
        _commit_as_it_is(path)
        with pytest.raises(SpaceVersionError, match=message):
            open_space(path)
    manifest["encoder"]["kind"] = "oracle"
    (path / "space.json").write_text(json.dumps(manifest))
    commit = replace(read_commit(path), models={})  # as when the manifest alone told of the model
    write_commit(path, replace(commit, files=flush_and_hash(path, {})))
    space = open_space(path)
    assert space.search("number3", mode="lexical")
    with pytest.raises(SpaceVersionError, match="kind 'oracle'"):
        space.search("number3")


def _commit_as_it_is(path: Path) -> None:
    write_commit(path, replace(read_commit(path), files=flush_and_hash(path, {})))


# --- A full disk ---------------------------------------------------------------------------------


def _with_file_limit(path: Path, n_bytes: int, spool_bytes: int) -> str:
    """Add documents in a process that may write files up to n_bytes; returns what it raised."""
    code = f"""
import resource, sys
from rowspace.search import writer
from rowspace.search.space import open_space
from rowspace.errors import RowspaceError
from tests.search.stub import HashEncoder, document
writer.SPOOL_BYTES = {spool_bytes}
space = open_space({str(path)!r}, HashEncoder())
space.search("text")
resource.setrlimit(resource.RLIMIT_FSIZE, ({n_bytes}, resource.RLIM_INFINITY))
try:
    space.add(document(f"big{{i}}", f"text big{{i}} word{{i}}") for i in range(3000))
except RowspaceError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("spool_bytes", [1 << 25, 1000])
@pytest.mark.parametrize("n_bytes", [4_000, 60_000])
def test_a_full_disk_leaves_the_space_as_it_was(path: Path, n_bytes: int, spool_bytes: int) -> None:
    before = open_space(path).status()
    message = _with_file_limit(path, n_bytes, spool_bytes)
    assert "the disk is full" in message
    assert message.count("\n") == 1
    space = open_space(path)
    assert space.status() == before
    assert space.verify() == []
    space.add([document("x", "text x")])
    assert space.status()["documents"] == before["documents"] + 1


def test_errors_of_lance_become_ours(tmp_path: Path) -> None:
    def translated(error: BaseException, reading: bool = False) -> RowspaceError:
        with (
            pytest.raises(RowspaceError) as caught,
            store_module._lance_errors(tmp_path, "write", reading),
        ):
            raise error
        return caught.value

    class PanicException(BaseException):
        pass

    assert "disk is full" in str(translated(OSError("No space left on device (os error 28)")))
    line = "lance error: LanceError(IO): bad\nthing, /root/.cargo/registry/src/x/dataset.rs:775:26"
    assert str(translated(RuntimeError(line))) == f"could not write in {tmp_path} (bad thing)"
    assert isinstance(translated(PanicException("boom"), reading=True), SpaceCorruptError)


def test_readers_see_whole_versions_while_another_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_FRAGMENTS", 2)  # so old versions are removed often
    sentences = "A sentence with a marker in it, long enough that two of them fill a passage. "
    space = open_space(path)
    space.add([document("whole", sentences * 6, round=0)])
    n_passages = len(space.search("marker", k=100, mode="lexical"))
    assert n_passages > 3
    done = threading.Event()
    seen: list[set[int]] = []

    def read() -> None:
        while not done.is_set():
            for mode in ("lexical", "hybrid"):
                hits = space.search("marker", k=100, mode=mode, where="round is not null")
                assert len(hits) == n_passages
                seen.append({hit.metadata["round"] for hit in hits})

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        other = open_space(path)
        for i in range(1, 12):
            other.add([document("whole", sentences * 6, round=i)])
        done.set()
        for reader in readers:
            reader.result()
    assert all(len(rounds) == 1 for rounds in seen)
    assert len(set.union(*seen)) > 3


# --- Debt ----------------------------------------------------------------------------------------


def test_status_tells_the_debt_and_a_compaction_pays_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = open_space(path)
    space.delete([f"d{i}" for i in range(5)])
    space.add([document(f"new{i}", f"text new{i}") for i in range(3)])
    before = space.status()
    assert (before["fragments"], before["deleted_passages"]) == (3, 5)
    assert before["compaction_due"] is False
    assert before["quarantined_files"] == 0
    monkeypatch.setattr(writer, "MAX_FRAGMENTS", 2)
    assert space.status()["compaction_due"] is True
    ids = {hit.passage_id for hit in space.search("text", k=100)}
    space.compact()
    after = space.status()
    assert {hit.passage_id for hit in space.search("text", k=100)} == ids
    assert (after["fragments"], after["deleted_passages"], after["unindexed"]) == (1, 0, 0)
    assert after["compaction_due"] is False
    assert space.verify() == []
    freed = before["bytes"] - after["bytes"]
    # What was foretold, beside the deleted rows and what the compaction itself left.
    assert freed >= before["bytes_to_free"] - after["bytes_to_free"] > 0
    assert after["bytes_to_free"] < before["bytes_to_free"] / 4


def test_set_aside_files_are_counted(path: Path) -> None:
    _flip(path / "space.json")
    space = open_space(path)
    space.add([document("x", "text x")])
    assert space.status()["quarantined_files"] == 1

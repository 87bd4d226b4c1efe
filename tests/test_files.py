from __future__ import annotations

import ctypes
import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rowspace.errors import FormatError, SpaceLockedError
from rowspace.files import (
    WriterLock,
    begin_folder,
    remember,
    sha256,
    write_atomically,
    write_folder_atomically,
    write_json,
)

HOLD_LOCK = """
import sys
from rowspace.files import WriterLock
with WriterLock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.readline()
"""

REPLACE_FOLDER = """
import sys
from rowspace.files import write_folder_atomically
for n in range(200):
    with write_folder_atomically(sys.argv[1]) as folder:
        (folder / "n").write_text(str(n))
"""


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with write_atomically(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), write_atomically(path) as file:
        file.write(b"half of the new")
        file.flush()
        raise error
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys\nfrom rowspace.files import write_atomically\n"
        "with write_atomically(sys.argv[1]) as file:\n"
        "    file.write(b'new')\n    file.flush()\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_a_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "parent" / "folder"
    for name in ("first", "second"):
        with write_folder_atomically(path) as temporary:
            (temporary / "sub").mkdir()
            (temporary / "sub" / name).write_text(name)
            assert not (path / "sub" / name).exists()
        assert [file.name for file in (path / "sub").iterdir()] == [name]
    assert [entry.name for entry in path.parent.iterdir()] == ["folder"]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(ZeroDivisionError), write_folder_atomically(path) as temporary:
        (temporary / "new").write_text("new")
        raise ZeroDivisionError
    assert [file.name for file in path.iterdir()] == ["old"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("system", ["with renameat2", "without"])
def test_a_folder_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    if system == "without":
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    with write_folder_atomically(path) as temporary:
        (temporary / "new").write_text("new")
    assert [file.name for file in path.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_is_replaced_is_never_missing(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "n").write_text("0")
    writer = subprocess.Popen([sys.executable, "-c", REPLACE_FOLDER, str(path)])
    n_seen = 0
    while writer.poll() is None:
        assert path.is_dir()
        n_seen += 1
    assert writer.returncode == 0
    assert n_seen > 100
    assert (path / "n").read_text() == "199"


def test_what_is_remembered_is_compared(tmp_path: Path) -> None:
    assert remember(tmp_path / "a.json", {"x": (1, 2)})
    assert remember(tmp_path / "a.json", {"x": [1, 2]})
    assert not remember(tmp_path / "a.json", {"x": [1, 3]})
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(FormatError, match=r"a.json is damaged \(.*\); remove"):
        remember(tmp_path / "a.json", 1)


def test_a_folder_of_work_goes_on_unless_it_is_of_another_plan(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "work"
    begin_folder(folder, {"n": 1})
    (folder / "done").touch()
    begin_folder(folder, {"n": 1})
    assert (folder / "done").exists()
    begin_folder(folder, {"n": 2})
    assert [path.name for path in folder.iterdir()] == ["plan.json"]
    assert [path.name for path in folder.parent.iterdir()] == ["work"]
    assert json.loads((folder / "plan.json").read_text()) == {"n": 2}


def test_a_folder_whose_removal_is_cut_short_is_not_there_by_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    begin_folder(folder, {"n": 1})
    (folder / "done").touch()

    def remove_some(path: Path, ignore_errors: bool = False) -> None:
        if path.exists():
            (path / "plan.json").unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("rowspace.files.shutil.rmtree", remove_some)
        begin_folder(folder, {"n": 2})
    begin_folder(folder, {"n": 2})
    assert [path.name for path in folder.iterdir()] == ["plan.json"], "not what is of before"


def test_json_and_digests_are_those_of_the_standard_library(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"é": [1, None]})
    content = (tmp_path / "a.json").read_bytes()
    assert json.loads(content) == {"é": [1, None]}
    assert sha256(tmp_path / "a.json") == hashlib.sha256(content).hexdigest()


def _holder(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
    return holder


def test_a_lock_held_by_another_process_names_it_and_is_free_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with _holder(path) as holder:
        message = rf"my.space is being written by another process \(pid {holder.pid}\); wait for"
        for timeout in (0.0, 0.1):
            with pytest.raises(SpaceLockedError, match=message):
                WriterLock(path, timeout, "my.space").__enter__()
        holder.communicate("done\n")
    with WriterLock(path):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with _holder(path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with WriterLock(path, timeout=5):
            assert path.exists()


def test_a_lock_waits_until_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with _holder(path) as holder:
        assert holder.stdin is not None
        holder.stdin.write("done\n")
        holder.stdin.flush()
        with WriterLock(path, timeout=30):
            pass


def test_a_lock_is_exclusive_in_one_process_too_and_can_be_taken_again(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / "lock")
    for _ in range(2):
        with lock, pytest.raises(SpaceLockedError, match="lock is being written"):
            WriterLock(tmp_path / "lock").__enter__()


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), WriterLock(tmp_path / "lock"):
        raise ZeroDivisionError
    with WriterLock(tmp_path / "lock"):
        pass

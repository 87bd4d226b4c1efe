"""Crash-safe writes, digests and locks.

A file appears under its name only when it is whole and on the disk: it is written under a
temporary name beside it, fsynced, renamed, and the folder is fsynced.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from rowspace.errors import FormatError, SpaceLockedError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def write_atomically(path: Path | str) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the name `path` when the block ends without an error.

    Yields
    ------
    file object
        Open for writing bytes. On an error it is removed and `path` stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_file(path.parent)


@contextlib.contextmanager
def write_folder_atomically(path: Path | str) -> Iterator[Path]:
    """Make a temporary folder that takes the name `path`, replacing it, when the block ends well.

    Yields
    ------
    Path
        The temporary folder. Every file in it is fsynced before it takes its name.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        fsync_tree(temporary)
        if path.exists():
            exchange(temporary, path)
        else:
            temporary.rename(path)
        fsync_file(path.parent)
    finally:  # it is now what failed, or what was replaced
        shutil.rmtree(temporary, ignore_errors=True)


def exchange(one: Path, other: Path) -> None:
    """Swap two names: in one step where the system can (Linux), so that both always exist."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    names = os.fsencode(one), os.fsencode(other)
    if rename and rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return
    aside = one.with_name(one.name + ".old")
    other.rename(aside)
    one.rename(other)
    aside.rename(one)


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with write_atomically(path) as file:
        file.write(json.dumps(value, indent=2).encode() + b"\n")


def remember(path: Path | str, value: Any) -> bool:
    """Write `value` as JSON if there is no such file; tells whether what is there is equal.

    Raises
    ------
    FormatError
        If the file is no JSON.
    """
    path = Path(path)
    if not path.exists():
        write_json(path, value)
        return True
    try:
        return bool(json.loads(path.read_text()) == json.loads(json.dumps(value)))
    except ValueError as error:
        raise FormatError(
            f"{path} is damaged ({error}); remove {path.parent} to start anew"
        ) from error


def begin_folder(folder: Path, plan: Any) -> None:
    """Make a folder of work that can go on; what is there of another plan is removed.

    Raises
    ------
    FormatError
        If its `plan.json` is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not remember(folder / "plan.json", plan):
        remove_folder(folder)
        begin_folder(folder, plan)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that, even where the process is killed, no part of it has its name."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    folder.rename(temporary)
    shutil.rmtree(temporary)


def fsync_file(path: Path | str) -> None:
    """Make the file or folder `path` survive a power loss: its bytes, or the names in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(path: Path) -> None:
    """Make every file and name below `path` survive a power loss."""
    for folder, _, names in os.walk(path):
        for name in names:
            fsync_file(os.path.join(folder, name))  # noqa: PTH118
        fsync_file(folder)


def sha256(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class WriterLock:
    """An exclusive lock on a file, held by one process at a time and freed when that process dies.

    Parameters
    ----------
    path : Path
        The lock file; it is created and stays behind, empty of meaning when nobody holds it.
    timeout : float
        Seconds to wait for another holder before giving up.
    what : str
        What is locked, for the message.

    Raises
    ------
    SpaceLockedError
        On entering, if another holder does not let go within `timeout`.
    """

    def __init__(self, path: Path | str, timeout: float = 0.0, what: str = "") -> None:
        self.path = Path(path)
        self.timeout = timeout
        self.what = what or str(self.path)
        self._descriptor: int | None = None

    def __enter__(self) -> WriterLock:
        deadline = time.monotonic() + self.timeout
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        while not self._try_lock(descriptor):
            if time.monotonic() >= deadline:
                holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
                os.close(descriptor)
                raise SpaceLockedError(
                    f"{self.what} is being written by another process (pid {holder}); "
                    "wait for it to finish, then try again"
                )
            time.sleep(0.02)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return self

    @staticmethod
    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)  # closing frees the flock
            self._descriptor = None

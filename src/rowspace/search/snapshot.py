"""One version of a space, as a search sees it: the commit, the store pinned to it, the vectors."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from rowspace.errors import SpaceCorruptError, SpaceLockedError
from rowspace.files import WriterLock
from rowspace.search.commit import (
    COMMIT,
    COPY,
    Commit,
    find_copied,
    find_damage,
    put_right,
    read_commit,
    remove_leftovers,
)
from rowspace.search.index.dense import DenseIndex
from rowspace.search.store import Store

Signature = tuple[int, ...]

_logger = logging.getLogger("rowspace")


@dataclass
class Snapshot:
    """One version; its vectors are read when first needed."""

    path: Path
    commit: Commit
    signature: Signature
    store: Store
    _dense: DenseIndex | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def dense(self) -> DenseIndex:
        """What finds the passages nearest to a vector."""
        with self._lock:
            if self._dense is None:
                self._dense = DenseIndex.of_store(self.store)
            return self._dense


def take_snapshot(path: Path) -> Snapshot:
    """The last finished write.

    Raises
    ------
    SpaceCorruptError
        If the space's files are damaged.
    """
    while True:
        signature = signature_of(path)
        commit = read_commit(path)
        try:
            for damage in find_damage(path, commit):
                raise damage.error
            for copied in find_copied(path, commit):
                _logger.warning("%s", copied)
            return Snapshot(path, commit, signature, _open_store(path, commit))
        except SpaceCorruptError:
            if signature_of(path) == signature:
                raise
        time.sleep(0.01)  # a writer committed meanwhile: look again


def signature_of(path: Path) -> Signature:
    """Changes with each commit, which replaces the two files."""
    signature: list[int] = []
    for name in (COMMIT, COPY):
        try:
            state = (path / name).stat()
        except OSError:
            signature += (0, 0, 0)
        else:
            signature += (state.st_ino, state.st_mtime_ns, state.st_size)
    return tuple(signature)


def _open_store(path: Path, commit: Commit) -> Store:
    """The store at the committed version.

    Lance first reads its newest manifest, which a power loss can leave empty. What is newer than
    the commit was never acknowledged, so if no one is writing it is set aside.
    """
    try:
        return Store.open(path / "store", commit.version)
    except SpaceCorruptError as error:
        try:
            with WriterLock(path / "lock", 0.0, str(path)):
                if read_commit(path) == commit:
                    put_right(path, commit)
                    remove_leftovers(path, commit)
        except (SpaceLockedError, OSError):
            raise error from None
        return Store.open(path / "store", commit.version)

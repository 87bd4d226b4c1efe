"""One version of a space, as a search sees it: the commit, the store pinned to it, the vectors."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from rowspace.errors import SpaceCorruptError, SpaceLockedError
from rowspace.files import WriterLock
from rowspace.search.commit import COMMIT, Commit, find_damage, read_commit, remove_leftovers
from rowspace.search.index.dense import DenseIndex
from rowspace.search.store import Store

Signature = tuple[int, int, int]


@dataclass
class Snapshot:
    """One version; its vectors are read when first needed."""

    path: Path
    commit: Commit
    signature: Signature
    store: Store
    _dense: dict[str, DenseIndex] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def dense(self, model: str) -> DenseIndex:
        """What finds the passages nearest to a vector of a model."""
        with self._lock:
            if model not in self._dense:
                column = self.commit.models[model].column
                self._dense[model] = DenseIndex.of_store(self.store, column)
            return self._dense[model]


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
            for error in find_damage(path, commit):
                raise error
            return Snapshot(path, commit, signature, _open_store(path, commit))
        except SpaceCorruptError:
            if signature_of(path) == signature:
                raise
        time.sleep(0.01)  # a writer committed meanwhile: look again


def signature_of(path: Path) -> Signature:
    """Changes with each commit, which replaces the file."""
    try:
        state = (path / COMMIT).stat()
    except OSError:
        return (0, 0, 0)
    return (state.st_ino, state.st_mtime_ns, state.st_size)


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
                    remove_leftovers(path, commit)
        except (SpaceLockedError, OSError):
            raise error from None
        return Store.open(path / "store", commit.version)

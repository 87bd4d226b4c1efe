"""One version of a space, as a search sees it: the commit, the store pinned to it, the vectors."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from rowspace.errors import SpaceCorruptError, SpaceLockedError
from rowspace.files import WriterLock
from rowspace.machine import return_free_memory
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
from rowspace.search.index.cached import FOLDER as INDEXES
from rowspace.search.index.cached import RECORD, Loaded
from rowspace.search.index.dense import DenseIndex
from rowspace.search.index.in_store import StoreIndex
from rowspace.search.index.upkeep import VectorColumn, effort_in_store
from rowspace.search.milvus.record import refuse_to_write
from rowspace.search.protocol import Dense, PassageStore
from rowspace.search.store import Store, open_store

Signature = tuple[int, ...]

_logger = logging.getLogger("rowspace")


@dataclass
class Snapshot:
    """One version; its vectors are read when first needed."""

    path: Path
    commit: Commit
    signature: Signature
    store: PassageStore
    before: dict[str, Loaded] = field(default_factory=dict)
    """Indexes that the snapshot before had read, by model; let go when the vectors are read."""
    _dense: dict[str, Dense] = field(default_factory=dict)
    _loaded: dict[str, Loaded] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def dense(self, model: str) -> Dense:
        """What finds the passages nearest to a vector of a model."""
        with self._lock:
            if model not in self._dense:
                self._dense[model] = self._read_vectors(model)
            return self._dense[model]

    @property
    def local_store(self) -> Store:
        """The store in the space's folder.

        Raises
        ------
        SpaceError
            If the rows are elsewhere.
        """
        if isinstance(self.store, Store):
            return self.store
        assert self.commit.milvus is not None
        raise refuse_to_write(self.path, self.commit.milvus)

    def vectors(self, model: str) -> VectorColumn:
        """The vectors of a model."""
        state = self.commit.models[model]
        return VectorColumn(
            self.path, self.commit, self.local_store, model, state.column, state.fingerprint
        )

    def forget(self) -> dict[str, Loaded]:
        """Let go of the vectors held in memory; returns the indexes that are mapped, by model."""
        with self._lock:
            self._dense = {}
            return self.before | self._loaded

    def _read_vectors(self, model: str) -> Dense:
        finder = self.store.finder(self.commit.models[model].column)
        if finder is not None:
            return finder
        vectors = self.vectors(model)
        opened = vectors.open(self.before.pop(model, None))
        if opened is None and vectors.store.has_vector_index(vectors.column):
            return StoreIndex(vectors.store, vectors.column, effort_in_store(vectors))
        if opened is None:
            return DenseIndex(*self.store.vectors(vectors.column))
        self._loaded[model] = opened.loaded
        rest = self.store.vectors_of(opened.rest, vectors.column)
        dense = DenseIndex(*rest, opened.mapped)
        pa.default_memory_pool().release_unused()  # what reading row ids took
        return_free_memory()
        return dense


def take_snapshot(path: Path, before: dict[str, Loaded] | None = None) -> Snapshot:
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
            return Snapshot(path, commit, signature, open_committed(path, commit), before or {})
        except SpaceCorruptError:
            if signature_of(path) == signature:
                raise
        time.sleep(0.01)  # a writer committed meanwhile: look again


@functools.singledispatch
def signature_of(path: Path) -> Signature:
    """Changes with each commit, which replaces the two files, and with each index."""
    records = sorted((path / INDEXES).glob(f"[!.]*/{RECORD}"))
    return signature_of_files([path / COMMIT, path / COPY, *records])


def signature_of_files(files: Iterable[Path]) -> Signature:
    """Changes when one of the files is replaced."""
    signature: list[int] = []
    for file in files:
        try:
            state = file.stat()
        except OSError:
            signature += (0, 0, 0)
        else:
            signature += (state.st_ino, state.st_mtime_ns, state.st_size)
    return tuple(signature)


@functools.singledispatch
def open_committed(path: Path, commit: Commit) -> PassageStore:
    """The store at the committed version.

    Lance first reads its newest manifest, which a power loss can leave empty. What is newer than
    the commit was never acknowledged, so if no one is writing it is set aside.
    """
    if commit.milvus is not None:
        from rowspace.search.milvus.store import MilvusStore

        model = commit.models[commit.model]
        return MilvusStore.open(
            commit.milvus, commit.passages, model.dim, model.fingerprint, commit.fields
        )
    try:
        return open_store(path, commit.version)
    except SpaceCorruptError as error:
        try:
            with WriterLock(path / "lock", 0.0, str(path)):
                if read_commit(path) == commit:
                    put_right(path, commit)
                    remove_leftovers(path, commit)
        except (SpaceLockedError, OSError):
            raise error from None
        return open_store(path, commit.version)

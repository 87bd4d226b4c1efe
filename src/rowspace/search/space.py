"""A space: passages that are found by what they mean, by their words, or by both.

A search sees the last finished write, whole: where another process has committed since, the space
takes that version up first. Vectors are held in memory, texts are read when a hit shows them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, SpaceCorruptError, SpaceError, SpaceLockedError
from rowspace.files import WriterLock
from rowspace.search.commit import COMMIT, Commit, find_damage, read_commit, remove_leftovers
from rowspace.search.filters import Filter, compile_filter
from rowspace.search.fusion import reciprocal_rank_fusion
from rowspace.search.index import ExactIndex, Index
from rowspace.search.manifest import Manifest, check_encoder, load_encoder, read_manifest
from rowspace.search.store import Row, RowIds, Store
from rowspace.search.writer import LOCK_TIMEOUT, Added, add_documents, delete_documents
from rowspace.space.encoder import Encoder, encode_queries
from rowspace.text.corpus import Document

MODES = ("hybrid", "dense", "lexical")
MAX_K = 10_000
FUSED_DEPTH = 300  # docs/decisions/fusion.md


@dataclass(frozen=True)
class Hit:
    """One passage that a search found."""

    document_id: str
    passage_id: str
    text: str
    title: str
    source: str
    metadata: dict[str, Any]
    score: float
    """Higher is better: cosine if dense, BM25 if lexical, reciprocal rank fusion if hybrid."""
    dense_rank: int | None = None
    """Its place by meaning, from 1; None if it was not among those looked at."""
    lexical_rank: int | None = None
    """Its place by words, from 1."""


@dataclass
class _Snapshot:
    """One version, read when first needed."""

    commit: Commit
    signature: tuple[int, int, int]
    store: Store
    row_ids: RowIds | None = None
    index: Index | None = None


class Space:
    """Passages with vectors and words, open for searching and writing. Use `open_space`.

    It may be used from several threads, and other processes may write to it meanwhile.
    """

    def __init__(self, path: Path, manifest: Manifest, encoder: Encoder | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self._encoder = encoder and check_encoder(path, manifest.encoder, encoder)
        self._snapshot: _Snapshot | None = None
        self._lock = threading.RLock()

    @property
    def encoder(self) -> Encoder:
        """The encoder that made the vectors, loaded when first used."""
        with self._lock:
            if self._encoder is None:
                info = self.manifest.encoder
                self._encoder = check_encoder(self.path, info, load_encoder(self.path, info))
            return self._encoder

    @property
    def fields(self) -> dict[str, str]:
        """The metadata fields that a filter can use, with their types."""
        return {name: field.type for name, field in self._current().commit.fields.items()}

    # --- Searching -------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        k: int = 10,
        mode: str = "hybrid",
        where: str | Filter | None = None,
        dense_weight: float | None = None,
    ) -> list[Hit]:
        """The k best passages for a query.

        Parameters
        ----------
        query : str
            Plain words; no character in it is an operator.
        k : int
        mode : {"hybrid", "dense", "lexical"}
            By meaning (dense), by words (lexical), or by both, fused by rank.
        where : str or Filter or None
            A filter, as in `year >= 1990 and country = "Chad"`; see `filters`. k passages that
            meet it are found where there are as many.
        dense_weight : float or None
            How much the ranking by meaning counts in a hybrid search, beside 1 for that by
            words; None takes what the space was built with.

        Returns
        -------
        list of Hit
            Best first. Empty where nothing matches: by words, if none of them occurs; by
            meaning, if the encoder knows none of them.

        Raises
        ------
        ConfigError
            If k or the mode cannot be.
        FilterError
            If the filter does not parse or names an unknown field.
        SpaceCorruptError
            If the space's files are damaged.
        """
        return self.search_batch([query], k, mode, where, dense_weight)[0]

    def search_batch(
        self,
        queries: Sequence[str],
        k: int = 10,
        mode: str = "hybrid",
        where: str | Filter | None = None,
        dense_weight: float | None = None,
    ) -> list[list[Hit]]:
        """`search` for several queries, all in one version of the space."""
        if mode not in MODES:
            raise ConfigError(f"mode is {mode!r}; give one of {', '.join(MODES)}")
        if not 1 <= k <= MAX_K:
            raise ConfigError(f"k is {k}; give 1 to {MAX_K:,}")
        weight = self.manifest.dense_weight if dense_weight is None else dense_weight
        if weight < 0:
            raise ConfigError(f"dense_weight is {weight}; give 0 or more")
        while True:
            snapshot = self._current()
            try:
                return self._search(snapshot, queries, k, mode, where, weight)
            except SpaceCorruptError:
                # A writer may have removed the files of this version under us: take the newer.
                if _signature(self.path) == snapshot.signature:
                    raise

    def _search(
        self,
        snapshot: _Snapshot,
        queries: Sequence[str],
        k: int,
        mode: str,
        where: str | Filter | None,
        dense_weight: float,
    ) -> list[list[Hit]]:
        predicate = None if where is None else compile_filter(where, snapshot.commit.fields)
        depth = k if mode != "hybrid" else max(FUSED_DEPTH, 5 * k)
        nothing: list[list[tuple[int, float]]] = [[] for _ in queries]
        dense = nothing if mode == "lexical" else self._dense(snapshot, queries, depth, predicate)
        lexical = (
            nothing
            if mode == "dense"
            else [_lexical(snapshot.store, query, depth, predicate) for query in queries]
        )
        return [
            _to_hits(snapshot.store, by_meaning, by_words, k, mode, dense_weight)
            for by_meaning, by_words in zip(dense, lexical, strict=True)
        ]

    def _dense(
        self, snapshot: _Snapshot, queries: Sequence[str], k: int, predicate: str | None
    ) -> list[list[tuple[int, float]]]:
        """(row id, cosine) of the k nearest passages of each query."""
        if not queries:
            return []
        vectors = encode_queries(self.encoder, list(queries))
        row_ids, index = self._vectors(snapshot)
        allowed = None if predicate is None else _mask(row_ids, snapshot.store.row_ids(predicate))
        scores, positions = index.search(vectors, min(k, len(row_ids)), allowed)
        return [
            [
                (int(row_ids[position]), float(score))
                for position, score in zip(*found, strict=True)
                if position >= 0
            ]
            for found in zip(positions, scores, strict=True)
        ]

    def _vectors(self, snapshot: _Snapshot) -> tuple[RowIds, Index]:
        with self._lock:
            if snapshot.row_ids is None or snapshot.index is None:
                snapshot.row_ids, matrix = snapshot.store.vectors()
                snapshot.index = ExactIndex(matrix)
            return snapshot.row_ids, snapshot.index

    def _current(self) -> _Snapshot:
        """The last finished write; read anew only if there was one since."""
        with self._lock:
            signature = _signature(self.path)
            if self._snapshot is None or self._snapshot.signature != signature:
                self._snapshot = None  # frees the vectors before the new ones are read
                self._snapshot = _take_snapshot(self.path)
            return self._snapshot

    # --- Writing ---------------------------------------------------------------------------------

    def add(self, documents: Iterable[Document], timeout: float = LOCK_TIMEOUT) -> Added:
        """Add documents; one whose id is there already replaces it.

        All of them appear at once, to readers and after a crash, when this returns.

        Parameters
        ----------
        documents : iterable of Document
        timeout : float
            Seconds to wait for another process that writes.

        Raises
        ------
        CorpusError
            If two documents have one id, or a value does not fit its field's type.
        SpaceLockedError
            If another process writes for longer than `timeout`.
        SpaceError
            If the disk is full. In each case the space is as it was.
        """
        return add_documents(self.path, self.manifest, self.encoder, documents, timeout)

    def delete(
        self,
        document_ids: Iterable[str] | None = None,
        *,
        where: str | Filter | None = None,
        timeout: float = LOCK_TIMEOUT,
    ) -> int:
        """Delete documents by id, or those that meet a filter; returns how many there were.

        Raises
        ------
        ConfigError
            If both ids and a filter are given, or neither.
        SpaceLockedError
            If another process writes for longer than `timeout`.
        """
        if (document_ids is None) == (where is None):
            raise ConfigError("give document ids or a filter to delete by, one of the two")
        if isinstance(document_ids, str):
            document_ids = [document_ids]

        def predicate(commit: Commit) -> str:
            assert where is not None
            return compile_filter(where, commit.fields)

        return delete_documents(
            self.path,
            self.manifest,
            document_ids,
            None if where is None else predicate,
            timeout,
        )

    # --- Looking after ---------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What the space holds and in which state it is."""
        snapshot = self._current()
        commit, encoder = snapshot.commit, self.manifest.encoder
        return {
            "path": str(self.path),
            "documents": commit.documents,
            "passages": commit.passages,
            "fields": {name: field.type for name, field in commit.fields.items()},
            "language": self.manifest.language,
            "encoder": encoder.kind,
            "dim": encoder.dim,
            "fingerprint": encoder.fingerprint,
            **{f"encoder_{name}": value for name, value in encoder.details.items()},
            "version": commit.version,
            "unindexed": snapshot.store.count_unindexed(),
            "fragments": snapshot.store.count_fragments(),
            "bytes": _bytes_of(self.path),
            "writer_active": _is_locked(self.path),
            "created": self.manifest.created,
            "rowspace": self.manifest.rowspace,
        }

    def verify(self) -> list[str]:
        """Check every byte of every file, and that passages and vectors are whole.

        Returns
        -------
        list of str
            What is wrong, one line each; empty if all is well.
        """
        commit, problems = self._checked_files()
        if problems:
            return problems
        try:
            return _check_rows(Store.open(self.path / "store", commit.version), commit)
        except SpaceError as error:
            return [str(error)]

    def _checked_files(self) -> tuple[Commit, list[str]]:
        while True:
            signature = _signature(self.path)
            commit = read_commit(self.path)
            problems = [str(error) for error in find_damage(self.path, commit, thorough=True)]
            if not problems or _signature(self.path) == signature:
                return commit, problems


def open_space(path: Path | str, encoder: Encoder | None = None) -> Space:
    """Open a space to search or change it.

    Every file's size is checked, and the content of the small ones; `Space.verify` checks all.

    Parameters
    ----------
    path : path
        The space's folder.
    encoder : Encoder or None
        Used in place of loading `model/`; it must be the one that made the vectors.

    Raises
    ------
    SpaceError
        If there is no space at `path`, or its build is not finished.
    SpaceVersionError
        If a newer Rowspace wrote it.
    SpaceCorruptError
        If its files are damaged; the message names the file.
    """
    path = Path(path)
    space = Space(path, read_manifest(path), encoder)
    space._current()
    return space


def _signature(path: Path) -> tuple[int, int, int]:
    """Changes with each commit, which replaces the file."""
    try:
        state = (path / COMMIT).stat()
    except OSError:
        return (0, 0, 0)
    return (state.st_ino, state.st_mtime_ns, state.st_size)


def _take_snapshot(path: Path) -> _Snapshot:
    while True:
        signature = _signature(path)
        commit = read_commit(path)
        try:
            for error in find_damage(path, commit):
                raise error
            return _Snapshot(commit, signature, _open_store(path, commit))
        except SpaceCorruptError:
            if _signature(path) == signature:
                raise
        time.sleep(0.01)  # a writer committed meanwhile: look again


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


def _bytes_of(path: Path) -> int:
    """Of all its files but the lock, which holds the last writer's process id, however long."""
    files = (file for file in path.rglob("*") if file.is_file() and file != path / "lock")
    return sum(file.stat().st_size for file in files)


def _is_locked(path: Path) -> bool:
    try:
        with WriterLock(path / "lock", 0.0):
            return False
    except SpaceLockedError:
        return True
    except OSError:  # a medium that cannot be written has no writer
        return False


def _check_rows(store: Store, commit: Commit) -> list[str]:
    """What is wrong with a store's rows."""
    problems = []
    n_passages, n_documents = store.count(), store.count_documents()
    if (n_passages, n_documents) != (commit.passages, commit.documents):
        problems.append(
            f"the store holds {n_passages:,} passages of {n_documents:,} documents where "
            f"{commit.passages:,} of {commit.documents:,} were committed"
        )
    seen: set[str] = set()
    for passage_id in store.texts("passage_id"):
        if passage_id in seen:
            problems.append(f"passage {passage_id!r} is there twice")
        seen.add(passage_id)
    _, matrix = store.vectors()
    n_bad = int((~np.isfinite(matrix).all(axis=1)).sum())
    if n_bad:
        problems.append(f"{n_bad:,} vectors have NaN or infinity in them")
    return problems


def _lexical(store: Store, query: str, k: int, predicate: str | None) -> list[tuple[int, float]]:
    ids, scores = store.lexical(query, k, predicate)
    return list(zip(ids.tolist(), scores.tolist(), strict=True))


def _mask(row_ids: RowIds, allowed: RowIds) -> NDArray[np.bool_]:
    """(n,) which of `row_ids`, ascending, are among `allowed`."""
    mask = np.zeros(len(row_ids), bool)
    mask[np.searchsorted(row_ids, allowed)] = True
    return mask


def _to_hits(
    store: Store,
    dense: list[tuple[int, float]],
    lexical: list[tuple[int, float]],
    k: int,
    mode: str,
    dense_weight: float,
) -> list[Hit]:
    """The k best of both engines' candidates, with their texts."""
    rankings = [[row_id for row_id, _ in ranking] for ranking in (dense, lexical)]
    if mode == "hybrid":
        best = reciprocal_rank_fusion(rankings, [dense_weight, 1.0])[:k]
    else:
        best = (dense or lexical)[:k]
    ranks = [{row_id: rank for rank, row_id in enumerate(ranking, 1)} for ranking in rankings]
    rows = store.fetch(np.array([row_id for row_id, _ in best], np.uint64))
    return [
        _to_hit(row, score, ranks[0].get(row_id), ranks[1].get(row_id))
        for row, (row_id, score) in zip(rows, best, strict=True)
    ]


def _to_hit(row: Row, score: float, dense_rank: int | None, lexical_rank: int | None) -> Hit:
    return Hit(
        row.document_id,
        row.passage_id,
        row.text,
        row.title,
        row.source,
        row.metadata,
        score,
        dense_rank,
        lexical_rank,
    )

"""When a space's index is due, and bringing it up to date."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import ConfigError, FormatError
from rowspace.machine import available_memory
from rowspace.search.commit import Commit
from rowspace.search.index.cached import (
    FOLDER,
    RECORD,
    IndexRecord,
    Loaded,
    Opened,
    check_sizes,
    keep_rows,
    load_index,
    lock_index,
    match_rows,
    read_record,
    take_place,
    work_folder,
    write_record,
)
from rowspace.search.index.config import EXACT_ROWS, IndexConfig, choose_kind
from rowspace.search.index.in_store import EFFORT, StoreIndex, tune
from rowspace.search.index.making import RECALL_AT, make_index
from rowspace.search.index.queries import held_aside_queries
from rowspace.search.store import Store
from rowspace.space.encoder import Encoder
from rowspace.version import __version__

NEW_ROWS = 20_000
NEW_SHARE = 0.05
"""An index takes in new rows when there are more than so many, and more than this share."""
DEAD_SHARE = 0.2
"""With more dead nodes than this it is made anew."""


@dataclass(frozen=True)
class VectorColumn:
    """The vectors of one model in one version of a space."""

    path: Path
    """The space."""
    commit: Commit
    store: Store
    model: str
    column: str
    fingerprint: str

    @property
    def folder(self) -> Path:
        """Where its index is."""
        return self.path / FOLDER / self.model

    def open(self, loaded: Loaded | None = None) -> Opened | None:
        """Its index, if there is one that can be used; `loaded` spares reading it again."""
        loaded = load_index(self.folder, self.fingerprint, loaded)
        if loaded is None:
            return None
        return match_rows(loaded, self.commit, self.store, self.column)


def reason_to_index(vectors: VectorColumn, opened: Opened | None) -> str | None:
    """Why the index should be made, or made anew; None if it need not be."""
    n = vectors.commit.passages
    if opened is None:
        return "there is none" if n > EXACT_ROWS else None
    n_dead = opened.record.n - opened.mapped.n_alive
    if n_dead > DEAD_SHARE * opened.record.n:
        return f"{n_dead:,} of its {opened.record.n:,} vectors are deleted"
    if len(opened.rest) > max(NEW_ROWS, NEW_SHARE * n):
        return f"{len(opened.rest):,} vectors are new"
    return None


def settings_of(vectors: VectorColumn) -> IndexConfig:
    """What the index that is there was asked to be; the defaults where there is none."""
    try:
        record = read_record(vectors.folder)
        return IndexConfig() if record is None else IndexConfig(**record.config)
    except (FormatError, ConfigError, TypeError):
        return IndexConfig()


def kind_for(vectors: VectorColumn, config: IndexConfig) -> str | None:
    """The kind to make; None where all vectors are compared in memory, as few as they are."""
    if config.kind != "auto":
        return config.kind
    n, dim = vectors.commit.passages, vectors.store.dim(vectors.column)
    kind = choose_kind(n, dim, available_memory(), config.m)
    return None if kind == "exact" else kind


def remove_index(vectors: VectorColumn) -> None:
    """Remove what was made in files, in one step for those who read it.

    Raises
    ------
    SpaceLockedError
        If another process is making it.
    """
    if not vectors.folder.parent.exists():
        return
    with lock_index(vectors.folder):
        work = work_folder(vectors.folder)
        shutil.rmtree(work, ignore_errors=True)
        if vectors.folder.exists():
            vectors.folder.rename(work)
            shutil.rmtree(work)


def index_in_files(
    vectors: VectorColumn, encoder: Encoder, kind: str, config: IndexConfig
) -> IndexRecord:
    """Make the index of a space's vectors, or add what is new to the one there is.

    Parameters
    ----------
    vectors : VectorColumn
    encoder : Encoder
        What made them; it encodes the queries that recall is measured with.
    kind : str
    config : IndexConfig
    """

    def before() -> Opened | None:
        opened = vectors.open()
        return opened if opened is not None and _can_grow(opened, kind, config) else None

    return make_index(
        vectors.folder,
        vectors.commit,
        vectors.store,
        vectors.column,
        vectors.fingerprint,
        kind,
        config,
        lambda: held_aside_queries(vectors.store, encoder),
        before,
    )


def describe_index(vectors: VectorColumn) -> dict[str, Any]:
    """What `status` tells of a space's index; nothing is loaded, nor every byte looked at."""
    in_store = vectors.store.has_vector_index(vectors.column)
    try:
        record = read_record(vectors.folder)
        if record is None or record.fingerprint != vectors.fingerprint:
            return {"index": "lance" if in_store else "exact"}
        check_sizes(vectors.folder, record)
        if record.files:
            rows = np.load(vectors.folder / record.rows)
            outside = len(np.setdiff1d(vectors.store.all_row_ids(), rows))
        elif in_store:
            outside = vectors.store.count_unindexed(vectors.column)
        else:  # its recall was that of an index which is gone
            return {"index": "exact"}
    except (FormatError, OSError, ValueError) as error:
        return {"index": f"damaged ({error}); `rowspace index` makes it anew"}
    return {
        "index": record.kind,
        "index_recall_asked": record.config["recall"],
        "index_recall": record.recall,
        "index_effort": record.effort,
        "outside_index": outside,
    }


def effort_in_store(vectors: VectorColumn) -> int:
    """The effort that was found to be enough for Lance's own index."""
    try:
        record = read_record(vectors.folder)
    except FormatError:
        return EFFORT
    return record.effort if record is not None and record.kind == "lance" else EFFORT


def measure_in_store(
    vectors: VectorColumn, encoder: Encoder, config: IndexConfig, seconds: float
) -> IndexRecord:
    """Find the effort that is enough for Lance's own index, and write it down."""
    index = StoreIndex(vectors.store, vectors.column)
    queries = held_aside_queries(vectors.store, encoder)
    effort, recall, n = tune(index, queries, min(RECALL_AT, vectors.commit.passages), config.recall)
    record = IndexRecord(
        kind="lance",
        config=asdict(config),
        fingerprint=vectors.fingerprint,
        n=vectors.commit.passages,
        dim=vectors.store.dim(vectors.column),
        version=vectors.commit.version,
        rows="",
        data={},
        files={},
        effort=effort,
        recall=recall,
        n_queries=n,
        seconds=round(seconds, 1),
        rowspace=__version__,
    )
    vectors.folder.parent.mkdir(exist_ok=True)
    with lock_index(vectors.folder):
        work = work_folder(vectors.folder)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        write_record(work, record)
        take_place(work, vectors.folder)
    return record


def _can_grow(opened: Opened, kind: str, config: IndexConfig) -> bool:
    """Whether new rows can be added to an index, rather than making it anew."""
    record = opened.record
    is_same = record.kind == kind and _made_with(IndexConfig(**record.config)) == _made_with(config)
    return is_same and opened.mapped.n_alive >= (1.0 - DEAD_SHARE) * record.n


def _made_with(config: IndexConfig) -> tuple[int, int]:
    """What a graph cannot change later: the recall asked for only sets the effort."""
    return config.m, config.ef_construction


def keep_rows_up(vectors: VectorColumn) -> str | None:
    """After a write: note where nodes have gone; returns why the index is due, if it is."""
    if vectors.commit.passages <= EXACT_ROWS and not (vectors.folder / RECORD).exists():
        return None
    if vectors.store.has_vector_index(vectors.column):
        return None
    if settings_of(vectors).kind == "lance":
        return "a compaction dropped it"
    opened = vectors.open()
    if opened is not None and opened.moved:
        with lock_index(vectors.folder):
            keep_rows(opened, vectors.commit)
    return reason_to_index(vectors, opened)

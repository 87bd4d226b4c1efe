"""Making an index: vectors to a file, a graph or lists over them, the effort that is enough.

It works beside readers and writers, on one version, in a folder of its own that takes its name when
all of it is on the disk. Stopped, it goes on where it was: the file of vectors where its last row
is, the graph with the last part that was put on the disk, at least once a minute.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import FormatError
from rowspace.files import (
    fsync_file,
    remember,
    sha256,
    write_json,
)
from rowspace.machine import return_free_memory
from rowspace.progress import track
from rowspace.search.commit import Commit, FileState
from rowspace.search.index.approximate import HOMES, ApproximateIndex, kind_of_index
from rowspace.search.index.cached import (
    GRAPH,
    HASHES,
    VECTORS,
    IndexRecord,
    Opened,
    data_files,
    lock_index,
    row_hashes,
    take_place,
    work_folder,
    write_record,
)
from rowspace.search.index.config import IndexConfig
from rowspace.search.index.exact import ExactIndex, normalize_rows
from rowspace.search.index.mapped import MappedIndex
from rowspace.search.index.queries import HeldAside
from rowspace.search.index.recall import least_effort, recall_at_k, without
from rowspace.search.store import RowIds, Store
from rowspace.space.growing import GrowingFiles, Rows
from rowspace.version import __version__

RECALL_AT = 10
ADDED_AT_ONCE = 10_000
SAVE_SECONDS = 45.0
MOST_SAMPLED = 100_000
"""Rows that lists learn their centers from."""

_ROWS = "rows"
_SETTINGS = "settings.json"
_GRAPH_STATE = "graph.json"
_ROWS_AT_ONCE = 4096

Batches = Iterator[tuple[RowIds, NDArray[np.float32], NDArray[np.uint64]]]


def make_index(
    folder: Path,
    commit: Commit,
    store: Store,
    column: str,
    fingerprint: str,
    kind: str,
    config: IndexConfig,
    queries: Callable[[], HeldAside],
    before: Callable[[], Opened | None] = lambda: None,
) -> IndexRecord:
    """Make the index of one version in `folder`, in place of what is there.

    Parameters
    ----------
    folder : Path
        `SPACE/index/MODEL`.
    commit, store : Commit, Store
        The version.
    column, fingerprint : str
        Of the vectors, and of what made them.
    kind : str
        A key of `HOMES`, or "exact".
    config : IndexConfig
    queries : callable
        Gives queries to measure recall with. The effort is tuned on every other of them, and
        measured on the rest.
    before : callable
        Gives an index of the same kind that only lacks some rows, which are added to it, or None.
        It is asked when no other process makes an index any more.

    Raises
    ------
    SpaceLockedError
        If another process is making the same index.
    """
    folder.parent.mkdir(exist_ok=True)
    work = work_folder(folder)
    with lock_index(folder):
        old = before()
        settings = {
            "kind": kind,
            "config": asdict(config),
            "fingerprint": fingerprint,
            "version": commit.version,
            "data": data_files(commit),
            "before": None if old is None else old.record.n,
        }
        _prepare(work, settings)
        started = time.monotonic()
        try:
            units, rows = _copy_vectors(work, store, column, old)
        except FormatError:  # what an earlier call left of them is damaged
            shutil.rmtree(work)
            _prepare(work, settings)
            units, rows = _copy_vectors(work, store, column, old)
        graph = None
        if kind in HOMES:
            graph = _make_graph(work, units, kind, config, old)
        mapped = MappedIndex(rows, units, graph)
        recall, n_queries = _tune(mapped, queries(), config.recall)
        record = IndexRecord(
            kind=kind,
            config=asdict(config),
            fingerprint=fingerprint,
            n=len(rows),
            dim=units.shape[1],
            version=commit.version,
            rows=f"{_ROWS}-{commit.version}.npy",
            data=data_files(commit),
            files={},
            effort=mapped.effort,
            recall=recall,
            n_queries=n_queries,
            seconds=round(time.monotonic() - started, 1),
            rowspace=__version__,
        )
        return _finish(work, folder, record)


def _prepare(work: Path, settings: dict[str, Any]) -> None:
    """The work folder: an earlier one goes on if it was of the same, else it is begun anew."""
    if (work / _SETTINGS).exists():
        try:
            if remember(work / _SETTINGS, settings):
                return
        except FormatError:
            pass
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    remember(work / _SETTINGS, settings)


# --- Vectors -------------------------------------------------------------------------------------


def _source(store: Store, column: str, before: Opened | None) -> Batches:
    """Row ids, vectors and hashes: of the nodes there were, then of all other rows."""
    if before is None:
        for row_ids, vectors in store.vector_batches(column):
            yield row_ids, vectors, row_hashes(vectors)
        return
    mapped = before.mapped
    for start in range(0, len(mapped.row_ids), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        yield mapped.row_ids[part], mapped.units[part], before.loaded.hashes[part]
    for start in range(0, len(before.rest), _ROWS_AT_ONCE):
        row_ids, vectors = store.vectors_of(before.rest[start : start + _ROWS_AT_ONCE], column)
        yield row_ids, vectors, row_hashes(vectors)


def _copy_vectors(
    work: Path, store: Store, column: str, before: Opened | None
) -> tuple[NDArray[np.float32], RowIds]:
    """Unit vectors and row ids in files; rows of zeros, which nothing finds, are left out.

    Raises
    ------
    FormatError
        If the files of an earlier call, stopped after these, are damaged.
    """
    arrays = {
        "vectors": Rows("float32", (store.dim(column),)),
        "hashes": Rows("uint64"),
        _ROWS: Rows("uint64"),
    }
    done = work / "copied"
    if not done.exists():
        source, n = _source(store, column, before), len(store.all_row_ids())
        with GrowingFiles(work, arrays) as files, track("copying vectors", n) as tracker:
            n_read = files.state.get("rows", 0)
            tracker.set(n_read)
            for row_ids, vectors, hashes in _skip(source, n_read):
                units = np.array(vectors, np.float32)
                kept = ~normalize_rows(units)
                files.append("vectors", units[kept])
                files.append("hashes", hashes[kept])
                files.append(_ROWS, row_ids[kept])
                n_read += len(row_ids)
                files.mark({"rows": n_read})
                tracker.advance(len(row_ids))
            files.finish()
        done.touch()
        fsync_file(work)
    try:
        units, rows = np.load(work / VECTORS, mmap_mode="r"), np.load(work / f"{_ROWS}.npy")
        np.load(work / HASHES, mmap_mode="r")
        return units, rows
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{work} has an array that cannot be read ({error})") from error


def _skip(source: Batches, n: int) -> Batches:
    """All but the first n rows."""
    for row_ids, vectors, hashes in source:
        start = min(n, len(row_ids))
        n -= start
        if start < len(row_ids):
            yield row_ids[start:], vectors[start:], hashes[start:]


# --- The graph -----------------------------------------------------------------------------------


def _make_graph(
    work: Path,
    units: NDArray[np.float32],
    kind: str,
    config: IndexConfig,
    before: Opened | None,
) -> ApproximateIndex:
    """The graph over all rows, gone on with from its last saved part."""
    n, dim = units.shape
    graph, n_added = _saved_part(work, kind, dim)
    if graph is None and before is not None:
        n_added = len(before.mapped.row_ids)
        file = before.loaded.folder / GRAPH
        graph = kind_of_index(kind).load(file, dim, n_added, to_grow=True)
    if graph is None:
        chosen = np.linspace(0, n - 1, min(n, MOST_SAMPLED)).astype(np.int64)
        graph, n_added = kind_of_index(kind).new(dim, n, units[chosen], config), 0
    saved = time.monotonic()
    with track("indexing", n) as tracker:
        tracker.set(n_added)
        try:
            for start in range(n_added, n, ADDED_AT_ONCE):
                graph.add(np.array(units[start : start + ADDED_AT_ONCE]))
                n_added = min(start + ADDED_AT_ONCE, n)
                tracker.set(n_added)
                if time.monotonic() - saved > SAVE_SECONDS:
                    _save_part(work, graph, n_added)
                    saved = time.monotonic()
        except KeyboardInterrupt:
            _save_part(work, graph, n_added)
            raise
    return_free_memory()
    graph.save(work / GRAPH)
    return graph


def _save_part(work: Path, graph: ApproximateIndex, n: int) -> None:
    part = work / f"graph-{n}.part"
    graph.save(part)
    fsync_file(part)
    write_json(work / _GRAPH_STATE, {"n": n, "file": part.name, "sha256": sha256(part)})
    for other in work.glob("graph-*.part"):
        if other != part:
            other.unlink()


def _saved_part(work: Path, kind: str, dim: int) -> tuple[ApproximateIndex | None, int]:
    try:
        state = json.loads((work / _GRAPH_STATE).read_bytes())
        part = work / state["file"]
        if sha256(part) != state["sha256"]:
            return None, 0
        return kind_of_index(kind).load(part, dim, state["n"], to_grow=True), state["n"]
    except (OSError, ValueError, KeyError, FormatError):
        return None, 0


# --- Recall --------------------------------------------------------------------------------------


def _tune(mapped: MappedIndex, queries: HeldAside, target: float) -> tuple[float | None, int]:
    """Set the effort; returns the recall of queries that it was not tuned on, and how many."""
    k = min(RECALL_AT, mapped.n_alive - 1)
    if mapped.approximate is None or not len(queries.vectors) or k < 1:
        return None, 0
    units = np.array(queries.vectors, np.float32)
    normalize_rows(units)
    own = np.full(len(units), -1, np.int64)
    has_node = mapped.has_node(queries.passages)
    own[has_node] = mapped.nodes_of(queries.passages)
    tuned, aside = slice(0, None, 2), slice(1, None, 2)

    def found(which: slice, effort: int) -> NDArray[np.int64]:
        _, nodes = mapped.propose(units[which], k + 1, effort, mapped.alive)
        return without(nodes, own[which])

    with track("measuring recall"):
        exact = ExactIndex(mapped.units, is_unit=True)
        truth = without(exact.search(units, k + 1, mapped.alive)[1], own)
        efforts = mapped.approximate.efforts
        mapped.effort = least_effort(partial(found, tuned), truth[tuned], efforts, target)
        n = len(units[aside])
        return (recall_at_k(found(aside, mapped.effort), truth[aside]) if n else None), n


# --- The end -------------------------------------------------------------------------------------


def _finish(work: Path, folder: Path, record: IndexRecord) -> IndexRecord:
    """Give the files their names and digests, and the folder its own, in one step."""
    (work / f"{_ROWS}.npy").rename(work / record.rows)
    kept = {VECTORS, HASHES, GRAPH, record.rows}
    for file in work.iterdir():
        if file.name not in kept:
            file.unlink()
    for name in sorted(kept):
        if (work / name).exists():
            size = (work / name).stat().st_size
            record.files[name] = FileState(size, sha256(work / name))
    write_record(work, record)
    take_place(work, folder)
    return record

"""An index in files, `SPACE/index/MODEL/`: never trusted, used where it proves to be of this space.

index/MODEL/
  index.json     what it is of, how good it is, size and SHA-256 of the other files
  vectors.npy    (n, dim) float32, of unit length, one a node
  hashes.npy     (n,) uint64, of the vectors' bytes in the store
  rows-V.npy     (n,) uint64, the row of the store that each node is
  graph.bin      what proposes near nodes, by FAISS or hnswlib; not there where all are compared

It is a cache: nothing in it is needed, and whatever is not as it was written makes it count for
nothing. Row ids are taken on trust only while every data file of the store that the index was made
of is still there, by name and SHA-256; Lance never gives an id in such files to another row. After
a compaction, or where a space was restored from a backup, nodes find their rows by content.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import FormatError, MissingExtraError
from rowspace.files import (
    WriterLock,
    exchange,
    fsync_file,
    fsync_tree,
    sha256,
    write_atomically,
    write_json,
)
from rowspace.machine import n_cores
from rowspace.search.commit import Commit, FileState
from rowspace.search.index.approximate import kind_of_index
from rowspace.search.index.exact import normalize_rows
from rowspace.search.index.mapped import GONE, MappedIndex
from rowspace.search.store import RowIds, Store

FOLDER = "index"
RECORD = "index.json"
VECTORS, HASHES, GRAPH = "vectors.npy", "hashes.npy", "graph.bin"

T = TypeVar("T")

_logger = logging.getLogger("rowspace")


@dataclass(frozen=True, kw_only=True)
class IndexRecord:
    """The content of `index.json`."""

    kind: str
    config: dict[str, Any]
    fingerprint: str
    """Of the encoder that made the vectors."""
    n: int
    dim: int
    version: int
    """Of the store when its rows were last matched."""
    rows: str
    """The file of the nodes' row ids."""
    data: dict[str, str]
    """SHA-256 of each data file of the store, then."""
    files: dict[str, FileState]
    effort: int = 0
    recall: float | None = None
    """Share of the ten nearest found, of queries that nothing was tuned on."""
    n_queries: int = 0
    seconds: float = 0.0
    rowspace: str = ""


@dataclass(frozen=True)
class Loaded:
    """An index whose files are whole."""

    folder: Path
    record: IndexRecord
    mapped: MappedIndex
    """With the rows of when they were last matched."""
    hashes: NDArray[np.uint64]
    """(n,) by node, mapped from a file."""


@dataclass(frozen=True)
class Opened:
    """An index beside one version of the space."""

    loaded: Loaded
    mapped: MappedIndex
    """With the rows of this version."""
    rest: RowIds
    """Rows that are no node, ascending."""
    moved: bool
    """Nodes found their rows by content."""

    @property
    def record(self) -> IndexRecord:
        """What is written of it."""
        return self.loaded.record


def lock_index(folder: Path) -> WriterLock:
    """What a process holds that makes or changes the index in `folder`; it does not wait."""
    return WriterLock(folder.with_name(f".{folder.name}.lock"), 0.0, f"the index of {folder}")


def work_folder(folder: Path) -> Path:
    """Where the index in `folder` is made, or removed."""
    return folder.with_name(f".{folder.name}.work")


def take_place(work: Path, folder: Path) -> None:
    """Give what was made in the work folder its name, in one step, and remove what was there."""
    fsync_tree(work)
    if folder.exists():
        exchange(work, folder)
        shutil.rmtree(work)
    else:
        work.rename(folder)
    fsync_file(folder.parent)


def write_record(folder: Path, record: IndexRecord) -> None:
    """Write `index.json` with a digest of its own."""
    content = asdict(record)
    write_json(folder / RECORD, content | {"digest": _digest(content)})


def read_record(folder: Path) -> IndexRecord | None:
    """What `index.json` says; None where there is no index.

    Raises
    ------
    FormatError
        If it is damaged, or missing though there is a folder, which has it from the beginning.
    """
    file = folder / RECORD
    try:
        text = file.read_bytes()
        content = json.loads(text)
        if content.pop("digest") != _digest(content) or not text.endswith(b"}\n"):
            raise ValueError("its digest does not match")
        content["files"] = {name: FileState(**state) for name, state in content["files"].items()}
        return IndexRecord(**content)
    except FileNotFoundError as error:
        if folder.exists():
            raise FormatError(f"{file} is missing") from error
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{file} is damaged ({error})") from error


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_sizes(folder: Path, record: IndexRecord) -> None:
    """See that every file is as long as it was written.

    Raises
    ------
    FormatError
        If one is not, or is missing; it is named.
    """
    for name, state in record.files.items():
        _check_size(folder / name, state)


def check_files(folder: Path, record: IndexRecord) -> None:
    """See that every file is as it was written, byte by byte.

    Raises
    ------
    FormatError
        If one is not; it is named.
    """
    files = sorted(record.files, key=lambda name: -record.files[name].size)
    with ThreadPoolExecutor(n_cores()) as pool:
        for problem in pool.map(lambda name: _damage(folder / name, record.files[name]), files):
            if problem is not None:
                raise problem


def _damage(file: Path, state: FileState) -> FormatError | None:
    try:
        _check_size(file, state)
        if sha256(file) != state.sha256:
            return FormatError(f"{file} is altered (its SHA-256 is another)")
    except OSError as error:
        return FormatError(f"{file} is not readable ({error.strerror})")
    except FormatError as error:
        return error
    return None


def _check_size(file: Path, state: FileState) -> None:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise FormatError(f"{file} is not readable ({error.strerror})") from error
    if size != state.size:
        raise FormatError(f"{file} is {size:,} bytes long where {state.size:,} were written")


def find_damaged_indexes(path: Path) -> Iterator[tuple[str, FormatError]]:
    """Each index of a space that has a damaged file: its folder in the space, what is wrong."""
    for folder in sorted((path / FOLDER).glob("[!.]*")):
        try:
            retry_if_replaced(folder, partial(check_files, folder))
        except FormatError as error:
            yield folder.relative_to(path).as_posix(), error


def data_files(commit: Commit) -> dict[str, str]:
    """SHA-256 of each file of the store that holds rows."""
    return {name: state.sha256 for name, state in commit.files.items() if "/data/" in name}


def load_index(folder: Path, fingerprint: str, loaded: Loaded | None = None) -> Loaded | None:
    """The index in `folder`, if it is whole and of the encoder's vectors; else None.

    A damaged one is told of in a warning, and is as good as none. What was loaded before is taken
    again where the files are the same.
    """
    try:
        return retry_if_replaced(
            folder, lambda record: _load_one(folder, record, fingerprint, loaded)
        )
    except FormatError as error:
        _logger.warning("%s; all passages are compared until `rowspace index` makes it anew", error)
    except MissingExtraError as error:
        _logger.warning("%s; until then all passages are compared", error)
    return None


def retry_if_replaced(folder: Path, use: Callable[[IndexRecord], T]) -> T | None:
    """What `use` makes of an index, anew where another process put one in its place meanwhile.

    None where there is no index. An error is raised if the index is the same as before.
    """
    while (record := read_record(folder)) is not None:
        try:
            result = use(record)
        except FormatError:
            if read_record(folder) == record:
                raise
        else:
            if read_record(folder) == record:
                return result
    return None


def _load_one(
    folder: Path, record: IndexRecord, fingerprint: str, loaded: Loaded | None
) -> Loaded | None:
    if record.fingerprint != fingerprint or not record.files:
        return None
    if loaded is not None and loaded.record == record:
        return loaded
    check_files(folder, record)
    return _load(folder, record)


def _load(folder: Path, record: IndexRecord) -> Loaded:
    try:
        rows = np.load(folder / record.rows)
        units = np.load(folder / VECTORS, mmap_mode="r")
        hashes = np.load(folder / HASHES, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise FormatError(f"{folder} has an array that cannot be read ({error})") from error
    if rows.shape != (record.n,) or units.shape != (record.n, record.dim):
        raise FormatError(f"{folder} does not hold {record.n:,} rows of {record.dim}")
    graph = None
    if GRAPH in record.files:
        graph = kind_of_index(record.kind).load(folder / GRAPH, record.dim, record.n)
    return Loaded(folder, record, MappedIndex(rows, units, graph, record.effort), hashes)


def match_rows(loaded: Loaded, commit: Commit, store: Store, column: str) -> Opened:
    """Say of each node which row it is in this version, or that its row is gone."""
    record, mapped = loaded.record, loaded.mapped
    data = data_files(commit)
    moved = any(data.get(name) != digest for name, digest in record.data.items())
    if moved:
        row_ids = rows_by_content(mapped.units, loaded.hashes, store, column)
    else:
        row_ids = mapped.row_ids.copy()
    current = store.all_row_ids()
    row_ids[~_among(row_ids, current)] = GONE
    here = replace(mapped, row_ids=row_ids)
    return Opened(loaded, here, current[~here.has_node(current)], moved)


def _among(ids: RowIds, ascending: RowIds) -> NDArray[np.bool_]:
    if not len(ascending):
        return np.zeros(len(ids), bool)
    places = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[places] == ids
    return found


def keep_rows(opened: Opened, commit: Commit) -> None:
    """Write which row each node is now, so that the next to open it need not look.

    For the holder of the index's lock. What another process made since is left as it is.
    """
    folder, record = opened.loaded.folder, opened.record
    if read_record(folder) != record:
        return
    name = f"rows-{commit.version}.npy"
    with write_atomically(folder / name) as file:
        np.save(file, opened.mapped.row_ids)
    old = folder / record.rows
    files = {key: state for key, state in record.files.items() if key != record.rows}
    files[name] = FileState((folder / name).stat().st_size, sha256(folder / name))
    write_record(
        folder,
        replace(record, version=commit.version, rows=name, data=data_files(commit), files=files),
    )
    if old.name != name:
        old.unlink(missing_ok=True)


# --- Rows by content -----------------------------------------------------------------------------


def row_hashes(vectors: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(n,) 64-bit hashes of the bytes of (n, dim) rows: Carter & Wegman's multilinear ones."""
    words = np.ascontiguousarray(vectors, np.float32).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(64).integers(0, 2**64, words.shape[1], np.uint64)
    hashes: NDArray[np.uint64] = (words * factors).sum(axis=1, dtype=np.uint64)
    return hashes ^ (hashes >> np.uint64(32))


def rows_by_content(
    units: NDArray[np.float32], hashes: NDArray[np.uint64], store: Store, column: str
) -> RowIds:
    """(n,) the row of the store whose vector each node holds, `GONE` where there is none.

    Where several rows have the same vector, so have as many nodes, one each.
    """
    found = np.full(len(units), GONE, np.uint64)
    if not len(units):
        return found
    order = np.argsort(hashes, kind="stable")
    ascending = hashes[order]
    taken = np.zeros(len(units), np.int64)  # by place of a hash's first node
    for row_ids, vectors in store.vector_batches(column):
        rows = np.array(vectors, np.float32)
        wanted = row_hashes(rows)
        first = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
        known = np.flatnonzero(ascending[first] == wanted)
        first = first[known]
        place = np.minimum(first + _occurrence(first) + taken[first], len(ascending) - 1)
        inside = ascending[place] == wanted[known]  # else there are more rows than nodes
        first, place, known = first[inside], place[inside], known[inside]
        normalize_rows(rows)
        nodes = order[place]
        same = np.abs(units[nodes] - rows[known]).max(axis=1, initial=0.0) < 1e-5
        found[nodes[same]] = row_ids[known[same]]
        np.add.at(taken, first, 1)
    return found


def _occurrence(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how often each value came before in the array."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.r_[True, ordered[1:] != ordered[:-1]]
    position = np.arange(len(values))
    count = position - np.maximum.accumulate(np.where(starts, position, 0))
    result = np.empty(len(values), np.int64)
    result[order] = count
    return result

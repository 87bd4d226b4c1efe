"""Passages as an index of FAISS or hnswlib, with a file beside it that tells which they are.

Both find by cosine: FAISS by the inner product of vectors that are scaled to unit length, hnswlib
in its space `cosine`. A passage whose vector is zero is left out. The index is built in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.errors import SpaceError
from rowspace.extras import need
from rowspace.files import write_atomically
from rowspace.progress import Tracker
from rowspace.search.index.exact import normalize_rows

M = 32
EF_CONSTRUCTION = 200
SEED = 1


def ids_path(path: Path) -> Path:
    """The file beside an index whose n-th line, from 0, is the passage that it calls n."""
    return path.with_name(path.name + ".ids.jsonl")


def write_faiss(
    path: Path,
    reader: pa.RecordBatchReader,
    dim: int,
    n_passages: int,
    tracker: Tracker,
    *,
    kind: str = "flat",
    m: int = M,
    ef_construction: int = EF_CONSTRUCTION,
) -> int:
    """Write a FAISS index, `IndexFlatIP` or `IndexHNSWFlat`; returns how many vectors are in it."""
    import faiss

    index: Any
    if kind == "flat":
        index = faiss.IndexFlatIP(dim)
    else:
        index = faiss.IndexHNSWFlat(dim, m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = ef_construction

    def save(file: str) -> None:
        try:
            faiss.write_index(index, file)
        except RuntimeError as error:
            raise _not_written(path, " ".join(str(error).split())[-200:]) from error

    return _write(path, reader, tracker, index.add, save)


def write_hnswlib(
    path: Path,
    reader: pa.RecordBatchReader,
    dim: int,
    n_passages: int,
    tracker: Tracker,
    *,
    m: int = M,
    ef_construction: int = EF_CONSTRUCTION,
) -> int:
    """Write an index that `hnswlib.Index("cosine", dim)` loads; returns its number of vectors."""
    hnswlib = need("hnswlib", "hnswlib")
    index = hnswlib.Index("cosine", dim)
    index.init_index(n_passages, M=m, ef_construction=ef_construction, random_seed=SEED)

    def add(rows: NDArray[np.float32]) -> None:
        start = index.get_current_count()
        index.add_items(rows, np.arange(start, start + len(rows)))

    def save(file: str) -> None:
        index.save_index(file)
        size = Path(file).stat().st_size
        if size != index.index_file_size():  # it does not look whether its writes succeed
            raise _not_written(path, f"{size:,} of {index.index_file_size():,} bytes")

    return _write(path, reader, tracker, add, save)


def _not_written(path: Path, how: str) -> SpaceError:
    return SpaceError(f"could not write {path} ({how}); free some space and try again")


def _write(
    path: Path,
    reader: pa.RecordBatchReader,
    tracker: Tracker,
    add: Callable[[NDArray[np.float32]], Any],
    save: Callable[[str], None],
) -> int:
    """Fill an index and write it with its ids; whatever happens, the two belong together."""
    n_written = 0
    with write_atomically(path) as file, write_atomically(ids_path(path)) as ids:
        for batch, rows in _nonzero(reader):
            add(rows)
            _write_ids(ids, batch)
            n_written += len(rows)
            tracker.advance(batch.num_rows)
        if n_written == 0:
            raise SpaceError("the passages' vectors are all zero; nothing was written")
        save(file.name)
        path.unlink(missing_ok=True)  # an older index must not meet the new ids
    return n_written


def _nonzero(
    reader: pa.RecordBatchReader,
) -> Iterator[tuple[pa.RecordBatch, NDArray[np.float32]]]:
    """Each batch and its vectors at unit length, without the rows whose vectors are zero."""
    for batch in reader:
        dim = batch["vector"].type.list_size
        rows = np.array(batch["vector"].flatten().to_numpy().reshape(-1, dim), np.float32)
        kept = ~normalize_rows(rows)
        yield batch.filter(pa.array(kept)), rows[kept]


def _write_ids(file: IO[bytes], batch: pa.RecordBatch) -> None:
    for row in batch.select(["passage_id", "document_id"]).to_pylist():
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

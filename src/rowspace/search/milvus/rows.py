"""A space's rows as Milvus takes them, and as it gives them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from rowspace.search.fields import Field
from rowspace.search.milvus.collection import EMPTY, ROW, STRINGS, VECTOR, WORDS
from rowspace.search.milvus.digest import matrix_of
from rowspace.search.milvus.expressions import finite
from rowspace.search.milvus.words import SparseVector
from rowspace.search.store import ROW_ID

BATCH_BYTES = 1 << 23
BATCH_ROWS = 4096
"""Of one request, at most."""


def rows_of(
    batch: pa.RecordBatch,
    start: int,
    column: str,
    fields: Mapping[str, Field],
    words: Sequence[SparseVector] | None,
) -> list[dict[str, Any]]:
    """A space's rows as Milvus takes them.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        With the columns of a store.
    start : int
        The number of its first row.
    column : str
        Its vectors.
    fields : mapping of str to Field
    words : sequence of dict, or None
        Each row's sparse vector.
    """
    vectors = matrix_of(batch, column)
    columns = {name: batch[name].to_pylist() for name in (*STRINGS, "position")}
    for field in fields.values():
        values = batch[field.column].to_pylist()
        if field.type == "float":
            values = [None if value is None else finite(value) for value in values]
        columns[field.column] = values
    columns[ROW] = list(range(start, start + batch.num_rows))
    columns[EMPTY] = (~vectors.any(axis=1)).tolist()
    columns[VECTOR] = list(vectors)
    if words is not None:
        columns[WORDS] = list(words)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def in_batches(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows in requests of some megabytes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        size += _bytes_of(row)
        if batch and (size > BATCH_BYTES or len(batch) == BATCH_ROWS):
            yield batch
            batch, size = [], _bytes_of(row)
        batch.append(row)
    if batch:
        yield batch


def _bytes_of(row: Mapping[str, Any]) -> int:
    """About what a row takes; a character of UTF-8 has at most 4 bytes."""
    texts = sum(4 * len(value) for value in row.values() if isinstance(value, str))
    return texts + int(row[VECTOR].nbytes) + 8 * len(row.get(WORDS, ()))


def batch_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows of Milvus as a store gives them, with the columns of a schema."""
    arrays = []
    for field in schema:
        if field.name == VECTOR:
            flat = np.array([row[VECTOR] for row in rows], np.float32).ravel()
            arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), field.type.list_size))
        else:
            key = ROW if field.name == ROW_ID else field.name
            arrays.append(pa.array([row.get(key) for row in rows], field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)

"""The collection that holds a space's rows: its columns, its names, and rows on their way to it.

passage_id   the key                 row         a number from 0, the order of the space
document_id  position  title  content  source   as in a space
metadata     JSON as text, byte for byte; the typed fields stand beside it for filters
vector       one model's             words       BM25's part of each word, see `words`
is_empty     whether the vector is zero
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from rowspace.errors import ConfigError
from rowspace.search.fields import Field
from rowspace.search.milvus.digest import matrix_of
from rowspace.search.milvus.expressions import finite
from rowspace.search.milvus.indexes import INDEXES
from rowspace.search.milvus.words import SparseVector
from rowspace.version import __version__

VECTOR, WORDS, ROW, EMPTY = "vector", "words", "row", "is_empty"
STRINGS = ("passage_id", "document_id", "title", "content", "source", "metadata")
MAX_BYTES = 65_535
"""Of a text in Milvus."""
MAX_COLUMNS = 64
"""Of a collection, as a server is set up."""
BATCH_BYTES = 1 << 23
BATCH_ROWS = 4096
CONSISTENCY = "Strong"
"""A search sees all that was written before it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_OURS = "rowspace.collection"


def check_name(name: str) -> str:
    """`name`, if a collection can be called that.

    Raises
    ------
    ConfigError
        If it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a collection of Milvus cannot be called {name!r}; give --collection with letters, "
            "digits and underscores, at most 200, that begins with no digit"
        )
    return name


def name_of(collection: str, digest: str) -> str:
    """The collection behind an alias, which is of these rows and no others."""
    return f"{collection}_{digest[:12]}"


def is_version_of(collection: str, name: str, properties: Mapping[str, str]) -> bool:
    """Whether a collection was written as one of those behind the alias `collection`."""
    known = properties.get(_OURS) == collection
    return known and re.fullmatch(f"{collection}_[0-9a-f]{{12}}", name) is not None


def properties_of(
    collection: str, fingerprint: str, digest: str, n_passages: int
) -> dict[str, str]:
    """What a collection tells of itself."""
    return {
        _OURS: collection,
        "rowspace.fingerprint": fingerprint,
        "rowspace.digest": digest,
        "rowspace.passages": str(n_passages),
        "rowspace.version": __version__,
    }


def check_fields(fields: Mapping[str, Field], has_words: bool) -> None:
    """See that a collection has room for the metadata fields.

    Raises
    ------
    ConfigError
        If there are too many.
    """
    room = MAX_COLUMNS - len(STRINGS) - 4 - has_words
    if len(fields) > room:
        raise ConfigError(
            f"the space has {len(fields)} metadata fields, and a collection of Milvus has room "
            f"for {room} beside ours; move rare ones into one field that holds a dict"
        )


def create(
    client: Any,
    name: str,
    dim: int,
    fields: Mapping[str, Field],
    index: str,
    n_passages: int,
    has_words: bool,
    properties: Mapping[str, str],
) -> None:
    """Make an empty collection with its indexes, loaded for searching."""
    from pymilvus import DataType

    types = {
        "int": DataType.INT64,
        "float": DataType.DOUBLE,
        "bool": DataType.BOOL,
        "string": DataType.VARCHAR,
    }
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    for column in STRINGS:
        is_key = column == "passage_id"
        schema.add_field(column, DataType.VARCHAR, max_length=MAX_BYTES, is_primary=is_key)
    schema.add_field("position", DataType.INT64)
    schema.add_field(ROW, DataType.INT64)
    schema.add_field(EMPTY, DataType.BOOL)
    for field in fields.values():
        length = {"max_length": MAX_BYTES} if field.type == "string" else {}
        schema.add_field(field.column, types[field.type], nullable=True, **length)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    indexes = client.prepare_index_params()
    indexes.add_index(
        VECTOR, index_type=index, metric_type="COSINE", params=INDEXES[index].build(n_passages)
    )
    indexes.add_index(ROW, index_type="INVERTED")
    if has_words:
        schema.add_field(WORDS, DataType.SPARSE_FLOAT_VECTOR)
        indexes.add_index(WORDS, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection(
        name,
        schema=schema,
        index_params=indexes,
        properties=dict(properties),
        consistency_level=CONSISTENCY,
    )


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

"""A space as an Arrow table of passages, and such tables into a space.

A typed metadata field is a column of its own name. What no column holds as it was (lists, dicts,
an integer among floats, a field that is called `text`) is in the column `metadata`, as JSON, so
that nothing is lost from one space to another. Rows are streamed: memory stays at a few batches.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, SpaceCorruptError, SpaceError
from rowspace.search.commit import model_named
from rowspace.search.fields import Field, convert
from rowspace.search.filters import Given
from rowspace.search.model_state import ModelState
from rowspace.search.snapshot import Snapshot, signature_of
from rowspace.search.store import field_schema
from rowspace.text.corpus import Document
from rowspace.text.passages import Passage
from rowspace.text.tables import MARK, REST, about_space, numbered
from rowspace.version import __version__

Batches = Iterator[tuple[list[Passage], NDArray[np.float32] | None]]

_BEFORE: dict[str, pa.DataType] = {
    "document_id": pa.string(),
    "passage_id": pa.string(),
    "position": pa.int32(),
    "title": pa.string(),
    "text": pa.string(),
    "source": pa.string(),
}
_STORED = {"text": ("title", "content"), REST: (REST,)}
"""The store's columns that make one of ours, where they are others."""


# --- Out -----------------------------------------------------------------------------------------


def read_passages(
    snapshot: Snapshot,
    model: str | None = None,
    columns: Sequence[str] | None = None,
    where: Given | None = None,
) -> pa.RecordBatchReader:
    """The passages of one version of a space. See `Space.to_arrow`."""
    fields = snapshot.commit.fields
    _, encoder = model_named(snapshot.path, snapshot.commit, model)
    schema = _chosen(passage_schema(fields, encoder), columns)
    predicate = None if where is None else snapshot.store.predicate(where, fields)
    rows = _stream(snapshot, schema, encoder.column, predicate)
    return pa.RecordBatchReader.from_batches(schema, rows)


def passage_schema(fields: Mapping[str, Field], encoder: ModelState) -> pa.Schema:
    """All columns of a space as a table, and in the schema's metadata whose vectors they are."""
    typed = zip(_own(fields), field_schema(_own(fields)), strict=True)
    columns = [
        *_BEFORE.items(),
        *((name, column.type) for name, column in typed),
        (REST, pa.string()),
        ("vector", pa.list_(pa.float32(), encoder.dim)),
    ]
    about = {
        "rowspace": __version__,
        "encoder": encoder.kind,
        "fingerprint": encoder.fingerprint,
        "dim": encoder.dim,
        "fields": {name: field.type for name, field in fields.items()},
    }
    return pa.schema(columns, metadata={MARK: json.dumps(about).encode()})


def _own(fields: Mapping[str, Field]) -> dict[str, Field]:
    """The fields that have a column of their own: those not called as another column is."""
    taken = {*_BEFORE, REST, "vector"}
    return {name: field for name, field in fields.items() if name not in taken}


def _chosen(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    if columns is None:
        return schema
    if unknown := [name for name in columns if name not in schema.names]:
        raise ConfigError(
            f"the space has no column {unknown[0]!r}; give some of {', '.join(schema.names)}"
        )
    if not columns or len(set(columns)) < len(columns):
        raise ConfigError(f"columns is {list(columns)!r}; give one name or more, each once")
    return pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)


def _stream(
    snapshot: Snapshot, schema: pa.Schema, vectors: str, predicate: str | None
) -> Iterator[pa.RecordBatch]:
    own = _own(snapshot.commit.fields)
    stored: dict[str, None] = {}
    for name in schema.names:
        plain = _stored_as(name, own, vectors)
        stored |= dict.fromkeys(_STORED.get(name, (plain,)))
    try:
        for batch in snapshot.store.scan(list(stored), predicate):
            arrays = [_column(name, batch, own, vectors) for name in schema.names]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
    except SpaceCorruptError as error:
        if signature_of(snapshot.path) == snapshot.signature:
            raise
        raise SpaceError(
            f"a writer removed the version of {snapshot.path} that was being read; read it again"
        ) from error


def _stored_as(name: str, own: Mapping[str, Field], vectors: str) -> str:
    """The store's column that is ours called `name`."""
    if name == "vector":
        return vectors
    return own[name].column if name in own else name


def _column(name: str, batch: pa.RecordBatch, own: Mapping[str, Field], vectors: str) -> pa.Array:
    if name == "text":
        titles, contents = batch["title"].to_pylist(), batch["content"].to_pylist()
        texts = [c[len(t) + 1 :] for t, c in zip(titles, contents, strict=True)]
        return pa.array(texts, pa.string())
    if name == REST:
        return pa.array([_rest(text, own) for text in batch[REST].to_pylist()], pa.string())
    return batch[_stored_as(name, own, vectors)]


def _rest(text: str, own: Mapping[str, Field]) -> str | None:
    """JSON of those fields of a passage that the typed columns do not give back as they were."""
    if text == "{}":
        return None
    rest = {
        name: value
        for name, value in json.loads(text).items()
        if name not in own or not _is_same(value, convert(value, own[name].type))
    }
    return json.dumps(rest, ensure_ascii=False) if rest else None


def _is_same(value: Any, kept: Any) -> bool:
    return type(value) is type(kept) and value == kept


# --- In ------------------------------------------------------------------------------------------


def as_reader(table: Any) -> pa.RecordBatchReader:
    """A stream of any Arrow table: a Table, a RecordBatchReader, or what exports such a stream.

    Raises
    ------
    ConfigError
        If it is none.
    """
    if isinstance(table, pa.RecordBatchReader):
        return table
    if isinstance(table, pa.Table):
        return table.to_reader()
    if isinstance(table, pa.RecordBatch):
        return pa.RecordBatchReader.from_batches(table.schema, [table])
    if hasattr(table, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(table)
    raise ConfigError(
        f"{type(table).__name__} is no Arrow table; give a pyarrow Table or RecordBatchReader, or "
        "a data frame that has __arrow_c_stream__"
    )


def model_of_table(
    schema: pa.Schema, models: Collection[ModelState], fingerprint: str | None
) -> ModelState | None:
    """The model of a space that the vectors of a table are of; None if it has no vectors.

    Parameters
    ----------
    schema : pyarrow.Schema
    models : collection of ModelState
        Of the space.
    fingerprint : str or None
        Of what made the vectors; None takes what a space wrote into the schema.

    Raises
    ------
    ConfigError
        If they are of another one, or nobody says.
    """
    if "vector" not in schema.names:
        if fingerprint is not None:
            raise ConfigError("a fingerprint was given, but the table has no column `vector`")
        return None
    found = about_space(schema).get("fingerprint") if fingerprint is None else fingerprint
    for model in models:
        if model.fingerprint == found:
            return model
    own = " and ".join(model.fingerprint[:12] for model in models)
    whose = "are of an unknown model" if found is None else f"are of the model {str(found)[:12]}"
    raise ConfigError(
        f"the table's vectors {whose} and the space's of {own}; leave out the "
        "column `vector` to have the texts encoded, or give the space's fingerprint if they are "
        "its model's"
    )


def table_passages(reader: pa.RecordBatchReader, dim: int) -> Batches:
    """The rows of a table as passages, with their vectors where it has them.

    Raises
    ------
    CorpusError
        If the positions in a document are not 0, 1, 2 and so on, or a vector is missing or of
        another length than `dim`.
    """
    has_positions = "position" in reader.schema.names
    last: Document | None = None
    position = 0
    for batch, rows, start in numbered(reader):
        given = batch["position"].to_pylist() if has_positions else None
        passages = []
        for i, row in enumerate(rows):
            is_next = last is not None and last.document_id == row.document_id
            position = position + 1 if is_next else 0
            if given is not None and given[i] != position:
                raise _out_of_order(row, given[i], position)
            passages.append(_to_passage(row, position))
            last = row
        has_vectors = "vector" in batch.schema.names
        yield passages, _vectors(batch["vector"], dim, start) if has_vectors else None


def _out_of_order(row: Document, given: Any, wanted: int) -> CorpusError:
    return CorpusError(
        f"document {row.document_id!r} has a passage at position {given} where {wanted} was next; "
        "give all of a document's passages, one after another, by position"
    )


def _to_passage(row: Document, position: int) -> Passage:
    return Passage(row.document_id, position, row.title, row.text, row.source, row.metadata)


def _vectors(column: pa.Array, dim: int, start: int) -> NDArray[np.float32]:
    """(n_rows, dim) of a column of lists; `start` is the number of its first row."""
    type_ = column.type
    is_list = (
        pa.types.is_list(type_)
        or pa.types.is_large_list(type_)
        or pa.types.is_fixed_size_list(type_)
    )
    if not is_list or not pa.types.is_floating(type_.value_type):
        raise CorpusError(f"column `vector` holds {type_}; give lists of {dim} floats")
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    if np.any(lengths != dim):
        bad = int(np.flatnonzero(lengths != dim)[0])
        raise CorpusError(
            f"the vector of row {start + bad:,} has {lengths[bad]} numbers where the space has "
            f"{dim}; give each row one of that length"
        )
    flat = column.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
    numbers: NDArray[np.float32] = flat.reshape(-1, dim)
    return numbers

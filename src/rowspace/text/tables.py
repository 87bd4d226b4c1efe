"""Documents out of tables: Parquet and Arrow files, and what another program holds in memory.

A row is a document: `document_id` (or `_id`, `id`) and `text`, optionally `title` and `source`;
every other column is metadata, and a null is a missing value. With columns `passage_id` and
`position`, or `vector`, a row is a passage; as a document, the passages that follow each other
under one id are joined by a blank line. The vectors themselves are read by `search.arrow` alone.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from rowspace.errors import CorpusError
from rowspace.storage.files import ObjectPath, file_path
from rowspace.text.corpus import Document

BATCH_ROWS = 4096
MARK = b"rowspace"
"""Key in the metadata of an Arrow schema that a space was written with: JSON about the space."""
REST = "metadata"
"""Column of such a table: JSON of the metadata that no other column holds as it is."""

_IDS = ("document_id", "_id", "id")


@dataclass(frozen=True)
class RowGroup:
    """Rows of a table's file that can be read without the others."""

    n_rows: int
    n_bytes: int
    """As they are stored; of an Arrow file, whose size tells no more, an equal share."""


@contextlib.contextmanager
def open_table(
    path: Path | str, groups: tuple[int, int] | None = None
) -> Iterator[pa.RecordBatchReader]:
    """Open a Parquet file, or else an Arrow IPC file, to read it batch by batch.

    Parameters
    ----------
    path : path
    groups : (int, int) or None
        From and to which row group to read; None for all.

    Raises
    ------
    CorpusError
        If it is missing or neither of them; while reading, if it is damaged.
    """
    import pyarrow.parquet as pq

    path = file_path(path)
    with contextlib.ExitStack() as stack:
        try:
            if path.suffix == ".parquet":
                parquet = stack.enter_context(pq.ParquetFile(_source(path)))
                among = None if groups is None else list(range(*groups))
                batches = parquet.iter_batches(BATCH_ROWS, row_groups=among)
                schema = parquet.schema_arrow
            else:
                file = stack.enter_context(_source(path))
                arrow = stack.enter_context(pa.ipc.open_file(file))
                schema = arrow.schema
                numbers = range(*(groups or (0, arrow.num_record_batches)))
                batches = (arrow.get_batch(number) for number in numbers)
        except FileNotFoundError as error:
            raise CorpusError(f"there is no file {path}; check the path") from error
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        yield pa.RecordBatchReader.from_batches(schema, _checked(path, batches))


def _source(path: Path) -> Any:
    """What pyarrow reads of a file on the disk, or of an object."""
    if isinstance(path, ObjectPath):
        return pa.PythonFile(path.open("rb"), "r")
    return pa.OSFile(str(path))


def _mapped(path: Path) -> Any:
    return _source(path) if isinstance(path, ObjectPath) else pa.memory_map(str(path))


def row_groups(path: Path) -> list[RowGroup] | None:
    """The row groups of a Parquet file, the record batches of an Arrow file.

    None where a document may go on in the next, as in a table of passages, or there is only one.
    """
    with open_table(path) as reader:
        if holds_passages(reader.schema):
            return None
    groups = _parquet_groups(path) if path.suffix == ".parquet" else _arrow_groups(path)
    return groups if len(groups) > 1 else None


def _parquet_groups(path: Path) -> list[RowGroup]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(_source(path))
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return [
        RowGroup(
            group.num_rows,
            sum(group.column(i).total_compressed_size for i in range(group.num_columns)),
        )
        for group in groups
    ]


def _arrow_groups(path: Path) -> list[RowGroup]:
    with _mapped(path) as file:
        arrow = pa.ipc.open_file(file)
        n = arrow.num_record_batches
        share = path.stat().st_size // max(n, 1)
        return [RowGroup(arrow.get_batch(number).num_rows, share) for number in range(n)]


def _checked(path: Path, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CorpusError:
    kind = "Parquet" if path.suffix == ".parquet" else "Arrow"
    return CorpusError(f"{path} is no {kind} file, or damaged ({error}); get the file again")


def about_space(schema: pa.Schema) -> dict[str, Any]:
    """What a space wrote about itself into the schema of a table; empty for other tables."""
    try:
        found = json.loads((schema.metadata or {}).get(MARK, b"{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def holds_passages(schema: pa.Schema) -> bool:
    """Whether a row is a passage, not a whole document."""
    return "vector" in schema.names or {"passage_id", "position"} <= set(schema.names)


def table_documents(
    reader: pa.RecordBatchReader, name: str = "", first: int = 1
) -> Iterator[Document]:
    """The documents of a table, one at a time.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
    name : str
        What the table is called, as a file's name. A row without an id is then called by it and
        the row's number; where there is no name, each row needs an id.
    first : int
        The number of the first row.

    Raises
    ------
    CorpusError
        If a column is missing or holds what a document cannot; it names the column.
    """
    rows = (row for _, documents, _ in numbered(reader, name, first) for row in documents)
    if not holds_passages(reader.schema):
        yield from rows
        return
    for _, passages in groupby(rows, key=lambda row: row.document_id):
        start, *others = passages
        yield replace(start, text="\n\n".join([start.text, *(row.text for row in others)]))


def numbered(
    reader: pa.RecordBatchReader, name: str = "", first: int = 1
) -> Iterator[tuple[pa.RecordBatch, list[Document], int]]:
    """Each batch with its rows as documents, and the number of its first row."""
    start = first
    for batch in reader:
        yield batch, _rows(batch, name, start), start
        start += batch.num_rows


def _rows(batch: pa.RecordBatch, name: str, start: int) -> list[Document]:
    """Each row of a batch as a document, whatever it is; `start` is the number of the first."""
    columns = _values(batch)
    ids = _take_ids(columns, name, start, batch.num_rows)
    if "text" not in columns:
        raise CorpusError(
            f"{name or 'the table'} has no column `text`; its columns are "
            f"{', '.join(batch.schema.names)}"
        )
    texts = _take_texts(batch, columns, "text")
    titles = _take_texts(batch, columns, "title")
    sources = _take_texts(batch, columns, "source")
    rests = columns.pop(REST) if about_space(batch.schema) and REST in columns else None
    documents = []
    for i, document_id in enumerate(ids):
        metadata = {key: values[i] for key, values in columns.items() if values[i] is not None}
        if rests is not None and rests[i] is not None:
            metadata |= _read_rest(rests[i], document_id)
        source = name if sources[i] is None else sources[i]
        documents.append(
            Document(document_id, titles[i] or "", texts[i] or "", source or "", metadata)
        )
    return documents


def _read_rest(text: str, document_id: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise CorpusError(
            f"column `{REST}` of document {document_id!r} is no JSON object ({error}); mend it, or "
            "leave the column out"
        ) from error


def _values(batch: pa.RecordBatch) -> dict[str, list[Any]]:
    """The columns as lists of what JSON can hold, without those that tell of a passage."""
    aside = {"vector", "passage_id", "position"} if holds_passages(batch.schema) else set()
    names = batch.schema.names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CorpusError(f"the table has two columns {twice[0]!r}; rename one")
    return {
        name: _plain(name, column).to_pylist()
        for name, column in zip(names, batch.columns, strict=True)
        if name not in aside
    }


def _plain(name: str, column: pa.Array) -> pa.Array:
    """A column as one of plain values: dates become strings, decimals floats."""
    type_ = column.type
    if pa.types.is_dictionary(type_):
        return _plain(name, column.cast(type_.value_type))
    try:
        if pa.types.is_temporal(type_):
            return column.cast(pa.string())
        if pa.types.is_decimal(type_):
            return column.cast(pa.float64())
    except pa.ArrowException:
        raise _refused(name, type_) from None
    if pa.types.is_nested(type_) or _is_text(type_) or _is_plain(type_):
        return column
    raise _refused(name, type_)


def _is_text(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(type_) or pa.types.is_large_string(type_) or type_ == pa.string_view()
    )


def _is_plain(type_: pa.DataType) -> bool:
    is_number = pa.types.is_integer(type_) or pa.types.is_floating(type_)
    return bool(is_number or pa.types.is_boolean(type_) or pa.types.is_null(type_))


def _refused(name: str, type_: pa.DataType) -> CorpusError:
    return CorpusError(
        f"column {name!r} holds {type_}, which metadata cannot; leave it out, or turn it into "
        "strings or numbers"
    )


def _take_ids(columns: dict[str, list[Any]], name: str, start: int, n_rows: int) -> list[str]:
    column = next((key for key in _IDS if key in columns), None)
    if column is None:
        if not name:
            raise CorpusError(
                f"the table has no column `document_id`; its columns are {', '.join(columns)}"
            )
        return [f"{name}:{number}" for number in range(start, start + n_rows)]
    ids = columns.pop(column)
    for number, value in enumerate(ids, start):
        if not isinstance(value, str | int):
            raise CorpusError(
                f"{name or 'the table'}, row {number:,}, has {value!r} as {column}; give each row "
                "a string or a whole number"
            )
    return [str(value) for value in ids]


def _take_texts(
    batch: pa.RecordBatch, columns: dict[str, list[Any]], name: str
) -> list[str | None]:
    """A column of strings, or missing ones where there is none."""
    if name not in columns:
        return [None] * batch.num_rows
    values = columns[name]
    wrong = next((value for value in values if not isinstance(value, str | None)), None)
    if wrong is None:
        return columns.pop(name)
    if name == "text":
        raise CorpusError(f"column `text` holds {wrong!r}; give strings")
    return [None] * batch.num_rows  # it is metadata

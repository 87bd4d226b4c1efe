"""The passages of a space in a LanceDB table: columns, appends, deletes, reads.

Every change makes a new version of the table and no reader sees one before it is committed
(`commit.py`): a replacement is a delete and an append, seen as one. Whatever Lance raises becomes
one of our errors with one line. LanceDB takes 3 s to import, so it is imported when a store is
opened, and never survives a fork; it needs a processor with AVX2.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.errors import CorpusError, RowspaceError, SpaceCorruptError, SpaceError
from rowspace.search.fields import Field, clean, typed_columns
from rowspace.search.filters import any_of
from rowspace.search.lexical import analyzer, bm25

if TYPE_CHECKING:
    from rowspace.text.passages import Passage

TABLE = "passages"
BATCH_ROWS = 4096
NEVER = timedelta(days=36_500)

_TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "string": pa.string()}
_TEXT_COLUMNS = ("passage_id", "document_id", "title", "content", "source", "metadata")

RowIds = NDArray[np.uint64]


@dataclass(frozen=True)
class Row:
    """One passage as it is stored."""

    passage_id: str
    document_id: str
    position: int
    title: str
    text: str
    source: str
    metadata: dict[str, Any]


def content(title: str, text: str) -> str:
    """What is indexed and encoded of a passage: its document's title, then its text."""
    return f"{title}\n{text}"


def base_schema(dims: Mapping[str, int]) -> pa.Schema:
    """The columns every space has, and those of vectors, whose lengths are given."""
    return pa.schema(
        [
            ("passage_id", pa.string()),
            ("document_id", pa.string()),
            ("position", pa.int32()),
            ("title", pa.string()),
            ("content", pa.string()),
            ("source", pa.string()),
            ("metadata", pa.string()),
            *((column, pa.list_(pa.float32(), dim)) for column, dim in dims.items()),
        ]
    )


def field_schema(fields: Mapping[str, Field]) -> pa.Schema:
    """The typed columns of metadata fields."""
    return pa.schema([(field.column, _TYPES[field.type]) for field in fields.values()])


def to_batch(
    passages: Sequence[Passage], vectors: Mapping[str, NDArray[np.float32]]
) -> pa.RecordBatch:
    """Passages as a batch with the base columns, and their (n, dim) float32 vectors by column.

    Raises
    ------
    CorpusError
        If a vector is not finite, or metadata holds what JSON cannot.
    """
    columns: dict[str, Any] = {
        "passage_id": [f"{p.document_id}#{p.position}" for p in passages],
        "document_id": [p.document_id for p in passages],
        "position": pa.array([p.position for p in passages], pa.int32()),
        "title": [p.title for p in passages],
        "content": [content(p.title, p.text) for p in passages],
        "source": [p.source for p in passages],
        "metadata": [_to_json(p) for p in passages],
    }
    for name in _TEXT_COLUMNS:
        columns[name] = pa.array([clean(text) for text in columns[name]], pa.string())
    document_ids = [p.document_id for p in passages]
    for name, matrix in vectors.items():
        columns[name] = vector_array(matrix, document_ids)
    schema = base_schema({name: matrix.shape[1] for name, matrix in vectors.items()})
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def vector_array(vectors: NDArray[np.float32], document_ids: Sequence[str]) -> pa.Array:
    """(n, dim) float32 vectors as a column; the ids are of the documents they belong to.

    Raises
    ------
    CorpusError
        If a vector is not finite.
    """
    if not np.isfinite(vectors).all():
        bad = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise CorpusError(
            f"document {document_ids[bad]!r} got a vector with NaN or infinity; check the model"
        )
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def _to_json(passage: Passage) -> str:
    if not passage.metadata:
        return "{}"
    try:
        return json.dumps(passage.metadata, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise CorpusError(
            f"document {passage.document_id!r} has metadata that JSON cannot hold ({error}); "
            "turn it into strings, numbers, true or false"
        ) from error


def with_fields(
    batch: pa.RecordBatch, metadata: Sequence[Mapping[str, Any]], fields: Mapping[str, Field]
) -> pa.RecordBatch:
    """`batch` and the typed columns of its rows' metadata."""
    values = typed_columns(metadata, fields)
    schema = field_schema(fields)
    arrays = [pa.array(values[column.name], column.type) for column in schema]
    return pa.RecordBatch.from_arrays(
        [*batch.columns, *arrays], schema=pa.schema([*batch.schema, *schema])
    )


class Store:
    """A version of the table. Readers are pinned to it; a writer's moves on with each change.

    Use `Store.create` or `Store.open`.
    """

    def __init__(self, table: Any, folder: Path) -> None:
        self._table = table
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Store:
        """Make the table in `folder` from a stream of batches, holding a few at a time."""
        with _lance_errors(folder, "write the store"):
            table = _connect(folder).create_table(TABLE, schema=schema)
        store = cls(table, folder)
        store.append(schema, batches)
        return store

    @classmethod
    def open(cls, folder: Path, version: int | None = None) -> Store:
        """Open the table at a version to read it, or at the newest to write.

        Raises
        ------
        SpaceCorruptError
            If Lance cannot read it.
        """
        with _lance_errors(folder, "open the store", reading=True):
            table = _connect(folder).open_table(TABLE)
            if version is not None:
                table.checkout(version)
        return cls(table, folder)

    @property
    def version(self) -> int:
        """Lance's number of this version."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return int(self._table.version)

    # --- Reading ---------------------------------------------------------------------------------

    def count(self, predicate: str | None = None) -> int:
        """How many passages there are, or meet a predicate."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return int(self._table.count_rows(predicate))

    def count_documents(self) -> int:
        """How many documents there are."""
        return self.count("position = 0")

    def count_unindexed(self) -> int:
        """How many passages the full text index does not cover; they are found all the same."""
        with _lance_errors(self.folder, "read the store", reading=True):
            statistics = self._table.index_stats("content_idx")
        return int(statistics.num_unindexed_rows) if statistics else self.count()

    def count_fragments(self) -> int:
        """How many pieces the table is in; many make it slow."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return int(self._table.stats()["fragment_stats"]["num_fragments"])

    def vectors(self, column: str = "vector") -> tuple[RowIds, NDArray[np.float32]]:
        """All vectors of a model: (n,) row ids, ascending, and the (n, dim) float32 matrix."""
        n = self.count()
        with _lance_errors(self.folder, "read the vectors", reading=True):
            dim = self._table.schema.field(column).type.list_size
            ids = np.empty(n, np.uint64)
            matrix = np.empty((n, dim), np.float32)
            start = 0
            scan = self._table.search().select([column]).with_row_id(True)
            for batch in scan.to_batches(BATCH_ROWS):
                end = start + batch.num_rows
                ids[start:end] = batch["_rowid"].to_numpy()
                matrix[start:end] = batch[column].flatten().to_numpy().reshape(-1, dim)
                start = end
        if np.any(ids[1:] < ids[:-1]):
            order = np.argsort(ids)
            ids, matrix = ids[order], matrix[order]
        return ids, matrix

    def row_ids(self, predicate: str) -> RowIds:
        """(n,) row ids of the passages that meet a predicate, ascending."""
        with _lance_errors(self.folder, "read the store", reading=True):
            rows = self._table.search().where(predicate).select([]).with_row_id(True).to_arrow()
        return np.sort(rows["_rowid"].to_numpy())

    def texts(self, column: str, predicate: str | None = None) -> Iterator[str]:
        """The values of a string column, batch by batch."""
        scan = self._table.search().select([column])
        if predicate is not None:
            scan = scan.where(predicate)
        with _lance_errors(self.folder, "read the store", reading=True):
            for batch in scan.to_batches(BATCH_ROWS):
                yield from batch[column].to_pylist()

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return self._table.schema

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows, some columns of them, a few thousand at a time."""
        scan = self._table.search().select(list(columns))
        with _lance_errors(self.folder, "read the store", reading=True):
            yield from scan.to_batches(BATCH_ROWS)

    def fetch(self, row_ids: RowIds) -> list[Row]:
        """The passages at `row_ids`, in that order."""
        if not len(row_ids):
            return []
        columns = [*_TEXT_COLUMNS, "position"]
        with _lance_errors(self.folder, "read passages", reading=True):
            taken = self._table.take_row_ids(np.unique(row_ids).tolist())
            found = taken.select(columns).with_row_id().to_arrow()
        rows = {row["_rowid"]: _to_row(row) for row in found.to_pylist()}
        return [rows[row_id] for row_id in row_ids.tolist()]

    def lexical(
        self, query: str, k: int, predicate: str | None = None
    ) -> tuple[RowIds, NDArray[np.float32]]:
        """The k best passages by BM25; see `lexical.bm25`."""
        with _lance_errors(self.folder, "search the text", reading=True):
            return bm25(self._table, "content", clean(query), k, predicate)

    # --- Writing, under the writer lock ----------------------------------------------------------

    def append(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Add rows from a stream of batches; an error in the stream is raised as it is."""
        self._write(schema, batches, "append")

    def replace(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Put a stream of rows, which may have other columns, in place of all there are.

        It may be read from an older version, which stays as it is.
        """
        self._write(schema, batches, "overwrite")

    def _write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], mode: str) -> None:
        stream = _Stream(batches)
        try:
            with _lance_errors(self.folder, "write the store"):
                reader = pa.RecordBatchReader.from_batches(schema, stream)
                self._table.add(reader, mode=mode)
        except RowspaceError:
            if stream.error is not None:
                raise stream.error from None
            raise

    def delete(self, predicate: str) -> None:
        """Delete the passages that meet a predicate."""
        with _lance_errors(self.folder, "delete from the store"):
            self._table.delete(predicate)

    def delete_documents(self, document_ids: Iterable[str]) -> int:
        """Delete all passages of the documents; returns how many of the documents were there."""
        ids = [clean(document_id) for document_id in document_ids]
        n_found = 0
        for start in range(0, len(ids), 1000):
            predicate = any_of("document_id", ids[start : start + 1000])
            n = self.count(f"position = 0 AND {predicate}")
            if n:
                self.delete(predicate)
            n_found += n
        return n_found

    def add_fields(self, fields: Mapping[str, Field]) -> None:
        """Add the typed columns that are not there yet, missing in every row."""
        with _lance_errors(self.folder, "extend the store"):
            there = set(self._table.schema.names)
            new = [column for column in field_schema(fields) if column.name not in there]
            if new:
                self._table.add_columns(new)

    def index_text(self, language: str | None) -> None:
        """Build the full text index anew over all passages."""
        with _lance_errors(self.folder, "index the text"):
            self._table.create_index("content", config=analyzer(language), replace=True)

    def compact(self) -> None:
        """Join the table's pieces and drop deleted rows; older versions stay."""
        with _lance_errors(self.folder, "compact the store"):
            for _ in range(3):  # a round can leave new work: index first, then join
                before = self._table.version
                self._table.optimize(cleanup_older_than=NEVER)
                if self._table.version == before:
                    return

    def remove_old_versions(self) -> None:
        """Remove the files that only older versions need."""
        with _lance_errors(self.folder, "clean the store"):
            self._table.optimize(cleanup_older_than=timedelta(milliseconds=1))


def _to_row(row: Mapping[str, Any]) -> Row:
    return Row(
        row["passage_id"],
        row["document_id"],
        row["position"],
        row["title"],
        row["content"][len(row["title"]) + 1 :],
        row["source"],
        json.loads(row["metadata"]),
    )


class _Stream:
    """Iterates `batches` and remembers the error it ended with, which Lance would garble."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self.error: BaseException | None = None

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            return next(self._batches)
        except StopIteration:
            raise
        except BaseException as error:
            self.error = error
            raise


def _connect(folder: Path) -> Any:
    os.environ.setdefault("LANCEDB_LOG", "error")  # it would write warnings to stderr
    import lancedb

    return lancedb.connect(folder)


_FULL = re.compile(r"No space left|File too large|quota exceeded|os error (?:27|28|122)\b", re.I)
_FULL_CODES = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextlib.contextmanager
def _lance_errors(folder: Path, doing: str, reading: bool = False) -> Iterator[None]:
    """Turn what Lance raises, panics included, into one line of ours."""
    try:
        yield
    except (RowspaceError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except (TypeError, AttributeError):  # a mistake of ours
        raise
    except BaseException as error:  # a panic in Rust is no Exception
        raise _translate(error, folder, doing, reading) from error


def _translate(error: BaseException, folder: Path, doing: str, reading: bool) -> SpaceError:
    if _FULL.search(str(error)) or getattr(error, "errno", 0) in _FULL_CODES:
        return SpaceError(
            f"the disk is full: could not {doing} in {folder}; nothing was changed, "
            "free some space and run the same command again"
        )
    line = " ".join(str(error).split()) or type(error).__name__
    line = re.sub(r",? ?(?:/\S*)?/(?:rustc|\.cargo)/\S+|LanceError\((\w+)\): ", "", line)
    line = re.sub(r"^lance error: ", "", line)[:300]
    if reading:
        return SpaceCorruptError(
            f"could not {doing} in {folder} ({line}); `rowspace verify` names damaged files"
        )
    return SpaceError(f"could not {doing} in {folder} ({line})")


@contextlib.contextmanager
def disk_errors(folder: Path, doing: str) -> Iterator[None]:
    """Turn a full disk outside of Lance into the same line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL_CODES:
            raise
        raise _translate(error, folder, doing, False) from error

"""The passages of a space in a LanceDB table: columns, appends, deletes, reads.

Every change makes a new version of the table and no reader sees one before it is committed
(`commit.py`): a replacement is a delete and an append, seen as one. Whatever Lance raises becomes
one of our errors with one line. LanceDB takes 3 s to import, so it is imported when a store is
opened, and never survives a fork; it needs a processor with AVX2.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.errors import CorpusError, RowspaceError, SpaceCorruptError, SpaceError
from rowspace.machine import available_memory, processor_flags, return_free_memory
from rowspace.progress import track
from rowspace.search.fields import Field, clean, typed_columns
from rowspace.search.filters import Given, any_of, compile_filter
from rowspace.search.lexical import analyzer, bm25
from rowspace.search.protocol import Dense
from rowspace.search.protocol import Row as Row
from rowspace.search.protocol import RowIds as RowIds

if TYPE_CHECKING:
    from rowspace.text.passages import Passage

TABLE = "passages"
BATCH_ROWS = 4096
ROW_ID = "_rowid"  # an empty selection would be of all columns
COMPACT_MEMORY_SHARE = 0.25
"""Of the memory that is free: what a compaction and a build of the text index may take."""
PART_COST = 4
"""Bytes of memory for a byte of a part that is written; see docs/decisions/compaction.md."""
MIN_INDEX_MEMORY = 1 << 26
ASSUMED_MEMORY = 1 << 31
"""Where the system does not say what is free."""

_TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "string": pa.string()}
_TEXT_COLUMNS = ("passage_id", "document_id", "title", "content", "source", "metadata")


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


class Place(Protocol):
    """Where a table is that is not on the disk, and what its changes need there."""

    def connect(self) -> Any:
        """A connection of LanceDB."""

    def change(self, store: Store, step: Callable[[], None]) -> None:
        """Make one change, which is one version more, though what is asked may get lost."""

    def error(self, error: BaseException, doing: str) -> RowspaceError | None:
        """What an error of Lance means there; None if it is one as on the disk."""


class Again:
    """Batches that can be gone through more than once: a change may have to be made anew."""

    def __init__(self, make: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._make()


class Store:
    """A version of the table. Readers are pinned to it; a writer's moves on with each change.

    Use `Store.create` or `Store.open`.
    """

    def __init__(self, table: Any, folder: Path | Place) -> None:
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
    def open(cls, folder: Path | Place, version: int | None = None) -> Store:
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

    @classmethod
    def made_by(cls, folder: Path, make: Callable[[], None]) -> Store:
        """Open the table that `make` makes in `folder`, with Lance's own functions."""
        with _lance_errors(folder, "publish the store"):
            make()
        return cls.open(folder)

    @property
    def version(self) -> int:
        """Lance's number of this version."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return int(self._table.version)

    # --- Reading ---------------------------------------------------------------------------------

    def predicate(self, given: Given, fields: Mapping[str, Field]) -> str:
        """A filter as SQL; see `compile_filter`."""
        return compile_filter(given, fields)

    def finder(self, column: str) -> Dense | None:
        """Nothing: the space holds the vectors in memory, or has an index of them."""
        return None

    def count(self, predicate: str | None = None) -> int:
        """How many passages there are, or meet a predicate."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return int(self._table.count_rows(predicate))

    def count_documents(self, among: Iterable[str] | None = None) -> int:
        """How many documents there are, or how many of these ids are there."""
        if among is None:
            return self.count("position = 0")
        ids = [clean(document_id) for document_id in among]
        parts = (ids[start : start + 1000] for start in range(0, len(ids), 1000))
        return sum(self.count(f"position = 0 AND {any_of('document_id', part)}") for part in parts)

    def count_unindexed(self, column: str = "content") -> int:
        """How many passages a column's index does not cover; they are found all the same."""
        with _lance_errors(self.folder, "read the store", reading=True):
            statistics = self._table.index_stats(f"{column}_idx")
        return int(statistics.num_unindexed_rows) if statistics else self.count()

    def count_fragments(self) -> int:
        """How many pieces the table is in; many make it slow."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return int(self._table.stats()["fragment_stats"]["num_fragments"])

    def index_ids(self) -> set[str]:
        """The folders of the indexes that this version has."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return {str(index.index_uuid) for index in self._table.list_indices()}

    def indexed_vectors(self) -> list[str]:
        """The columns of vectors that have an index in the store."""
        with _lance_errors(self.folder, "read the store", reading=True):
            columns = {name for index in self._table.list_indices() for name in index.columns}
        return sorted(columns - {"content"})

    @property
    def schema(self) -> pa.Schema:
        """All columns."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return self._table.schema

    def vectors(self, column: str = "vector") -> tuple[RowIds, NDArray[np.float32]]:
        """All vectors of a column: (n,) row ids, ascending, and the (n, dim) float32 matrix."""
        n = self.count()
        ids = np.empty(n, np.uint64)
        matrix = np.empty((n, self.dim(column)), np.float32)
        start = 0
        for some, vectors in self.vector_batches(column):
            end = start + len(some)
            ids[start:end], matrix[start:end] = some, vectors
            start = end
        return _ascending(ids, matrix)

    def vector_batches(
        self, column: str = "vector"
    ) -> Iterator[tuple[RowIds, NDArray[np.float32]]]:
        """Row ids and (n, dim) float32 vectors, a few thousand at a time, in the table's order."""
        dim = self.dim(column)
        with _lance_errors(self.folder, "read the vectors", reading=True):
            scan = self._table.search().select([column]).with_row_id(True)
            for batch in scan.to_batches(BATCH_ROWS):
                vectors = batch[column].flatten().to_numpy().reshape(-1, dim)
                yield batch["_rowid"].to_numpy(), vectors

    def vectors_of(
        self, row_ids: RowIds, column: str = "vector"
    ) -> tuple[RowIds, NDArray[np.float32]]:
        """The vectors of some rows, in the order of their ids."""
        if not len(row_ids):
            return np.zeros(0, np.uint64), np.zeros((0, self.dim(column)), np.float32)
        with _lance_errors(self.folder, "read the vectors", reading=True):
            taken = self._table.take_row_ids(np.unique(row_ids).tolist())
            rows = taken.select([column]).with_row_id().to_arrow().combine_chunks()
        flat = rows[column].combine_chunks().flatten().to_numpy()
        matrix = np.array(flat, np.float32).reshape(rows.num_rows, -1)
        return _ascending(rows["_rowid"].to_numpy(), matrix)

    def dim(self, column: str = "vector") -> int:
        """Length of the vectors in a column."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return int(self._table.schema.field(column).type.list_size)

    def all_row_ids(self) -> RowIds:
        """(n,) row ids of all passages, ascending."""
        with _lance_errors(self.folder, "read the store", reading=True):
            rows = self._table.search().select([ROW_ID]).to_arrow()
        return np.sort(rows["_rowid"].to_numpy())

    def row_ids(self, predicate: str) -> RowIds:
        """(n,) row ids of the passages that meet a predicate, ascending."""
        with _lance_errors(self.folder, "read the store", reading=True):
            rows = self._table.search().where(predicate).select([ROW_ID]).to_arrow()
        return np.sort(rows["_rowid"].to_numpy())

    def scan(
        self, columns: Sequence[str], predicate: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of all passages, or of those that meet a predicate, batch by batch."""
        scan = self._table.search().select(list(columns))
        if predicate is not None:
            scan = scan.where(predicate)
        with _lance_errors(self.folder, "read the store", reading=True):
            yield from scan.to_batches(BATCH_ROWS)

    def texts(self, column: str, predicate: str | None = None) -> Iterator[str]:
        """The values of a string column, batch by batch."""
        for batch in self.scan([column], predicate):
            yield from batch[column].to_pylist()

    def fetch(self, row_ids: RowIds) -> list[Row]:
        """The passages at `row_ids`, in that order."""
        if not len(row_ids):
            return []
        columns = [*_TEXT_COLUMNS, "position"]
        with _lance_errors(self.folder, "read passages", reading=True):
            taken = self._table.take_row_ids(np.unique(row_ids).tolist())
            found = taken.select(columns).with_row_id().to_arrow()
        rows = {row["_rowid"]: Row.of(row) for row in found.to_pylist()}
        return [rows[row_id] for row_id in row_ids.tolist()]

    def passages_of(self, document_id: str) -> list[Row]:
        """The passages of a document, in its order; none if it is not there."""
        scan = self.scan([*_TEXT_COLUMNS, "position"], any_of("document_id", [clean(document_id)]))
        rows = [Row.of(row) for batch in scan for row in batch.to_pylist()]
        return sorted(rows, key=lambda row: row.position)

    def documents_of(self, row_ids: RowIds) -> dict[int, str]:
        """The document of each row."""
        if not len(row_ids):
            return {}
        with _lance_errors(self.folder, "read passages", reading=True):
            taken = self._table.take_row_ids(np.unique(row_ids).tolist())
            found = taken.select(["document_id"]).with_row_id().to_arrow()
        return dict(zip(found["_rowid"].to_pylist(), found["document_id"].to_pylist(), strict=True))

    def lexical(
        self, query: str, k: int, predicate: str | None = None
    ) -> tuple[RowIds, NDArray[np.float32]]:
        """The k best passages by BM25; see `lexical.bm25`."""
        with _lance_errors(self.folder, "search the text", reading=True):
            return bm25(self._table, "content", clean(query), k, predicate)

    def nearest(
        self,
        column: str,
        vector: NDArray[np.float32],
        k: int,
        effort: int | None,
        refine: int,
        predicate: str | None = None,
    ) -> RowIds:
        """Row ids near a vector by Lance's index, or by comparing all if the effort is None."""
        with _lance_errors(self.folder, "search the vectors", reading=True):
            search = self._table.search(vector, vector_column_name=column).distance_type("cosine")
            if effort is None:
                search = search.bypass_vector_index()
            else:
                search = search.minimum_nprobes(effort).maximum_nprobes(effort)
                search = search.refine_factor(refine)
            if predicate is not None:
                search = search.where(predicate, prefilter=True)
            rows = search.select([ROW_ID]).limit(k).to_arrow()
        ids: RowIds = rows["_rowid"].to_numpy()
        return ids

    def has_vector_index(self, column: str = "vector") -> bool:
        """Whether Lance has an index of a column's vectors."""
        with _lance_errors(self.folder, "read the store", reading=True):
            return any(column in index.columns for index in self._table.list_indices())

    # --- Writing, under the writer lock ----------------------------------------------------------

    def append(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Add rows from a stream of batches; an error in the stream is raised as it is."""
        self._write(batches, schema, "append")

    def rewrite(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Put a stream of batches in place of all rows, as a new version; older ones stay.

        The columns may be others than before. The full text index is gone: build it anew. An
        error in the stream is raised as it is, and then the table is as it was.
        """
        self._write(batches, schema, "overwrite")

    def _write(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, mode: str) -> None:
        def write() -> None:
            with stream_to_lance(self.folder, batches) as stream:
                self._table.add(pa.RecordBatchReader.from_batches(schema, stream), mode=mode)

        self._change("write the store", write)

    def _change(self, doing: str, step: Callable[[], object]) -> None:
        """Make one change, which is one version more."""

        def change() -> None:
            with _lance_errors(self.folder, doing):
                step()

        if isinstance(self.folder, Path):
            change()
        else:
            self.folder.change(self, change)

    def bring_back(self, version: int) -> None:
        """Make the newest version what an older one was, if it is not the newest."""
        with _lance_errors(self.folder, "open the store"):
            self._table = _connect(self.folder).open_table(TABLE)
            if self._table.version != version:
                self._table.checkout(version)
                self._table.restore()

    def batches(self, start: int = 0, n: int | None = None) -> Iterator[pa.RecordBatch]:
        """All rows with all columns, or n of them from `start` on, a few thousand at a time."""
        scan = self._table.search().offset(start)
        with _lance_errors(self.folder, "read the store", reading=True):
            yield from (scan if n is None else scan.limit(n)).to_batches(BATCH_ROWS)

    def delete(self, predicate: str) -> None:
        """Delete the passages that meet a predicate."""
        self._change("delete from the store", lambda: self._table.delete(predicate))

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
        there = set(self.schema.names)
        new = [column for column in field_schema(fields) if column.name not in there]
        if new:
            self._change("extend the store", lambda: self._table.add_columns(new))

    def index_text(self, language: str | None) -> None:
        """Build the full text index anew over all passages, in a share of the memory."""
        settings = analyzer(language)
        settings.memory_limit = max(MIN_INDEX_MEMORY, _memory_share()) >> 20  # MiB
        self._change(
            "index the text",
            lambda: self._table.create_index("content", config=settings, replace=True),
        )

    def index_vectors(self, column: str = "vector") -> None:
        """Build Lance's index of a column's vectors anew over all passages."""
        from lancedb.index import IvfRq

        config = IvfRq(distance_type="cosine")
        self._change(
            "index the vectors",
            lambda: self._table.create_index(column, config=config, replace=True),
        )

    def drop_vector_index(self, column: str = "vector") -> None:
        """Remove Lance's index of a column's vectors."""
        with _lance_errors(self.folder, "read the store", reading=True):
            names = [index.name for index in self._table.list_indices() if column in index.columns]
        for name in names:
            self._change("drop an index", functools.partial(self._table.drop_index, name))

    def compact(self) -> None:
        """Write all passages anew without the deleted ones, in a share of the memory."""
        self.write_anew(self.schema, lambda batch: batch, "compacting")

    def write_anew(
        self, schema: pa.Schema, change: Callable[[pa.RecordBatch], pa.RecordBatch], doing: str
    ) -> None:
        """Put changed rows in place of all there are, in a share of the memory.

        The pieces are as large as that allows. Older versions stay; the text index is gone.

        Parameters
        ----------
        schema : pyarrow.Schema
            Of the rows then.
        change : callable
            Gives a batch with all columns that schema.
        doing : str
            What the progress bar says.
        """
        old = Store.open(self.folder, self.version)
        n = self.count()
        n_part = self._rows_in_a_part()
        with track(doing, total=n) as tracker:
            for start in range(0, max(n, 1), n_part):
                part = Again(functools.partial(_changed, old, start, n_part, change))
                if start == 0:
                    self.rewrite(part, schema)
                else:
                    self.append(schema, part)
                return_free_memory()
                tracker.set(min(n, start + n_part))

    def _rows_in_a_part(self) -> int:
        with _lance_errors(self.folder, "read the store", reading=True):
            statistics = self._table.stats()
        row_bytes = int(statistics["total_bytes"]) // max(1, int(statistics["num_rows"]))
        return max(BATCH_ROWS, _memory_share() // (PART_COST * max(1, row_bytes)))


def _changed(
    old: Store, start: int, n: int, change: Callable[[pa.RecordBatch], pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    return map(change, old.batches(start, n))


@functools.singledispatch
def open_store(path: Path, version: int | None = None) -> Store:
    """The store of the space at `path`, at a version to read it, or at the newest to write."""
    return Store.open(path / "store", version)


def _memory_share() -> int:
    """Bytes that a compaction and a build of the text index may take."""
    return int(COMPACT_MEMORY_SHARE * (available_memory() or ASSUMED_MEMORY))


def _ascending(ids: RowIds, matrix: NDArray[np.float32]) -> tuple[RowIds, NDArray[np.float32]]:
    if np.any(ids[1:] < ids[:-1]):
        order = np.argsort(ids)
        return ids[order], matrix[order]
    return ids, matrix


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


@functools.cache
def check_processor() -> None:
    """See that the processor can run LanceDB, which it would otherwise end with SIGILL.

    Raises
    ------
    SpaceError
        If it is an x86 without AVX2. Where the system does not tell, a process tries.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return
    flags = processor_flags()
    if flags is None:
        can = subprocess.run([sys.executable, "-c", "import lancedb"], check=False).returncode >= 0
    else:
        can = "avx2" in flags
    if not can:
        raise SpaceError(
            "this processor has no AVX2, which LanceDB needs to read a space; use a machine with "
            "one (x86 from 2013 on, or Arm)"
        )


def _connect(folder: Path | Place) -> Any:
    check_processor()
    os.environ.setdefault("LANCEDB_LOG", "error")  # it would write warnings to stderr
    import lancedb

    return lancedb.connect(folder) if isinstance(folder, Path) else folder.connect()


@contextlib.contextmanager
def stream_to_lance(folder: Path | Place, batches: Iterable[pa.RecordBatch]) -> Iterator[Any]:
    """`batches` for Lance to write; an error in them is raised as it is, one of Lance's as ours."""
    stream = _Stream(batches)
    try:
        with _lance_errors(folder, "write the store"):
            yield stream
    except RowspaceError:
        if stream.error is not None:
            raise stream.error from None
        raise


_FULL = re.compile(
    r"No space left|File too large|quota exceeded|os error (?:27|28|122)\b"
    r"|\d+ requested and \d+ written",  # NumPy's words, without a code
    re.I,
)
_FULL_CODES = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextlib.contextmanager
def _lance_errors(folder: Path | Place, doing: str, reading: bool = False) -> Iterator[None]:
    """Turn what Lance raises, panics included, into one line of ours."""
    try:
        yield
    except (RowspaceError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except (TypeError, AttributeError):  # a mistake of ours
        raise
    except BaseException as error:  # a panic in Rust is no Exception
        raise _translate(error, folder, doing, reading) from error


def _translate(
    error: BaseException, folder: Path | Place, doing: str, reading: bool
) -> RowspaceError:
    if not isinstance(folder, Path) and (told := folder.error(error, doing)) is not None:
        return told
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
    except (OSError, RuntimeError) as error:  # FAISS raises the latter
        is_ours = isinstance(error, RowspaceError)
        if is_ours or not (getattr(error, "errno", 0) in _FULL_CODES or _FULL.search(str(error))):
            raise
        raise _translate(error, folder, doing, False) from error

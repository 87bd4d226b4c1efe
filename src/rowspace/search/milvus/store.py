"""The passages of a space in a collection of Milvus; satisfies `protocol.PassageStore`.

Row ids are the numbers that rows were written with, from 0 on without a gap. So any part is read
as a range of them, which needs no cursor and no more memory than a page.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.search.fields import Field, clean
from rowspace.search.filters import Given
from rowspace.search.milvus import collection as layout
from rowspace.search.milvus.connection import SECONDS, connect, milvus_errors
from rowspace.search.milvus.digest import matrix_of
from rowspace.search.milvus.expressions import any_of, compile_expression
from rowspace.search.milvus.indexes import INDEXES
from rowspace.search.milvus.nearest import MilvusIndex
from rowspace.search.milvus.record import MilvusRecord, changed, check_same
from rowspace.search.milvus.rows import batch_of
from rowspace.search.milvus.words import query_vector
from rowspace.search.protocol import Ranking, Row, RowIds
from rowspace.search.store import ROW_ID, base_schema, field_schema
from rowspace.search.words import WordFinder

MAX_HITS = 16_384
"""Of one search, by Milvus."""
PAGE_ROWS = 16_384
PAGE_BYTES = 1 << 23
"""About what a page takes."""
MAX_PAGE_BYTES = 1 << 26
"""Of a page whose rows are all as long as the longest; a server answers with 100 MB at most."""
_LONG = {"content": 2048, "metadata": 1024}
_SHORT = 64
"""Bytes that a column is taken to have, for the size of a page."""
_HITS_AT_ONCE = 200_000

_SHOWN = ("passage_id", "document_id", "position", "title", "content", "source", "metadata")


class MilvusStore:
    """The rows of a space, for reading.

    Use `MilvusStore.open`.

    Parameters
    ----------
    client : pymilvus.MilvusClient
    record : MilvusRecord
    n_passages : int
    dim : int
        Of the vectors.
    fields : mapping of str to Field
    """

    def __init__(
        self,
        client: Any,
        record: MilvusRecord,
        n_passages: int,
        dim: int,
        fields: Mapping[str, Field],
    ) -> None:
        self.client, self.record = client, record
        self._n, self._dim = n_passages, dim
        self._finders = threading.local()  # a stemmer is for one thread
        self._schema = pa.schema(
            [(ROW_ID, pa.uint64()), *base_schema({layout.VECTOR: dim}), *field_schema(fields)]
        )

    @classmethod
    def open(
        cls,
        record: MilvusRecord,
        n_passages: int,
        dim: int,
        fingerprint: str,
        fields: Mapping[str, Field],
    ) -> MilvusStore:
        """Connect, and see that the collection is the one that was written.

        Raises
        ------
        SpaceCorruptError
            If it is gone, of another model, or has other rows.
        RemoteError
            If Milvus does not answer.
        """
        client = connect(record.uri)
        with milvus_errors(record.uri, f"open the collection {record.name}"):
            about = client.describe_collection(record.name, timeout=SECONDS)
            check_same(record, fingerprint, about.get("properties", {}))
            client.load_collection(record.name, timeout=10 * SECONDS)
        store = cls(client, record, n_passages, dim, fields)
        if (n := store.count()) != n_passages:
            raise changed(record, f"it holds {n:,} rows where {n_passages:,} were written")
        return store

    # --- Rows ------------------------------------------------------------------------------------

    def predicate(self, given: Given, fields: Mapping[str, Field]) -> str:
        """A filter as Milvus's expression."""
        return compile_expression(given, fields)

    def count(self, predicate: str | None = None) -> int:
        """How many passages there are, or meet a predicate."""
        return int(self._query(predicate or "", ["count(*)"])[0]["count(*)"])

    def count_documents(self, among: Iterable[str] | None = None) -> int:
        """How many documents there are, or how many of these ids are there."""
        if among is None:
            return self.count("position == 0")
        ids = [clean(document_id) for document_id in among]
        parts = (ids[start : start + 1000] for start in range(0, len(ids), 1000))
        return sum(self.count(f"position == 0 and {any_of('document_id', part)}") for part in parts)

    def all_row_ids(self) -> RowIds:
        """(n,) row ids of all passages, ascending."""
        return np.arange(self._n, dtype=np.uint64)

    def row_ids(self, predicate: str) -> RowIds:
        """(n,) row ids of the passages that meet a predicate, ascending."""
        pages = [batch[ROW_ID].to_numpy() for batch in self.scan([ROW_ID], predicate)]
        return np.concatenate([np.zeros(0, np.uint64), *pages])

    def scan(
        self, columns: Sequence[str], predicate: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of all passages, or of those that meet a predicate, batch by batch."""
        n_page = self._page_rows(columns)
        schema = pa.schema([self._schema.field(name) for name in columns])
        for start in range(0, self._n, n_page):
            part = f"{layout.ROW} >= {start} and {layout.ROW} < {start + n_page}"
            rows = self._query(part if predicate is None else f"({predicate}) and {part}", columns)
            if rows:
                yield batch_of(sorted(rows, key=lambda row: row[layout.ROW]), schema)

    def texts(self, column: str, predicate: str | None = None) -> Iterator[str]:
        """The values of a string column, batch by batch."""
        for batch in self.scan([column], predicate):
            yield from batch[column].to_pylist()

    def fetch(self, row_ids: RowIds) -> list[Row]:
        """The passages at `row_ids`, in that order."""
        found = {row[layout.ROW]: Row.of(row) for row in self._rows_at(row_ids, _SHOWN)}
        return [found[row_id] for row_id in row_ids.tolist()]

    def passages_of(self, document_id: str) -> list[Row]:
        """The passages of a document, in its order; none if it is not there."""
        rows = self._query(any_of("document_id", [clean(document_id)]), [ROW_ID])
        ids = np.array(sorted(row[layout.ROW] for row in rows), np.uint64)
        return sorted(self.fetch(ids), key=lambda row: row.position)

    def documents_of(self, row_ids: RowIds) -> dict[int, str]:
        """The document of each row."""
        rows = self._rows_at(row_ids, ["document_id"])
        return {row[layout.ROW]: row["document_id"] for row in rows}

    # --- Vectors ---------------------------------------------------------------------------------

    def dim(self, column: str = layout.VECTOR) -> int:
        """Length of the vectors."""
        return self._dim

    def vectors(self, column: str = layout.VECTOR) -> tuple[RowIds, NDArray[np.float32]]:
        """All vectors: (n,) row ids, ascending, and the (n, dim) float32 matrix."""
        batches = list(self.vector_batches(column))
        ids = np.concatenate([np.zeros(0, np.uint64), *(ids for ids, _ in batches)])
        empty = np.zeros((0, self._dim), np.float32)
        return ids, np.concatenate([empty, *(matrix for _, matrix in batches)])

    def vector_batches(
        self, column: str = layout.VECTOR
    ) -> Iterator[tuple[RowIds, NDArray[np.float32]]]:
        """Row ids and (n, dim) float32 vectors, a page at a time."""
        for batch in self.scan([ROW_ID, layout.VECTOR]):
            yield batch[ROW_ID].to_numpy(), matrix_of(batch, layout.VECTOR)

    def vectors_of(
        self, row_ids: RowIds, column: str = layout.VECTOR
    ) -> tuple[RowIds, NDArray[np.float32]]:
        """The vectors of some rows, in the order of their ids."""
        rows = sorted(self._rows_at(row_ids, [layout.VECTOR]), key=lambda row: row[layout.ROW])
        ids = np.array([row[layout.ROW] for row in rows], np.uint64)
        matrix = np.array([row[layout.VECTOR] for row in rows], np.float32)
        return ids, matrix.reshape(-1, self._dim)

    # --- Searching -------------------------------------------------------------------------------

    def finder(self, column: str) -> MilvusIndex:
        """What finds the nearest vectors: Milvus."""
        return MilvusIndex(self)

    def nearest(
        self, units: NDArray[np.float32], k: int, predicate: str | None = None
    ) -> list[Ranking]:
        """(row id, cosine) of the k nearest passages of each of (n_queries, dim) vectors."""
        parts = [predicate] if predicate is not None else []
        if self.record.n_empty:
            parts.append(f"{layout.EMPTY} == false")
        settings = INDEXES[self.record.index].search(min(k, MAX_HITS), self._n)
        step = max(1, _HITS_AT_ONCE // max(1, k))
        rankings: list[Ranking] = []
        for start in range(0, len(units), step):
            queries = list(units[start : start + step])
            rankings += self._search(queries, k, layout.VECTOR, "COSINE", settings, parts)
        return [[(row, min(score, 1.0)) for row, score in ranking] for ranking in rankings]

    def lexical(
        self, query: str, k: int, predicate: str | None = None
    ) -> tuple[RowIds, NDArray[np.float32]]:
        """The k best passages by BM25; see `words`."""
        if not self.record.has_words:
            raise ConfigError(
                f"{self.record} was exported without words, so nothing is found by them; search "
                "with --mode dense, or export again without --no-words"
            )
        vector = query_vector(clean(query), self._finder)
        ranking: Ranking = []
        if vector:
            parts = [] if predicate is None else [predicate]
            (ranking,) = self._search([vector], k, layout.WORDS, "IP", {}, parts)
        ids = np.array([row for row, _ in ranking], np.uint64)
        return ids, np.array([score for _, score in ranking], np.float32)

    @property
    def _finder(self) -> WordFinder:
        if not hasattr(self._finders, "of_thread"):
            self._finders.of_thread = WordFinder(self.record.language)
        found: WordFinder = self._finders.of_thread
        return found

    def _search(
        self,
        queries: list[Any],
        k: int,
        column: str,
        metric: str,
        settings: Mapping[str, Any],
        parts: Sequence[str],
    ) -> list[Ranking]:
        with milvus_errors(self.record.uri, "search"):
            found = self.client.search(
                self.record.name,
                data=queries,
                anns_field=column,
                limit=min(k, MAX_HITS),
                filter=" and ".join(f"({part})" for part in parts),
                output_fields=[layout.ROW],
                search_params={"metric_type": metric, "params": dict(settings)},
                consistency_level=layout.CONSISTENCY,
                timeout=SECONDS,
            )
        rankings = [
            [(int(hit["entity"][layout.ROW]), float(hit["distance"])) for hit in hits]
            for hits in found
        ]
        return [sorted(ranking, key=lambda hit: (-hit[1], hit[0])) for ranking in rankings]

    # --- Asking ----------------------------------------------------------------------------------

    def _rows_at(self, row_ids: RowIds, columns: Sequence[str]) -> list[dict[str, Any]]:
        wanted = np.unique(row_ids).tolist()
        n_page = self._page_rows(columns)
        rows: list[dict[str, Any]] = []
        for start in range(0, len(wanted), n_page):
            listed = ", ".join(map(str, wanted[start : start + n_page]))
            rows += self._query(f"{layout.ROW} in [{listed}]", columns)
        if len(rows) != len(wanted):
            raise changed(self.record, f"{len(wanted) - len(rows):,} rows are not there any more")
        return rows

    def _query(self, expression: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Rows that meet an expression, with their numbers."""
        is_count = list(columns) == ["count(*)"]
        names = [name for name in columns if name != ROW_ID]
        with milvus_errors(self.record.uri, "read rows"):
            found: list[dict[str, Any]] = self.client.query(
                self.record.name,
                filter=expression,
                output_fields=names if is_count else [layout.ROW, *names],
                consistency_level=layout.CONSISTENCY,
                timeout=SECONDS,
            )
        return found

    def _page_rows(self, columns: Sequence[str]) -> int:
        """How many rows with these columns are asked for at once."""
        row_bytes = sum(
            4 * self._dim if column == layout.VECTOR else _LONG.get(column, _SHORT)
            for column in columns
        )
        n_rows = max(64, min(PAGE_ROWS, PAGE_BYTES // max(1, row_bytes)))
        return min(n_rows, max(1, MAX_PAGE_BYTES // (row_bytes + self.record.longest)))

"""What a search asks of the store that holds a space's passages, wherever that is.

`store.Store` is LanceDB in the space's folder, `milvus.store.MilvusStore` a collection of Milvus.
A row id names a row of one version of a store; that one row id is below another tells which came
first. A predicate is in the store's own language and only ever made by `predicate`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.search.fields import Field
from rowspace.search.filters import Given

RowIds = NDArray[np.uint64]

Ranking = list[tuple[int, float]]
"""(row id, cosine), best first."""


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

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Row:
        """The passage in the columns of a store."""
        return cls(
            stored["passage_id"],
            stored["document_id"],
            stored["position"],
            stored["title"],
            stored["content"][len(stored["title"]) + 1 :],
            stored["source"],
            json.loads(stored["metadata"]),
        )


class PassageStore(Protocol):
    """The passages of one version of a space."""

    def predicate(self, given: Given, fields: Mapping[str, Field]) -> str:
        """A filter as the other methods take it; see `filters.compile_filter`."""

    def count(self, predicate: str | None = None) -> int:
        """How many passages there are, or meet a predicate."""

    def count_documents(self, among: Iterable[str] | None = None) -> int:
        """How many documents there are, or how many of these ids are there."""

    def all_row_ids(self) -> RowIds:
        """(n,) row ids of all passages, ascending."""

    def row_ids(self, predicate: str) -> RowIds:
        """(n,) row ids of the passages that meet a predicate, ascending."""

    def scan(
        self, columns: Sequence[str], predicate: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of all passages, or of those that meet a predicate, batch by batch."""

    def texts(self, column: str, predicate: str | None = None) -> Iterator[str]:
        """The values of a string column, batch by batch."""

    def fetch(self, row_ids: RowIds) -> list[Row]:
        """The passages at `row_ids`, in that order."""

    def passages_of(self, document_id: str) -> list[Row]:
        """The passages of a document, in its order; none if it is not there."""

    def documents_of(self, row_ids: RowIds) -> dict[int, str]:
        """The document of each row."""

    def lexical(
        self, query: str, k: int, predicate: str | None = None
    ) -> tuple[RowIds, NDArray[np.float32]]:
        """The k best passages by BM25: row ids and scores above 0, best first."""

    def dim(self, column: str = "vector") -> int:
        """Length of the vectors in a column."""

    def vectors(self, column: str = "vector") -> tuple[RowIds, NDArray[np.float32]]:
        """All vectors of a column: (n,) row ids, ascending, and the (n, dim) float32 matrix."""

    def vector_batches(
        self, column: str = "vector"
    ) -> Iterator[tuple[RowIds, NDArray[np.float32]]]:
        """Row ids and (n, dim) float32 vectors, a few thousand at a time."""

    def vectors_of(
        self, row_ids: RowIds, column: str = "vector"
    ) -> tuple[RowIds, NDArray[np.float32]]:
        """The vectors of some rows, in the order of their ids."""

    def finder(self, column: str) -> Dense | None:
        """What finds the nearest vectors where the store is; None leaves it to the space."""


@dataclass
class Where:
    """What a passage must meet: as a predicate of the store, and as the rows that meet it."""

    store: PassageStore
    predicate: str

    @cached_property
    def row_ids(self) -> RowIds:
        """(n,) row ids that meet it, ascending."""
        return self.store.row_ids(self.predicate)


class Dense(Protocol):
    """What finds passages by vector."""

    def search(
        self, queries: NDArray[np.float32], k: int, where: Where | None = None
    ) -> list[Ranking]:
        """The k nearest passages of each of (n_queries, dim) queries."""

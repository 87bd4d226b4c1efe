"""Lance's own index, in the store: for more vectors than memory holds.

Lists of one bit a number (RaBitQ) on the disk, with the vectors beside them to compare in the end.
New rows are compared one and all until the index is made anew. Unlike the others it is part of a
version, so making it is a write.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rowspace.search.index.exact import ExactIndex, normalize_rows
from rowspace.search.index.queries import HeldAside
from rowspace.search.index.recall import least_effort, recall_at_k, without
from rowspace.search.protocol import Ranking, RowIds, Where
from rowspace.search.store import Store

EFFORTS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
EFFORT = 32
"""Lists to look into where nothing was measured."""
REFINE = 10
"""Candidates that are compared exactly, for each row that is wanted."""
EXACT_ROWS = 50_000
"""Up to so many rows that meet a filter are all compared."""


class StoreIndex:
    """Finds row ids by cosine, without holding vectors.

    Parameters
    ----------
    store : Store
        With an index of `column`.
    column : str
    effort : int
        Lists to look into.
    """

    def __init__(self, store: Store, column: str, effort: int = EFFORT) -> None:
        self.store, self.column, self.effort = store, column, effort

    def search(
        self, queries: NDArray[np.float32], k: int, where: Where | None = None
    ) -> list[Ranking]:
        """(row id, cosine) of the k nearest passages of each query, best first."""
        units = np.array(queries, np.float32)
        is_empty = normalize_rows(units)
        predicate = None if where is None else where.predicate
        n = self.store.count(predicate)
        few = n <= EXACT_ROWS
        return [
            [] if empty else self._one(unit, min(k, n), predicate, few)
            for unit, empty in zip(units, is_empty, strict=True)
        ]

    def _one(self, unit: NDArray[np.float32], k: int, predicate: str | None, few: bool) -> Ranking:
        if k < 1:
            return []
        found = self.propose(unit, k, None if few else self.effort, predicate)
        if len(found) < k and not few:
            found = self.propose(unit, k, None, predicate)
        return self._scored(unit, found)

    def propose(
        self, unit: NDArray[np.float32], k: int, effort: int | None, predicate: str | None = None
    ) -> RowIds:
        """At most k row ids near a query; None for an effort compares all."""
        return self.store.nearest(self.column, unit, k, effort, REFINE, predicate)

    def _scored(self, unit: NDArray[np.float32], row_ids: RowIds) -> Ranking:
        ids, vectors = self.store.vectors_of(row_ids, self.column)
        scores, order = ExactIndex(vectors).search(unit[None], len(ids))
        return [
            (int(ids[place]), float(score))
            for place, score in zip(order[0], scores[0], strict=True)
            if place >= 0
        ]


def tune(
    index: StoreIndex, queries: HeldAside, k: int, target: float
) -> tuple[int, float | None, int]:
    """(effort, recall of the queries that it was not tuned on, how many these are)."""
    units = np.array(queries.vectors, np.float32)
    normalize_rows(units)
    own = queries.passages.astype(np.int64)
    nearest = nearest_in_batches(index.store.vector_batches(index.column), units, k + 1)
    truth = without(nearest, own)

    def found(which: slice, effort: int) -> NDArray[np.int64]:
        rows = np.full((len(units[which]), k + 1), -1, np.int64)
        for row, unit in zip(rows, units[which], strict=True):
            ids = index.propose(unit, k + 1, effort)
            row[: len(ids)] = ids.astype(np.int64)
        return without(rows, own[which])

    tuned, aside = slice(0, None, 2), slice(1, None, 2)
    effort = least_effort(partial(found, tuned), truth[tuned], EFFORTS, target)
    n = len(units[aside])
    return effort, recall_at_k(found(aside, effort), truth[aside]) if n else None, n


def nearest_in_batches(
    batches: Iterable[tuple[RowIds, NDArray[np.float32]]], units: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    """(n_queries, k) row ids of the nearest of all rows, which come a batch at a time."""
    ids = np.full((len(units), k), -1, np.int64)
    scores = np.full((len(units), k), -np.inf, np.float32)
    for row_ids, vectors in batches:
        values, places = ExactIndex(np.array(vectors, np.float32)).search(units, k)
        new = np.where(places < 0, -1, row_ids.astype(np.int64)[places])
        scores = np.concatenate([scores, values], axis=1)
        ids = np.concatenate([ids, new], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(scores, order, axis=1)
        ids = np.take_along_axis(ids, order, axis=1)
    return ids

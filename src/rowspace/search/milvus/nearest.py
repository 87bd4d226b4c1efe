"""Passages found by vector where their rows are: in Milvus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.search.index.exact import normalize_rows
from rowspace.search.protocol import Ranking, Where

if TYPE_CHECKING:
    from rowspace.search.milvus.store import MilvusStore


class MilvusIndex:
    """Finds row ids by cosine where they are; satisfies `protocol.Dense`."""

    def __init__(self, store: MilvusStore) -> None:
        self._store = store

    def search(
        self, queries: NDArray[np.float32], k: int, where: Where | None = None
    ) -> list[Ranking]:
        """(row id, cosine) of the k nearest passages of each query, best first."""
        units = np.array(queries, np.float32)
        is_filled = ~normalize_rows(units)
        rankings: list[Ranking] = [[] for _ in queries]
        if k < 1 or not is_filled.any():
            return rankings
        predicate = None if where is None else where.predicate
        found = self._store.nearest(units[is_filled], k, predicate)
        for place, ranking in zip(np.flatnonzero(is_filled), found, strict=True):
            rankings[place] = ranking
        return rankings

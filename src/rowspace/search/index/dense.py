"""The passages nearest to a vector, in one version of a space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rowspace.search.index.exact import ExactIndex
from rowspace.search.store import RowIds, Store


@dataclass
class Where:
    """What a passage must meet: as a predicate of the store, and as the rows that meet it."""

    store: Store
    predicate: str

    @cached_property
    def row_ids(self) -> RowIds:
        """(n,) row ids that meet it, ascending."""
        return self.store.row_ids(self.predicate)


class DenseIndex:
    """Finds row ids by cosine.

    Parameters
    ----------
    row_ids : (n,) uint64 array
        Ascending.
    matrix : (n, dim) float32 array
        Their vectors, scaled to unit length in place.
    """

    def __init__(self, row_ids: RowIds, matrix: NDArray[np.float32]) -> None:
        self.row_ids = row_ids
        self._exact = ExactIndex(matrix)

    @classmethod
    def of_store(cls, store: Store, column: str = "vector") -> DenseIndex:
        """Of all vectors in a column of a store, held in memory."""
        return cls(*store.vectors(column))

    def search(
        self, queries: NDArray[np.float32], k: int, where: Where | None = None
    ) -> list[list[tuple[int, float]]]:
        """(row id, cosine) of the k nearest passages of each query, best first."""
        allowed = None if where is None else self._mask(where.row_ids)
        scores, positions = self._exact.search(queries, min(k, len(self.row_ids)), allowed)
        return [
            [
                (int(self.row_ids[position]), float(score))
                for position, score in zip(*found, strict=True)
                if position >= 0
            ]
            for found in zip(positions, scores, strict=True)
        ]

    def _mask(self, allowed: RowIds) -> NDArray[np.bool_]:
        """(n,) which rows are among `allowed`."""
        mask = np.zeros(len(self.row_ids), bool)
        mask[np.searchsorted(self.row_ids, allowed)] = True
        return mask

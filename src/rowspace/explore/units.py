"""The directions of points: their vectors scaled to length 1, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rowspace.explore.points import Matrix, Points, Rows, blocks
from rowspace.search.index.exact import normalize_rows


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

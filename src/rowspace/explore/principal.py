"""Points on the plane of largest variance: PCA of their directions, read a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.explore.points import Matrix, Points, Rows
from rowspace.explore.units import unit_blocks
from rowspace.space.similarity import Doubles
from rowspace.space.spectrum import spectrum_of_blocks


def principal_places(points: Points, rows: Rows, advance: Callable[[float], None]) -> Doubles:
    """(n, 2) the rows' directions on the two axes of largest variance.

    Parameters
    ----------
    points : Points
    rows : (n,) int array
    advance : callable
        Is told what share is done.
    """
    flat = np.zeros((len(rows), 2))
    if len(rows) < 2:
        return flat
    n_read = 0

    def read() -> Iterator[Matrix]:
        nonlocal n_read
        for units in unit_blocks(points, rows):
            yield units
            n_read += len(units)
            advance(n_read / (3 * len(rows)))  # mean, covariance, places

    with threadpool_limits(1):  # more add up in another order
        spectrum = spectrum_of_blocks(len(rows), read)
        axes, start = spectrum.axes[:2], 0
        for units in read():
            flat[start : start + len(units), : len(axes)] = (units - spectrum.mean) @ axes.T
            start += len(units)
    return flat

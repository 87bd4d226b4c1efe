"""The nearest of some directions to many others, fast: for maps, which bear a missed neighbour.

All are compared where that takes seconds. Otherwise they are in lists by k-means, of which the
nearest are looked into (Jégou, Douze & Schmid 2011, https://doi.org/10.1109/TPAMI.2010.57, without
compression). Answers of the explorer to people are exact and are not from here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rowspace.explore.points import Matrix, Rows

COMPARED = 1 << 40
"""Products of numbers that are computed; beyond them, lists are made."""
LOOKED_INTO = 12
"""Lists of each search."""


class Neighbors:
    """Finds the nearest of `units`.

    Parameters
    ----------
    units : (n, dim) float32
        Of length 1.
    n_queries : int
        How many will be asked, about.
    """

    def __init__(self, units: Matrix, n_queries: int) -> None:
        import faiss

        n, dim = units.shape
        units = np.ascontiguousarray(units)
        self._index: faiss.Index = faiss.IndexFlatIP(dim)
        if n * dim * n_queries > COMPARED and n > 10_000:
            n_lists = 2 * int(np.sqrt(n))
            self._index = faiss.IndexIVFFlat(self._index, dim, n_lists, faiss.METRIC_INNER_PRODUCT)
            self._index.train(units)
            self._index.nprobe = LOOKED_INTO
        self._index.add(units)

    def search(self, units: Matrix, k: int) -> tuple[NDArray[np.float32], Rows]:
        """(n_queries, k) cosines and rows, best first."""
        cosines, rows = self._index.search(np.ascontiguousarray(units), k)
        short = np.flatnonzero(rows[:, -1] < 0)  # its lists held fewer than k: repeat the best
        cosines[short] = np.where(rows[short] < 0, cosines[short, :1], cosines[short])
        rows[short] = np.where(rows[short] < 0, rows[short, :1], rows[short])
        return cosines, rows


def near_each_other(units: Matrix, k: int) -> tuple[Rows, NDArray[np.float32]]:
    """The k nearest of each among all, itself first: rows and cosine distances, (n, k).

    Parameters
    ----------
    units : (n, dim) float32
        Of length 1.
    k : int
        Below n.
    """
    cosines, rows = Neighbors(units, len(units)).search(units, k)
    own = np.arange(len(units))
    # Among equals it may come later, or not at all: it takes the first place, the others follow.
    order = np.argsort(rows != own[:, None], axis=1, kind="stable")
    missed = np.flatnonzero(~(rows == own[:, None]).any(axis=1))
    rows, cosines = np.take_along_axis(rows, order, 1), np.take_along_axis(cosines, order, 1)
    rows[missed, 1:], cosines[missed, 1:] = rows[missed, :-1], cosines[missed, :-1]
    rows[:, 0], cosines[:, 0] = own, 1.0
    distances: NDArray[np.float32] = np.maximum(1.0 - cosines, 0.0)
    distances[:, 0] = 0.0
    return rows, distances

"""Hubs: rows that are among the nearest of very many others, and rows that are of none.

Radovanović, Nanopoulos & Ivanović (2010), https://jmlr.org/papers/v11/radovanovic10a.html: the
skewness of N_k. Feldbauer et al. (2018), https://doi.org/10.1109/ICBK.2018.00055: the Robin Hood
index. Neighbours are exact, by cosine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.space.sample import directions
from rowspace.space.similarity import Floats, Rows, nearest_rows, row_norms

_QUERIES_AT_ONCE = 1024


@dataclass(frozen=True)
class Hubness:
    """How often each row is among the k nearest of others."""

    k: int
    occurrences: Rows
    """(n,) N_k of each row; their mean is k."""

    @property
    def skewness(self) -> float:
        """Third standardised moment of N_k; 0 is even, above about 1 a few hubs rule."""
        centered = self.occurrences - self.occurrences.mean()
        deviation = np.sqrt((centered**2).mean())
        return float((centered**3).mean() / deviation**3) if deviation > 0 else 0.0

    @property
    def robin_hood(self) -> float:
        """Share of all neighbour places that would have to be handed on to make N_k even."""
        excess = np.abs(self.occurrences - self.occurrences.mean()).sum()
        return float(excess / (2 * self.occurrences.sum()))

    @property
    def antihub_share(self) -> float:
        """Share of rows that are nobody's neighbour."""
        return float((self.occurrences == 0).mean())

    def hubs(self, n: int = 10) -> Rows:
        """The `n` rows with the largest N_k, equal ones by row."""
        return np.argsort(-self.occurrences, kind="stable")[:n].astype(np.int64)


def measure_hubness(matrix: Floats, k: int = 10) -> Hubness:
    """Count how often each row is among the k nearest of the others.

    Parameters
    ----------
    matrix : (n, dim) float32
        No row zero. Takes n² · dim multiplications.
    k : int
        Below n.

    Raises
    ------
    ConfigError
        If k does not fit, or a row is zero.

    Examples
    --------
    >>> star = np.array([[1, 1], [1, 0.5], [0.5, 1]], dtype=np.float32)  # the first in the middle
    >>> measure_hubness(star, k=1).occurrences.tolist()
    [2, 1, 0]
    """
    rows = neighbor_graph(matrix, k)
    return Hubness(k, np.bincount(rows.ravel(), minlength=len(matrix)).astype(np.int64))


def neighbor_graph(matrix: Floats, k: int, what: str = "finding neighbours") -> Rows:
    """The k nearest other rows of each row by cosine, (n, k), nearest first.

    Raises
    ------
    ConfigError
        If k is not between 1 and n - 1, or a row is zero.
    """
    n = len(matrix)
    if not 1 <= k < n:
        raise ConfigError(f"k is {k} among {n:,} vectors; give a k from 1 to {n - 1:,}")
    directions(matrix)
    norms = row_norms(matrix)
    graph = np.empty((n, k), dtype=np.int64)
    with track(what, total=n) as tracker:
        for start in range(0, n, _QUERIES_AT_ONCE):
            part = slice(start, min(start + _QUERIES_AT_ONCE, n))
            own = np.arange(part.start, part.stop)[:, None]
            graph[part], _ = nearest_rows(matrix, matrix[part], k, norms=norms, exclude=own)
            tracker.advance(len(own))
    return graph

"""How long one query takes: to encode it, and to find its nearest among 100,000 vectors.

The search is the exact one. It reads every vector, so its time follows from their length; it is
measured here for each length (`measure_search`), or, where that was not done, computed from the
bytes that are read at a speed that one core of an ordinary machine has.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rowspace.evaluate.compare.outcome import Comparison, Entry
from rowspace.machine import available_memory
from rowspace.progress import track
from rowspace.space.similarity import nearest_rows, row_norms

N_VECTORS = 100_000
SEARCH_MS = "search_ms"
"""Of a comparison's settings: milliseconds by numbers a vector, as JSON has it."""

_BYTES_A_MS = 8_000_000  # 8 GB/s
_K, _QUERIES = 10, 7
_ROOM = 2  # times the vectors, so that others keep some memory


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Of one query, in milliseconds."""

    encode: float
    """To encode it; where words are matched, to search by them too, or that alone."""
    matches_words: bool = False
    search: float
    """To compare its vector with 100,000; 0 where there is none."""
    is_measured: bool
    """Whether the search was; else it is computed."""

    @property
    def total(self) -> float:
        """Both."""
        return self.encode + self.search

    def __str__(self) -> str:
        if not self.search:
            return f"{ms(self.total)} a query"
        words = " and match words" if self.matches_words else ""
        how = "measured" if self.is_measured else "computed"
        return (
            f"{ms(self.total)} a query ({ms(self.encode)} to encode it{words}, {ms(self.search)} "
            f"to search {N_VECTORS:,} vectors exactly, {how})"
        )


def ms(value: float) -> str:
    """Milliseconds in few digits."""
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} ms"


def latency(comparison: Comparison, entry: Entry) -> Latency | None:
    """Of a model of a comparison; None where it was not measured."""
    if entry.costs is None or entry.costs.query_ms is None:
        return None
    dim = entry.costs.dim
    measured = comparison.settings.get(SEARCH_MS, {}).get(str(dim))
    computed = (dim or 0) * 4 * N_VECTORS / _BYTES_A_MS
    return Latency(
        encode=entry.costs.query_ms,
        matches_words=entry.matches_words,
        search=computed if measured is None else measured,
        is_measured=measured is not None,
    )


def measure_search(dims: Iterable[int], n_vectors: int = N_VECTORS) -> dict[str, float]:
    """Milliseconds to find one query's nearest among random vectors, the median of a few.

    Parameters
    ----------
    dims : iterable of int
        Lengths of vectors.
    n_vectors : int

    Returns
    -------
    dict of str to float
        By length, as JSON can hold it; without those for which there is too little memory.
    """
    found: dict[str, float] = {}
    wanted = sorted(set(dims))
    with track("measuring search", total=len(wanted)) as progress:
        for dim in wanted:
            if _fits(dim * 4 * n_vectors):
                found[str(dim)] = _search_ms(dim, n_vectors)
            progress.advance()
    return found


def _fits(n_bytes: int) -> bool:
    free = available_memory()
    return free is None or _ROOM * n_bytes < free


def _search_ms(dim: int, n_vectors: int) -> float:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n_vectors, dim), dtype=np.float32)
    queries = rng.standard_normal((_QUERIES + 1, 1, dim), dtype=np.float32)
    norms = row_norms(vectors)
    times = []
    for query in queries:
        started = time.perf_counter()
        nearest_rows(vectors, query, _K, norms=norms)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[1:])  # the first compiles, and fills the caches

"""Exact nearest rows of a matrix to many queries at once.

Queries meet the rows in blocks, one float32 matrix product a block, so a memory-mapped matrix is
read once and never copied. The few candidates this leaves are scored again in float64 before they
are ranked. A query's answer therefore does not depend on which others it came with, and equal
scores rank by row. Where rounding could hide a right answer, as among many rows that are nearly
equal, the query is answered again, row by row in float64.

A large matrix has a sketch (see `rowspace.space.sketch`), by which cosines are found faster: it
leaves the rows that may answer, and these are scored as the others are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.space.sketch import MOST, Sketch, find_candidates

Metric = Literal["cosine", "euclidean", "dot"]
METRICS: tuple[str, ...] = get_args(Metric)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]

_Found = tuple[NDArray[np.int64], NDArray[np.int64], Floats]

_QUERIES_AT_ONCE = 256
_SCORES_AT_ONCE = 1 << 20  # float32 scores of one block: 4 MB stays in the cache
_VALUES_AT_ONCE = 1 << 22  # values of the matrix touched by one step of a pass over it
_SMALLEST_NORM = 1e-15
_SLACK = 16  # candidates beyond k, so that float32 rounding cannot push out a right answer


def nearest_rows(
    matrix: Floats,
    queries: NDArray[np.floating[Any]],
    k: int,
    *,
    metric: str = "cosine",
    norms: Floats | None = None,
    exclude: Rows | None = None,
    allowed: NDArray[np.bool_] | None = None,
    sketch: Sketch | None = None,
) -> tuple[Rows, Doubles]:
    """The k rows closest to each query, best first.

    Parameters
    ----------
    matrix : (n, dim) float32
    queries : (n_queries, dim) float array
    k : int
        Rows wanted; more than n means n.
    metric : {"cosine", "euclidean", "dot"}
        A zero vector has cosine 0 with everything.
    norms : (n,) float32, optional
        `row_norms(matrix)` where it is known already.
    exclude : (n_queries, n_excluded) int array, optional
        Rows that may not answer each query; -1 excludes nothing.
    allowed : (n,) bool array, optional
        Rows that may answer, for cosines and dot products.
    sketch : Sketch, optional
        `make_sketch(matrix)`; used for cosines where all rows are allowed. The answers are the
        same with it, and sooner.

    Returns
    -------
    rows : (n_queries, min(k, n)) int64
        -1 where too few rows were left.
    scores : (n_queries, min(k, n)) float64
        Cosine or dot product, falling; Euclidean distance, rising; NaN where the row is -1.

    Raises
    ------
    ConfigError
        If k is below 1 or the metric unknown.
    """
    if k < 1:
        raise ConfigError(f"topn is {k}, so nothing can be returned; give 1 or more")
    if metric not in METRICS:
        raise ConfigError(f"metric {metric!r} is unknown; give one of {', '.join(METRICS)}")
    k = min(k, len(matrix))
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), np.nan)
    if norms is None and metric != "euclidean":
        norms = row_norms(matrix)
    n_wanted = k if exclude is None else k + exclude.shape[1]
    if metric == "euclidean" and allowed is not None:
        raise ConfigError("rows cannot be allowed by Euclidean distance; use cosine or dot")
    if metric != "cosine" or n_wanted > MOST or allowed is not None:
        sketch = None
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        banned = None if exclude is None else exclude[part]
        if norms is None or metric == "euclidean":
            found = _nearest_euclidean(matrix, queries[part], k, banned)
        elif sketch is not None:
            found = _nearest_sketched(matrix, queries[part], k, banned, norms, sketch)
        else:
            found = _nearest_product(matrix, queries[part], k, banned, metric, norms, allowed)
        rows[part], scores[part] = found
    return rows, scores


def row_norms(matrix: Floats) -> Floats:
    """Euclidean length of each row: (n, dim) to (n,), a block at a time."""
    norms = np.empty(len(matrix), dtype=np.float32)
    for part in row_blocks(matrix):
        norms[part] = np.sqrt(np.einsum("nd,nd->n", matrix[part], matrix[part]))
    for row in np.flatnonzero(norms < _SMALLEST_NORM):  # squares that float32 cannot hold
        norms[row] = np.linalg.norm(matrix[row].astype(np.float64))
    return norms


def unit_rows(matrix: NDArray[np.floating[Any]]) -> Doubles:
    """The rows (m, dim) scaled to length 1, in float64; a zero row stays zero."""
    exact = np.array(matrix, dtype=np.float64)
    norms = np.sqrt(np.einsum("md,md->m", exact, exact))
    exact *= inverse(norms)[:, None]
    return exact


def row_blocks(matrix: NDArray[Any]) -> list[slice]:
    """Slices of rows that cover (n, dim), each a few MB."""
    return _blocks(len(matrix), _VALUES_AT_ONCE // max(1, matrix.shape[1]))


def inverse(norms: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """1 / norm, and 0 for a norm of 0, in the dtype of `norms`."""
    result: NDArray[Any] = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return result


def largest(scores: NDArray[np.floating[Any]], k: int) -> Rows:
    """Rows of the k largest of (n,) scores, best first, equal scores by row; -inf never."""
    k = min(k, len(scores))
    floor = np.partition(scores, -k)[-k]
    candidates = np.flatnonzero((scores >= floor) & (scores > -np.inf))
    best: Rows = candidates[np.argsort(-scores[candidates], kind="stable")][:k]
    return best


def _nearest_sketched(
    matrix: Floats,
    queries: NDArray[np.floating[Any]],
    k: int,
    exclude: Rows | None,
    norms: Floats,
    sketch: Sketch,
) -> tuple[Rows, Doubles]:
    """Rows by cosine, one block of queries, of those that a sketch leaves."""
    units = unit_rows(queries)
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), np.nan)
    n_banned = 0 if exclude is None else exclude.shape[1]
    crowded = []
    for query, left in enumerate(find_candidates(sketch, units, k + n_banned)):
        if left is None:
            crowded.append(query)
            continue
        if exclude is not None:
            left = left[~np.isin(left, exclude[query])]
        exact = _exact(matrix, units[query : query + 1], left[None], "cosine")
        best, values = _rank(left[None], exact, k)
        rows[query, : best.size], scores[query, : best.size] = best[0], values[0]
    if crowded:
        banned = None if exclude is None else exclude[crowded]
        found = _nearest_product(matrix, queries[crowded], k, banned, "cosine", norms)
        rows[crowded], scores[crowded] = found
    return rows, scores


def _nearest_product(
    matrix: Floats,
    queries: NDArray[np.floating[Any]],
    k: int,
    exclude: Rows | None,
    metric: str,
    norms: Floats,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[Rows, Doubles]:
    """Rows by cosine or dot product, one block of queries."""
    exact_queries = unit_rows(queries) if metric == "cosine" else queries.astype(np.float64)
    products = exact_queries.astype(np.float32)
    scale = None if metric == "dot" else inverse(norms)

    def score(part: slice) -> Floats:
        scores: Floats = products @ matrix[part].T  # (m, r)
        if scale is not None:
            scores *= scale[part]
        if allowed is not None:
            scores[:, ~allowed[part]] = -np.inf
        return scores

    rows, approximate = _candidates(score, len(matrix), len(queries), k + _SLACK, exclude)
    found = _rank(rows, _exact(matrix, exact_queries, rows, metric), k)

    longest = 1.0 if metric == "cosine" else float(norms.max(initial=0.0))
    error = _rounding(matrix.shape[1]) * longest * np.linalg.norm(exact_queries, axis=1)
    doubtful = found[1][:, -1] < approximate[:, -1] + error
    for query in np.flatnonzero(doubtful & (rows.shape[1] < len(matrix))):
        banned = None if exclude is None else exclude[query]
        again = _nearest_in_float64(
            matrix, exact_queries[query : query + 1], k, banned, metric, allowed
        )
        found[0][query], found[1][query] = again
    return found


def _nearest_in_float64(
    matrix: Floats,
    query: Doubles,
    k: int,
    exclude: Rows | None,
    metric: str,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[Rows, Doubles]:
    """Rows by cosine or dot product to one query (1, dim), each compared in float64."""
    scores = np.empty(len(matrix))
    for part in _blocks(len(matrix), _VALUES_AT_ONCE // max(1, matrix.shape[1])):
        rows = np.arange(part.start, part.stop)
        scores[part] = _exact(matrix, query, rows[None], metric)[0]
    if exclude is not None:
        scores[exclude[(exclude >= 0) & (exclude < len(matrix))]] = -np.inf
    if allowed is not None:
        scores[~allowed] = -np.inf
    best = np.full(k, -1, dtype=np.int64)
    found = largest(scores, k)
    best[: len(found)] = found
    return best, np.where(best < 0, np.nan, scores[best])


def _nearest_euclidean(
    matrix: Floats, queries: NDArray[np.floating[Any]], k: int, exclude: Rows | None
) -> tuple[Rows, Doubles]:
    """Rows by Euclidean distance, one block of queries, distances rising.

    |q - r|² = |q|² - 2 (q·r - |r|²/2) turns distances into one matrix product, but cancels where
    vectors are long and distances small. So vectors are measured from a common origin, candidates
    are measured again in float64, and a query whose k-th distance could be beaten by a row that
    rounding hid is answered again from the plain differences.
    """
    exact_queries = queries.astype(np.float64)
    origin = matrix[: 1 << 12].mean(axis=0, dtype=np.float64).astype(np.float32)
    centered = (exact_queries - origin).astype(np.float32)
    longest = 0.0

    def score(part: slice) -> Floats:
        nonlocal longest
        block = matrix[part] - origin
        half_squares = 0.5 * np.einsum("rd,rd->r", block, block)
        longest = max(longest, float(half_squares.max(initial=0.0)))
        scores: Floats = centered @ block.T
        scores -= half_squares
        return scores

    rows, approximate = _candidates(score, len(matrix), len(queries), k + _SLACK, exclude)
    found = _rank(rows, _exact(matrix, exact_queries, rows, "euclidean"), k)

    squares = np.einsum("md,md->m", centered, centered, dtype=np.float64)
    radius = np.sqrt(2.0 * longest)
    error = _rounding(matrix.shape[1]) * radius * (np.sqrt(squares) + radius)
    unseen = squares - 2.0 * (approximate[:, -1].astype(np.float64) + error)
    doubtful = np.flatnonzero(found[1][:, -1] ** 2 > unseen)
    for query in doubtful:
        banned = None if exclude is None else exclude[query : query + 1]
        again = _nearest_by_difference(matrix, exact_queries[query : query + 1], k, banned)
        found[0][query], found[1][query] = again[0][0], again[1][0]
    return found[0], -found[1]


def _nearest_by_difference(
    matrix: Floats, query: Doubles, k: int, exclude: Rows | None
) -> tuple[Rows, Doubles]:
    """Rows by negated Euclidean distance to one query (1, dim), without the product identity."""
    single = query[0].astype(np.float32)

    def score(part: slice) -> Floats:
        scores = np.empty((1, part.stop - part.start), dtype=np.float32)
        for inner in _blocks(part.stop - part.start, _VALUES_AT_ONCE // len(single)):
            block = matrix[part.start + inner.start : part.start + inner.stop] - single
            scores[0, inner] = -np.einsum("rd,rd->r", block, block)
        return scores

    rows, _ = _candidates(score, len(matrix), 1, k + _SLACK, exclude)
    return _rank(rows, _exact(matrix, query, rows, "euclidean"), k)


def _rounding(dim: int) -> float:
    """What float32 rounds a product of two vectors by at most, as a share of their lengths'.

    About dim · 2^-24, and as much again for the norms.
    """
    return 2.0**-22 * (dim + 2)


def _candidates(
    score: Callable[[slice], Floats],
    n_rows: int,
    n_queries: int,
    k: int,
    exclude: Rows | None,
) -> tuple[Rows, Floats]:
    """The k best rows of each query by approximate score, best first.

    Parameters
    ----------
    score : slice of rows -> (n_queries, r) float32
        Higher is closer.

    Returns
    -------
    rows : (n_queries, min(k, n_rows)) int64, -1 where there are too few
    scores : the same shape, float32, -inf where the row is -1
    """
    k = min(k, n_rows)
    rows = np.full((n_queries, k), -1, dtype=np.int64)
    best = np.full((n_queries, k), -np.inf, dtype=np.float32)
    found: list[_Found] = []
    for part in _blocks(n_rows, _SCORES_AT_ONCE // n_queries):
        scores = score(part)
        if exclude is not None:
            query, place = np.nonzero((exclude >= part.start) & (exclude < part.stop))
            scores[query, exclude[query, place] - part.start] = -np.inf
        found.append(_passing(scores, best, part.start))
        # Merging sorts all that is kept, so it waits until it has as much to add.
        if part.stop == n_rows or sum(len(values) for *_, values in found) >= rows.size:
            rows, best = _merge(rows, best, found)
            found = []
    return rows, best


def _passing(scores: Floats, best: Floats, start: int) -> _Found:
    """Queries, rows and values of the scores (m, r) that beat the worst of the kept (m, k)."""
    k, width = best.shape[1], scores.shape[1]
    floor = best[:, -1]
    if width > k and np.isneginf(floor).any():  # nothing to beat yet: let in about k a query
        kth = np.partition(scores, -k, axis=1)[:, -k]
        floor = np.maximum(floor, np.nextafter(kth, np.float32(-np.inf)))
    passing = np.flatnonzero(scores > floor[:, None])
    return passing // width, passing % width + start, scores.ravel()[passing]


def _merge(rows: Rows, best: Floats, found: list[_Found]) -> tuple[Rows, Floats]:
    """The k best of what is kept (m, k) and what was found since."""
    m, k = rows.shape
    kept = (np.repeat(np.arange(m), k), rows.ravel(), best.ravel())
    query, row, value = (np.concatenate(arrays) for arrays in zip(kept, *found, strict=True))
    order = np.lexsort((row, -value, query))
    query = query[order]
    place = np.arange(len(query)) - np.searchsorted(query, np.arange(m))[query]
    chosen = order[place < k]
    return row[chosen].reshape(m, k), value[chosen].reshape(m, k)


def _exact(matrix: Floats, queries: Doubles, rows: Rows, metric: str) -> Doubles:
    """Scores in float64, higher is closer, of the given rows (m, k); -inf for row -1."""
    row, query = rows.ravel(), np.repeat(np.arange(len(rows)), rows.shape[1])
    scores = np.empty(len(row))
    for part in _blocks(len(row), _VALUES_AT_ONCE // max(1, matrix.shape[1])):
        candidate = matrix[row[part]].astype(np.float64)
        if metric == "euclidean":
            candidate -= queries[query[part]]
            scores[part] = -np.sqrt(np.einsum("rd,rd->r", candidate, candidate))
        else:
            scores[part] = np.einsum("rd,rd->r", candidate, queries[query[part]])
        if metric == "cosine":
            scores[part] *= inverse(np.sqrt(np.einsum("rd,rd->r", candidate, candidate)))
    scores[row < 0] = -np.inf
    return scores.reshape(rows.shape)


def _rank(rows: Rows, scores: Doubles, k: int) -> tuple[Rows, Doubles]:
    """The k best of the candidates (m, c) by score, equal scores by row; NaN for row -1."""
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    rows = np.take_along_axis(rows, order, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    return rows, np.where(rows < 0, np.nan, scores)


def _blocks(n: int, size: int) -> list[slice]:
    """Slices that cover 0..n in steps of `size`, at least 1."""
    size = max(1, size)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]

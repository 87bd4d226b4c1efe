"""A copy of a matrix in a quarter of the memory that tells which rows may be nearest to a query.

Each row's direction is kept as bytes, with how far they are from it at most. By the inequality of
Cauchy and Schwarz that bounds the cosine with any query from both sides: a row whose upper bound is
below the k-th largest lower bound cannot be among the k nearest. What is left, some dozens or
hundreds of rows, is compared in full by the caller, whose answer is exact. One query takes as long
as memory takes to read, so a quarter of the bytes is a quarter of the time; many take as long as
their products, of which a processor with AVX512-VNNI does four times as many in bytes.

The filter-and-refine of Weber, Schek & Blott (1998), https://www.vldb.org/conf/1998/p194.pdf
(VA-file), with bytes of a scale of each row's own and bounds of cosines.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rowspace.machine import available_memory, n_cores

MOST = 512
"""More rows than this are not looked for with a sketch."""
_LEAST_ROOM, _ROOM = 256, 8 * MOST  # rows kept for a query before some are dropped
_LEAST_ROWS = 1 << 14
_LEAST_PART = 1 << 11  # rows for one thread
_LEAST_VALUES = 1 << 23  # a smaller matrix is in the caches anyway
_LARGEST_DIM = 1 << 14  # sums of products of bytes stay below 2^31
_FEW = 5  # so many queries are faster one by one
_MULTIPLE = 16  # bytes of a row
_ROUNDING = 2e-6  # more than what float32 rounds away of a score and its bound

_Found = tuple[NDArray[Any], ...]


class Sketch(NamedTuple):
    """Rows of length 1, each about `scales * (codes - 128)`; a zero row has scale 0."""

    codes: NDArray[np.uint8]
    """(n, dim) bytes and some more, to a multiple of 16."""
    scales: NDArray[np.float32]
    """(n,)"""
    errors: NDArray[np.float32]
    """(n,), the length of the difference at most."""

    def part(self, rows: slice) -> Sketch:
        """The sketch of these rows."""
        return Sketch(self.codes[rows], self.scales[rows], self.errors[rows])


class _Queries(NamedTuple):
    """Queries of length 1, each about `steps * codes`."""

    codes: NDArray[np.int16]
    steps: NDArray[np.float32]
    slopes: NDArray[np.float32]
    bases: NDArray[np.float32]
    """The score of a row is known to `slopes * error + bases`."""


def is_worthwhile(n: int, dim: int) -> bool:
    """Whether a sketch makes queries on an (n, dim) matrix faster."""
    return n >= _LEAST_ROWS and n * dim >= _LEAST_VALUES and dim <= _LARGEST_DIM


def fits_memory(n: int, dim: int) -> bool:
    """Whether twice the memory is free that a sketch of (n, dim) takes."""
    available = available_memory()
    return available is None or 2 * n * (_width(dim) + 8) < available


def make_sketch(matrix: NDArray[np.float32]) -> Sketch:
    """The sketch of (n, dim) float32 rows, made by all cores; it takes n · (dim + 8) bytes."""
    from rowspace.space.sketch_kernels import sketch_rows

    n, dim = matrix.shape
    sketch = Sketch(
        np.empty((n, _width(dim)), dtype=np.uint8),
        np.empty(n, dtype=np.float32),
        np.empty(n, dtype=np.float32),
    )

    def fill(rows: slice) -> None:
        codes, scales, errors = sketch.part(rows)
        sketch_rows(matrix[rows], codes, scales, errors)

    _in_threads(fill, _parts(n))
    return sketch


def find_candidates(
    sketch: Sketch, units: NDArray[np.float64], k: int
) -> list[NDArray[np.int64] | None]:
    """Rows among which the k of largest cosine to each query surely are.

    Parameters
    ----------
    sketch : Sketch
    units : (n_queries, dim) float64
        Of length 1, or 0.
    k : int
        At most `MOST`.

    Returns
    -------
    list of (n_candidates,) int64, rising
        None for a query with more rows near its k-th than can be kept, and for all queries where
        float32 products are faster: many queries on a processor without AVX512-VNNI.
    """
    from rowspace.space import sketch_kernels

    assert k <= MOST
    queries = _encode(units, sketch.codes.shape[1])
    if len(units) > _FEW and not sketch_kernels.HAS_VNNI:
        return [None] * len(units)
    are_many = len(units) > _FEW and len(sketch.codes) >= sketch_kernels.TILE_ROWS
    scan = _scan_many if are_many else _scan_few
    parts = _parts(len(sketch.codes))
    found = _in_threads(lambda rows: scan(sketch, rows, queries, k), parts)
    return [_merge(found, query, k) for query in range(len(units))]


def _encode(units: NDArray[np.float64], width: int) -> _Queries:
    """Bound of a score: u·q = scale·step·(z·y) + (u - scale·z)·q + scale·z·(q - step·y)."""
    steps = (np.abs(units).max(axis=1) / 127).astype(np.float32)
    wide = steps.astype(np.float64)[:, None]
    codes = np.rint(np.divide(units, wide, out=np.zeros_like(units), where=wide > 0))
    gaps = np.linalg.norm(units - wide * codes, axis=1)
    padded = np.zeros((len(units), width), dtype=np.int16)
    padded[:, : units.shape[1]] = codes
    slopes, bases = (1.0 + gaps).astype(np.float32), (gaps + _ROUNDING).astype(np.float32)
    return _Queries(padded, steps, slopes, bases)


def _scan_few(sketch: Sketch, rows: slice, queries: _Queries, k: int) -> _Found:
    from rowspace.space.sketch_kernels import scan_rows

    found = _room(len(queries.codes), k)
    codes, scales, errors = sketch.part(rows)
    begin, (coded, steps, slopes, bases) = rows.start, queries
    scan_rows(codes, scales, errors, begin, coded, steps, slopes, bases, k, found)
    return found


def _scan_many(sketch: Sketch, rows: slice, queries: _Queries, k: int) -> _Found:
    from rowspace.space.sketch_kernels import BIAS, TILE_QUERIES, TILE_ROWS, scan_tiles

    m, width = queries.codes.shape
    n_groups = -(-m // TILE_QUERIES)
    padded = _Queries(*(_pad(array, n_groups * TILE_QUERIES) for array in queries))
    groups = padded.codes.astype(np.int8).reshape(n_groups, TILE_QUERIES, width // 4, 4)
    packed = groups.transpose(0, 2, 1, 3).reshape(-1)
    starts = -BIAS * padded.codes.sum(axis=1, dtype=np.int32)
    found = _room(len(padded.codes), k)
    found[5][m:] = np.inf
    sums = np.empty(TILE_ROWS * TILE_QUERIES, dtype=np.int32)
    codes, scales, errors = sketch.part(rows)
    begin, (_, steps, slopes, bases) = rows.start, padded
    scan_tiles(codes, scales, errors, begin, packed, starts, steps, slopes, bases, k, found, sums)
    return found


def _room(m: int, k: int) -> _Found:
    """What a scan finds for m queries: see `sketch_kernels._keep`."""
    return (
        np.empty((m, _ROOM), dtype=np.int64),
        np.empty((m, _ROOM), dtype=np.float32),
        np.empty((m, _ROOM), dtype=np.float32),
        np.zeros(m, dtype=np.int64),
        np.full(m, min(_ROOM, max(_LEAST_ROOM, 4 * k))),
        np.full(m, -np.inf, dtype=np.float32),
    )


def _merge(found: list[_Found], query: int, k: int) -> NDArray[np.int64] | None:
    """What all parts found for one query, without what the others rule out."""
    if any(np.isposinf(floors[query]) for *_, floors in found):
        return None
    rows, lows, highs = (
        np.concatenate([part[i][query, : part[3][query]] for part in found]) for i in range(3)
    )
    if len(lows) > k:
        rows = rows[highs >= np.partition(lows, -k)[-k]]
    return np.sort(rows)


def _pad(array: NDArray[Any], n: int) -> NDArray[Any]:
    padded = np.zeros((n, *array.shape[1:]), dtype=array.dtype)
    padded[: len(array)] = array
    return padded


def _width(dim: int) -> int:
    return -(-dim // _MULTIPLE) * _MULTIPLE


def _parts(n: int) -> list[slice]:
    """Slices that cover 0..n, one for each core."""
    edges = np.linspace(0, n, max(1, min(n_cores(), n // _LEAST_PART)) + 1).astype(int).tolist()
    return [slice(*edge) for edge in itertools.pairwise(edges)]


def _in_threads(work: Callable[[slice], Any], parts: list[slice]) -> list[Any]:
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(work, parts))

"""Vectors as bytes: 8-bit scalar quantisation and product quantisation.

Jégou, Douze & Schmid (2011), https://doi.org/10.1109/TPAMI.2010.57: each vector is cut into parts
and each part replaced by the nearest of 256 centroids learnt for it. Scalar: a number becomes the
nearest of 256 even steps between the least and the greatest of its dimension (or row), so it is
wrong by half a step at most. Queries stay exact ("asymmetric").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.space.similarity import Doubles, Floats, row_blocks

Codes = NDArray[np.uint8]
Matrix = NDArray[np.floating[Any]]

LEVELS = 256

_SAMPLE = 16_384  # rows that codebooks are learnt from: 64 a centroid
_ROUNDS = 15


class Quantizer(Protocol):
    """How vectors become bytes and back."""

    kind: ClassVar[str]

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def encode(self, matrix: Matrix) -> Codes:
        """(n, dim) to (n, n_bytes)."""
        ...

    def decode(self, codes: Codes) -> Floats:
        """(n, n_bytes) to (n, dim) float32."""
        ...

    def products(self, queries: Doubles, codes: Codes) -> Floats:
        """Dot products of exact queries (m, dim) with coded vectors, (m, n)."""
        ...

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What it has learnt, float32 arrays."""
        ...


@dataclass(frozen=True)
class ScalarQuantizer:
    """A byte a number, between the least and greatest of each dimension."""

    low: Floats
    """(dim,)"""
    step: Floats
    """(dim,) width of a step, a 255th of the range."""
    kind: ClassVar[str] = "int8"

    @classmethod
    def fit(cls, matrix: Matrix) -> ScalarQuantizer:
        """Ranges of the dimensions of (n, dim) vectors."""
        low = np.full(matrix.shape[1], np.inf, dtype=np.float32)
        high = -low
        for part in row_blocks(matrix):
            low = np.minimum(low, matrix[part].min(axis=0))
            high = np.maximum(high, matrix[part].max(axis=0))
        return cls(low.astype(np.float32), _steps(low, high))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return len(self.low)

    @property
    def error_bound(self) -> Doubles:
        """(dim,) most that a number of each dimension can be off: half a step, and rounding."""
        return _half_step(self.low, self.step)

    def encode(self, matrix: Matrix) -> Codes:
        """(n, dim) to (n, dim) bytes."""
        return _to_levels(matrix, self.low, self.step)

    def decode(self, codes: Codes) -> Floats:
        """(n, dim) bytes to (n, dim) float32."""
        return self.low + self.step * codes.astype(np.float32)

    def products(self, queries: Doubles, codes: Codes) -> Floats:
        """q·low + (q step)·codes: nothing is decoded; (m, dim) and (n, dim) to (m, n)."""
        scaled = (queries * self.step).astype(np.float32)
        values: Floats = scaled @ codes.astype(np.float32).T
        values += (queries @ self.low).astype(np.float32)[:, None]
        return values

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The ranges."""
        return {"low": self.low, "step": self.step}


@dataclass(frozen=True)
class RowScalarQuantizer:
    """A byte a number, between the least and greatest of each row, which takes 8 bytes more.

    Better than ranges by dimension where a few rows are much longer than the rest.
    """

    n_dim: int
    kind: ClassVar[str] = "int8-rows"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.n_dim

    def encode(self, matrix: Matrix) -> Codes:
        """(n, dim) to (n, 8 + dim) bytes: low and step as float32, then the numbers."""
        low = matrix.min(axis=1).astype(np.float32)
        step = _steps(low, matrix.max(axis=1))
        levels = _to_levels(matrix, low[:, None], step[:, None])
        ranges = np.stack([low, step], axis=1).astype("<f4").view(np.uint8)
        return np.hstack([ranges, levels])

    def decode(self, codes: Codes) -> Floats:
        """(n, 8 + dim) bytes to (n, dim) float32."""
        low, step = _row_ranges(codes)
        return low[:, None] + step[:, None] * codes[:, 8:].astype(np.float32)

    def products(self, queries: Doubles, codes: Codes) -> Floats:
        """low Σq + step (q·codes); (m, dim) and (n, 8 + dim) to (m, n)."""
        low, step = _row_ranges(codes)
        exact = queries.astype(np.float32)
        values: Floats = exact @ codes[:, 8:].astype(np.float32).T
        values *= step
        values += np.outer(exact.sum(axis=1), low)
        return values

    def error_bound(self, codes: Codes) -> Doubles:
        """(n,) most that a number of each row can be off: half a step, and rounding."""
        low, step = _row_ranges(codes)
        return _half_step(low, step)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Nothing is learnt."""
        return {}


@dataclass(frozen=True)
class ProductQuantizer:
    """A byte a part of the vector: the number of the nearest of 256 centroids of that part."""

    codebooks: list[Floats]
    """(n_codes, width) centroids of each part; the widths add up to dim."""
    kind: ClassVar[str] = "pq"

    @classmethod
    def fit(cls, matrix: Matrix, n_parts: int | None = None, seed: int = 0) -> ProductQuantizer:
        """Learn centroids by k-means on up to 16,384 rows.

        Parameters
        ----------
        matrix : (n, dim) float array
        n_parts : int, optional
            Bytes a vector; dim / 4 rounded up by default. Parts differ in width by one at most.
        seed : int
            Of the sample and of k-means.

        Raises
        ------
        ConfigError
            If there are more parts than dimensions, or none.
        """
        dim = matrix.shape[1]
        n_parts = -(-dim // 4) if n_parts is None else n_parts
        if not 1 <= n_parts <= dim:
            raise ConfigError(
                f"{dim} dimensions cannot be cut into {n_parts} parts; give 1 to {dim}"
            )
        generator = np.random.default_rng(seed)
        rows = np.sort(generator.permutation(len(matrix))[:_SAMPLE])
        sample = matrix[rows].astype(np.float32)
        codebooks = []
        with track("learning codebooks", total=n_parts) as tracker:
            for part in np.array_split(np.arange(dim), n_parts):
                codebooks.append(_centroids(np.ascontiguousarray(sample[:, part]), seed))
                tracker.advance()
        return cls(codebooks)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return sum(codebook.shape[1] for codebook in self.codebooks)

    def _parts(self) -> Iterator[tuple[int, slice, Floats]]:
        """Number, dimensions and centroids of each part."""
        start = 0
        for number, codebook in enumerate(self.codebooks):
            yield number, slice(start, start + codebook.shape[1]), codebook
            start += codebook.shape[1]

    def encode(self, matrix: Matrix) -> Codes:
        """(n, dim) to (n, n_parts) bytes: the nearest centroid of each part."""
        codes = np.empty((len(matrix), len(self.codebooks)), dtype=np.uint8)
        for number, dims, codebook in self._parts():
            half_squares = 0.5 * np.einsum("kd,kd->k", codebook, codebook)
            for rows in row_chunks(len(matrix)):
                codes[rows, number] = (matrix[rows, dims] @ codebook.T - half_squares).argmax(
                    axis=1
                )
        return codes

    def decode(self, codes: Codes) -> Floats:
        """(n, n_parts) bytes to (n, dim) float32."""
        out = np.empty((len(codes), self.dim), dtype=np.float32)
        for number, dims, codebook in self._parts():
            out[:, dims] = codebook[codes[:, number]]
        return out

    def products(self, queries: Doubles, codes: Codes) -> Floats:
        """Σ over parts of a look-up: 256 products a part and query, added for each of the rows.

        (m, dim) and (n, n_parts) to (m, n). Jégou et al. (2011), section III-A.
        """
        values = np.zeros((len(queries), len(codes)), dtype=np.float32)
        for number, dims, codebook in self._parts():
            table = queries[:, dims].astype(np.float32) @ codebook.T
            values += np.take(table, codes[:, number], axis=1)
        return values

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The codebooks."""
        return {f"codebook.{i}": codebook for i, codebook in enumerate(self.codebooks)}


def _steps(low: Matrix, high: Matrix) -> Floats:
    """Widths of the 255 steps between; in float64, as a range may be beyond float32."""
    return ((high.astype(np.float64) - low) / (LEVELS - 1)).astype(np.float32)


def _half_step(low: Floats, step: Floats) -> Doubles:
    """Half a step, and what rounding to float32 adds."""
    bound: Doubles = step.astype(np.float64) / 2 + 2 * np.spacing(np.abs(low) + LEVELS * step)
    return bound


def _to_levels(matrix: Matrix, low: Floats, step: Floats) -> Codes:
    """The nearest of the 256 steps; 0 where the range is empty."""
    scaled = np.divide(
        matrix.astype(np.float64) - low, step, out=np.zeros(matrix.shape), where=step > 0
    )
    return np.clip(np.rint(scaled), 0, LEVELS - 1).astype(np.uint8)


def _row_ranges(codes: Codes) -> tuple[Floats, Floats]:
    ranges = np.ascontiguousarray(codes[:, :8]).view("<f4").astype(np.float32)
    return ranges[:, 0], ranges[:, 1]


def _centroids(rows: Floats, seed: int) -> Floats:
    """(n_codes, width) centroids of (n, width) rows, at most 256 and no more than differ."""
    from sklearn.cluster import KMeans

    distinct = np.unique(rows, axis=0)
    if len(distinct) <= LEVELS:
        return distinct
    with threadpool_limits(1):  # more add up in another order
        found = KMeans(
            LEVELS, init="random", n_init=1, max_iter=_ROUNDS, tol=0.0, random_state=seed
        ).fit(rows)
    return np.asarray(found.cluster_centers_, dtype=np.float32)


def row_chunks(n: int, size: int = 8192) -> list[slice]:
    """Slices of so many rows that cover `n`."""
    return [slice(start, start + size) for start in range(0, n, size)]

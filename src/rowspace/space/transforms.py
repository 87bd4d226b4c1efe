"""Maps of a space fitted to it: all-but-the-top, PCA, whitening. All are affine, so one class.

Mu & Viswanath (2018), https://openreview.net/forum?id=HkuGJ3kCb: all-but-the-top.
Raunak, Gupta & Metze (2019), https://aclanthology.org/W19-4328: it, PCA, and it again.
Su, Cao, Liu & Ou (2021), https://arxiv.org/abs/2103.15316: whitening.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rowspace.errors import ConfigError
from rowspace.space.similarity import Doubles, Floats, row_blocks
from rowspace.space.spectrum import spectrum_of
from rowspace.space.vectors import Vectors

Matrix = NDArray[np.floating[Any]]

_DEGENERATE = 1e-10  # of the largest variance: rounding of float32 vectors, not a direction


@dataclass(frozen=True)
class AffineMap:
    """x ↦ (x - origin) @ matrix + target, so that new vectors can follow the old ones."""

    origin: Doubles
    """(dim,)"""
    matrix: Doubles
    """(dim, new_dim)"""
    target: Doubles
    """(new_dim,)"""
    name: str
    """What it does, kept in the metadata of vectors it makes."""

    def apply(self, matrix: Matrix, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The mapped rows: (n, dim) to (n, new_dim), in float32 or another type.

        Raises
        ------
        ConfigError
            If the dimension is another.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.origin):
            raise ConfigError(
                f"{self.name} was fitted to {len(self.origin)} dimensions, and these vectors have "
                f"shape {matrix.shape}; give vectors of the same space"
            )
        out = np.empty((len(matrix), self.matrix.shape[1]), dtype=dtype)
        for part in row_blocks(matrix):
            out[part] = (matrix[part] - self.origin) @ self.matrix + self.target
        return out

    def transform(self, vectors: Vectors) -> Vectors:
        """The vectors mapped, with their keys and counts; the metadata say by what."""
        return remade(vectors, self.apply(vectors.matrix), self.name)


def remade(vectors: Vectors, matrix: Floats, name: str) -> Vectors:
    """`vectors` with another matrix; `name` is added to the transforms in the metadata."""
    steps = [*vectors.metadata.get("transforms", []), name]
    metadata = {**vectors.metadata, "transforms": steps}
    return Vectors(vectors.index_to_key, matrix, vectors.counts, metadata)


def all_but_the_top(matrix: Matrix, n_components: int | None = None) -> AffineMap:
    """Remove the mean and the strongest directions, which all words share.

    Mu & Viswanath (2018), algorithm 1: v - μ - Σ (u·(v - μ)) u over the first principal axes u.
    It often helps word similarity; measure on your task whether it does.

    Parameters
    ----------
    matrix : (n, dim) float array
        At least two rows.
    n_components : int, optional
        Directions removed; the paper's choice, dim / 100 rounded up, by default. 0 centers only.

    Raises
    ------
    ConfigError
        If `n_components` is not between 0 and dim - 1.
    """
    dim = matrix.shape[1]
    n = -(-dim // 100) if n_components is None else n_components
    if not 0 <= n < dim:
        raise ConfigError(
            f"all-but-the-top of {n} components in {dim} dimensions leaves nothing; "
            f"give 0 to {dim - 1}"
        )
    spectrum = spectrum_of(matrix)
    top = spectrum.axes[:n]
    return AffineMap(
        spectrum.mean, np.eye(dim) - top.T @ top, np.zeros(dim), f"all-but-the-top {n}"
    )


def pca(matrix: Matrix, dim: int) -> AffineMap:
    """Center, and keep the `dim` principal axes of largest variance.

    Parameters
    ----------
    matrix : (n, old_dim) float array
    dim : int
        From 1 to old_dim.

    Raises
    ------
    ConfigError
        If `dim` does not fit.
    """
    _check_dim("PCA", dim, matrix.shape[1])
    spectrum = spectrum_of(matrix)
    return AffineMap(spectrum.mean, spectrum.axes[:dim].T, np.zeros(dim), f"pca {dim}")


def whiten(matrix: Matrix, dim: int | None = None) -> AffineMap:
    """Center, turn onto the principal axes and give each variance 1 (Su et al. 2021).

    Parameters
    ----------
    matrix : (n, old_dim) float array
    dim : int, optional
        Axes kept, the strongest; all that have any variance by default.

    Raises
    ------
    ConfigError
        If `dim` does not fit, or there is no variance.
    """
    spectrum = spectrum_of(matrix)
    n_used = int((spectrum.variances > _DEGENERATE * spectrum.variances[0]).sum())
    if not n_used:
        raise ConfigError("all vectors are equal, so there is nothing to whiten; train longer")
    dim = n_used if dim is None else dim
    _check_dim("whitening", dim, n_used)
    scales = 1 / np.sqrt(spectrum.variances[:dim])
    return AffineMap(spectrum.mean, spectrum.axes[:dim].T * scales, np.zeros(dim), f"whiten {dim}")


def reduce_dim(vectors: Vectors, dim: int, n_components: int = 7) -> Vectors:
    """All-but-the-top, PCA to `dim`, all-but-the-top again (Raunak et al. 2019, algorithm 2).

    Parameters
    ----------
    vectors : Vectors
    dim : int
        Half of the old dimension in the paper.
    n_components : int
        Directions removed before and after; 7 in the paper.

    Raises
    ------
    ConfigError
        If `dim` or `n_components` does not fit.
    """
    vectors = all_but_the_top(vectors.matrix, n_components).transform(vectors)
    vectors = pca(vectors.matrix, dim).transform(vectors)
    return all_but_the_top(vectors.matrix, n_components).transform(vectors)


def _check_dim(what: str, dim: int, most: int) -> None:
    if not 1 <= dim <= most:
        raise ConfigError(
            f"{what} to {dim} dimensions of vectors that vary in {most}; give 1 to {most}"
        )

"""The principal axes of a matrix's rows and how much of their variance lies along each.

The covariance is added up a block of rows at a time in float64, so a memory-mapped matrix of
millions of rows is read twice and never copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.space.similarity import Doubles, row_blocks


@dataclass(frozen=True)
class Spectrum:
    """Mean, principal axes and variances of rows."""

    mean: Doubles
    """(dim,) mean row."""
    axes: Doubles
    """(dim, dim) orthonormal, an axis a row, the largest variance first. The largest component of
    an axis is positive, so that its sign is settled."""
    variances: Doubles
    """(dim,) variance along each axis, with n - 1 in the denominator; falling, never negative."""

    @property
    def shares(self) -> Doubles:
        """(dim,) share of the whole variance along each axis; zeros where there is none."""
        total = self.variances.sum()
        return self.variances / total if total > 0 else np.zeros_like(self.variances)


def spectrum_of(matrix: NDArray[np.floating[Any]]) -> Spectrum:
    """Principal axes of the rows (PCA by the covariance matrix).

    Parameters
    ----------
    matrix : (n, dim) float array
        At least two rows.

    Raises
    ------
    ConfigError
        If there are fewer than two rows.

    Examples
    --------
    >>> spectrum = spectrum_of(np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]]))
    >>> spectrum.mean.tolist(), spectrum.axes[0].tolist(), spectrum.variances.tolist()
    ([2.0, 0.0], [1.0, 0.0], [4.0, 0.0])
    """
    return spectrum_of_blocks(len(matrix), lambda: (matrix[part] for part in row_blocks(matrix)))


def spectrum_of_blocks(n: int, read: Callable[[], Iterable[NDArray[np.floating[Any]]]]) -> Spectrum:
    """`spectrum_of` n rows that are read a block at a time, twice.

    Parameters
    ----------
    n : int
    read : callable
        Gives the blocks, (m, dim) each, anew at each call.
    """
    if n < 2:
        raise ConfigError(f"{n} vector has no variance; give at least two")
    mean = np.asarray(sum(block.sum(axis=0, dtype=np.float64) for block in read())) / n
    dim = len(mean)
    covariance = np.zeros((dim, dim))
    for block in read():
        centered = block - mean  # float64, as the mean is
        covariance += centered.T @ centered
    variances, columns = np.linalg.eigh(covariance / (n - 1))
    axes = columns.T[::-1].copy()
    axes *= np.where(axes[np.arange(dim), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    return Spectrum(mean, axes, np.maximum(variances[::-1], 0.0))

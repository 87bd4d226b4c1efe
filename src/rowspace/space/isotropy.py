"""How evenly vectors use the directions of their space, five ways.

Arora et al. (2016), https://aclanthology.org/Q16-1028, and Mu & Viswanath (2018),
https://openreview.net/forum?id=HkuGJ3kCb: the partition function. Ethayarajh (2019),
https://aclanthology.org/D19-1006: the mean cosine. Rudman et al. (2022),
https://aclanthology.org/2022.findings-acl.262: IsoScore. Roy & Vetterli (2007), "The effective
rank": https://ieeexplore.ieee.org/document/7098875.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.space.sample import directions
from rowspace.space.similarity import Doubles, row_blocks
from rowspace.space.spectrum import Spectrum, spectrum_of

Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Isotropy:
    """How evenly vectors use the directions of their space."""

    partition: float
    """min Z / max Z, in [0, 1]; 1 is isotropic."""
    mean_cosine: float
    """Of two different vectors, in [-1, 1]; 0 is isotropic."""
    isoscore: float
    """In [0, 1]; 1 where the variance is the same along every axis."""
    participation_ratio: float
    """Axes that the variance is spread over, from 1 to dim."""
    effective_rank: float
    """The same by entropy, which counts weak axes more."""


def measure_isotropy(matrix: Matrix, spectrum: Spectrum | None = None) -> Isotropy:
    """All the measures of this module.

    Parameters
    ----------
    matrix : (n, dim) float array
        At least two rows, none of them zero.
    spectrum : Spectrum, optional
        `spectrum_of(matrix)` where it is known already.

    Raises
    ------
    ConfigError
        If there are fewer than two rows, or one is zero.

    Examples
    --------
    >>> cross = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> found = measure_isotropy(cross)
    >>> round(found.isoscore, 6), round(found.partition, 6), round(found.mean_cosine, 6)
    (1.0, 1.0, -0.333333)
    """
    variances = (spectrum or spectrum_of(matrix)).variances
    return Isotropy(
        partition=partition_isotropy(matrix),
        mean_cosine=mean_cosine(matrix),
        isoscore=isoscore(variances),
        participation_ratio=participation_ratio(variances),
        effective_rank=effective_rank(variances),
    )


def partition_isotropy(matrix: Matrix) -> float:
    """Smallest over largest Z(c) = Σ exp(c·v), c over the eigenvectors of VᵀV and their negatives.

    Mu & Viswanath (2018), eq. 2 and section 2.2. Differs from the paper: an eigenvector's sign is
    arbitrary, so both are tried. It depends on the vectors' lengths: long vectors score lower.

    Returns
    -------
    float
        In [0, 1]; 1 where no direction is preferred.
    """
    dim = matrix.shape[1]
    gram = np.zeros((dim, dim))
    for part in row_blocks(matrix):
        block = matrix[part].astype(np.float64)
        gram += block.T @ block
    axes = np.linalg.eigh(gram)[1]
    logs = np.full(2 * dim, -np.inf)
    for part in row_blocks(matrix):
        products = matrix[part].astype(np.float64) @ axes
        logs = np.logaddexp(logs, np.r_[_log_sum_exp(products), _log_sum_exp(-products)])
    return float(np.exp(logs.min() - logs.max()))  # exp Σ itself would overflow


def _log_sum_exp(values: Doubles) -> Doubles:
    """log Σ exp of each column."""
    top = values.max(axis=0)
    result: Doubles = top + np.log(np.exp(values - top).sum(axis=0))
    return result


def mean_cosine(matrix: Matrix) -> float:
    """Mean cosine of two different rows.

    Ethayarajh (2019), section 4.1 ("anisotropy"). Differs from the paper: over all pairs instead
    of a thousand, as Σᵢⱼ uᵢ·uⱼ is |Σ uᵢ|².

    Returns
    -------
    float
        In [-1, 1]; 0 where no direction is preferred.
    """
    n = len(matrix)
    if n < 2:
        raise ConfigError(f"{n} vector makes no pair; give at least two")
    total = np.zeros(matrix.shape[1])
    for part in row_blocks(matrix):
        total += directions(matrix[part]).sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def isoscore(variances: Doubles) -> float:
    """How uniform the variances along the principal axes are.

    Rudman et al. (2022), algorithm 1, whose steps come down to (P - 1) / (dim - 1) with the
    participation ratio P: variances equal along k of n axes score (k - 1) / (n - 1).

    Parameters
    ----------
    variances : (dim,) float array
        Along the principal axes.

    Returns
    -------
    float
        In [0, 1]; 1 where all are equal, and in one dimension.

    Examples
    --------
    >>> isoscore(np.array([2.0, 2.0, 0.0]))
    0.5
    """
    dim = len(variances)
    return (participation_ratio(variances) - 1) / (dim - 1) if dim > 1 else 1.0


def participation_ratio(variances: Doubles) -> float:
    """(Σλ)² / Σλ²: the number of axes if all that are used were used alike; from 1 to dim."""
    _check_variance(variances)
    shares = variances / variances.max()  # squares of tiny ones would vanish
    return float(shares.sum() ** 2 / (shares @ shares))


def effective_rank(variances: Doubles) -> float:
    """exp of the entropy of the singular values' shares; from 1 to dim.

    Roy & Vetterli (2007), of the centered rows: their singular values are √λ, up to a factor.
    """
    _check_variance(variances)
    values = np.sqrt(variances[variances > 0])
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _check_variance(variances: Doubles) -> None:
    if not variances.sum() > 0:
        raise ConfigError("all vectors are equal, so no direction has any variance; train longer")

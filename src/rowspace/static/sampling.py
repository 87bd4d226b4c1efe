"""Which tokens train, and which words serve as negatives."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ONE = float(2**32 - 1)


def keep_thresholds(counts: NDArray[np.int64], subsample: float) -> NDArray[np.uint32]:
    """How likely each word's tokens are kept, as thresholds for 32 random bits.

    word2vec.c's formula, sqrt(t/f) + t/f with f the word's share of the tokens; the paper's has
    no second term.

    Parameters
    ----------
    counts : (n_words,) int64 array
    subsample : float
        t; 0 keeps everything.

    Returns
    -------
    (n_words,) uint32 array
    """
    if subsample == 0:
        return np.full(len(counts), 2**32 - 1, dtype=np.uint32)
    ratio = subsample * counts.sum() / counts
    thresholds: NDArray[np.uint32] = (np.minimum(np.sqrt(ratio) + ratio, 1.0) * _ONE).astype(
        np.uint32
    )
    return thresholds


def noise_table(counts: NDArray[np.int64], exponent: float) -> NDArray[np.uint32]:
    """Alias table that draws words in proportion to count ** exponent.

    Returns
    -------
    (n_words, 2) uint32 array
        Draw a row i at random; it gives i if 32 random bits are not above its first entry, else
        its second.

    References
    ----------
    Vose (1991), "A linear algorithm for generating random numbers with a given distribution".
    """
    weights = counts.astype(np.float64) ** exponent
    table = np.empty((len(counts), 2), dtype=np.uint32)
    _fill_alias_table(weights * (len(counts) / weights.sum()), table)
    return table


@njit(cache=True)
def _fill_alias_table(weights, table):
    """weights : (n,) float64 with mean 1, overwritten;  table : (n, 2) uint32, written"""
    n = weights.shape[0]
    below = np.empty(n, np.int64)
    above = np.empty(n, np.int64)
    n_below = n_above = 0
    for i in range(n):
        if weights[i] < 1:
            below[n_below] = i
            n_below += 1
        else:
            above[n_above] = i
            n_above += 1
    while n_below and n_above:
        n_below -= 1
        low = below[n_below]
        high = above[n_above - 1]
        table[low, 0] = np.uint32(weights[low] * _ONE)
        table[low, 1] = np.uint32(high)
        weights[high] -= 1 - weights[low]
        if weights[high] < 1:
            n_above -= 1
            below[n_below] = high
            n_below += 1
    while n_above:
        n_above -= 1
        table[above[n_above], 0] = np.uint32(_ONE)
        table[above[n_above], 1] = np.uint32(above[n_above])
    while n_below:
        n_below -= 1
        table[below[n_below], 0] = np.uint32(_ONE)
        table[below[n_below], 1] = np.uint32(below[n_below])

"""Maximal marginal relevance: hits that answer the query and do not repeat each other.

Carbonell & Goldstein (1998), https://doi.org/10.1145/290941.291025
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError


def maximal_marginal_relevance(
    relevance: NDArray[np.float64], vectors: NDArray[np.float32], k: int, diversity: float
) -> list[int]:
    """Choose k items one after the other, each relevant and unlike those chosen before.

    The next one maximizes λ relevance - (1 - λ) max cosine(it, a chosen one), with λ = 1 -
    diversity: equation 1 of the paper. For the first, the second term is 0.

    Parameters
    ----------
    relevance : (n,) float64 array
        On the scale of a cosine, 1 for what fits the query wholly.
    vectors : (n, dim) float32 array
        Of any length; one of zeros is unlike all others.
    k : int
    diversity : float
        0 for relevance alone, 1 for difference alone (after the most relevant).

    Returns
    -------
    list of int
        Up to k positions in the order they are chosen, each once; of equal ones the first.

    Raises
    ------
    ConfigError
        If diversity is not in [0, 1].

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    >>> maximal_marginal_relevance(np.array([1.0, 0.9, 0.5]), vectors, 2, diversity=0.5)
    [0, 2]
    """
    if not 0 <= diversity <= 1:
        raise ConfigError(f"diversity is {diversity}; give 0 (off) to 1")
    n = len(relevance)
    units = vectors.astype(np.float64)
    norms = np.linalg.norm(units, axis=1, keepdims=True)
    np.divide(units, norms, out=units, where=norms > 0)
    closest = np.full(n, -np.inf)  # to any that is chosen
    is_left = np.ones(n, np.bool_)
    chosen: list[int] = []
    value = relevance.copy()
    for _ in range(min(k, n)):
        best = int(np.argmax(np.where(is_left, value, -np.inf)))
        chosen.append(best)
        is_left[best] = False
        np.maximum(closest, units @ units[best], out=closest)
        value = (1 - diversity) * relevance - diversity * closest
    return chosen

"""How much of the truth an approximate index finds, and the least effort that finds enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Search = Callable[[int], Positions]
"""(n_queries, k) rows found with an effort."""


def recall_at_k(found: Positions, truth: Positions) -> float:
    """Share of the k nearest rows that were found.

    Parameters
    ----------
    found : (n_queries, k) int array
        Rows in any order, -1 for none.
    truth : (n_queries, k) int array
        The nearest rows, -1 where there are fewer than k.

    Returns
    -------
    float
        In [0, 1], mean over queries; NaN without any.
    """
    shares = []
    for one, other in zip(found, truth, strict=True):
        wanted = set(other[other >= 0].tolist())
        if wanted:
            shares.append(len(wanted.intersection(one.tolist())) / len(wanted))
    return float(np.mean(shares)) if shares else float("nan")


def without(found: Positions, own: Positions) -> Positions:
    """(n_queries, k) of (n_queries, k + 1) rows found, best first: without each query's own.

    Where it is not among them, the last one goes.
    """
    kept = found != own[:, None]
    kept[kept.all(axis=1), -1] = False
    # A row that is found twice, or an own of -1 where nothing is found, would leave too few.
    order = np.argsort(~kept, axis=1, kind="stable")[:, : found.shape[1] - 1]
    result: Positions = np.take_along_axis(np.where(kept, found, -1), order, axis=1)
    return result


def least_effort(search: Search, truth: Positions, efforts: Sequence[int], target: float) -> int:
    """The least effort that reaches the target, the largest if none does.

    Parameters
    ----------
    search : callable
        Effort to (n_queries, k) rows.
    truth : (n_queries, k) int array
    efforts : sequence of int
        Rising; recall is taken to rise with them.
    target : float
        Recall to reach.
    """
    low, high = 0, len(efforts) - 1
    while low < high:
        middle = (low + high) // 2
        if recall_at_k(search(efforts[middle]), truth) >= target:
            high = middle
        else:
            low = middle + 1
    return efforts[low]

"""Rows to index, and the truth about them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unit_rows(n: int, dim: int = 16, seed: int = 0) -> NDArray[np.float32]:
    """Around twenty centers, as vectors of texts lie around topics."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((20, dim))
    rows = centers[rng.integers(0, 20, n)] + 0.7 * rng.standard_normal((n, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def nearest(
    rows: NDArray[np.float32], query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]
) -> set[int]:
    """The k nearest of the allowed rows, one by one."""
    scores = [
        (float(np.dot(row.astype(float), query.astype(float))), -i)
        for i, row in enumerate(rows)
        if allowed[i]
    ]
    return {-i for _, i in sorted(scores, reverse=True)[:k]}

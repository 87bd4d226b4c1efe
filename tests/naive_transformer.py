"""Slow oracles of the transformer: loops over heads and tokens, in numpy float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def softmax(scores: Floats) -> Floats:
    """Over the last axis."""
    exponents = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def attention(
    queries: Floats,
    keys: Floats,
    values: Floats,
    *,
    causal: bool,
    bias: Floats | None = None,
    window: int | None = None,
) -> Floats:
    """One text; queries (H, T, d), keys and values (G, T, d); bias (H, T, T); gives (T, H d)."""
    n_heads, n_tokens, head_dim = queries.shape
    out = np.zeros((n_tokens, n_heads * head_dim))
    for head in range(n_heads):
        group = head * keys.shape[0] // n_heads
        for t in range(n_tokens):
            seen = [
                s
                for s in range(n_tokens)
                if (not causal or s <= t) and (window is None or abs(t - s) < window)
            ]
            scores = np.array([queries[head, t] @ keys[group, s] for s in seen])
            scores = scores / np.sqrt(head_dim)
            if bias is not None:
                scores = scores + bias[head, t, seen]
            shares = softmax(scores)
            mixed = sum(share * values[group, s] for share, s in zip(shares, seen, strict=True))
            out[t, head * head_dim : (head + 1) * head_dim] = mixed
    return out


def cross_entropy(
    hidden: Floats, weight: Floats, targets: NDArray[np.int64], bias: Floats | None = None
) -> float:
    """Mean over the targets that are not -100."""
    losses = []
    for vector, target in zip(hidden, targets, strict=True):
        if target == -100:
            continue
        scores = weight @ vector + (0.0 if bias is None else bias)
        losses.append(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[target])
    return float(np.mean(losses)) if losses else 0.0

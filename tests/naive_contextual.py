"""Words in windows and layers the slow way: one token, one character, one number at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def naive_best_start(n_tokens: int, room: int, first: int, after: int) -> int | None:
    """Where the window begins, of those half a window apart, that shows most around a word."""
    last = max(0, n_tokens - room)
    starts = sorted({*range(0, last, max(1, room // 2)), last})
    best, most = None, -1
    for start in starts:
        around = min(first - start, min(start + room, n_tokens) - after)
        if around > most:
            best, most = start, around
    return best


def naive_mix(states: Sequence[NDArray[Any]], mix: Any) -> NDArray[Any]:
    """One token's vector of its (D,) states."""
    if mix in ("concat", "none"):
        return np.array([number for state in states for number in state])
    weights = [1 / len(states)] * len(states) if mix == "mean" else list(mix)
    total = [0.0] * len(states[0])
    for state, weight in zip(states, weights, strict=True):
        for d, number in enumerate(state):
            total[d] += weight * float(number)
    return np.array(total)


def naive_pool(tokens: Sequence[NDArray[Any]], pooling: str) -> NDArray[Any]:
    """A word's vector of its tokens' (D,) vectors."""
    if pooling == "first":
        return tokens[0]
    if pooling == "last":
        return tokens[-1]
    total = np.zeros(len(tokens[0]))
    for token in tokens:
        total += token
    return total / len(tokens)

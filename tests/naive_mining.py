"""Hard negatives the slow way: every text scored against every anchor, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tests.naive_losses import naive_cosine

Vectors = Mapping[str, NDArray[np.float32]]


def naive_negatives(
    pairs: Sequence[tuple[str, str]],
    texts: Sequence[str],
    finder: Vectors,
    scorer: Vectors,
    ranks: tuple[int, int],
    relative_margin: float,
) -> list[list[tuple[str, float]]]:
    """Of each pair, all texts with their scores that may be negatives, the nearest first."""
    found = []
    for anchor, positive in pairs:
        right = {p for a, p in pairs if a == anchor} | {anchor}
        others = [text for text in dict.fromkeys(texts) if text not in right]
        others.sort(key=lambda text: -_cosine(finder, anchor, text))
        limit = _cosine(scorer, anchor, positive)
        limit -= relative_margin * abs(limit)
        scored = [(text, _cosine(scorer, anchor, text)) for text in others[ranks[0] : ranks[1]]]
        found.append([(text, score) for text, score in scored if score < limit])
    return found


def _cosine(vectors: Vectors, a: str, b: str) -> float:
    return naive_cosine(vectors[a].astype(np.float64), vectors[b].astype(np.float64))

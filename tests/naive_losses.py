"""Losses of sentence embeddings the slow way: a loop for every sum, numbers in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


def naive_cosine(a: Rows, b: Rows) -> float:
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


def naive_info_nce(
    anchors: Rows,
    positives: Rows,
    negatives: Rows,
    anchor_texts: Sequence[str],
    positive_texts: Sequence[str],
    negative_texts: Sequence[Sequence[str]],
    scale: float,
    margin: float,
) -> float:
    """Each anchor by itself: what is right for it as well, by text or margin, is not counted.

    A negative whose text is empty is not there.
    """
    total = 0.0
    for i, anchor in enumerate(anchors):
        right = naive_cosine(anchor, positives[i])
        weights = [math.exp(scale * right)]
        for j in range(len(anchors)):
            own = positive_texts[i] == positive_texts[j] or anchor_texts[i] == anchor_texts[j]
            if i != j and not own:
                weights += _weight(anchor, positives[j], right, scale, margin)
            for negative, text in zip(negatives[j], negative_texts[j], strict=True):
                if text and text != positive_texts[i]:
                    weights += _weight(anchor, negative, right, scale, margin)
        total -= math.log(weights[0] / sum(weights))
    return total / len(anchors)


def _weight(a: Rows, b: Rows, right: float, scale: float, margin: float) -> list[float]:
    cosine = naive_cosine(a, b)
    return [] if cosine > right - margin * abs(right) else [math.exp(scale * cosine)]


def naive_cosent(a: Rows, b: Rows, scores: Sequence[float], scale: float) -> float:
    cosines = [naive_cosine(x, y) for x, y in zip(a, b, strict=True)]
    total = 1.0
    for i in range(len(a)):
        for j in range(len(a)):
            if scores[i] > scores[j]:
                total += math.exp(scale * (cosines[j] - cosines[i]))
    return math.log(total)

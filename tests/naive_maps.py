"""Slow and plain versions of what the explorer's maps are made with."""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = Sequence[float]


def placed(
    cosines: Sequence[Vector],
    places: Sequence[Sequence[Vector]],
    reach: float,
    sharpness: float,
) -> list[list[float]]:
    """Where points go: the weighted mean of the neighbours around the middle one."""
    found = []
    for similar, near in zip(cosines, places, strict=True):
        weights = [math.exp((one - similar[0]) / sharpness) for one in similar]
        costs = [
            sum(w * math.dist(here, there) for w, there in zip(weights, near, strict=True))
            for here in near
        ]
        middle = near[costs.index(min(costs))]
        kept = [
            (w, place)
            for w, place in zip(weights, near, strict=True)
            if math.dist(place, middle) <= reach
        ]
        total = sum(w for w, _ in kept)
        found.append([sum(w * place[axis] for w, place in kept) / total for axis in (0, 1)])
    return found


def class_tf_idf(texts: Sequence[Sequence[str]], word: str, group: int) -> float:
    """Grootendorst (2022), eq. 2, of words by group, over the group's number of words."""
    frequency = texts[group].count(word)
    total = sum(words.count(word) for words in texts)
    average = sum(map(len, texts)) / len(texts)
    return frequency / len(texts[group]) * math.log(1 + average / total)

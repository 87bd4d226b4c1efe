"""Slow versions of the vector arithmetic, one pair at a time, in Python floats."""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = Sequence[float]


def dot(u: Vector, v: Vector) -> float:
    return math.fsum(a * b for a, b in zip(u, v, strict=True))


def cosine(u: Vector, v: Vector) -> float:
    lengths = math.sqrt(dot(u, u)) * math.sqrt(dot(v, v))
    return dot(u, v) / lengths if lengths else 0.0


def nearest(
    matrix: Sequence[Vector],
    query: Vector,
    k: int,
    metric: str = "cosine",
    exclude: Sequence[int] = (),
) -> list[tuple[int, float]]:
    """(row, cosine, dot product or distance), best first, equal ones by row."""
    score = {"cosine": cosine, "dot": dot, "euclidean": math.dist}[metric]
    sign = 1 if metric == "euclidean" else -1
    scored = [(sign * score(query, row), i) for i, row in enumerate(matrix) if i not in exclude]
    return [(i, sign * value) for value, i in sorted(scored)[:k]]


def analogy(matrix: Sequence[Vector], a: int, b: int, c: int, method: str) -> int:
    """The row x that answers "a is to b as c is to x" best, or -1."""

    def score(x: int) -> float:
        to_a, to_b, to_c = (cosine(matrix[x], matrix[word]) for word in (a, b, c))
        if method == "3cosadd":
            return to_b - to_a + to_c
        return ((to_b + 1) / 2) * ((to_c + 1) / 2) / ((to_a + 1) / 2 + 1e-6)

    return max((x for x in range(len(matrix)) if x not in {a, b, c}), key=score, default=-1)

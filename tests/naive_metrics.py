"""Slow, plain versions of the measures: a loop a definition, nothing shared with the package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def naive_ndcg(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    def dcg(gains: list[int]) -> float:
        total = 0.0
        for i in range(min(k, len(gains))):
            total += gains[i] / (math.log(i + 2) / math.log(2))
        return total

    return dcg([grades.get(document, 0) for document in ranked]) / dcg(
        sorted(grades.values(), reverse=True)
    )


def naive_recall(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    relevant = [document for document in grades if grades[document] > 0]
    return len([document for document in relevant if document in ranked[:k]]) / len(relevant)


def naive_precision(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    return len([d for d in ranked[:k] if d in grades and grades[d] > 0]) / k


def naive_reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    for i in range(min(k, len(ranked))):
        if grades.get(ranked[i], 0) > 0:
            return 1 / (i + 1)
    return 0.0


def naive_average_precision(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    total = 0.0
    for i in range(min(k, len(ranked))):
        if grades.get(ranked[i], 0) > 0:
            total += naive_precision(ranked, grades, i + 1)
    return total / len([document for document in grades if grades[document] > 0])


def naive_ranks(values: Sequence[float]) -> list[float]:
    """Rank of each value from 1; equal values share the mean of their ranks."""
    ordered = sorted(values)
    return [
        float(np.mean([i + 1 for i, other in enumerate(ordered) if other == value]))
        for value in values
    ]


def naive_pearson(a: Sequence[float], b: Sequence[float]) -> float:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    covariance = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    variance_a = sum((x - mean_a) ** 2 for x in a)
    variance_b = sum((y - mean_b) ** 2 for y in b)
    return covariance / math.sqrt(variance_a * variance_b)


def naive_spearman(a: Sequence[float], b: Sequence[float]) -> float:
    return naive_pearson(naive_ranks(a), naive_ranks(b))


def naive_cosine_ranking(
    query: NDArray[np.float32], documents: NDArray[np.float32], k: int
) -> list[int]:
    """Rows of the k nearest documents by cosine, zero vectors left out."""
    found = []
    for row, document in enumerate(documents):
        length = np.linalg.norm(query) * np.linalg.norm(document)
        if length > 0:
            found.append((-float(query @ document / length), row))
    return [row for _, row in sorted(found)[:k]]


def naive_analogy(
    words: Sequence[str],
    matrix: NDArray[np.float32],
    question: tuple[str, str, str],
    method: str,
) -> str:
    """The word that best fits "a is to b as c is to …"; none of the question's, in any case."""

    def vector(word: str) -> NDArray[np.float64]:
        folded = [other.upper() for other in words]
        row = matrix[folded.index(word.upper())].astype(np.float64)
        return np.asarray(row / np.linalg.norm(row))

    a, b, c = (vector(word) for word in question)
    best_word, best_score = "", -math.inf
    for word, row in zip(words, matrix.astype(np.float64), strict=True):
        if word.upper() in {other.upper() for other in question}:
            continue
        unit = row / np.linalg.norm(row)
        if method == "3cosadd":
            score = float(unit @ b - unit @ a + unit @ c)
        else:
            near_a, near_b, near_c = ((float(unit @ v) + 1) / 2 for v in (a, b, c))
            score = near_b * near_c / (near_a + 0.000001)
        if score > best_score:
            best_word, best_score = word, score
    return best_word

"""Slow versions of the measures of a space's geometry, as their papers write them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests import naive_space
from tests.naive_space import Vector, cosine

Matrix = NDArray[np.float64]


def partition_isotropy(matrix: Matrix) -> float:
    """min Z(c) / max Z(c), the unit vectors c being the right singular vectors and negatives."""
    _, _, axes = np.linalg.svd(matrix)
    sums = [
        math.fsum(math.exp(sign * naive_space.dot(axis, row)) for row in matrix.tolist())
        for axis in axes.tolist()
        for sign in (1, -1)
    ]
    return min(sums) / max(sums)


def mean_cosine(rows: Sequence[Vector]) -> float:
    pairs = list(itertools.combinations(rows, 2))
    return math.fsum(cosine(u, v) for u, v in pairs) / len(pairs)


def isoscore(matrix: Matrix) -> float:
    """Algorithm 1 of Rudman et al. (2022), step by step."""
    n = matrix.shape[1]
    variances = np.linalg.eigvalsh(np.cov(matrix.T))  # steps 2 and 3
    normalised = variances * math.sqrt(n) / np.linalg.norm(variances)  # step 4
    defect = np.linalg.norm(normalised - 1) / math.sqrt(2 * (n - math.sqrt(n)))  # step 5
    fraction = (n - defect**2 * (n - math.sqrt(n))) ** 2 / n**2  # step 6
    return float((n * fraction - 1) / (n - 1))  # step 7


def effective_rank(matrix: Matrix) -> float:
    values = np.linalg.svd(matrix - matrix.mean(axis=0), compute_uv=False)
    shares = [value / values.sum() for value in values if value > 0]
    return math.exp(-math.fsum(share * math.log(share) for share in shares))


def occurrences(rows: Sequence[Vector], k: int) -> list[int]:
    counts = [0] * len(rows)
    for i, row in enumerate(rows):
        for j, _ in naive_space.nearest(rows, row, k, exclude=[i]):
            counts[j] += 1
    return counts


def all_but_the_top(matrix: Matrix, n_components: int) -> Matrix:
    """Algorithm 1 of Mu & Viswanath (2018)."""
    centered = matrix - matrix.mean(axis=0)
    _, _, axes = np.linalg.svd(centered, full_matrices=False)
    cleaned = centered.copy()
    for axis in axes[:n_components]:
        cleaned -= np.outer(centered @ axis, axis)
    return np.asarray(cleaned)


def best_grouping(rows: Matrix, k: int) -> float:
    """The largest sum of cosines with unit centers over all groupings of a few unit rows."""
    best = -math.inf
    for groups in itertools.product(range(k), repeat=len(rows)):
        sums = [rows[[g == group for g in groups]].sum(axis=0) for group in range(k)]
        best = max(best, math.fsum(float(np.linalg.norm(total)) for total in sums))
    return best


def average_linkage_heights(rows: Sequence[Vector]) -> list[float]:
    """Distances at which groups join, each time the two with the least mean cosine distance."""
    groups = [[row] for row in rows]
    heights = []
    while len(groups) > 1:
        height, a, b = min(
            (_mean_distance(groups[a], groups[b]), a, b)
            for a, b in itertools.combinations(range(len(groups)), 2)
        )
        heights.append(height)
        groups[a] += groups.pop(b)
    return heights


def _mean_distance(one: Sequence[Vector], other: Sequence[Vector]) -> float:
    distances = [1 - cosine(u, v) for u in one for v in other]
    return math.fsum(distances) / len(distances)


def weat(
    x: Sequence[Vector], y: Sequence[Vector], a: Sequence[Vector], b: Sequence[Vector]
) -> tuple[float, float]:
    """Effect size and one-sided p-value over all partitions of Caliskan et al. (2017)."""

    def association(w: Vector) -> float:
        return sum(cosine(w, v) for v in a) / len(a) - sum(cosine(w, v) for v in b) / len(b)

    def statistic(chosen: set[int]) -> float:
        return sum(s if i in chosen else -s for i, s in enumerate(values))

    values = [association(w) for w in [*x, *y]]
    deviation = float(np.std(values, ddof=1))
    effect = (sum(values[: len(x)]) / len(x) - sum(values[len(x) :]) / len(y)) / deviation
    observed = statistic(set(range(len(x))))
    every = [statistic(set(c)) for c in itertools.combinations(range(len(values)), len(x))]
    return effect, sum(s >= observed - 1e-12 for s in every) / len(every)


def self_similarity(rows: Sequence[Vector], words: Sequence[int]) -> float:
    """Definition 1 of Ethayarajh (2019), averaged over the words that occur twice or more."""
    of_words = []
    for word in set(words):
        own = [row for row, other in zip(rows, words, strict=True) if other == word]
        if len(own) > 1:
            of_words.append(mean_cosine(own))
    return math.fsum(of_words) / len(of_words)


def intra_sentence(rows: Sequence[Vector], sentences: Sequence[int]) -> float:
    """Definition 2, averaged over the sentences of two words or more."""
    found = []
    for sentence in set(sentences):
        own = [row for row, other in zip(rows, sentences, strict=True) if other == sentence]
        mean = [math.fsum(values) / len(own) for values in zip(*own, strict=True)]
        if len(own) > 1:
            found.append(math.fsum(cosine(row, mean) for row in own) / len(own))
    return math.fsum(found) / len(found)


def anisotropy(
    rows: Sequence[Vector], words: Sequence[int], sentences: Sequence[int] | None = None
) -> float:
    """Mean cosine of all pairs of different words, in different sentences where these are given."""
    cosines = [
        cosine(rows[i], rows[j])
        for i, j in itertools.combinations(range(len(rows)), 2)
        if words[i] != words[j] and (sentences is None or sentences[i] != sentences[j])
    ]
    return math.fsum(cosines) / len(cosines)


def explainable_variance(matrix: Matrix, words: Sequence[int]) -> float:
    """Definition 3, averaged over the words that occur twice or more."""
    shares = []
    for word in set(words):
        own = matrix[[other == word for other in words]]
        if len(own) > 1:
            values = np.linalg.svd(own, compute_uv=False)
            shares.append(float(values[0] ** 2 / (values**2).sum()))
    return math.fsum(shares) / len(shares)

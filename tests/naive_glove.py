"""Slow, plain GloVe: counting with fractions, the loss and AdaGrad in float64."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
SENTENCE_END = -1


def naive_cooccurrences(
    tokens: Sequence[int], window: int, symmetric: bool, distance_weighting: bool
) -> dict[tuple[int, int], Fraction]:
    """X[i, j]: for each place of i, what the words j near it add; j on the left or on both sides.

    Written from the side of the center word, where the counter goes through pairs once.
    """
    counts: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for i, center in enumerate(tokens):
        if center == SENTENCE_END:
            continue
        for direction in (-1, 1) if symmetric else (-1,):
            for distance in range(1, window + 1):
                j = i + direction * distance
                if not 0 <= j < len(tokens) or tokens[j] == SENTENCE_END:
                    break
                counts[center, tokens[j]] += Fraction(1, distance if distance_weighting else 1)
    return dict(counts)


def naive_weight(count: float, x_max: float, alpha: float) -> float:
    """Pennington et al. (2014), eq. 9."""
    return (count / x_max) ** alpha if count < x_max else 1.0


@dataclass
class NaiveGloVe:
    """All that is learned, and the squared steps of each, which start at 1."""

    words: Matrix
    contexts: Matrix
    word_biases: Matrix
    context_biases: Matrix

    def __post_init__(self) -> None:
        self.sums = [np.ones_like(values) for values in self.parameters()]

    def parameters(self) -> list[Matrix]:
        return [self.words, self.contexts, self.word_biases, self.context_biases]

    def difference(self, i: int, j: int, count: float) -> float:
        product = float(self.words[i] @ self.contexts[j])
        return product + float(self.word_biases[i] + self.context_biases[j]) - math.log(count)

    def loss(self, counts: Mapping[tuple[int, int], float], x_max: float, alpha: float) -> float:
        """Half of eq. 8, as the authors' program has it."""
        return sum(
            0.5 * naive_weight(count, x_max, alpha) * self.difference(i, j, count) ** 2
            for (i, j), count in counts.items()
        )

    def step(self, i: int, j: int, count: float, x_max: float, alpha: float, lr: float) -> None:
        """AdaGrad (Duchi et al. 2011) on one count, each value from before the step."""
        factor = naive_weight(count, x_max, alpha) * self.difference(i, j, count)
        gradients = [
            factor * self.contexts[j],
            factor * self.words[i],
            np.array(factor),
            np.array(factor),
        ]
        for values, sums, row, gradient in zip(
            self.parameters(), self.sums, (i, j, i, j), gradients, strict=True
        ):
            values[row] -= lr * gradient / np.sqrt(sums[row])
            sums[row] += (lr * gradient) ** 2

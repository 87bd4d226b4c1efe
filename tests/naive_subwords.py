"""A slow fastText: n-grams by slices of strings, one window a step, all in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.naive import (
    SENTENCE_END,
    Matrix,
    NaiveRandom,
    naive_loss,
    naive_tree_loss,
    naive_tree_step,
    naive_window_step,
)


@dataclass
class NaiveSubwordPiece:
    """fastText over one piece of tokens, with the random draws in the order of the kernel."""

    w_in: Matrix
    w_out: Matrix
    rows: Sequence[Sequence[int]]
    """Of each word in w_in, its own first."""
    keep: Sequence[int]
    noise: Sequence[Sequence[int]]
    window: int
    n_negative: int
    is_cbow: bool
    corrected: bool
    lr: float
    random: NaiveRandom
    paths: Sequence[Sequence[tuple[int, int]]] | None = None
    frozen: frozenset[int] = frozenset()
    loss: float = 0.0
    n_predictions: int = 0

    def train(self, tokens: Sequence[int], begin: int, end: int) -> None:
        kept: list[tuple[int, bool, int]] = []
        n_sentences = 0
        for i, word in enumerate(tokens):
            if word == SENTENCE_END:
                n_sentences += 1
            elif self.random.next() <= self.keep[word]:
                kept.append((word, begin <= i < end, n_sentences))
        for i, (center, is_center, number) in enumerate(kept):
            if not is_center:
                continue
            reach = self.window - self.random.below(self.window)
            contexts = [
                word
                for j, (word, _, other) in enumerate(kept)
                if j != i and abs(j - i) <= reach and other == number
            ]
            if contexts:
                if self.is_cbow:
                    self.step(contexts, [center], self.draw(1))
                else:
                    self.step([center], contexts, self.draw(len(contexts)))

    def draw(self, n_predicted: int) -> list[int]:
        drawn = []
        if self.paths is None:
            for _ in range(self.n_negative * n_predicted):
                word = self.random.below(len(self.noise))
                stays = self.random.next() <= self.noise[word][0]
                drawn.append(word if stays else self.noise[word][1])
        return drawn

    def step(self, predicting: list[int], predicted: list[int], drawn: list[int]) -> None:
        rows = [row for word in predicting for row in self.rows[word]]
        hidden = np.mean([self.w_in[row] for row in rows], axis=0)[None, :]
        change = np.zeros_like(hidden)
        self.n_predictions += len(predicted)
        if self.paths is not None:  # one path after the other, all from the same hidden row
            for word in predicted:
                path = self.paths[word]
                self.loss += naive_tree_loss(hidden, self.w_out, [0], path)
                moved, self.w_out = naive_tree_step(hidden, self.w_out, [0], path, self.lr)
                change += moved - hidden
        else:
            negatives = [word for word in drawn if word not in predicted]
            before = self.w_out
            for word in predicted:
                self.loss += naive_loss(hidden, before, [0], [word])
                moved, new_out = naive_window_step(hidden, before, [0], [word], self.lr)
                change += moved - hidden
                self.w_out = self.w_out + (new_out - before)
            for word in negatives:  # σ(-x): as a true word whose row is turned round
                self.loss += naive_loss(hidden, -before, [0], [word])
                moved, new_out = naive_window_step(hidden, -before, [0], [word], self.lr)
                change += moved - hidden
                self.w_out = self.w_out - (new_out + before)
        share = 1 / len(rows) if self.corrected else 1.0
        for row in rows:
            if row not in self.frozen:
                self.w_in[row] += share * change[0]

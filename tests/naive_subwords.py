"""A slow fastText: n-grams by slices of strings, one center after the other, all in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.naive import (
    SENTENCE_END,
    Matrix,
    NaiveRandom,
    naive_sigmoid,
    naive_tree_loss,
    naive_tree_step,
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
    n_shared: int
    n_centers: int
    """That share the noise words."""
    noise_at_once: int
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
        centers = []
        for i, (center, is_center, number) in enumerate(kept):
            if is_center:
                reach = self.window - self.random.below(self.window)
                contexts = [
                    word
                    for j, (word, _, other) in enumerate(kept)
                    if j != i and abs(j - i) <= reach and other == number
                ]
                if contexts:
                    centers.append((contexts, [center]) if self.is_cbow else ([center], contexts))
            at_once = self.n_centers if self.paths is None else 1
            if centers and (len(centers) == at_once or i == len(kept) - 1):
                self.step(centers, self.draw())
                centers = []

    def draw(self) -> list[int]:
        drawn = []
        if self.paths is None:
            for _ in range(self.n_shared):
                word = self.random.below(len(self.noise))
                stays = self.random.next() <= self.noise[word][0]
                drawn.append(word if stays else self.noise[word][1])
        return drawn

    def step(self, centers: Sequence[tuple[list[int], list[int]]], drawn: list[int]) -> None:
        """Train on (words that predict, words predicted) of each center, from the same w_in.

        In each step every center meets a share of its own words, one center after the other, then
        all meet a share of the noise, and their hidden rows move. Those of w_in move at the end.
        """
        rows = [[row for word in words for row in self.rows[word]] for words, _ in centers]
        hidden = np.array([np.mean(self.w_in[each], axis=0) for each in rows])
        share = np.array([[1 / len(each) if self.corrected else 1.0] for each in rows])
        moving = np.array([[np.mean([row not in self.frozen for row in each])] for each in rows])
        change = np.zeros_like(hidden)
        n_steps = max(1, self.n_shared // self.noise_at_once)
        for step in range(n_steps):
            moved = np.zeros_like(hidden)
            before = self.w_out.copy()
            for h, (_, predicted) in enumerate(centers):
                first, last = (len(predicted) * k // n_steps for k in (step, step + 1))
                moved[h] += self.step_of_words(hidden[h : h + 1], predicted[first:last], before)[0]
            new_out = self.w_out.copy()
            for h, (_, predicted) in enumerate(centers):
                weight = self.n_negative * len(predicted) / max(1, self.n_shared)
                for word in drawn[step * self.noise_at_once : (step + 1) * self.noise_at_once]:
                    if word not in predicted:
                        logit = float(hidden[h] @ self.w_out[word])
                        self.loss -= weight * math.log(naive_sigmoid(-logit))
                        rate = -self.lr * weight * naive_sigmoid(logit)
                        moved[h] += rate * self.w_out[word]
                        new_out[word] += rate * hidden[h]
            self.w_out = new_out
            change += moved
            hidden += share * moving * moved
        self.n_predictions += sum(len(predicted) for _, predicted in centers)
        for h, each in enumerate(rows):
            for row in each:
                if row not in self.frozen:
                    self.w_in[row] += share[h] * change[h]

    def step_of_words(self, hidden: Matrix, predicted: list[int], before: Matrix) -> Matrix:
        """Move w_out for the true words, all from the same hidden row; returns that row's change.

        Without a tree, how sure the model is of each word is told by `before`.
        """
        change = np.zeros_like(hidden)
        for word in predicted:
            if self.paths is not None:
                path = self.paths[word]
                self.loss += naive_tree_loss(hidden, self.w_out, [0], path)
                moved, self.w_out = naive_tree_step(hidden, self.w_out, [0], path, self.lr)
                change += moved - hidden
            else:
                probability = naive_sigmoid(float(hidden[0] @ before[word]))
                self.loss -= math.log(probability)
                rate = self.lr * (1 - probability)
                change += rate * self.w_out[word]
                self.w_out[word] += rate * hidden[0]
        return change

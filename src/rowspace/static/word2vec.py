"""word2vec: skip-gram and CBOW, on text or any sequences.

Mikolov et al. (2013a), https://arxiv.org/abs/1301.3781, and (2013b),
https://arxiv.org/abs/1310.4546. Differs from the paper: the contexts of one center word share
their negatives (Ji et al. 2016), the sigmoid is not a table, and confident mistakes still train.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.space.vectors import Vectors
from rowspace.static.sampling import keep_thresholds, noise_table
from rowspace.static.trainer import Trainer
from rowspace.static.training import Floats, Start, Training, TrainingConfig, initialise
from rowspace.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from rowspace.static.huffman import Tree


@dataclass(frozen=True, kw_only=True)
class Word2VecConfig(TrainingConfig):
    """Settings of word2vec."""

    cbow_mean: bool = True
    """Average the context rows in CBOW, else sum them."""


class Word2Vec(Trainer):
    """Word vectors from text, or item vectors from sequences.

    Parameters
    ----------
    config : Word2VecConfig, optional
    **settings
        Fields of Word2VecConfig, instead of `config`.

    Examples
    --------
    >>> sentences = [["cat", "sits", "on", "mat"], ["dog", "sits", "on", "rug"]] * 50
    >>> trainer = Word2Vec(dim=16, min_count=1, epochs=2, n_threads=1)
    >>> vectors = trainer.fit(sentences)
    >>> len(vectors), vectors.dim
    (6, 16)
    >>> len(trainer.update([["cow", "sits", "on", "grass"]] * 5))
    8
    """

    config: Word2VecConfig
    config_class = Word2VecConfig
    method_name = "word2vec"

    def _method(self, vocabulary: Vocabulary, frozen: NDArray[np.bool_]) -> _Method:
        return _Method(self.config, vocabulary, self.tree, frozen)

    def _vectors(self, training: Training, rows: Floats, output: Floats | None) -> Vectors:
        vocabulary = training.vocabulary
        return Vectors(vocabulary.words, rows, vocabulary.counts, self._metadata())

    def _start_rows(self, vocabulary: Vocabulary, before: NDArray[np.int64]) -> Start:
        known = np.flatnonzero(before >= 0)
        rows = self._trained().matrix[before[known]]
        return Start(rows, known, rows[:0], known[:0])


class _Method:
    """How word2vec trains a piece of text."""

    def __init__(
        self,
        config: Word2VecConfig,
        vocabulary: Vocabulary,
        tree: Tree | None,
        frozen: NDArray[np.bool_],
    ) -> None:
        self.config = config
        self.n_in = len(vocabulary)
        self.n_out = len(vocabulary) if tree is None else tree.n_nodes
        self.keep = keep_thresholds(vocabulary.counts, config.subsample)
        self.targets = target_tables(vocabulary, config, tree)
        self.frozen = frozen

    def train(
        self,
        w_in: Floats,
        w_out: Floats,
        row: int,
        tokens: NDArray[np.int32],
        begin: int,
        end: int,
        learning_rate: float,
        state: NDArray[np.uint64],
    ) -> tuple[float, int]:
        """See `training.Method`."""
        from rowspace.static import kernels

        config = self.config
        mean, classic = config.cbow_mean, config.cbow_gradient == "classic"
        exact, rate = config.sigmoid == "exact", np.float32(learning_rate)
        missing, missing_out = self.n_in * row, self.n_out * row
        if config.architecture == "cbow" and config.loss == "negative_sampling":
            result = kernels.train_cbow_piece(
                w_in, w_out, row, missing, missing_out, self.frozen, tokens, begin, end, self.keep,
                self.targets[0], config.window, config.dynamic_window, config.n_negative, mean,
                classic, exact, rate, state,
            )  # fmt: skip
        else:
            result = kernels.train_piece(
                w_in, w_out, row, missing, missing_out, self.frozen, tokens, begin, end, self.keep,
                *self.targets, config.window, config.dynamic_window, config.n_negative,
                config.architecture == "cbow", mean, classic, exact, rate, state,
            )  # fmt: skip
        loss, n_predictions = result
        return loss, n_predictions

    def word_vectors(self, rows: Floats, words: NDArray[np.int64]) -> Floats:
        """See `training.Method`."""
        return rows[words]


def target_tables(
    vocabulary: Vocabulary, config: TrainingConfig, tree: Tree | None
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """What the kernels take: the noise words' alias table, or else the paths of a tree."""
    if tree is not None:
        return np.empty((0, 2), np.uint32), tree.ends, tree.nodes, tree.labels
    return (
        noise_table(vocabulary.counts, config.noise_exponent),
        np.zeros(1, np.int64),
        np.empty(0, np.int32),
        np.empty(0, np.float32),
    )


def initial_vectors(vocabulary: Vocabulary, config: TrainingConfig) -> Vectors:
    """The word vectors before training: what `before` is to `fit`'s `after`."""
    matrix = np.empty((len(vocabulary), config.dim), dtype=np.float32)
    initialise(matrix, config)
    return Vectors(vocabulary.words, matrix, counts=vocabulary.counts)

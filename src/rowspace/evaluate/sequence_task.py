"""A task of labelled texts as what sequence models learn from: words, numbers, samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.labelled_texts import LabelledTexts, TextTask
from rowspace.evaluate.sequence_config import SequenceConfig

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Examples:
    """Texts by number, and their labels."""

    texts: NDArray[np.int64]
    """(n,)"""
    labels: NDArray[np.int64]
    """(n,)"""

    def __len__(self) -> int:
        return len(self.texts)


class SequenceTask:
    """The texts of a task that some model may read, each as words and with a number.

    Those that may be learnt from come first, then those that are classified.

    Parameters
    ----------
    task : TextTask
    config : SequenceConfig
    seeds : sequence of int, optional
        That samples are drawn with; the first `config.seeds` if not given.

    Raises
    ------
    EvaluationError
        If too few texts can be learnt from.
    """

    def __init__(
        self, task: TextTask, config: SequenceConfig, seeds: Sequence[int] | None = None
    ) -> None:
        self.name, self.config = task.name, config
        self.seeds = tuple(range(config.seeds) if seeds is None else seeds)
        task = task.limited(None, config.n_test)
        self.notes = task.notes
        self.label_names = sorted({*task.train.labels, *task.test.labels})
        self.sizes = tuple(dict.fromkeys(min(n, len(task.train)) for n in sorted(config.sizes)))
        if self.sizes[0] < 10:
            raise EvaluationError(
                f"{task.name} has {len(task.train)} texts to learn from; give 10 or more"
            )
        self._train = task.train
        drawn = [task.train.limited(self.sizes[-1], seed) for seed in self.seeds]
        self._number = {
            text: number
            for number, text in enumerate(dict.fromkeys(t for part in drawn for t in part.texts))
        }
        self.n_train = len(self._number)
        texts = [*self._number, *task.test.texts]
        self.texts = [words_of(text)[: config.max_words] for text in texts]
        self.test = Examples(
            np.arange(self.n_train, len(texts)), self._label_numbers(task.test.labels)
        )

    @property
    def n_labels(self) -> int:
        """Different labels."""
        return len(self.label_names)

    @property
    def usual_accuracy(self) -> float:
        """Of the training texts' most frequent label for all."""
        labels = self._label_numbers(self._train.labels)
        usual = np.bincount(labels, minlength=self.n_labels).argmax()
        return float((self.test.labels == usual).mean())

    def sample(self, size: int, seed: int) -> tuple[Examples, Examples]:
        """What is learnt from and what is held out of it, with labels in the shares of all texts.

        A seed's smaller sample is part of its larger ones; it is one of `seeds`.
        """
        drawn = self._train.limited(size, seed)
        held = drawn.limited(max(1, round(self.config.held_out * len(drawn))), seed)
        examples, held_out = self._examples(drawn), self._examples(held)
        is_held = np.isin(examples.texts, held_out.texts)
        return Examples(examples.texts[~is_held], examples.labels[~is_held]), held_out

    def _examples(self, drawn: LabelledTexts) -> Examples:
        numbers = np.array([self._number[text] for text in drawn.texts], dtype=np.int64)
        return Examples(numbers, self._label_numbers(drawn.labels))

    def _label_numbers(self, labels: Sequence[str]) -> NDArray[np.int64]:
        numbers = {name: number for number, name in enumerate(self.label_names)}
        return np.array([numbers[label] for label in labels], dtype=np.int64)


def words_of(text: str) -> list[str]:
    """Words and punctuation marks.

    Examples
    --------
    >>> words_of("What's a café?")
    ['What', "'", 's', 'a', 'café', '?']
    """
    return _WORD.findall(text)

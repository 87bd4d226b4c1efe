"""Sequence models on a model's frozen vectors of words: see `rowspace.evaluate.sequence_curves`.

A model's states of all texts are computed once and kept in memory while the recurrent model
learns.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items, LackingError
from rowspace.evaluate.compare.scorers.scoring import digest, files_below
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.labelled_texts import TextTask, read_text_task
from rowspace.evaluate.next_word import (
    NextWordConfig,
    NextWordTask,
    check_sees_no_answer,
    next_word_task,
    read_articles,
)
from rowspace.evaluate.sequence import TokenVectors
from rowspace.evaluate.sequence_config import SequenceConfig
from rowspace.evaluate.sequence_inputs import Inputs, contextual_inputs, word_table
from rowspace.evaluate.sequence_task import SequenceTask
from rowspace.evaluate.tasks import Kind
from rowspace.extras import require_torch

_VERSION = 1


@dataclass
class SequenceScorer:
    """Accuracy of a GRU that reads the words of a text, trained on 1,000 texts."""

    name: str
    path: Path
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "sequence"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        config = asdict(self.config)
        return digest(
            self.kind, _VERSION, files_below(self.path), seed=self.settings.seed, config=config
        )

    @property
    def config(self) -> SequenceConfig:
        """How it learns."""
        sizes = (self.settings.n_train or 1_000,)
        return SequenceConfig(cells=("gru",), sizes=sizes, seeds=1, n_test=self.settings.n_test)

    @functools.cached_property
    def task(self) -> TextTask:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be.
        """
        return read_text_task(self.path, self.settings.seed)

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        require_torch("a sequence model")
        from rowspace.evaluate.sequence_curves import train_one

        seed = self.settings.seed
        sequences = SequenceTask(self.task, self.config, (seed,))
        inputs = _frozen(model.token_vectors(), sequences.texts, sequences.n_train)
        is_right, _ = train_one(inputs, sequences, "gru", sequences.sizes[0], seed)
        tested = [inputs.ids[text] for text in sequences.test.texts]
        return Items(
            statistic="mean",
            columns={"value": is_right},
            metric="accuracy",
            coverage=_share_of_known(inputs, tested),
            notes=sequences.notes,
        )


@dataclass
class NextWordScorer:
    """One over the perplexity of a GRU that tells the next word."""

    name: str
    path: Path
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "sequence"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        return digest(self.kind, _VERSION, [self.path], config=asdict(self.config))

    @property
    def config(self) -> NextWordConfig:
        """How it learns."""
        return NextWordConfig(n_words=50_000, vocab_size=3_000, seed=self.settings.seed)

    @functools.cached_property
    def task(self) -> NextWordTask:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be.
        """
        return next_word_task(self.name, read_articles(self.path), self.config)

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`.

        Raises
        ------
        LackingError
            If a word's vector knows the words after it.
        """
        require_torch("a sequence model")
        from rowspace.evaluate.next_word_training import next_word

        reader = model.token_vectors()
        try:
            check_sees_no_answer(reader)
        except EvaluationError as error:
            raise LackingError(str(error)) from error
        result = next_word(reader, self.task, self.config)
        return Items(
            statistic="inverse_perplexity",
            columns={"loss": result.losses, "count": result.counts},
            metric="1 / perplexity",
            notes=(f"perplexity {result.perplexity:.1f}",),
        )


def _frozen(reader: TokenVectors, texts: Sequence[Sequence[str]], n_scaled: int) -> Inputs:
    if reader.is_contextual:
        return contextual_inputs(reader, texts, n_scaled)
    return word_table(reader, texts, n_scaled).inputs("frozen", 0)


def _share_of_known(inputs: Inputs, texts: Sequence[NDArray[np.int64]]) -> float:
    """The share of texts of which some word has a vector."""
    is_known = np.asarray(inputs.table.any(axis=1))
    return float(np.mean([is_known[ids].any() for ids in texts]))

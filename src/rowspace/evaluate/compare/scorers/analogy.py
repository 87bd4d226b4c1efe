"""Analogies among the words of the question file: see `rowspace.evaluate.analogy`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rowspace.errors import EvaluationError
from rowspace.evaluate.analogy import AnalogySection, answer_questions, read_analogies
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.scoring import digest, share_known
from rowspace.evaluate.tasks import Kind
from rowspace.space.vectors import Vectors

_VERSION = 1


@dataclass
class AnalogyScorer:
    """The share of questions answered right, by 3CosAdd over the words of the file.

    An embedder of texts has no vocabulary to look for an answer in, so every model is given the
    same one: the words of all questions. With so few to choose from, scores are much higher than
    those of `eval` and of papers, whose answers come from the model's whole vocabulary. A question
    with an unknown word counts as failed.
    """

    name: str
    path: Path
    kind: Kind = "analogy"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        return digest(self.kind, _VERSION, [self.path])

    @functools.cached_property
    def task(self) -> list[AnalogySection]:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be.
        """
        return read_analogies(self.path)

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        sections = self.task
        questions = [question for section in sections for question in section.questions]
        words = list(dict.fromkeys(word for question in questions for word in question))
        matrix = model.words(words)
        is_known = np.asarray(matrix.any(axis=1))
        if not is_known.any():
            raise EvaluationError(f"the model has a vector for none of {len(words):,} words")
        known = [word for word, is_in in zip(words, is_known, strict=True) if is_in]
        found = answer_questions(Vectors(known, matrix[is_known]), sections)
        n_unknown = int((~found.is_known).sum())
        note = f"{n_unknown:,} of {len(questions):,} questions have an unknown word and failed"
        return Items(
            statistic="mean",
            columns={"value": found.is_correct.astype(np.int64)},
            metric="accuracy, closed",
            coverage=share_known(~found.is_known),
            notes=(
                f"answers among the file's {len(words):,} words",
                *([note] if n_unknown else []),
            ),
        )

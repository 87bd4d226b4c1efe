"""Classification: see `rowspace.evaluate.classification`."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

from rowspace.evaluate.classification import ClassificationSettings, tell_labels
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.scoring import (
    NotedEncoder,
    digest,
    files_below,
    share_known,
)
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.labelled_texts import TextTask, read_text_task
from rowspace.evaluate.tasks import Kind

_VERSION = 1


@dataclass
class ClassificationScorer:
    """Accuracy on held-out texts."""

    name: str
    path: Path
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "classification"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        s = self.settings
        limits = {"n_train": s.n_train, "n_test": s.n_test, "seed": s.seed}
        return digest(self.kind, _VERSION, files_below(self.path), **limits)

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
        s, encoder = self.settings, NotedEncoder(model.encoder())
        settings = ClassificationSettings(n_train=s.n_train, n_test=s.n_test, seed=s.seed)
        told = tell_labels(encoder, self.task, settings)
        n_zero = int(told.is_zero.sum())
        note = f"test texts without a vector, all given one label: {n_zero:,}"
        return Items(
            statistic="accuracy",
            columns={"truth": told.truth, "said": told.said},
            metric="accuracy",
            coverage=share_known(told.is_zero),
            notes=(*told.notes, *([note] if n_zero else []), *encoder.notes),
        )

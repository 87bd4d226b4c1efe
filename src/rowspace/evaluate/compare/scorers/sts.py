"""Pairs of sentences: see `rowspace.evaluate.sts` and `rowspace.evaluate.pair_classification`."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.scoring import (
    NotedEncoder,
    checked,
    digest,
    files_below,
    share_known,
)
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.sampling import stratified_rows
from rowspace.evaluate.sentence_data import SentenceTask, read_sentence_task
from rowspace.evaluate.sts import pair_cosines
from rowspace.evaluate.tasks import Kind

_VERSION = 1
_SPLITS = ("test", "dev")
"""Which part is scored: the first that is there."""


@dataclass
class STSScorer:
    """Spearman's correlation over all pairs, or average precision where they have labels.

    Of a task with several files it is over all of their pairs at once. Labelled pairs may be
    limited.
    """

    name: str
    path: Path
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "sts"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        limits = {"n": self.settings.n_labelled_pairs, "seed": self.settings.seed}
        return digest(self.kind, _VERSION, files_below(self.path), **limits)

    @functools.cached_property
    def task(self) -> SentenceTask:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be.
        """
        return read_sentence_task(self.path, _SPLITS)

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        pairs, parts = self.task.pairs, list(self.task.parts)
        notes = [] if parts == [self.task.name] else [f"scored on the pairs of {', '.join(parts)}"]
        is_labelled = self.task.column == "label"
        if is_labelled:
            keys, labels = [f"{a}\t{b}" for a, b, _ in pairs], [label for *_, label in pairs]
            rows = stratified_rows(keys, labels, self.settings.n_labelled_pairs, self.settings.seed)
            notes += [f"{len(rows):,} of {len(pairs):,} pairs"] * (len(rows) < len(pairs))
            pairs = [pairs[row] for row in rows]
        encoder = NotedEncoder(model.encoder())
        found = pair_cosines(encoder, pairs)
        n_zero = int(found.is_zero.sum())
        if n_zero:
            notes.append(f"pairs with a text without a vector, counted with cosine 0: {n_zero:,}")
        return checked(
            Items(
                statistic="average_precision" if is_labelled else "spearman",
                columns={
                    "label" if is_labelled else "human": np.array([score for *_, score in pairs]),
                    "cosine" if is_labelled else "model": found.cosines,
                },
                metric="average precision" if is_labelled else "Spearman",
                coverage=share_known(found.is_zero),
                notes=(*notes, *found.notes, *encoder.notes),
            )
        )

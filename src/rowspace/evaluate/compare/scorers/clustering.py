"""Clustering of words and of texts: see `rowspace.evaluate.clustering`."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rowspace.errors import EvaluationError
from rowspace.evaluate.clustering import (
    NO_CLUSTER,
    Clustered,
    ClusteringSettings,
    cluster,
    cluster_texts,
    is_in_majority,
    read_categories,
)
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.scoring import (
    NotedEncoder,
    digest,
    files_below,
    share_known,
)
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.labelled_texts import LabelledTexts, TextTask, read_text_task
from rowspace.evaluate.tasks import Kind

_VERSION = 1
_LEAST_LABELS = 3


@dataclass
class WordClusteringScorer:
    """Purity of words clustered into as many groups as they have categories.

    An item is a word: is it of the most frequent category of its cluster? Clusters and their
    categories stay as they are in the bootstrap; found anew in each resample, few words a cluster
    would make it purer than it is.
    """

    name: str
    path: Path
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "clustering"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        return digest(self.kind, _VERSION, [self.path], seed=self.settings.seed)

    @functools.cached_property
    def task(self) -> tuple[LabelledTexts, tuple[str, ...]]:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be.
        """
        return read_categories(self.path)

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        words, notes = self.task
        vectors = model.words(words.texts)
        settings = ClusteringSettings(seed=self.settings.seed)
        found = cluster(vectors, words.labels, settings, notes)
        is_right = is_in_majority(found.groups, found.clusters)
        return Items(
            statistic="mean",
            columns={"value": is_right.astype(np.int64)},
            metric="purity",
            coverage=share_known(found.clusters == NO_CLUSTER),
            notes=_notes(found),
        )


@dataclass
class TextClusteringScorer:
    """V-measure of texts clustered into as many groups as they have labels.

    Clusters stay as they are in the bootstrap. Texts of two labels, as praise and blame, are not
    clustered: what parts texts most is rarely what two labels name, so all models would be near 0.
    """

    name: str
    path: Path
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "clustering"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        limits = {"n": self.settings.n_clustered, "seed": self.settings.seed}
        return digest(self.kind, _VERSION, files_below(self.path), **limits)

    @functools.cached_property
    def task(self) -> TextTask:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be, or has too few labels.
        """
        task = read_text_task(self.path, self.settings.seed)
        n_labels = len(set(task.test.labels))
        if n_labels < _LEAST_LABELS:
            raise EvaluationError(
                f"{task.name} has {n_labels} labels, and what parts texts most is rarely what so "
                f"few name; texts of {_LEAST_LABELS} labels or more are clustered"
            )
        return task

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        encoder = NotedEncoder(model.encoder())
        settings = ClusteringSettings(n_texts=self.settings.n_clustered, seed=self.settings.seed)
        found = cluster_texts(encoder, self.task, settings)
        return Items(
            statistic="v_measure",
            columns={"group": found.groups, "cluster": found.clusters},
            metric="V-measure",
            coverage=share_known(found.clusters == NO_CLUSTER),
            notes=(*_notes(found), *encoder.notes),
        )


def _notes(found: Clustered) -> tuple[str, ...]:
    n = int((found.clusters == NO_CLUSTER).sum())
    return (*found.notes, *([f"without a vector, in no cluster: {n:,}"] if n else []))

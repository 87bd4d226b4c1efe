"""Senses of words: see `rowspace.evaluate.sense` and `rowspace.evaluate.wic`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rowspace.errors import EvaluationError, RowspaceError
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.scoring import digest, share_known
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.sampling import stratified_rows
from rowspace.evaluate.sense import SenseReading, SenseSettings, read_senses
from rowspace.evaluate.sense_data import SenseTask, WordPair, read_wic
from rowspace.evaluate.sense_tasks import read_sense_task
from rowspace.evaluate.tasks import Kind
from rowspace.evaluate.wic import tell_pairs

_VERSION = 1


@dataclass
class SenseScorer:
    """Macro-F1 of a word's senses, its mean over the words of a collection.

    Told by cosine to the mean of each sense's examples, drawn once: the same for every model, so
    another draw is not in the interval.
    """

    name: str
    words: Mapping[str, Path]
    """By name, as "coarsewsd20/bank"; the path as `find_sense_tasks` gives it."""
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "sense"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        folders = {path.parent for path in self.words.values()}
        paths = sorted(path for folder in folders for path in folder.iterdir() if path.is_file())
        s = self.settings
        limits = {"n": s.n_examples, "limit": s.n_occurrences, "seed": s.seed}
        return digest(self.kind, _VERSION, paths, words=sorted(self.words), **limits)

    @functools.cached_property
    def task(self) -> tuple[list[SenseTask], list[str]]:
        """The words that can be read, and what is said of the others; read once.

        Raises
        ------
        EvaluationError
            If none can be.
        """
        found: list[SenseTask] = []
        notes: list[str] = []
        for name, path in self.words.items():
            try:
                found.append(read_sense_task(name, path))
            except (RowspaceError, OSError) as error:
                notes.append(f"{name} is left out: {error}")
        if not found:
            raise EvaluationError(f"no word of {self.name} can be read: {'; '.join(notes)}")
        return found, notes

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        encoder = model.occurrences()
        n, seed = self.settings.n_examples, self.settings.seed
        settings = SenseSettings(n_examples=(n,), seeds=(seed,), limit=self.settings.n_occurrences)
        tasks, left_out = self.task
        notes = list(left_out)
        read: list[SenseReading] = []
        for task in tasks:
            try:
                read.append(read_senses(encoder, task, settings))
            except EvaluationError as error:
                notes.append(f"{task.name} is left out: {error}")
        if not read:
            raise EvaluationError(f"no word of {self.name} can be scored: {'; '.join(notes)}")
        lengths = [len(word.truth) for word in read]
        is_zero = np.concatenate([word.is_zero for word in read])
        if is_zero.any():
            notes.append(f"without a vector, given the most frequent sense: {is_zero.sum():,}")
        return Items(
            statistic="mean_macro_f1",
            columns={
                "group": np.repeat(np.arange(len(read)), lengths),
                "truth": np.concatenate([word.truth for word in read]),
                "said": np.concatenate([word.said("centroid", n, seed) for word in read]),
            },
            metric="macro-F1",
            coverage=share_known(is_zero),
            notes=(f"{len(read)} words, {n} examples a sense", *notes),
        )


@dataclass
class WicScorer:
    """Share of pairs told right: has a word the same sense in both sentences?

    The threshold for the pairs of some words is tuned on those of others.
    """

    name: str
    files: Mapping[str, Path]
    """By name, as "wic/dev"."""
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "sense"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        limits = {"n": self.settings.n_word_pairs, "seed": self.settings.seed}
        return digest(self.kind, _VERSION, list(self.files.values()), **limits)

    @functools.cached_property
    def task(self) -> list[WordPair]:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be.
        """
        return [pair for path in self.files.values() for pair in read_wic(path)]

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        pairs = self.task
        keys = ["\t".join((*p.first.tokens, "", *p.second.tokens)) for p in pairs]
        n, seed = self.settings.n_word_pairs, self.settings.seed
        rows = stratified_rows(keys, [pair.is_same for pair in pairs], n, seed)
        told = tell_pairs(model.occurrences(), [pairs[row] for row in rows])
        notes = [f"{len(rows):,} of {len(pairs):,} pairs"] * (len(rows) < len(pairs))
        if told.is_zero.any():
            notes.append(f"pairs of which one has no vector: {told.is_zero.sum():,}")
        return Items(
            statistic="mean",
            columns={"value": told.is_right.astype(np.int64)},
            metric="accuracy",
            coverage=share_known(told.is_zero),
            notes=tuple(notes),
        )

"""Word senses: which one has a word in its sentence, told from a few examples of each?

Loureiro, Rezaee, Pilehvar & Camacho-Collados (2021), https://aclanthology.org/2021.cl-2.14, whose
1NN is the nearest of the senses' mean vectors: `centroid` here. `nearest` is the nearest example.
Differs from the paper: equally many examples of each sense are drawn, as in its few-shot part, and
several times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate import weighted
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder
from rowspace.evaluate.sense_data import Occurrence, SenseTask, by_frequency, stratified
from rowspace.evaluate.weighted import score_once
from rowspace.space.similarity import unit_rows
from rowspace.space.transforms import Matrix

Classifier = Literal["centroid", "nearest"]
CLASSIFIERS: tuple[Classifier, ...] = get_args(Classifier)

Labels = NDArray[np.int64]
"""Senses by number, 0 the most frequent in the training part."""

TIE = 1e-9  # of a cosine in float64: equal vectors differ by rounding, others by more


@dataclass(frozen=True, kw_only=True)
class SenseSettings:
    """How senses are told apart."""

    n_examples: tuple[int, ...] = (1, 3, 10, 30)
    """Examples of each sense; of a rarer one all there are."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """A draw of examples for each."""

    limit: int | None = None
    """About so many occurrences of a word are classified at most, one of each sense at least; None
    for all."""

    def __post_init__(self) -> None:
        if not self.n_examples or min(self.n_examples) < 1:
            raise ConfigError(f"n_examples is {self.n_examples}; give numbers of 1 or more")
        if not self.seeds:
            raise ConfigError("seeds is empty, so no examples are drawn; give one or more")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit is {self.limit}, so nothing is classified; give 1 or more")


@dataclass(frozen=True, kw_only=True)
class SenseScore:
    """How often the right sense was told, with one number of examples."""

    n_examples: int
    """Of each sense."""

    macro_f1: float
    """Mean over seeds of the senses' mean F1, in [0, 1]."""

    macro_f1_std: float
    """Standard deviation over seeds; NaN with one."""

    accuracy: float
    """Mean over seeds of the share told right (micro-F1), in [0, 1]."""

    accuracy_std: float
    """Standard deviation over seeds; NaN with one."""


@dataclass(frozen=True, kw_only=True)
class SenseResult:
    """How well the senses of one word were told apart."""

    task: str

    n_train: dict[str, int]
    """Occurrences of each sense that examples are drawn from, the most frequent first."""

    n_test: dict[str, int]
    """Occurrences of each sense that were classified."""

    most_frequent_f1: float
    """Macro-F1 of the training part's most frequent sense for all."""

    most_frequent_accuracy: float
    """Accuracy of the same."""

    scores: dict[Classifier, tuple[SenseScore, ...]]
    """By classifier, for each number of examples."""

    n_without_vector: int
    """Classified occurrences that have no vector, so the most frequent sense was said."""

    def rare_senses(self, n_examples: int) -> list[str]:
        """Senses with fewer training occurrences than this, of which all are examples."""
        return [sense for sense in self.n_test if self.n_train.get(sense, 0) < n_examples]


def evaluate_senses(
    encoder: OccurrenceEncoder, task: SenseTask, settings: SenseSettings | None = None
) -> SenseResult:
    """Tell the senses of a word's occurrences from examples, by cosine.

    Each sentence is encoded once, whatever the number of draws.

    Parameters
    ----------
    encoder : OccurrenceEncoder
    task : SenseTask
    settings : SenseSettings, optional

    Returns
    -------
    SenseResult

    Raises
    ------
    EvaluationError
        If the training part has fewer than two senses, or the test part no occurrence.

    Examples
    --------
    >>> import numpy as np
    >>> from rowspace.evaluate.occurrence_encoders import NeighborOccurrences
    >>> from rowspace.evaluate.sense_data import Occurrence, SenseTask
    >>> from rowspace.space.vectors import Vectors
    >>> matrix = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], dtype=np.float32)
    >>> vectors = Vectors(["river", "water", "money", "loan"], matrix)
    >>> river, money = Occurrence(("bank", "river"), 0, "a"), Occurrence(("bank", "money"), 0, "b")
    >>> water, loan = Occurrence(("bank", "water"), 0, "a"), Occurrence(("bank", "loan"), 0, "b")
    >>> task = SenseTask(name="bank", train=(river, money), test=(water, loan))
    >>> result = evaluate_senses(NeighborOccurrences(vectors), task)
    >>> result.scores["centroid"][0].macro_f1, result.most_frequent_accuracy
    (1.0, 0.5)
    """
    settings = settings or SenseSettings()
    read = read_senses(encoder, task, settings)

    def score(classifier: Classifier, n: int) -> SenseScore:
        said = [read.said(classifier, n, seed) for seed in settings.seeds]
        return _score(n, read.truth, said)

    most_frequent = np.zeros_like(read.truth)
    n_train, n_test = (
        np.bincount(labels, minlength=len(read.senses)) for labels in (read.train, read.truth)
    )
    return SenseResult(
        task=task.name,
        n_train={sense: int(n) for sense, n in zip(read.senses, n_train, strict=True) if n},
        n_test={sense: int(n) for sense, n in zip(read.senses, n_test, strict=True) if n},
        most_frequent_f1=macro_f1(read.truth, most_frequent),
        most_frequent_accuracy=float((read.truth == most_frequent).mean()),
        scores={
            classifier: tuple(score(classifier, n) for n in settings.n_examples)
            for classifier in CLASSIFIERS
        },
        n_without_vector=int(read.is_zero.sum()),
    )


@dataclass(frozen=True, kw_only=True)
class SenseReading:
    """One word's occurrences and their vectors, to be classified from different examples."""

    senses: tuple[str, ...]
    """By number: those of the training part, the most frequent first, then others."""

    train: Labels
    """(n_train,): the senses that examples are drawn from."""

    truth: Labels
    """(n_test,): those of the occurrences that are classified."""

    draws: Mapping[int, NDArray[np.int64]]
    """By seed, rows of `train`: as many examples of each sense as are ever asked for."""

    drawn: NDArray[np.int64]
    """(n_drawn,): rows of `train` that any draw has, rising."""

    examples: NDArray[np.float32]
    """(n_drawn, dim)."""

    queries: NDArray[np.float32]
    """(n_test, dim)."""

    @property
    def is_zero(self) -> NDArray[np.bool_]:
        """(n_test,): whether an occurrence has no vector, so the most frequent sense is said."""
        return ~np.asarray(self.queries.any(axis=1))

    def said(self, classifier: Classifier, n: int, seed: int) -> Labels:
        """(n_test,): what is said of each occurrence, from n examples of each sense."""
        kept = np.searchsorted(self.drawn, first_of_each(self.draws[seed], self.train, n))
        labels = self.train[self.drawn[kept]]
        return _CLASSIFY[classifier](self.examples[kept], labels, self.queries)


def read_senses(
    encoder: OccurrenceEncoder, task: SenseTask, settings: SenseSettings
) -> SenseReading:
    """Draw the examples and encode them and the test part; raises as `evaluate_senses`."""
    senses = by_frequency([o.sense for o in task.train])
    if len(senses) < 2:
        raise EvaluationError(
            f"{task.name} has {len(senses)} sense in its training part, so there is nothing to "
            "tell apart; give examples of two or more"
        )
    if not task.test:
        raise EvaluationError(
            f"{task.name} has no occurrence in its test part, so there is nothing to classify; "
            "give more of each sense"
        )
    test = _limited(task.test, settings.limit)
    unseen = by_frequency([o.sense for o in test if o.sense not in set(senses)])
    number = {sense: i for i, sense in enumerate([*senses, *unseen])}
    train = np.array([number[o.sense] for o in task.train], dtype=np.int64)
    draws = {seed: draw(train, max(settings.n_examples), seed) for seed in settings.seeds}
    drawn = np.unique(np.concatenate(list(draws.values())))
    vectors = encode(encoder, [*(task.train[i] for i in drawn), *test])
    return SenseReading(
        senses=tuple(number),
        train=train,
        truth=np.array([number[o.sense] for o in test], dtype=np.int64),
        draws=draws,
        drawn=drawn,
        examples=vectors[: len(drawn)],
        queries=vectors[len(drawn) :],
    )


def encode(encoder: OccurrenceEncoder, occurrences: Sequence[Occurrence]) -> NDArray[np.float32]:
    """(n, dim): the vectors of occurrences."""
    return encoder.occurrences([o.tokens for o in occurrences], [o.index for o in occurrences])


def draw(labels: Labels, n: int, seed: int) -> NDArray[np.int64]:
    """Rows of at most n examples of each sense, the most frequent sense's first.

    The first of a sense are the same whatever n is, so that with more examples some are added.
    """
    rng = np.random.default_rng(seed)
    senses = np.unique(labels)
    return np.concatenate([rng.permutation(np.flatnonzero(labels == s))[:n] for s in senses])


def first_of_each(rows: NDArray[np.int64], labels: Labels, n: int) -> NDArray[np.int64]:
    """The first n of each sense among drawn rows."""
    of_rows = labels[rows]
    return np.concatenate([rows[of_rows == sense][:n] for sense in np.unique(of_rows)])


def nearest_example(examples: Matrix, labels: Labels, queries: Matrix) -> Labels:
    """The sense of the example with the largest cosine; of equally near ones the most frequent.

    Parameters
    ----------
    examples : (n_examples, dim) float array
        A zero row is near to nothing.
    labels : (n_examples,) int array
        Rising; 0 the most frequent sense.
    queries : (n_queries, dim) float array
        A zero row gets the most frequent sense.

    Returns
    -------
    (n_queries,) int64 array
    """
    cosines = unit_rows(queries) @ unit_rows(examples).T  # (n_queries, n_examples)
    cosines[:, ~examples.any(axis=1)] = -2.0
    is_best = cosines >= cosines.max(axis=1, keepdims=True) - TIE
    said: Labels = labels[is_best.argmax(axis=1)]
    said[~queries.any(axis=1)] = 0
    return said


def nearest_centroid(examples: Matrix, labels: Labels, queries: Matrix) -> Labels:
    """The sense whose examples' mean has the largest cosine; as `nearest_example` else."""
    senses = np.unique(labels)
    centroids = np.zeros((len(senses), examples.shape[1]))
    for row, sense in enumerate(senses):
        centroids[row] = examples[labels == sense].mean(axis=0, dtype=np.float64)
    return nearest_example(centroids, senses, queries)


_CLASSIFY: dict[Classifier, Callable[..., Labels]] = {
    "centroid": nearest_centroid,
    "nearest": nearest_example,
}


def macro_f1(truth: Labels, said: Labels) -> float:
    """The mean of the senses' F1, of those that occur or were said.

    F1 is 2·hits / (occurrences + times said).
    """
    return score_once(weighted.macro_f1, truth, said)


def _score(n: int, truth: Labels, said: Sequence[Labels]) -> SenseScore:
    f1 = [macro_f1(truth, labels) for labels in said]
    accuracy = [float((truth == labels).mean()) for labels in said]
    return SenseScore(
        n_examples=n,
        macro_f1=float(np.mean(f1)),
        macro_f1_std=_std(f1),
        accuracy=float(np.mean(accuracy)),
        accuracy_std=_std(accuracy),
    )


def _std(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _limited(test: Sequence[Occurrence], limit: int | None) -> list[Occurrence]:
    if limit is None or len(test) <= limit:
        return list(test)
    kept = stratified([o.sense for o in test], limit / len(test), seed=0)
    return [o for o, is_kept in zip(test, kept, strict=True) if is_kept]

"""Who is best, and who is not clearly worse: differences between models on the same items.

Two models are compared by resampling the items of a task for both at once (the paired bootstrap;
Efron & Tibshirani 1993; Berg-Kirkpatrick, Burkett & Klein 2012, https://aclanthology.org/D12-1091).
A difference is clear where its interval of 95 % does not hold 0. A kind of task is the mean of its
tasks; since these share no items, the distances to both ends of their intervals add up as errors
do: the root of the sum of squares, over the number of tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from rowspace.evaluate.compare.bootstrap import difference_of, draws
from rowspace.evaluate.compare.outcome import Comparison, Entry, Outcome
from rowspace.evaluate.compare.run import SEED

Interval = tuple[float, float, float]
"""A value, and the ends of its interval of 95 %."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A model on one task, or on the mean of several."""

    value: float
    low: float
    high: float
    behind: Interval
    """Its score less the best one's."""
    is_best: bool = False

    @property
    def is_clearly_worse(self) -> bool:
        """Whether the difference to the best is clear."""
        return not self.is_best and self.behind[2] < 0

    @property
    def half_width(self) -> float:
        """Of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Models by the mean of the tasks that all of them have."""

    tasks: tuple[str, ...]
    """As "retrieval/scifact"."""
    rows: dict[str, Standing]
    """By name, best first."""
    left_out: dict[str, tuple[str, ...]]
    """Tasks that some of them have and others lack, which are in no mean: each with who lacks it.
    """
    apart: tuple[str, ...] = ()
    """Models with some of these tasks, but none that the others have; they are not ranked."""

    @property
    def best(self) -> str:
        """The name of the first."""
        return next(iter(self.rows))


def rank_task(comparison: Comparison, task: str) -> Ranking:
    """The models that were scored on a task, best first."""
    return _rank(comparison, [e for e in comparison.entries if task in e.outcomes], (task,))


def rank_kind(
    comparison: Comparison,
    kind: str,
    names: Sequence[str] | None = None,
    metric: str | None = None,
) -> Ranking | None:
    """Models by the mean of a kind's tasks, best first.

    Parameters
    ----------
    comparison : Comparison
    kind : str
        As "retrieval".
    names : sequence of str, optional
        Of the models that are ranked; all that have such a task if not given.
    metric : str, optional
        Only tasks that are scored so.

    Returns
    -------
    Ranking or None
        None where none of them has such a task.
    """
    tasks_of = {
        entry.name: {
            task
            for task, outcome in entry.outcomes.items()
            if outcome.kind == kind and metric in (None, outcome.metric)
        }
        for entry in comparison.entries
        if names is None or entry.name in names
    }
    tasks_of = {name: tasks for name, tasks in tasks_of.items() if tasks}
    if not tasks_of:
        return None
    common, apart = _common(tasks_of)
    every = [task for task in tasks_in(comparison, kind) if task in set().union(*tasks_of.values())]
    ranked = [e for e in comparison.entries if e.name in tasks_of and e.name not in apart]
    return _rank(
        comparison,
        ranked,
        tuple(task for task in every if task in common),
        {
            task: tuple(name for name, has in tasks_of.items() if task not in has)
            for task in every
            if task not in common
        },
        apart,
    )


def short_name(task: str) -> str:
    """A task's name without its kind."""
    return task.split("/", 1)[-1]


def tasks_in(comparison: Comparison, kind: str) -> list[str]:
    """The tasks of a kind that some model was scored on, in the order they were scored in."""
    return list(
        dict.fromkeys(
            task
            for entry in comparison.entries
            for task, outcome in entry.outcomes.items()
            if outcome.kind == kind
        )
    )


def kinds_in(comparison: Comparison) -> list[str]:
    """The kinds of task that some model was scored on."""
    return list(
        dict.fromkeys(o.kind for entry in comparison.entries for o in entry.outcomes.values())
    )


def behind(comparison: Comparison, name: str, other: str, tasks: Sequence[str]) -> Interval:
    """The mean score of one model less that of another, over tasks that both have."""
    return _mean([_difference(comparison, task, name, other) for task in tasks])


def _common(tasks_of: dict[str, set[str]]) -> tuple[set[str], tuple[str, ...]]:
    """What all have; those with the fewest are set apart until there is something."""
    rest = dict(tasks_of)
    apart: list[str] = []
    while not (common := set.intersection(*rest.values())):
        fewest = min(rest, key=lambda name: len(rest[name]))
        apart.append(fewest)
        del rest[fewest]
    return common, tuple(apart)


def _rank(
    comparison: Comparison,
    entries: Sequence[Entry],
    tasks: tuple[str, ...],
    left_out: dict[str, tuple[str, ...]] | None = None,
    apart: tuple[str, ...] = (),
) -> Ranking:
    scores = {entry.name: _mean([_score(entry, task) for task in tasks]) for entry in entries}
    order = sorted(scores, key=lambda name: -scores[name][0])
    rows = {
        name: Standing(
            value=scores[name][0],
            low=scores[name][1],
            high=scores[name][2],
            behind=behind(comparison, name, order[0], tasks),
            is_best=name == order[0],
        )
        for name in order
    }
    return Ranking(tasks=tasks, rows=rows, left_out=left_out or {}, apart=apart)


def _score(entry: Entry, task: str) -> Interval:
    outcome = entry.outcomes[task]
    return outcome.value, outcome.low, outcome.high


def _mean(found: Sequence[Interval]) -> Interval:
    n = len(found)
    value = math.fsum(v for v, _, _ in found) / n
    below = math.sqrt(math.fsum((v - low) ** 2 for v, low, _ in found)) / n
    above = math.sqrt(math.fsum((high - v) ** 2 for v, _, high in found)) / n
    return value, value - below, value + above


def _difference(comparison: Comparison, task: str, name: str, other: str) -> Interval:
    """Drawn once, and kept in the comparison."""
    if name == other:
        return 0.0, 0.0, 0.0
    key = task, name, other
    if key not in comparison.differences:
        one, two = (_named(comparison, n).outcomes[task] for n in (name, other))
        drawn = _draws(one), _draws(two)
        value, low, high = difference_of(one.items, two.items, *drawn)
        comparison.differences[key] = float(value), float(low), float(high)
    return comparison.differences[key]


def _draws(outcome: Outcome) -> NDArray[Any]:
    return draws(outcome.items, seed=SEED) if outcome.draws is None else outcome.draws


def _named(comparison: Comparison, name: str) -> Entry:
    return next(entry for entry in comparison.entries if entry.name == name)

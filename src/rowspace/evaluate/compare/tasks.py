"""The tasks of a data folder as a comparison scores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, get_args

from rowspace.errors import EvaluationError
from rowspace.evaluate.compare.contender import Scorer
from rowspace.evaluate.compare.outcome import NotScored, reason_of
from rowspace.evaluate.compare.scorers.analogy import AnalogyScorer
from rowspace.evaluate.compare.scorers.classification import ClassificationScorer
from rowspace.evaluate.compare.scorers.clustering import (
    TextClusteringScorer,
    WordClusteringScorer,
)
from rowspace.evaluate.compare.scorers.retrieval import RetrievalScorer
from rowspace.evaluate.compare.scorers.sense import SenseScorer, WicScorer
from rowspace.evaluate.compare.scorers.sequence import NextWordScorer, SequenceScorer
from rowspace.evaluate.compare.scorers.similarity import SimilarityScorer
from rowspace.evaluate.compare.scorers.sts import STSScorer
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.tasks import Kind, Task, find_tasks
from rowspace.progress import track


class TaskScorer(Scorer, Protocol):
    """A scorer of one task of a folder."""

    @property
    def task(self) -> object:
        """What was read of its files, once; raises EvaluationError if they cannot be."""


def find_scorers(
    data: Path | str,
    kinds: Sequence[Kind] | None = None,
    only: Sequence[str] | None = None,
    settings: CompareSettings | None = None,
) -> tuple[list[Scorer], list[NotScored]]:
    """Read the tasks of a data folder.

    Parameters
    ----------
    data : path
        See `rowspace.evaluate.tasks` for the layout.
    kinds : sequence of str, optional
        All if not given; of these "sequence" takes longest.
    only : sequence of str, optional
        Names of tasks, as "retrieval/scifact", or "scifact" for all of that name.
    settings : CompareSettings, optional

    Returns
    -------
    scorers : list of Scorer
        By kind, then name. The words of CoarseWSD-20 are one task, and so are Senseval's.
    not_scored : list of NotScored
        What is no task, or cannot be read, with the reason.

    Raises
    ------
    EvaluationError
        If there is no folder `data`, or a name of `only` is no task's.
    """
    settings = settings or CompareSettings()
    tasks, skipped = find_tasks(data, kinds or get_args(Kind))
    not_scored = [
        NotScored(kind=entry.kind, task=f"{entry.kind}/{entry.name}", reason=entry.reason)
        for entry in skipped
    ]
    scorers: list[Scorer] = []
    made = _choose(_make(tasks, settings), only)
    with track("reading tasks", total=len(made)) as progress:
        for scorer in made:
            try:
                # Both now, so that a score of what was read here is never kept as one of files
                # that change while others are scored.
                _ = scorer.fingerprint, scorer.task  # kept in it
                scorers.append(scorer)
            except Exception as error:  # whatever is wrong with a file, the others are wanted
                reason = reason_of(error)
                not_scored.append(NotScored(kind=scorer.kind, task=scorer.name, reason=reason))
            progress.advance()
    if only is not None:
        not_scored = [entry for entry in not_scored if _is_named(entry.task, only)]
    return scorers, not_scored


def _make(tasks: Sequence[Task], settings: CompareSettings) -> list[TaskScorer]:
    """A scorer a task, but one for all files of a collection of senses."""
    scorers = [_scorer(task, settings) for task in tasks if task.kind != "sense"]
    senses: dict[str, dict[str, Path]] = {}
    for task in tasks:
        if task.kind == "sense":
            senses.setdefault(task.path.parent.name, {})[task.name] = task.path
    for family, paths in senses.items():
        of_family = WicScorer if family == "wic" else SenseScorer
        scorers.append(of_family(f"sense/{family}", paths, settings))
    order = {kind: place for place, kind in enumerate(get_args(Kind))}
    return sorted(scorers, key=lambda scorer: order[scorer.kind])


def _scorer(task: Task, settings: CompareSettings) -> TaskScorer:
    name, path = f"{task.kind}/{task.name}", task.path
    if task.kind == "sequence" and path.is_file():
        return NextWordScorer(name, path, settings)
    if task.kind == "similarity":
        return SimilarityScorer(name, path)
    if task.kind == "analogy":
        return AnalogyScorer(name, path)
    if task.kind == "clustering" and path.is_file():
        return WordClusteringScorer(name, path, settings)
    return _WITH_SETTINGS[task.kind](name, path, settings)


_WITH_SETTINGS: dict[Kind, Callable[[str, Path, CompareSettings], TaskScorer]] = {
    "sts": STSScorer,
    "retrieval": RetrievalScorer,
    "classification": ClassificationScorer,
    "clustering": TextClusteringScorer,
    "sequence": SequenceScorer,
}
"""By kind. A new one is a file of scorers and a line here."""


def _choose(scorers: list[TaskScorer], only: Sequence[str] | None) -> list[TaskScorer]:
    if only is None:
        return scorers
    for name in only:
        if not any(_is_named(scorer.name, [name]) for scorer in scorers):
            raise EvaluationError(
                f"there is no task {name!r}; give some of "
                f"{', '.join(scorer.name for scorer in scorers)}"
            )
    return [scorer for scorer in scorers if _is_named(scorer.name, only)]


def _is_named(task: str, names: Sequence[str]) -> bool:
    """Whether "retrieval/scifact" is among names of which some may be "scifact"."""
    return task in names or task.split("/", 1)[1] in names

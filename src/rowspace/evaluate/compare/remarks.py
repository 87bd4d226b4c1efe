"""What a reader must know: what was not scored, and notes on what was, each said once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rowspace.evaluate.compare.outcome import Comparison, NotScored
from rowspace.evaluate.compare.standing import short_name


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Tasks of one kind that some models were not scored on."""

    kind: str
    tasks: tuple[str, ...]
    """Without their kind; nothing where it is the costs."""
    names: tuple[str, ...]
    """Of the models; nothing where it is all of them."""
    reason: str


def gaps(comparison: Comparison) -> list[Gap]:
    """All that was not scored, each task and model once a reason."""
    of_task: dict[tuple[str, str, str], list[str]] = {}
    for one, names in _each(comparison):
        of_task.setdefault((one.kind, one.task, one.reason), []).extend(names)
    together: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (kind, task, reason), found in of_task.items():
        together.setdefault((kind, reason, tuple(found)), []).append(short_name(task))
    return [
        *(
            Gap(kind=kind, tasks=tuple(tasks), names=names, reason=reason)
            for (kind, reason, names), tasks in together.items()
        ),
        *(
            Gap(kind="costs", tasks=(), names=(entry.name,), reason=entry.no_costs)
            for entry in comparison.entries
            if entry.no_costs
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Note:
    """What is to be known of some scores."""

    text: str
    names: tuple[str, ...]
    """Of the models."""
    tasks: tuple[str, ...]


def notes(comparison: Comparison) -> list[Note]:
    """The notes of all scores, each once with its models and tasks."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for entry in comparison.entries:
        for task, outcome in entry.outcomes.items():
            for text in outcome.notes:
                names, tasks = found.setdefault(text, ({}, {}))
                names[entry.name] = None
                tasks[task] = None
    return [
        Note(text=text, names=tuple(names), tasks=tuple(tasks))
        for text, (names, tasks) in found.items()
    ]


def _each(comparison: Comparison) -> Iterator[tuple[NotScored, list[str]]]:
    for one in comparison.skipped:
        yield one, []
    for entry in comparison.entries:
        for one in entry.not_scored:
            yield one, [entry.name]

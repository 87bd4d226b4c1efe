"""The tables that `rowspace compare` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from rowspace.cli.output import Row, aligned
from rowspace.evaluate.compare.latency import ms
from rowspace.evaluate.compare.outcome import Comparison, Costs
from rowspace.evaluate.compare.remarks import gaps, notes
from rowspace.evaluate.compare.standing import (
    Ranking,
    Standing,
    kinds_in,
    rank_kind,
    rank_task,
    short_name,
    tasks_in,
)
from rowspace.evaluate.tasks import Kind
from rowspace.space.plots import short_number

LEVEL = "*"
"""Beside the scores of the best, and of those that are not clearly worse."""

_NONE = "–"


def comparison_tables(comparison: Comparison) -> Iterator[list[str]]:
    """All of it, a list of lines a table."""
    kinds = ordered_kinds(comparison)
    rankings = {kind: ranking for kind in kinds if (ranking := rank_kind(comparison, kind))}
    yield _summary(comparison, rankings)
    yield list(_about_summary(rankings))
    for kind in kinds:
        for task in tasks_in(comparison, kind):
            yield _details(comparison, task)
    said = list(_notes(comparison))
    if said:
        yield said
    missing = _not_scored(comparison)
    if missing:
        yield aligned([("not scored", "model", "reason"), *missing], n_left=3)


def ordered_kinds(comparison: Comparison) -> list[str]:
    """The kinds that were scored, in the order that tasks have everywhere."""
    found = kinds_in(comparison)
    return [kind for kind in get_args(Kind) if kind in found]


def _summary(comparison: Comparison, rankings: dict[str, Ranking]) -> list[str]:
    costs = ("texts/s", "ms a query", "memory", "disk", "numbers")
    head = ("model", *(f"{kind}  " for kind in rankings), *costs)
    return aligned(
        [
            head,
            *(
                (
                    entry.name,
                    *(score_cell(ranking.rows.get(entry.name)) for ranking in rankings.values()),
                    *cost_cells(entry.costs),
                )
                for entry in comparison.entries
            ),
        ]
    )


def score_cell(row: Standing | None) -> str:
    """A mean with half its interval, and whether it is among the best."""
    if row is None:
        return f"{_NONE}  "
    mark = " " if row.is_clearly_worse else LEVEL
    return f"{row.value:.3f} ±{_bare(row.half_width)} {mark}"


def cost_cells(costs: Costs | None) -> Row:
    """What a model costs; a dash for what was not measured."""
    if costs is None:
        return (_NONE,) * 5
    return (
        _NONE if costs.texts_per_second is None else f"{costs.texts_per_second:,.0f}",
        _NONE if costs.query_ms is None else ms(costs.query_ms).removesuffix(" ms"),
        _bytes(costs.memory_bytes),
        _bytes(costs.disk_bytes),
        _NONE if costs.dim is None else f"{costs.dim:,}",
    )


def _bytes(n: int | None) -> str:
    return _NONE if n is None else f"{short_number(n)}B"


def _bare(value: float) -> str:
    """As .012"""
    return f"{value:.3f}".removeprefix("0")


def _about_summary(rankings: dict[str, Ranking]) -> Iterator[str]:
    yield (
        f"{LEVEL} the best of its column, or not clearly worse: the 95 % interval of the paired "
        "bootstrap holds 0"
    )
    for kind, ranking in rankings.items():
        n = len(ranking.tasks)
        if n > 1:
            yield f"{kind}: mean of {n} tasks that all of these models have"
        for task, names in ranking.left_out.items():
            yield f"{kind}: {short_name(task)} is in no mean, for {', '.join(names)} lacks it"
        if ranking.apart:
            yield f"{kind}: {', '.join(ranking.apart)} shares no task with the others"


def _details(comparison: Comparison, task: str) -> list[str]:
    ranking = rank_task(comparison, task)
    entries = {entry.name: entry for entry in comparison.entries}
    first = entries[ranking.best].outcomes[task]
    kind, name = first.kind, short_name(task)
    head = (f"{kind}: {name}", first.metric, "", "less the best", "", "covered")
    rows = [
        (
            row_name,
            f"{row.value:.3f}",
            _interval(row.low, row.high),
            *_difference_cells(row),
            f"{entries[row_name].outcomes[task].coverage:.0%}",
        )
        for row_name, row in ranking.rows.items()
    ]
    n = first.n_items
    return [*aligned([head, *rows]), f"  {n:,} {'item' if n == 1 else 'items'}"]


def _difference_cells(row: Standing) -> tuple[str, str]:
    if row.is_best:
        return LEVEL, ""
    value, low, high = row.behind
    mark = " " if row.is_clearly_worse else LEVEL
    return f"{value:+.3f}", f"[{low:+.3f}, {high:+.3f}] {mark}"


def _interval(low: float, high: float) -> str:
    return f"[{low:.3f}, {high:.3f}]"


def _notes(comparison: Comparison) -> Iterator[str]:
    for note in notes(comparison):
        yield f"{_some(note.tasks)} ({_some(note.names)}): {note.text}"


def _some(names: Sequence[str], most: int = 3) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _not_scored(comparison: Comparison) -> list[Row]:
    """A line for tasks of one kind that the same models lack for the same reason."""
    return [
        (
            ": ".join(filter(None, (one.kind, _some(one.tasks, 6)))),
            _some(one.names) or "all",
            one.reason,
        )
        for one in gaps(comparison)
    ]

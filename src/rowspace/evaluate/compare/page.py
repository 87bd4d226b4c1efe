"""A comparison as one HTML page that needs nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from rowspace.evaluate.compare.charts import Bar, Bars, Scatter, Spot, bars, scatter
from rowspace.evaluate.compare.latency import N_VECTORS, latency
from rowspace.evaluate.compare.outcome import Comparison, Entry, Era
from rowspace.evaluate.compare.recommend import NEEDS, recommend
from rowspace.evaluate.compare.remarks import gaps, notes
from rowspace.evaluate.compare.standing import (
    Ranking,
    kinds_in,
    rank_kind,
    rank_task,
    short_name,
    tasks_in,
)
from rowspace.evaluate.tasks import Kind
from rowspace.space.pages import page_template
from rowspace.version import __version__

ERAS: dict[Era, str] = {
    "static": "vectors of words",
    "contextual": "states of a transformer, raw",
    "sentence": "trained as an embedder",
    "remote": "behind an API",
    "lexical": "no vectors: BM25",
}
"""What each color means, in the order of the colors."""

_RETRIEVAL = "retrieval"


def render_page(
    name: str, comparison: Comparison, made: datetime, under_ms: float | None = None
) -> str:
    """The page as text.

    Parameters
    ----------
    name : str
        Of the comparison.
    comparison : Comparison
    made : datetime
    under_ms : float, optional
        What a query may take, for the recommendations.
    """
    kinds = [kind for kind in get_args(Kind) if kind in kinds_in(comparison)]
    rankings = {kind: ranking for kind in kinds if (ranking := rank_kind(comparison, kind))}
    retrieval = rankings.get(_RETRIEVAL)
    entries = {entry.name: entry for entry in comparison.entries}
    return page_template("rowspace.evaluate", "compare.html").render(
        name=name,
        comparison=comparison,
        entries=entries,
        color_of=color_of,
        short_name=short_name,
        rankings=rankings,
        tasks={
            kind: [(task, rank_task(comparison, task)) for task in tasks_in(comparison, kind)]
            for kind in kinds
        },
        n_tasks=sum(len(tasks_in(comparison, kind)) for kind in kinds),
        plots={} if retrieval is None else _plots(comparison, retrieval),
        states=None if retrieval is None else hidden_states(comparison, retrieval),
        advice=[recommend(comparison, need, under_ms) for need in NEEDS],
        under_ms=under_ms,
        n_vectors=N_VECTORS,
        gaps=gaps(comparison),
        notes=notes(comparison),
        eras=[
            (color, said)
            for color, (era, said) in enumerate(ERAS.items())
            if any(entry.era == era for entry in comparison.entries)
        ],
        machine=next((e.costs.machine for e in comparison.entries if e.costs is not None), ""),
        map=None,
        version=__version__,
        made=made,
    )


def color_of(entry: Entry) -> int:
    """Of its era; words that are matched beside are told by the name."""
    return list(ERAS).index(entry.era)


def _is_fused(entry: Entry) -> bool:
    return entry.matches_words and entry.era != "lexical"


def _plots(comparison: Comparison, ranking: Ranking) -> dict[str, Scatter]:
    """Quality of retrieval against each cost that is known of two models or more."""
    score = _metric(comparison, ranking)
    found = {}
    for key, title, label in (
        ("time", "Quality against time", "milliseconds a query, with exact search (log)"),
        ("disk", "Quality against size", "bytes on disk (log)"),
    ):
        spots = [
            Spot(entry.name, cost, row.value, row.low, row.high, color_of(entry), _is_fused(entry))
            for entry in comparison.entries
            if (row := ranking.rows.get(entry.name)) and (cost := _cost(comparison, entry, key))
        ]
        if len(spots) > 1:
            found[key] = scatter(spots, title, label, score)
    return found


def _cost(comparison: Comparison, entry: Entry, key: str) -> float | None:
    if key == "time":
        found = latency(comparison, entry)
        return None if found is None else found.total
    return None if entry.costs is None else entry.costs.disk_bytes


def _metric(comparison: Comparison, ranking: Ranking) -> str:
    first = next(entry for entry in comparison.entries if entry.name == ranking.best)
    metric = first.outcomes[ranking.tasks[0]].metric
    n = len(ranking.tasks)
    where = f", mean of {n} tasks" if n > 1 else f", {short_name(ranking.tasks[0])}"
    return metric + where


def hidden_states(comparison: Comparison, ranking: Ranking) -> Bars | None:
    """Readings of bare transformers and trained embedders as bars, beside BM25.

    None where no bare transformer was scored on retrieval.
    """
    rows = [
        (entry, ranking.rows[entry.name])
        for era in ("contextual", "sentence")
        for entry in comparison.entries
        if entry.era == era and not entry.matches_words and entry.name in ranking.rows
    ]
    if not any(entry.era == "contextual" for entry, _ in rows):
        return None
    lexical = next((entry.name for entry in comparison.entries if entry.era == "lexical"), "")
    level = ranking.rows.get(lexical)
    shown = [Bar(e.name, row.value, row.low, row.high, color_of(e)) for e, row in rows]
    return bars(
        shown,
        "Retrieval by what is read from a transformer",
        _metric(comparison, ranking),
        None if level is None else (level.value, f"{lexical} {level.value:.3f}"),
    )

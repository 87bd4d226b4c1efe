"""What comes out of a comparison: scores with intervals, costs, what was not scored.

An item is what is drawn anew in the bootstrap: a query, a pair, a text. Its columns are kept, so
that two models are compared item by item, and any interval can be computed later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from rowspace.errors import EvaluationError, RowspaceError
from rowspace.evaluate.tasks import Kind

Era = Literal["static", "contextual", "sentence", "remote", "lexical"]
"""Vectors of words; states of a transformer, raw; a trained embedder of texts; one behind an API;
no vectors at all (BM25)."""


class LackingError(EvaluationError):
    """A model that has not what a task needs; the message says what, and what would give it."""


def reason_of(error: Exception) -> str:
    """What went wrong in one line; with the kind of error where nobody foresaw it."""
    said = " ".join(str(error).split())
    if isinstance(error, RowspaceError | OSError):
        return said
    return f"{type(error).__name__}: {said}"


@dataclass(frozen=True, kw_only=True)
class Items:
    """What one model said of each item of one task: enough to score any resample of them."""

    statistic: str
    """How columns become a score: one of `bootstrap.STATISTICS`."""

    columns: Mapping[str, NDArray[Any]]
    """Each (n_items,), in the same order for every model."""

    metric: str
    """What the score is called, as "nDCG@10"."""

    coverage: float = 1.0
    """Share of the items that the model has vectors for; the others count as its failures."""

    notes: tuple[str, ...] = ()
    """What a reader must know to trust the score."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One model's score on one task."""

    kind: Kind
    task: str
    """As "retrieval/scifact"; so everywhere."""
    metric: str
    value: float
    low: float
    """The 2.5th percentile of the bootstrap."""
    high: float
    """The 97.5th."""
    n_items: int
    coverage: float
    seconds: float
    """It took, with loading what was loaded for it."""
    items: Items
    notes: tuple[str, ...] = ()
    draws: NDArray[Any] | None = field(default=None, compare=False, repr=False)
    """(n_resamples,) the score of each resample of the bootstrap; None where not kept."""


@dataclass(frozen=True, kw_only=True)
class NotScored:
    """A task that one model, or none, was scored on."""

    kind: Kind
    task: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a model costs to run here. None where there is nothing to measure."""

    texts_per_second: float | None
    """Documents encoded, many at once."""
    query_ms: float | None
    """Milliseconds to encode one query, the median."""
    memory_bytes: int | None
    """Resident memory that loading and encoding add to a process, at most."""
    disk_bytes: int | None
    """Of the files that it is loaded from."""
    dim: int | None
    """Numbers of a text's vector; each vector kept takes 4 bytes a number."""
    machine: str = ""
    """Where it was measured."""


@dataclass(kw_only=True)
class Entry:
    """One model in a comparison."""

    name: str
    spec: str
    """As it was asked for."""
    era: Era
    kind: str
    """What made it, as "word2vec", "causal transformer, mean"."""
    can_generate: bool = False
    matches_words: bool = False
    """Whether the words of a query are looked for: BM25, alone or beside the vectors."""
    fingerprint: str = ""
    costs: Costs | None = None
    no_costs: str = ""
    """Why they were not measured, where they were to be."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By task, as "retrieval/scifact"."""
    not_scored: list[NotScored] = field(default_factory=list)


@dataclass(kw_only=True)
class Comparison:
    """All of it."""

    entries: list[Entry]
    skipped: list[NotScored] = field(default_factory=list)
    """Tasks, or parts of the data, that no model was scored on."""
    settings: dict[str, Any] = field(default_factory=dict)
    differences: dict[tuple[str, str, str], tuple[float, float, float]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What `standing` found of two models on a task, kept so that it is drawn once: by task and
    both names, the difference of their scores with its interval."""

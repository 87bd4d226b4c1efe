"""Models and tasks of a few numbers, and comparisons made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.compare.bootstrap import interval
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import (
    Comparison,
    Costs,
    Entry,
    Era,
    Items,
    LackingError,
    Outcome,
)
from rowspace.evaluate.compare.run import SEED
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder
from rowspace.evaluate.tasks import Kind
from rowspace.space.encoder import Encoder

if TYPE_CHECKING:
    from rowspace.evaluate.sequence import TokenVectors


@dataclass
class Model:
    """A contender that answers each word with its skill; knows when it is loaded."""

    name: str
    skill: float = 0.5
    spec: str = ""
    era: Era = "static"
    kind: str = "made"
    can_generate: bool = False
    disk_bytes: int | None = 100
    loaded: list[str] = field(default_factory=list)
    """Names of models that are loaded, shared by all."""

    @property
    def fingerprint(self) -> str:
        return f"{self.name} {self.skill}"

    def words(self, words: Sequence[str]) -> NDArray[np.float32]:
        if self.name not in self.loaded:
            self.loaded.append(self.name)
        return np.full((len(words), 1), self.skill, dtype=np.float32)

    def encoder(self) -> Encoder:
        raise LackingError(f"{self.name} gives texts no vectors; give an encoder")

    def occurrences(self) -> OccurrenceEncoder:
        raise LackingError("none")

    def token_vectors(self) -> TokenVectors:
        raise LackingError("none")

    def close(self) -> None:
        if self.name in self.loaded:
            self.loaded.remove(self.name)


@dataclass
class Task:
    """A scorer: each item is right where a drawn number is below the model's skill."""

    short: str
    kind: Kind = "retrieval"
    n_items: int = 50
    fails: Mapping[str, BaseException] = field(default_factory=dict)
    """By the model's name; "" fails for all."""
    scored: list[tuple[str, str]] = field(default_factory=list)
    """(model, task), each time it is done."""

    name: str = ""

    def __post_init__(self) -> None:
        self.name = f"{self.kind}/{self.short}"

    @property
    def fingerprint(self) -> str:
        return f"{self.name} {self.n_items}"

    def score(self, model: Contender) -> Items:
        error = self.fails.get(model.name) or self.fails.get("")
        if error is not None:
            raise error
        skill = float(model.words(["a"])[0, 0])
        self.scored.append((model.name, self.short))
        rng = np.random.default_rng(len(self.short))
        right = (rng.random(self.n_items) < skill).astype(np.float64)
        return Items(statistic="mean", columns={"value": right}, metric="nDCG@10")


def outcome(kind: Kind, task: str, values: Sequence[float], metric: str = "nDCG@10") -> Outcome:
    """The mean of some values."""
    items = Items(statistic="mean", columns={"value": np.array(values, float)}, metric=metric)
    value, low, high = interval(items, seed=SEED)
    return Outcome(
        kind=kind,
        task=task,
        metric=metric,
        value=value,
        low=low,
        high=high,
        n_items=len(values),
        coverage=1.0,
        seconds=0.0,
        items=items,
    )


def entry(
    name: str,
    scores: Mapping[str, Sequence[float]],
    *,
    query_ms: float | None = None,
    disk: int | None = None,
    dim: int | None = None,
    **fields: Any,
) -> Entry:
    """A model with scores by task, as "retrieval/x"; costs where a query's time is given."""
    outcomes = {}
    for key, values in scores.items():
        outcomes[key] = outcome(key.split("/")[0], key, values)  # type: ignore[arg-type]
    costs = Costs(
        texts_per_second=None, query_ms=query_ms, memory_bytes=None, disk_bytes=disk, dim=dim
    )
    given = {"spec": name, "era": "sentence", "kind": "made"} | fields
    return Entry(name=name, outcomes=outcomes, costs=None if query_ms is None else costs, **given)


def many(value: float, n: int = 400) -> list[float]:
    """Items whose mean is a value: as many ones as it wants, mixed in a fixed order."""
    values = [1.0] * round(value * n) + [0.0] * (n - round(value * n))
    mixed: list[float] = np.random.default_rng(0).permutation(values).tolist()
    return mixed


def comparison(*entries: Entry, **settings: Any) -> Comparison:
    """A comparison of models."""
    return Comparison(entries=list(entries), settings=settings)

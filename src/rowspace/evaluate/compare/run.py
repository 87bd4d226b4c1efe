"""Every model on every task: one model in memory at a time, each score kept as soon as it is there.

What is found in the cache is not scored again, so an interrupted comparison goes on where it was,
and one more model costs that model alone.
"""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.compare.bootstrap import draws, interval_of
from rowspace.evaluate.compare.cache import Cache
from rowspace.evaluate.compare.contender import Contender, Scorer
from rowspace.evaluate.compare.outcome import (
    Comparison,
    Costs,
    Entry,
    NotScored,
    Outcome,
    reason_of,
)
from rowspace.evaluate.tasks import Kind
from rowspace.progress import Tracker, track

SEED = 0
"""Of the bootstrap: the same for all models, so that they are compared on the same resamples."""


_FEW = 30
"""Items of which resamples say little: of one item, all are the same."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a comparison: a model, and what it is scored on."""

    contender: Contender
    scorers: Sequence[Scorer]
    matches_words: bool = False
    """See `Entry.matches_words`."""
    cost: Callable[[Contender], Costs] | None = None
    """Measures what it costs."""
    machine: str = ""
    """Where, and by which texts, for the cache: what was measured otherwise is measured again."""


def compare(
    contenders: Sequence[Contender],
    scorers: Sequence[Scorer],
    *,
    cache: Cache | None = None,
    together: Callable[[Contender], Hashable] = lambda contender: contender.name,
    beside: Callable[[Contender], Sequence[Row]] = lambda contender: (),
    references: Sequence[Row] = (),
    cost: Callable[[Contender], Costs] | None = None,
    machine: str = "",
    skipped: Sequence[NotScored] = (),
    settings: Mapping[str, Any] | None = None,
) -> Comparison:
    """Score models on tasks, and measure what they cost.

    Parameters
    ----------
    contenders : sequence of Contender
        Their names differ.
    scorers : sequence of Scorer
    cache : Cache, optional
        Where scores and costs are kept, and taken from if they are there.
    together : callable
        Gives what is the same for readings of one model, as its path. They are scored task by
        task, so that what they need is made once, and closed before another model is loaded.
    beside : callable
        Other rows of the same model, as its vectors fused with BM25; scored together with it.
    references : sequence of Row
        Rows of no model that was asked for, as BM25; they come last.
    cost : callable, optional
        Measures a contender; nothing is measured if it is not given.
    machine : str
        Where, and by what, costs are measured.
    skipped : sequence of NotScored
        Tasks that no model is scored on.
    settings : mapping, optional
        What the comparison says of how it was made.

    Returns
    -------
    Comparison
        A task that fails for a model is among that model's `not_scored`, with the reason.

    Raises
    ------
    ConfigError
        If two models have the same name.
    KeyboardInterrupt
        After Ctrl-C; what was scored is in the cache.
    """
    every = [
        (together(one), row)
        for one in contenders
        for row in (Row(contender=one, scorers=scorers, cost=cost, machine=machine), *beside(one))
    ]
    every += [(row.contender.name, row) for row in references]
    rows = [row for _, row in every]
    _check_names([row.contender.name for row in rows])
    entries = {row.contender.name: _new_entry(row) for row in rows}
    n_jobs = sum(len(row.scorers) + (row.cost is not None) for row in rows)
    with track("comparing", total=n_jobs) as progress:
        runner = _Runner(cache, progress)
        try:
            for group in _grouped(every):
                runner.run(group, entries)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(_interrupted(runner, n_jobs)) from error
    return Comparison(
        entries=list(entries.values()), skipped=list(skipped), settings=dict(settings or {})
    )


def _grouped(rows: Iterable[tuple[Hashable, Row]]) -> list[list[Row]]:
    """Those of one key together, where the first of them is."""
    groups: dict[Hashable, list[Row]] = {}
    for key, row in rows:
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _check_names(names: Sequence[str]) -> None:
    for name, n in Counter(names).items():
        if n > 1:
            raise ConfigError(
                f"{n} models are called {name}; give each a name of its own: NAME={name}"
            )


def _new_entry(row: Row) -> Entry:
    one = row.contender
    return Entry(
        name=one.name,
        spec=one.spec,
        era=one.era,
        kind=one.kind,
        can_generate=one.can_generate,
        matches_words=row.matches_words,
    )


def _interrupted(runner: _Runner, n_jobs: int) -> str:
    said = f"interrupted after {runner.n_done} of {n_jobs} steps"
    if runner.cache is None:
        return f"{said}; nothing is kept, since the cache is off"
    return f"{said}; they are kept, and the same command goes on from there"


@dataclass
class _Runner:
    """Goes through the tasks, and remembers how far it is."""

    cache: Cache | None
    progress: Tracker
    n_done: int = 0
    of_group: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    """What was scored of the model at hand, by the fingerprints of model and task."""

    def run(self, group: Sequence[Row], entries: Mapping[str, Entry]) -> None:
        """The rows of one model, task by task."""
        self.of_group.clear()
        try:
            known = [row for row in group if self._identify(row, entries[row.contender.name])]
            for row, scorer in _by_task(known):
                self._say(row, scorer.name)
                self._note(entries[row.contender.name], self._score(row, scorer))
            for row in known:
                if row.cost is not None:
                    self._say(row, "costs")
                    self._measure(row, entries[row.contender.name])
        finally:
            for row in group:
                row.contender.close()

    def _identify(self, row: Row, entry: Entry) -> bool:
        """Take down the model's fingerprint; where there is none, nothing of it is scored."""
        self._say(row, "what it is")
        try:
            entry.fingerprint = row.contender.fingerprint
            return True
        except Exception as error:  # as where a server does not answer
            reason = reason_of(error)
        for scorer in row.scorers:
            self._note(entry, NotScored(kind=scorer.kind, task=scorer.name, reason=reason))
        if row.cost is not None:
            entry.no_costs = reason
            self._done()
        return False

    def _say(self, row: Row, what: str) -> None:
        self.progress.advance(0, note=f"{row.contender.name}: {what}")

    def _done(self) -> None:
        self.n_done += 1
        self.progress.advance()

    def _note(self, entry: Entry, found: Outcome | NotScored) -> None:
        if isinstance(found, Outcome):
            entry.outcomes[found.task] = found
        else:
            entry.not_scored.append(found)
        self._done()

    def _score(self, row: Row, scorer: Scorer) -> Outcome | NotScored:
        try:
            model, task = _fingerprint(row.contender, scorer.kind), scorer.fingerprint
            kept = self._kept(model, task)
            if kept is not None:  # perhaps of a task with the same files under another name
                return replace(kept, task=scorer.name)
            outcome = _score(row.contender, scorer)
            self.of_group[model, task] = outcome
            if self.cache is not None:
                self.cache.store(model, task, outcome)
            return outcome
        except Exception as error:  # whatever a model or a file does, the other scores are wanted
            return NotScored(kind=scorer.kind, task=scorer.name, reason=reason_of(error))

    def _kept(self, model: str, task: str) -> Outcome | None:
        """What another reading of the same model has, or the cache."""
        found = self.of_group.get((model, task))
        if found is None and self.cache is not None:
            return self.cache.find(model, task)
        return found

    def _measure(self, row: Row, entry: Entry) -> None:
        assert row.cost is not None
        model = row.contender.fingerprint
        costs = self.cache.find_costs(model, row.machine) if self.cache is not None else None
        if costs is None:
            try:
                costs = row.cost(row.contender)
            except Exception as error:  # as for scores
                entry.no_costs = reason_of(error)
                self._done()
                return
            if self.cache is not None:
                self.cache.store_costs(model, row.machine, costs)
        entry.costs = costs
        self._done()


def _fingerprint(model: Contender, kind: Kind) -> str:
    """A contender's; some are the same as other readings of their model on some kinds of task."""
    found: str = getattr(model, "fingerprint_for", lambda kind: model.fingerprint)(kind)
    return found


def _about(model: Contender, kind: Kind) -> Sequence[str]:
    """What is to be said of how it reads texts, where that decides its score."""
    if _fingerprint(model, kind) != model.fingerprint:
        return ()
    notes: Sequence[str] = getattr(model, "notes", ())
    return notes


def _by_task(group: Sequence[Row]) -> Iterable[tuple[Row, Scorer]]:
    """The jobs of a group, those of one task after another."""
    tasks = list(dict.fromkeys(scorer.name for row in group for scorer in row.scorers))
    jobs = [(row, scorer) for row in group for scorer in row.scorers]
    return sorted(jobs, key=lambda job: tasks.index(job[1].name))


def _score(model: Contender, scorer: Scorer) -> Outcome:
    """Score a model on a task; what is warned of meanwhile is in the notes."""
    started = time.monotonic()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        items = scorer.score(model)
    drawn = draws(items, seed=SEED)
    value, low, high = interval_of(items, drawn)
    if not math.isfinite(value):
        raise EvaluationError("no score: nothing of it has a vector, or all vectors are the same")
    n_items = len(next(iter(items.columns.values())))
    said = [" ".join(str(one.message).split()) for one in warned]
    if n_items < _FEW:
        said.append(f"so few items that an interval says little: {n_items}")
    return Outcome(
        kind=scorer.kind,
        task=scorer.name,
        metric=items.metric,
        value=float(value),
        low=float(low),
        high=float(high),
        n_items=n_items,
        coverage=float(items.coverage),
        seconds=time.monotonic() - started,
        items=items,
        draws=drawn,
        notes=tuple(dict.fromkeys([*_about(model, scorer.kind), *items.notes, *said])),
    )

"""Which of the models to take for a need, in plain words with the numbers that decide.

The best is the one of the highest mean. Among those that are not clearly worse than it, the
cheapest is taken: of those that answer about as fast as the fastest, the smallest on the disk; the
better score decides between two of about the same size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from rowspace.errors import ConfigError
from rowspace.evaluate.compare.latency import latency, ms
from rowspace.evaluate.compare.outcome import Comparison, Entry
from rowspace.evaluate.compare.spec import parse_spec
from rowspace.evaluate.compare.standing import Interval, Ranking, behind, rank_kind, short_name
from rowspace.space.plots import short_number

Need = Literal["retrieval", "keyword-free", "classification", "generation"]
NEEDS: tuple[Need, ...] = get_args(Need)

_KIND_OF: dict[Need, str] = {
    "retrieval": "retrieval",
    "keyword-free": "retrieval",
    "classification": "classification",
    "generation": "sequence",
}

_TIMES, _MORE_MS = 2.0, 1.0
"""A query takes about as long as another where it takes at most twice the time, or 1 ms more."""

_SIZES = 1.1
"""Two are of about the same size where one has at most a tenth more bytes."""

_NEXT_WORD = "1 / perplexity"
"""What tasks of the next word are scored by."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to take for a need."""

    need: Need
    under_ms: float | None
    """A query may take so many milliseconds."""
    name: str | None
    """The model; None where none fits, or nothing tells."""
    sentences: tuple[str, ...]
    """Why, or why none."""
    level: tuple[str, ...] = field(default=())
    """Those that are not clearly worse than the best, best first."""

    def __str__(self) -> str:
        return " ".join(self.sentences)


def recommend(comparison: Comparison, need: Need, under_ms: float | None = None) -> Recommendation:
    """Say which model of a comparison to take.

    Parameters
    ----------
    comparison : Comparison
    need : {"retrieval", "keyword-free", "classification", "generation"}
        Retrieval may match words, so BM25 and what is fused with it count; keyword-free retrieval
        is by vectors alone.
    under_ms : float, optional
        A query may take so long: to encode it, and for retrieval to search 100,000 vectors. It is
        no limit for generation: how long writing takes is not measured.

    Raises
    ------
    ConfigError
        If there is no such need, or `under_ms` is not above 0.
    """
    if need not in NEEDS:
        raise ConfigError(f"there is no need {need!r}; give one of {', '.join(NEEDS)}")
    if under_ms is not None and not under_ms > 0:
        raise ConfigError(f"under_ms is {under_ms:g}, which nothing can keep; give more than 0")
    return _Advice(comparison, need, under_ms).give()


class _Advice:
    """The steps to a recommendation."""

    def __init__(self, comparison: Comparison, need: Need, under_ms: float | None) -> None:
        self.comparison, self.need, self.under_ms = comparison, need, under_ms
        self.limit = None if need == "generation" else under_ms
        self.kind = _KIND_OF[need]
        self.metric = _NEXT_WORD if need == "generation" else None
        self.entries = {entry.name: entry for entry in comparison.entries}

    def give(self) -> Recommendation:
        able = self._able()
        if not able:
            return self._none(self._nobody())
        ranking = self._rank([entry.name for entry in able])
        if ranking is None:
            return self._unmeasured(able)
        if self.limit is None:
            return self._choose(ranking, self._about_writing())
        return self._within(ranking, self.limit)

    def _rank(self, names: Sequence[str]) -> Ranking | None:
        return rank_kind(self.comparison, self.kind, names, self.metric)

    # Who counts

    def _able(self) -> list[Entry]:
        """For generation one of each model, since its readings write the same."""
        able = [entry for entry in self.comparison.entries if self._is_able(entry)]
        if self.need != "generation":
            return able
        return [
            one for one in able if one is next(e for e in able if _model_of(e) == _model_of(one))
        ]

    def _is_able(self, entry: Entry) -> bool:
        if self.need == "generation":
            return entry.can_generate and not entry.matches_words
        if self.need == "keyword-free":
            return not entry.matches_words and _has(entry, self.kind)
        return _has(entry, self.kind)

    def _nobody(self) -> str:
        if self.need == "generation":
            return (
                "None of these can write text: an embedder gives vectors, and a masked model fills "
                "gaps. Only a causal language model can; give one to compare."
            )
        return f"Nothing was scored on {_task_words(self.need)}, so nothing tells."

    def _unmeasured(self, able: Sequence[Entry]) -> Recommendation:
        """For generation alone, which models can do without a task that tells how well."""
        names = list({_model_of(entry): _name_of(entry) for entry in able}.values())
        said = f"Only a causal language model can write text; here that is {_listed(names)}."
        more = self._about_writing()
        if len(names) == 1:
            how = "Nothing measured here tells how well it writes."
            return self._found(names[0], [said, how, *more])
        return self._none(said, "Nothing measured here tells which of them writes better.", *more)

    def _about_writing(self) -> list[str]:
        if self.under_ms is None:
            return []
        return [f"How long writing takes is not measured, so {ms(self.under_ms)} is no limit here."]

    # Whom to take

    def _within(self, ranking: Ranking, most: float) -> Recommendation:
        took = {name: self._ms(name) for name in ranking.rows}
        fits = [name for name, taken in took.items() if taken <= most]
        unknown = [name for name, taken in took.items() if math.isinf(taken)]
        said = [f"Not measured how long {self.unit} takes: {_listed(unknown)}."] if unknown else []
        if fits:
            within = self._rank(fits)
            assert within is not None
            slow = [name for name in ranking.rows if most < took[name] < math.inf]
            if slow:
                said.insert(0, self._price(ranking, within, slow[0], most))
            return self._choose(within, said)
        if len(unknown) == len(took):
            return self._none(
                f"How long {self.unit} takes was not measured, so nothing tells what fits "
                f"{ms(most)}."
            )
        nearest = min(took, key=lambda name: took[name])
        return self._none(
            f"Nothing {'answers' if self.kind == 'retrieval' else 'encodes'} {self.unit} within "
            f"{ms(most)}. The nearest is {nearest}: {self._cost(nearest)}, "
            f"{self._score(ranking, nearest)}.",
            *said,
        )

    def _price(self, ranking: Ranking, within: Ranking, slow: str, most: float) -> str:
        """What the limit costs: the best that is too slow, beside the best that fits."""
        found = behind(self.comparison, slow, within.best, ranking.tasks)
        if found[0] <= 0:
            return f"Too slow for {ms(most)}, and no better: {slow}."
        verdict = f"{_signed(found)} against the best that fits, {within.best}"
        return f"Too slow for {ms(most)}: {slow} ({self._cost(slow)}), {verdict}."

    def _choose(self, ranking: Ranking, more: Sequence[str]) -> Recommendation:
        level = [name for name, row in ranking.rows.items() if not row.is_clearly_worse]
        taken = self._cheapest(level)
        said = [
            f"Take {self._called(taken)}: {self._score(ranking, taken)}{self._costs_of(taken)}."
        ]
        if taken != ranking.best:
            said.append(self._why_not_the_best(ranking, taken, level))
        elif len(level) > 1 and math.isinf(self._ms(taken)):
            said.append("Costs were not measured, so the score decides.")
        others = [name for name in level if name not in (taken, ranking.best)]
        if others:
            said.append(
                f"Not clearly worse either: {_listed([self._called(name) for name in others])}."
            )
        beaten = next((name for name, row in ranking.rows.items() if row.is_clearly_worse), None)
        if beaten is not None and len(level) == 1:
            said.append(f"Clearly better than the next, {self._next(ranking, beaten)}.")
        if self.need == "generation":
            said.append("Only causal language models were looked at, for embedders write no text.")
        said += [*self._about_words(ranking, level, taken), *_about_tasks(ranking), *more]
        return self._found(self._called(taken), said, [self._called(name) for name in level])

    def _cheapest(self, names: Sequence[str]) -> str:
        """The smallest of those that take about as long as the fastest; `names` best first."""
        quick = self._quick(names)
        smallest = min(self._disk(name) for name in quick)
        return next(name for name in quick if self._disk(name) <= _SIZES * smallest)

    def _quick(self, names: Sequence[str]) -> list[str]:
        fastest = min(self._ms(name) for name in names)
        most = max(_TIMES * fastest, fastest + _MORE_MS)
        return [name for name in names if self._ms(name) <= most]

    def _disk(self, name: str) -> float:
        entry = self.entries[name]
        if entry.era == "lexical":
            return 0.0  # there is no model
        known = None if entry.costs is None else entry.costs.disk_bytes
        return math.inf if known is None else known

    def _why_not_the_best(self, ranking: Ranking, taken: str, level: Sequence[str]) -> str:
        best, row = ranking.best, ranking.rows[taken]
        score, lag = self._score(ranking, best), _signed(row.behind)
        said = f"The best, {self._called(best)}, is not clearly better ({score}; difference {lag})"
        if math.isinf(self._ms(best)):
            return f"{said}, and its costs are not known."
        how = "larger" if best in self._quick(level) else "slower"
        return f"{said} and {how}{self._costs_of(best)}."

    def _next(self, ranking: Ranking, name: str) -> str:
        lag = _signed(ranking.rows[name].behind)
        return f"{self._called(name)} ({self._score(ranking, name)}; difference {lag})"

    def _about_words(self, ranking: Ranking, level: Sequence[str], taken: str) -> list[str]:
        """Whether words alone do as well, which needs no model."""
        if self.need != "retrieval":
            return []
        words = [e.name for e in self.entries.values() if e.era == "lexical" and _has(e, self.kind)]
        if not words:
            return ["BM25 was not scored, so nothing tells whether a model is needed."]
        alone = words[0]
        if alone not in ranking.rows:  # too slow, not timed, or of other tasks
            return [f"{alone} alone, which needs no model, is not among those that count here."]
        if alone == taken:
            return ["So matching words is enough here, and no model is needed."]
        row = ranking.rows[alone]
        if alone in level:
            return [f"{alone} alone, which needs no model, is not clearly worse: {row.value:.3f}."]
        return [f"{alone} alone, which needs no model, has {row.value:.3f}."]

    # The numbers

    @property
    def unit(self) -> str:
        """What is timed."""
        return "a query" if self.kind == "retrieval" else "a text"

    def _called(self, name: str) -> str:
        """What a row is called; of a model that writes, whatever its reading."""
        return _name_of(self.entries[name]) if self.need == "generation" else name

    def _ms(self, name: str) -> float:
        found = latency(self.comparison, self.entries[name])
        if found is None:
            return math.inf
        return found.total if self.kind == "retrieval" else found.encode

    def _cost(self, name: str) -> str:
        found = latency(self.comparison, self.entries[name])
        if found is None:
            return "a query's time not measured"
        return str(found) if self.kind == "retrieval" else f"{ms(found.encode)} a text"

    def _costs_of(self, name: str) -> str:
        costs = self.entries[name].costs
        parts = [] if costs is None else [self._cost(name)]
        if costs is not None and costs.disk_bytes is not None:
            parts.append(f"{short_number(costs.disk_bytes)}B on disk")
        return f"; {', '.join(parts)}" if parts else ""

    def _score(self, ranking: Ranking, name: str) -> str:
        row, entry = ranking.rows[name], self.entries[name]
        if self.metric == _NEXT_WORD:
            tasks = _listed([short_name(task) for task in ranking.tasks])
            return (
                f"perplexity {1 / row.value:.1f} on {tasks}, of a small network that tells the "
                "next word by its states"
            )
        metric = _listed(list(dict.fromkeys(entry.outcomes[t].metric for t in ranking.tasks)))
        n = len(ranking.tasks)
        over = f"the mean of {n} tasks" if n > 1 else short_name(ranking.tasks[0])
        return f"{metric} {row.value:.3f} ± {row.half_width:.3f} on {over}"

    # The answer

    def _found(
        self, name: str, sentences: Sequence[str], level: Sequence[str] = ()
    ) -> Recommendation:
        return Recommendation(
            need=self.need,
            under_ms=self.limit,
            name=name,
            sentences=tuple(sentences),
            level=tuple(level),
        )

    def _none(self, *sentences: str) -> Recommendation:
        return Recommendation(need=self.need, under_ms=self.limit, name=None, sentences=sentences)


def _has(entry: Entry, kind: str) -> bool:
    return any(outcome.kind == kind for outcome in entry.outcomes.values())


def _task_words(need: Need) -> str:
    return "retrieval by vectors alone" if need == "keyword-free" else _KIND_OF[need]


def _model_of(entry: Entry) -> str:
    """Several readings are of one model: its spec, without the reading."""
    return parse_spec(entry.spec).model


def _name_of(entry: Entry) -> str:
    """What a model is called, whatever its reading."""
    return entry.name.rsplit("@", 1)[0]


def _about_tasks(ranking: Ranking) -> list[str]:
    said = [
        f"Left out of the means, as not all have it: {task} ({_listed(names)} lacks it)."
        for task, names in ranking.left_out.items()
    ]
    if ranking.apart:
        said.append(
            f"Not ranked, for they share no task with the others: {_listed(ranking.apart)}."
        )
    return said


def _signed(found: Interval) -> str:
    value, low, high = found
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)

"""The rows that `rowspace compare` adds for retrieval: BM25, and each embedder fused with it.

Evaluation and search do not know each other, so they meet here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.cli.rankers import hybrid_ranker, make_rankers, task_space
from rowspace.evaluate.beir import RetrievalTask
from rowspace.evaluate.compare.contender import Contender, Scorer
from rowspace.evaluate.compare.outcome import Comparison, Costs, Entry, Era, Items, LackingError
from rowspace.evaluate.compare.run import Row
from rowspace.evaluate.compare.scorers.retrieval import RetrievalScorer, ranker_items
from rowspace.evaluate.compare.spec import AVERAGES, parse_spec
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder
from rowspace.evaluate.tasks import Kind, Ranker
from rowspace.search.fusion import dense_weight_of
from rowspace.space.encoder import Encoder

if TYPE_CHECKING:
    from rowspace.evaluate.sequence import TokenVectors

BM25 = "BM25"
BESIDE = f" + {BM25}"
"""After the name of a model that is fused with it."""

_FORMAT = 1  # of the fingerprints: to be raised when the same texts would be ranked otherwise
_TIMED_QUERIES = 30


class Hybrid:
    """The row of a model's vectors fused with BM25."""

    can_generate = False

    def __init__(self, model: Contender) -> None:
        self.model = model
        self.name, self.spec = model.name + BESIDE, model.spec
        self.kind = f"{model.kind}, fused with {BM25}"
        self.era, self.disk_bytes = model.era, model.disk_bytes
        is_of_words = model.era == "static" and parse_spec(model.spec).reading.pooling in AVERAGES
        self.dense_weight = dense_weight_of("sif" if is_of_words else "sentence")

    @property
    def fingerprint(self) -> str:
        """Of the model and of how it is fused."""
        return _digest("hybrid", self.dense_weight, self.model.fingerprint)

    def encoder(self) -> Encoder:
        """The model's."""
        return self.model.encoder()

    def words(self, words: Sequence[str]) -> NDArray[np.float32]:
        """The model's."""
        return self.model.words(words)

    def occurrences(self) -> OccurrenceEncoder:
        """The model's."""
        return self.model.occurrences()

    def token_vectors(self) -> TokenVectors:
        """The model's."""
        return self.model.token_vectors()

    def close(self) -> None:
        """Let go of the model."""
        self.model.close()


class Lexical:
    """BM25: a row of no model."""

    name = spec = BM25
    kind = "words alone"
    era: Era = "lexical"
    can_generate = False
    disk_bytes: int | None = None

    def __init__(self, tasks: Sequence[RetrievalTask]) -> None:
        self._tasks = tasks

    @property
    def fingerprint(self) -> str:
        """The same everywhere."""
        return _digest("bm25")

    def encoder(self) -> Encoder:
        """There is none."""
        raise _lacking()

    def words(self, words: Sequence[str]) -> NDArray[np.float32]:
        """There are none."""
        raise _lacking()

    def occurrences(self) -> OccurrenceEncoder:
        """There are none."""
        raise _lacking()

    def token_vectors(self) -> TokenVectors:
        """There are none."""
        raise _lacking()

    def close(self) -> None:
        """Nothing is loaded."""

    def costs(self) -> Costs:
        """The median time of a query in the largest collection; nothing else is measured."""
        largest = max(self._tasks, key=lambda task: len(task.documents))
        queries = [largest.queries[query] for query in largest.judged_queries][:_TIMED_QUERIES]
        with task_space(None, largest) as space:
            times = []
            for query in [queries[0], *queries]:
                started = time.perf_counter()
                space.search(query, 10, mode="lexical")
                times.append(1000 * (time.perf_counter() - started))
        return Costs(
            texts_per_second=None,
            query_ms=statistics.median(times[1:]),
            memory_bytes=None,
            disk_bytes=None,
            dim=None,
        )


def _lacking() -> LackingError:
    return LackingError(f"{BM25} has no vectors")


class RankedScorer:
    """A retrieval task whose documents something else than cosines ranks.

    Parameters
    ----------
    scorer : RetrievalScorer
        The one of the task by cosines.
    ranker_of : callable
        What ranks the documents, of a model.
    """

    kind: Kind = "retrieval"

    def __init__(self, scorer: RetrievalScorer, ranker_of: Callable[[Contender], Ranker]) -> None:
        self.name, self.scorer, self._ranker_of = scorer.name, scorer, ranker_of

    @property
    def fingerprint(self) -> str:
        """Of the files, and of this way to score."""
        return _digest("ranked", self.scorer.fingerprint)

    def score(self, model: Contender) -> Items:
        """The nDCG of each query."""
        k = self.scorer.settings.k
        return ranker_items(self.scorer.task, self._ranker_of(model), k)


def lexical_row(scorers: Sequence[Scorer], machine: str | None) -> list[Row]:
    """BM25's row, where there is retrieval; without costs for no machine."""
    ranked = _ranked(scorers, lambda _: make_rankers({}, ["lexical"])["lexical"])
    if not ranked:
        return []
    one = Lexical([scorer.scorer.task for scorer in ranked])
    cost = None if machine is None else lambda _: one.costs()
    # Its time is that of these collections.
    where = _digest(machine, *(scorer.fingerprint for scorer in ranked))
    return [Row(contender=one, scorers=ranked, matches_words=True, cost=cost, machine=where)]


def hybrid_row(scorers: Sequence[Scorer], model: Contender) -> list[Row]:
    """The row of an embedder fused with BM25; none of states that were never meant as vectors."""
    if model.era == "contextual":
        return []
    one = Hybrid(model)
    ranked = _ranked(scorers, lambda _: hybrid_ranker(one.encoder(), one.dense_weight))
    return [Row(contender=one, scorers=ranked, matches_words=True)] if ranked else []


def add_hybrid_costs(comparison: Comparison) -> None:
    """A fused search costs what its two parts do."""
    entries = {entry.name: entry for entry in comparison.entries}
    lexical = entries.get(BM25)
    for entry in comparison.entries:
        model = entries.get(entry.name.removesuffix(BESIDE))
        if entry.matches_words and model is not None and entry is not model:
            entry.costs = _both(model, lexical)


def _both(model: Entry, lexical: Entry | None) -> Costs | None:
    if model.costs is None or lexical is None or lexical.costs is None:
        return None
    one, other = model.costs.query_ms, lexical.costs.query_ms
    total = None if one is None or other is None else one + other
    return dataclasses.replace(model.costs, query_ms=total)


def _ranked(
    scorers: Sequence[Scorer], ranker_of: Callable[[Contender], Ranker]
) -> list[RankedScorer]:
    return [RankedScorer(one, ranker_of) for one in scorers if isinstance(one, RetrievalScorer)]


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, (_FORMAT, *parts))).encode()).hexdigest()

"""Retrieval: see `rowspace.evaluate.retrieval`."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rowspace.evaluate.beir import RetrievalTask, read_retrieval_task
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.scoring import NotedEncoder, digest, files_below
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.retrieval import check_judged, evaluate_rankings, retrieve_dense
from rowspace.evaluate.tasks import Kind, Ranker

_VERSION = 1


def ranker_items(task: RetrievalTask, ranker: Ranker, k: int = 10) -> Items:
    """nDCG@k of each judged query under any ranker, as BM25 or a hybrid.

    Parameters
    ----------
    task : RetrievalTask
        As `RetrievalScorer.task`.
    ranker : callable
        `ranker(task, k)`: up to k document ids for every judged query.
    k : int

    Returns
    -------
    Items
        In the order of `task.judged_queries`; coverage is the share of queries for which anything
        was found.

    Raises
    ------
    EvaluationError
        As `evaluate_rankings`.
    """
    result = evaluate_rankings(task, ranker(task, k), k)
    scores = [of_query["ndcg_at_k"] for of_query in result.per_query.values()]
    return Items(
        statistic="mean",
        columns={"value": np.array(scores)},
        metric=f"nDCG@{k}",
        coverage=1 - result.n_empty / result.n_queries,
        notes=(*result.task_notes, *result.notes),
    )


@dataclass
class RetrievalScorer:
    """nDCG@k of each query, over all documents, by exact cosine."""

    name: str
    path: Path
    settings: CompareSettings = field(default_factory=CompareSettings)
    kind: Kind = "retrieval"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        return digest(self.kind, _VERSION, files_below(self.path), k=self.settings.k)

    @functools.cached_property
    def task(self) -> RetrievalTask:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be, or no query has a relevant document.
        """
        task = read_retrieval_task(self.path)
        check_judged(task)
        return task

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        encoder = NotedEncoder(model.encoder())
        ranker = functools.partial(retrieve_dense, encoder)
        items = ranker_items(self.task, ranker, self.settings.k)
        return replace(items, notes=(*items.notes, *encoder.notes))

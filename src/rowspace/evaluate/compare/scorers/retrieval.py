"""Retrieval: see `rowspace.evaluate.retrieval`."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rowspace.evaluate.beir import RetrievalTask, read_retrieval_task
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.scoring import cut_texts, digest, files_below
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.retrieval import evaluate_rankings, retrieve_dense
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
    with cut_texts() as cut:
        result = evaluate_rankings(task, ranker(task, k), k)
    scores = [of_query["ndcg_at_k"] for of_query in result.per_query.values()]
    return Items(
        statistic="mean",
        columns={"value": np.array(scores)},
        metric=f"nDCG@{k}",
        coverage=1 - result.n_empty / result.n_queries,
        notes=(*result.task_notes, *result.notes, *cut),
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
            If it cannot be.
        """
        return read_retrieval_task(self.path)

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        task = self.task
        return ranker_items(
            task, functools.partial(retrieve_dense, model.encoder()), self.settings.k
        )

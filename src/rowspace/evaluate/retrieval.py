"""Retrieval: are the documents that people judged relevant ranked first?

A system is anything that ranks document ids: a search function, an encoder, or rankings made
elsewhere. Scores are means over the queries that have a relevant document; a query for which
nothing was found counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rowspace.errors import EvaluationError
from rowspace.evaluate.beir import RetrievalTask
from rowspace.evaluate.ranking import METRICS
from rowspace.space.encoder import Encoder
from rowspace.space.similarity import nearest_rows

Search = Callable[[Sequence[str], int], Sequence[Sequence[str]]]
"""`search(query_texts, k)`: the ids of up to k documents for each query, best first."""


def retrieve(search: Search, task: RetrievalTask, k: int) -> dict[str, list[str]]:
    """Rank documents for every judged query of a task with any search function.

    Parameters
    ----------
    search : callable
        `search(query_texts, k)`, the ids of up to k documents for each query, best first.
    task : RetrievalTask
    k : int

    Returns
    -------
    dict of str to list of str
        Document ids by query id.

    Raises
    ------
    EvaluationError
        If the search answers another number of queries than it was asked.
    """
    queries = task.judged_queries
    rankings = search([task.queries[query] for query in queries], k)
    if len(rankings) != len(queries):
        raise EvaluationError(
            f"the search answered {len(rankings)} of {len(queries)} queries; "
            "it must give one list of document ids for each, an empty one where nothing is found"
        )
    return {query: list(ranked) for query, ranked in zip(queries, rankings, strict=True)}


def retrieve_dense(encoder: Encoder, task: RetrievalTask, k: int) -> dict[str, list[str]]:
    """Rank documents by the exact cosine of their vectors and the query's.

    An encoder that has `encode_query` and `encode_document` is asked through them. A zero vector
    has no direction: such a document is never found and such a query finds nothing.

    Parameters
    ----------
    encoder : Encoder
    task : RetrievalTask
    k : int
        Documents a query.

    Returns
    -------
    dict of str to list of str
        Up to k document ids by judged query id, best first; ties in the documents' order.
    """
    encode_document = getattr(encoder, "encode_document", encoder.encode)
    encode_query = getattr(encoder, "encode_query", encoder.encode)
    documents = encode_document(list(task.documents.values()))  # (n_documents, dim)
    has_vector = np.asarray(documents.any(axis=1))
    ids = [document for document, is_in in zip(task.documents, has_vector, strict=True) if is_in]
    documents = documents[has_vector]

    def search(texts: Sequence[str], k: int) -> list[list[str]]:
        queries = encode_query(list(texts))  # (n_queries, dim)
        if not ids:
            return [[] for _ in texts]
        rows, _ = nearest_rows(documents, queries, k)
        return [
            [ids[row] for row in found] if query.any() else []
            for query, found in zip(queries, rows, strict=True)
        ]

    return retrieve(search, task, k)


@dataclass(frozen=True, kw_only=True)
class RetrievalResult:
    """How well one system ranks the documents of one task."""

    task: str
    """The task's name."""

    k: int
    """How many results of each query count."""

    scores: Mapping[str, float]
    """Mean over the scored queries by metric (see `METRICS`), each in [0, 1]."""

    per_query: Mapping[str, Mapping[str, float]]
    """The same by query id, then metric."""

    n_documents: int
    """Documents in the corpus."""

    n_queries: int
    """Queries behind the means: those with a relevant document."""

    n_unjudged: int
    """Queries left out, since nothing is judged relevant for them."""

    n_empty: int
    """Scored queries for which nothing was found; they count as 0."""

    n_unknown_queries: int
    """Judged query ids that the task does not have."""

    n_unknown_documents: int
    """Relevant judgements of documents that the task does not have."""

    @property
    def task_notes(self) -> tuple[str, ...]:
        """What a reader must know of the task's files to trust the scores."""
        counts = {
            "queries without a relevant document in this split, left out": self.n_unjudged,
            "judged queries that are not in queries.jsonl": self.n_unknown_queries,
            "relevant documents that are not in corpus.jsonl, missed by all": (
                self.n_unknown_documents
            ),
        }
        return tuple(f"{what}: {n:,}" for what, n in counts.items() if n)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of this system's rankings."""
        what = "queries for which nothing was found, scored 0"
        return (f"{what}: {self.n_empty:,}",) if self.n_empty else ()

    @property
    def ndcg_at_k(self) -> float:
        """Mean normalized discounted cumulative gain."""
        return self.scores["ndcg_at_k"]

    @property
    def recall_at_k(self) -> float:
        """Mean share of the relevant documents found."""
        return self.scores["recall_at_k"]

    @property
    def precision_at_k(self) -> float:
        """Mean share of results that is relevant."""
        return self.scores["precision_at_k"]

    @property
    def mrr_at_k(self) -> float:
        """Mean reciprocal rank."""
        return self.scores["reciprocal_rank"]

    @property
    def map_at_k(self) -> float:
        """Mean average precision."""
        return self.scores["average_precision"]


def evaluate_rankings(
    task: RetrievalTask, rankings: Mapping[str, Sequence[str]], k: int = 10
) -> RetrievalResult:
    """Score rankings against a task's judgements.

    Parameters
    ----------
    task : RetrievalTask
    rankings : mapping of str to sequence of str
        Document ids by query id, best first. Every judged query needs one, an empty one where
        nothing was found; others are not looked at.
    k : int
        How many results of each query count, at least 1.

    Returns
    -------
    RetrievalResult

    Raises
    ------
    EvaluationError
        If k is below 1, no query has a relevant document, a judged query has no ranking, or a
        ranking holds a document twice.

    Examples
    --------
    >>> task = RetrievalTask(
    ...     name="toy", documents={"a": "tea", "b": "coffee"}, queries={"q": "a hot drink"},
    ...     qrels={"q": {"b": 1}},
    ... )
    >>> evaluate_rankings(task, {"q": ["a", "b"]}).mrr_at_k
    0.5
    """
    if k < 1:
        raise EvaluationError(f"k is {k}, so no result counts; give 1 or more")
    judged = check_judged(task)
    _check_rankings(task.name, judged, rankings)
    per_query = {
        query: {
            name: metric(rankings[query], task.qrels[query], k) for name, metric in METRICS.items()
        }
        for query in judged
    }
    return RetrievalResult(
        task=task.name,
        k=k,
        scores={
            name: float(np.mean([scores[name] for scores in per_query.values()]))
            for name in METRICS
        },
        per_query=per_query,
        n_documents=len(task.documents),
        n_queries=len(judged),
        n_unjudged=len(task.queries) - len(judged),
        n_empty=sum(not rankings[query] for query in judged),
        n_unknown_queries=task.n_unknown_queries,
        n_unknown_documents=task.n_unknown_documents,
    )


def check_judged(task: RetrievalTask) -> list[str]:
    """The queries that can be scored.

    Raises
    ------
    EvaluationError
        If there is none.
    """
    judged = task.judged_queries
    if not judged:
        raise EvaluationError(
            f"no query of {task.name} has a relevant document; "
            "check that qrels and queries use the same ids"
        )
    return judged


def _check_rankings(
    name: str, judged: Sequence[str], rankings: Mapping[str, Sequence[str]]
) -> None:
    missing = [query for query in judged if query not in rankings]
    if missing:
        raise EvaluationError(
            f"{len(missing)} of {len(judged)} judged queries of {name} have no ranking "
            f"(first: {missing[0]!r}); give an empty list where nothing was found"
        )
    for query in judged:
        if len(set(rankings[query])) != len(rankings[query]):
            raise EvaluationError(
                f"the ranking of query {query!r} of {name} holds a document twice; "
                "keep its first place only"
            )

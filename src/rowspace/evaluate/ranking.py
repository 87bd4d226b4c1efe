"""Ranking metrics: how good is one ranked list of document ids, given people's judgements?

The numbers are those of trec_eval. In particular the gain of nDCG is linear in the grade (Järvelin
& Kekäläinen 2002), not 2^grade - 1 as some newer code has it, and the ideal ranking is made of all
judged documents. Every metric is NaN for a query without relevant documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

Grades = Mapping[str, int]
"""Judgements of one query: document id to grade; above 0 is relevant, unjudged counts as 0."""


def ndcg_at_k(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Normalized discounted cumulative gain of the first k results.

    DCG = Σᵢ gradeᵢ / log2(i + 1) over ranks i = 1…k, divided by that of the best possible ranking.

    Parameters
    ----------
    ranked : sequence of str
        Document ids, best first, each once.
    grades : mapping of str to int
        Negative grades count as 0.
    k : int

    Returns
    -------
    float
        In [0, 1]; NaN where nothing is relevant.

    References
    ----------
    Järvelin & Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques", with the
    discount log2(i + 1) of trec_eval's `ndcg_cut`.

    Examples
    --------
    >>> round(ndcg_at_k(["d1", "d2", "d3"], {"d1": 1, "d3": 2}, k=3), 4)
    0.7602
    """
    gains = [max(0, grades.get(document, 0)) for document in ranked[:k]]
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    return _discounted(gains) / _discounted(ideal) if ideal else math.nan


def recall_at_k(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Share of the relevant documents found in the first k results, in [0, 1]; NaN without any.

    References
    ----------
    Manning, Raghavan & Schütze (2008), section 8.3; trec_eval's `recall`.
    """
    n_relevant = len(relevant_documents(grades))
    return _n_hits(ranked, grades, k) / n_relevant if n_relevant else math.nan


def precision_at_k(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Share of the first k results that is relevant, in [0, 1]; NaN where nothing is relevant.

    Divided by k even where fewer documents were found, as trec_eval's `P`.

    References
    ----------
    Manning, Raghavan & Schütze (2008), section 8.4.
    """
    return _n_hits(ranked, grades, k) / k if relevant_documents(grades) else math.nan


def reciprocal_rank(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """1 / rank of the first relevant result, 0 if it is not in the first k; NaN without any.

    Its mean over queries is MRR@k.

    References
    ----------
    Voorhees (1999), "The TREC-8 question answering track report".
    """
    relevant = relevant_documents(grades)
    if not relevant:
        return math.nan
    ranks = (rank for rank, document in enumerate(ranked[:k], start=1) if document in relevant)
    return 1 / next(ranks, math.inf)


def average_precision(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Precision at the rank of each relevant result, averaged over all relevant documents.

    Those not in the first k results add 0, as in trec_eval's `map_cut`; in [0, 1], NaN where
    nothing is relevant. Its mean over queries is MAP@k.

    References
    ----------
    Manning, Raghavan & Schütze (2008), equation 8.8.
    """
    relevant = relevant_documents(grades)
    if not relevant:
        return math.nan
    ranks = [rank for rank, document in enumerate(ranked[:k], start=1) if document in relevant]
    return sum(n_found / rank for n_found, rank in enumerate(ranks, start=1)) / len(relevant)


METRICS: dict[str, Callable[[Sequence[str], Grades, int], float]] = {
    "ndcg_at_k": ndcg_at_k,
    "recall_at_k": recall_at_k,
    "precision_at_k": precision_at_k,
    "reciprocal_rank": reciprocal_rank,
    "average_precision": average_precision,
}
"""By name, in the order they are shown. A new metric is one function and one line here."""


def relevant_documents(grades: Grades) -> set[str]:
    """Ids of the documents with a grade above 0."""
    return {document for document, grade in grades.items() if grade > 0}


def _n_hits(ranked: Sequence[str], grades: Grades, k: int) -> int:
    return sum(grades.get(document, 0) > 0 for document in ranked[:k])


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))

"""Ranking metrics: how good is one ranked list of document ids, given people's judgements?

The numbers are those of trec_eval; nDCG is in `text.gain`. Every metric is NaN for a query without
relevant documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rowspace.text.gain import Grades as Grades
from rowspace.text.gain import ndcg_at_k as ndcg_at_k
from rowspace.text.gain import relevant_documents as relevant_documents


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


def _n_hits(ranked: Sequence[str], grades: Grades, k: int) -> int:
    return sum(grades.get(document, 0) > 0 for document in ranked[:k])

"""Normalized discounted cumulative gain: how good is a ranking, given people's judgements?

The numbers are those of trec_eval. In particular the gain is linear in the grade (Järvelin &
Kekäläinen 2002), not 2^grade - 1 as some newer code has it, and the ideal ranking is made of all
judged documents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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


def relevant_documents(grades: Grades) -> set[str]:
    """Ids of the documents with a grade above 0."""
    return {document for document, grade in grades.items() if grade > 0}


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))

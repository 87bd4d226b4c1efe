"""The weight of meaning in a hybrid search, chosen by judged queries.

Each engine ranks once a query, fusion is repeated for each weight. The weight that is best for some
queries looks better on these than it is, so the figure to trust is cross-validated: each part of
the queries is scored at the weight that is best for the others (Stone 1974,
https://doi.org/10.1111/j.2517-6161.1974.tb00994.x).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, EvaluationError
from rowspace.progress import track
from rowspace.search.request import Request, check_dense_weight
from rowspace.search.space import Space
from rowspace.text.gain import Grades, ndcg_at_k, relevant_documents

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
QUERIES_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """How a hybrid search ranks at each weight."""

    best: float
    """The weight with the highest nDCG; of equal ones that nearest to the space's."""
    held_out: float
    """nDCG@k of queries that had no part in choosing their weight, which a new query can expect."""
    current: float
    """The space's weight."""
    weights: tuple[float, ...]
    ndcg: tuple[float, ...]
    """Mean nDCG@k of all queries at each weight; the highest is a little too good."""
    k: int
    n_queries: int
    """Those with a relevant document."""
    n_folds: int
    n_unknown: int
    """Relevant documents that are not in the space; they can only be missed."""

    def as_dict(self) -> dict[str, Any]:
        """All of it for programs, as in `rowspace tune --json`."""
        return asdict(self)


def tune_dense_weight(
    space: Space,
    queries: Mapping[str, str],
    judgements: Mapping[str, Grades],
    *,
    weights: Sequence[float] = WEIGHTS,
    k: int = 10,
    n_folds: int = 5,
    seed: int = 0,
) -> Tuned:
    """Measure a hybrid search at several weights of meaning. Nothing is changed.

    Parameters
    ----------
    space : Space
    queries : mapping of str to str
        Text by query id.
    judgements : mapping of str to mapping of str to int
        Grade by query id, then document id; above 0 is relevant.
    weights : sequence of float
        The space's own is looked at too.
    k : int
        Documents that count, as in nDCG@k.
    n_folds : int
        Parts of the queries for the cross-validation; as many as there are queries at most.
    seed : int
        Of the parts.

    Raises
    ------
    EvaluationError
        If fewer than two queries have a relevant document, or no such document is in the space.
    ConfigError
        If a setting cannot be.

    Examples
    --------
    ::

        tuned = tune_dense_weight(space, queries, judgements)
        space.set_dense_weight(tuned.best)
    """
    current = space.dense_weight
    tried = _to_try(weights, current)
    if n_folds < 2:
        raise ConfigError(f"n_folds is {n_folds}, which holds nothing out; give 2 or more")
    judged = [query for query in queries if relevant_documents(judgements.get(query, {}))]
    if len(judged) < 2:
        raise EvaluationError(
            f"{len(judged)} of {len(queries)} queries have a relevant document, which is too few "
            "to choose by; judge more of them"
        )
    n_unknown = space.count_missing(
        relevant := {
            document for query in judged for document in relevant_documents(judgements[query])
        }
    )
    if n_unknown == len(relevant):
        raise EvaluationError(
            f"none of the {n_unknown:,} documents judged relevant is in {space.path}; "
            "build the space from the corpus that was judged, whose ids it keeps"
        )
    table = _score(space, queries, judgements, judged, tried, k)
    chosen = cross_validated(table, _distances(tried, current), min(n_folds, len(judged)), seed)
    return Tuned(
        best=tried[_best(table, _distances(tried, current))],
        held_out=float(chosen.mean()),
        current=current,
        weights=tried,
        ndcg=tuple(table.mean(axis=0).tolist()),
        k=k,
        n_queries=len(judged),
        n_folds=min(n_folds, len(judged)),
        n_unknown=n_unknown,
    )


def cross_validated(
    table: NDArray[np.float64], distances: NDArray[np.float64], n_folds: int, seed: int
) -> NDArray[np.float64]:
    """Each query's score at the weight that is best for the queries outside its part.

    Parameters
    ----------
    table : (n_queries, n_weights) float64 array
        Scores.
    distances : (n_weights,) float64 array
        Of equally good weights the one with the least is taken.
    n_folds : int
    seed : int

    Returns
    -------
    (n_queries,) float64 array
    """
    folds = np.random.default_rng(seed).permutation(len(table)) % n_folds
    scores = np.empty(len(table))
    for fold in range(n_folds):
        is_out = folds == fold
        scores[is_out] = table[is_out, _best(table[~is_out], distances)]
    return scores


def _to_try(weights: Sequence[float], current: float) -> tuple[float, ...]:
    for weight in weights:
        check_dense_weight(weight)
    return tuple(sorted({*map(float, weights), float(current)}))


def _distances(weights: Sequence[float], current: float) -> NDArray[np.float64]:
    return np.abs(np.array(weights) - current)


def _best(table: NDArray[np.float64], distances: NDArray[np.float64]) -> int:
    means = table.mean(axis=0)
    return int(np.lexsort((distances, -means.round(12)))[0])


def _score(
    space: Space,
    queries: Mapping[str, str],
    judgements: Mapping[str, Grades],
    judged: Sequence[str],
    weights: Sequence[float],
    k: int,
) -> NDArray[np.float64]:
    """(n_queries, n_weights) nDCG@k."""
    scores: list[list[float]] = []
    with track("searching", len(judged)) as tracker:
        for start in range(0, len(judged), QUERIES_AT_ONCE):
            part = judged[start : start + QUERIES_AT_ONCE]
            texts = [queries[query] for query in part]
            for query, rankings in zip(
                part, space.rank_documents(texts, Request(k=k), weights), strict=True
            ):
                scores.append([ndcg_at_k(ranked, judgements[query], k) for ranked in rankings])
            tracker.advance(len(part))
    return np.array(scores)

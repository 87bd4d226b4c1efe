"""How a search finds its hits: candidates by meaning and by words, fused, with their texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rowspace.search.filters import compile_filter
from rowspace.search.fusion import reciprocal_rank_fusion
from rowspace.search.hit import Hit
from rowspace.search.index.dense import Where
from rowspace.search.request import Request
from rowspace.search.snapshot import Snapshot
from rowspace.search.store import Row, Store

FUSED_DEPTH = 300  # docs/decisions/fusion.md

Ranking = list[tuple[int, float]]
"""(row id, score), best first."""


def find_hits(
    snapshot: Snapshot,
    queries: Sequence[str],
    request: Request,
    model: str,
    dense_weight: float,
    encode: Callable[[], NDArray[np.float32]],
) -> list[list[Hit]]:
    """The hits of each query, all in one version.

    Parameters
    ----------
    snapshot : Snapshot
    queries : sequence of str
    request : Request
    model : str
    dense_weight : float
        Of the request, or of the space where that leaves them to it.
    encode : callable
        Gives the (n_queries, dim) float32 vectors of the queries; called if they are needed.
    """
    if not queries:
        return []
    where = _where(snapshot, request)
    depth = request.k if request.mode != "hybrid" else max(FUSED_DEPTH, 5 * request.k)
    nothing: list[Ranking] = [[] for _ in queries]
    dense = (
        nothing
        if request.mode == "lexical"
        else snapshot.dense(model).search(encode(), depth, where)
    )
    lexical = (
        nothing
        if request.mode == "dense"
        else [_by_words(snapshot.store, query, depth, where) for query in queries]
    )
    return [
        _to_hits(snapshot.store, by_meaning, by_words, request, dense_weight)
        for by_meaning, by_words in zip(dense, lexical, strict=True)
    ]


def _where(snapshot: Snapshot, request: Request) -> Where | None:
    if request.where is None:
        return None
    return Where(snapshot.store, compile_filter(request.where, snapshot.commit.fields))


def _by_words(store: Store, query: str, k: int, where: Where | None) -> Ranking:
    ids, scores = store.lexical(query, k, None if where is None else where.predicate)
    return list(zip(ids.tolist(), scores.tolist(), strict=True))


def _to_hits(
    store: Store, dense: Ranking, lexical: Ranking, request: Request, dense_weight: float
) -> list[Hit]:
    """The k best of both engines' candidates, with their texts."""
    rankings = [[row_id for row_id, _ in ranking] for ranking in (dense, lexical)]
    if request.mode == "hybrid":
        best = reciprocal_rank_fusion(rankings, [dense_weight, 1.0])[: request.k]
    else:
        best = (dense or lexical)[: request.k]
    ranks = [{row_id: rank for rank, row_id in enumerate(ranking, 1)} for ranking in rankings]
    rows = store.fetch(np.array([row_id for row_id, _ in best], np.uint64))
    return [
        _to_hit(row, score, ranks[0].get(row_id), ranks[1].get(row_id))
        for row, (row_id, score) in zip(rows, best, strict=True)
    ]


def _to_hit(row: Row, score: float, dense_rank: int | None, lexical_rank: int | None) -> Hit:
    return Hit(
        row.document_id,
        row.passage_id,
        row.text,
        row.title,
        row.source,
        row.metadata,
        score,
        dense_rank,
        lexical_rank,
    )

"""How a search makes hits of its candidates: grouped, made diverse, with their texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.search.candidates import Candidates, Finder
from rowspace.search.commit import model_named
from rowspace.search.diversity import maximal_marginal_relevance
from rowspace.search.grouping import group_rows
from rowspace.search.hit import Hit
from rowspace.search.protocol import PassageStore, Row
from rowspace.search.request import Request
from rowspace.search.snapshot import Snapshot
from rowspace.search.snippets import QueryWords

FUSED_DEPTH = 300  # docs/decisions/fusion.md
POOL = 50
"""Candidates of a search that is diverse or of documents, at least; five times k if more."""
DEEPER = 4
"""Times the candidates, where they are of fewer documents than wanted."""
MOST_MORE = 20
"""Other passages of a document that a hit has."""

Group = list[int]
"""Row ids that become one hit: the best, then those that it has `more`."""


@dataclass(frozen=True)
class _Chosen:
    """What is shown of a query, before the passages are read."""

    query: str
    groups: list[Group]
    scores: dict[int, float]
    candidates: Candidates


def find_hits(
    snapshot: Snapshot,
    queries: Sequence[str],
    request: Request,
    dense_weight: float,
    language: str | None,
    encode: Callable[[], NDArray[np.float32]],
) -> list[list[Hit]]:
    """The hits of each query, all in one version.

    Parameters
    ----------
    snapshot : Snapshot
    queries : sequence of str
    request : Request
    dense_weight : float
        What the request leaves to the space.
    language : str or None
        What the text index stems and stops words by.
    encode : callable
        Gives the (n_queries, dim) float32 vectors of the queries; called if they are needed.
    """
    if not queries:
        return []
    finder = Finder(snapshot, queries, request, encode)
    store = snapshot.store
    chosen: list[_Chosen] = []
    for place, candidates in enumerate(finder.find(_depth(request))):
        ranked = candidates.ranked(request.mode, dense_weight)
        groups = _groups(store, [row_id for row_id, _ in ranked], request)
        most = min(_wanted(request), snapshot.commit.documents)
        while request.group and len(groups) < most and not candidates.is_all:
            (candidates,) = finder.find(DEEPER * candidates.depth, [place])
            ranked = candidates.ranked(request.mode, dense_weight)
            groups = _groups(store, [row_id for row_id, _ in ranked], request)
        scores = dict(ranked)
        best = _choose(snapshot, groups, scores, request)
        chosen.append(_Chosen(queries[place], best, scores, candidates))
    rows = _fetch(store, chosen)
    return [_to_hits(one, rows, language) for one in chosen]


def rank_documents(
    snapshot: Snapshot,
    queries: Sequence[str],
    request: Request,
    weights: Sequence[float],
    encode: Callable[[], NDArray[np.float32]],
) -> list[list[list[str]]]:
    """Each query's k best document ids at each weight of meaning; see `Space.rank_documents`."""
    rankings = []
    for candidates in Finder(snapshot, queries, request, encode).find(_depth(request)):
        rows = [row_id for row_id, _ in (*candidates.dense, *candidates.lexical)]
        documents = snapshot.store.documents_of(np.array(rows, np.uint64))
        ranked = [candidates.ranked(request.mode, weight) for weight in weights]
        rankings.append(
            [
                list(dict.fromkeys(documents[row_id] for row_id, _ in one))[: request.k]
                for one in ranked
            ]
        )
    return rankings


def _wanted(request: Request) -> int:
    """How many passages or documents there are to choose from, at least."""
    return max(POOL, 5 * request.k) if request.diversity else request.k


def _depth(request: Request) -> int:
    if request.mode == "hybrid":
        return max(FUSED_DEPTH, 5 * request.k)
    return max(POOL, 5 * request.k) if request.diversity or request.group else request.k


def _groups(store: PassageStore, ranked: list[int], request: Request) -> list[Group]:
    if not request.group:
        return [[row_id] for row_id in ranked]
    groups = group_rows(ranked, store.documents_of(np.array(ranked, np.uint64)))
    return [group[: 1 + MOST_MORE] for group in groups]


def _choose(
    snapshot: Snapshot, groups: list[Group], scores: dict[int, float], request: Request
) -> list[Group]:
    """The k that are shown, best first."""
    if not request.diversity or not groups:
        return groups[: request.k]
    groups = groups[: _wanted(request)]
    rows = np.array([group[0] for group in groups], np.uint64)
    _, model = model_named(snapshot.path, snapshot.commit, request.model)
    ids, vectors = snapshot.store.vectors_of(rows, model.column)
    relevance = np.array([scores[row_id] for row_id in rows.tolist()])
    if request.mode != "dense" and relevance[0] > 0:
        relevance /= relevance[0]  # of the best; a cosine is on the scale of the vectors already
    order = maximal_marginal_relevance(
        relevance, vectors[np.searchsorted(ids, rows)], request.k, request.diversity
    )
    return [groups[place] for place in order]


def _fetch(store: PassageStore, chosen: Sequence[_Chosen]) -> dict[int, Row]:
    """The passages of all queries at once: a request of a store far away takes its time."""
    ids = list({row_id for one in chosen for group in one.groups for row_id in group})
    return dict(zip(ids, store.fetch(np.array(ids, np.uint64)), strict=True))


def _to_hits(chosen: _Chosen, rows: Mapping[int, Row], language: str | None) -> list[Hit]:
    groups, scores, candidates = chosen.groups, chosen.scores, chosen.candidates
    words = QueryWords(chosen.query, language, [rows[group[0]].text for group in groups])

    def to_hit(row_id: int, more: tuple[Hit, ...] = ()) -> Hit:
        ranks = candidates.dense_ranks.get(row_id), candidates.lexical_ranks.get(row_id)
        return _to_hit(rows[row_id], scores[row_id], *ranks, more, words)

    return [to_hit(best, tuple(to_hit(row_id) for row_id in others)) for best, *others in groups]


def _to_hit(
    row: Row,
    score: float,
    dense_rank: int | None,
    lexical_rank: int | None,
    more: tuple[Hit, ...],
    words: QueryWords,
) -> Hit:
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
        row.position,
        more,
        query_words=words,
    )

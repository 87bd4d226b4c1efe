"""What both engines find for a query before hits are made of it: rankings, fused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rowspace.search.commit import model_named
from rowspace.search.fusion import reciprocal_rank_fusion
from rowspace.search.protocol import Ranking, Where
from rowspace.search.request import Request
from rowspace.search.snapshot import Snapshot


@dataclass(frozen=True)
class Candidates:
    """The passages that each engine ranks best for one query, as row ids with scores."""

    dense: Ranking
    lexical: Ranking
    depth: int
    """How many each engine was asked for."""

    @property
    def is_all(self) -> bool:
        """Whether no engine has more."""
        return len(self.dense) < self.depth and len(self.lexical) < self.depth

    @cached_property
    def dense_ranks(self) -> dict[int, int]:
        """Place by meaning, from 1, by row id."""
        return _ranks(self.dense)

    @cached_property
    def lexical_ranks(self) -> dict[int, int]:
        """Place by words, from 1, by row id."""
        return _ranks(self.lexical)

    def ranked(self, mode: str, dense_weight: float) -> Ranking:
        """All of them, best first: by reciprocal rank fusion, or as the one engine has them."""
        if mode != "hybrid":
            return self.dense or self.lexical
        if dense_weight == 0:
            return self.lexical
        rankings = [[row_id for row_id, _ in ranking] for ranking in (self.dense, self.lexical)]
        return reciprocal_rank_fusion(rankings, [dense_weight, 1.0])


def _ranks(ranking: Ranking) -> dict[int, int]:
    return {row_id: rank for rank, (row_id, _) in enumerate(ranking, 1)}


class Finder:
    """Asks the engines of one version of a space about several queries.

    Parameters
    ----------
    snapshot : Snapshot
    queries : sequence of str
    request : Request
    encode : callable
        Gives the (n_queries, dim) float32 vectors of the queries; called once, if needed.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        queries: Sequence[str],
        request: Request,
        encode: Callable[[], NDArray[np.float32]],
    ) -> None:
        self._snapshot, self._queries, self._encode = snapshot, queries, encode
        self._mode = request.mode
        self._model, _ = model_named(snapshot.path, snapshot.commit, request.model)
        self._where: Where | None = None
        if request.where is not None:
            predicate = snapshot.store.predicate(request.where, snapshot.commit.fields)
            self._where = Where(snapshot.store, predicate)

    def find(self, depth: int, which: Sequence[int] | None = None) -> list[Candidates]:
        """The candidates of the queries at the places `which`, of all if not given."""
        places = range(len(self._queries)) if which is None else which
        nothing: list[Ranking] = [[] for _ in places]
        dense = nothing if self._mode == "lexical" else self._by_meaning(places, depth)
        lexical = (
            nothing
            if self._mode == "dense"
            else [self._by_words(self._queries[place], depth) for place in places]
        )
        return [Candidates(*both, depth) for both in zip(dense, lexical, strict=True)]

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        return self._encode()

    def _by_meaning(self, places: Sequence[int], depth: int) -> list[Ranking]:
        dense = self._snapshot.dense(self._model)
        return dense.search(self._vectors[list(places)], depth, self._where)

    def _by_words(self, query: str, depth: int) -> Ranking:
        predicate = None if self._where is None else self._where.predicate
        ids, scores = self._snapshot.store.lexical(query, depth, predicate)
        return list(zip(ids.tolist(), scores.tolist(), strict=True))

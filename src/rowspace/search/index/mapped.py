"""The vectors of a version in files, mapped, with what proposes the nearest of them.

A row here is a *node*: it keeps its number while the space changes. Which row of the store a node
is, is a list beside it; a node whose row is gone is dead and is left out of answers.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rowspace.search.index.approximate import ApproximateIndex
from rowspace.search.index.exact import ExactIndex, Mask, Positions, Scores, both, normalize_rows
from rowspace.search.store import RowIds

GONE = np.uint64(2**64 - 1)
"""The row id of a dead node."""
EXACT_SHARE = 0.05
EXACT_ROWS = 50_000
"""Up to so many allowed rows, or this share of them, all are compared."""

LET_GO_ROWS = 500
"""After so many vectors were looked at, what memory they took is given back."""


@dataclass
class MappedIndex:
    """Nodes, their vectors, and an approximate index of them where there is one."""

    row_ids: RowIds
    """(n,) by node; `GONE` for a dead one. Not to be changed."""
    units: NDArray[np.float32]
    """(n, dim) of unit length, mapped from a file."""
    approximate: ApproximateIndex | None = None
    effort: int = 0
    exact: ExactIndex | None = None
    """Of the same units, where there is one already."""
    alive: Mask | None = field(init=False)
    """(n,) or None where no node is dead."""
    _n_read: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.exact is None:
            self.exact = ExactIndex(self.units, is_unit=True)
        dead = self.row_ids == GONE
        self.alive = ~dead if dead.any() else None
        is_sorted = bool(np.all(self.row_ids[1:] >= self.row_ids[:-1]))
        self._order = None if is_sorted else np.argsort(self.row_ids, kind="stable")
        self._sorted = self.row_ids if self._order is None else self.row_ids[self._order]

    @property
    def n_alive(self) -> int:
        """Nodes that are not dead."""
        return len(self.row_ids) if self.alive is None else int(np.count_nonzero(self.alive))

    def has_node(self, row_ids: RowIds) -> Mask:
        """Which of some rows are a node."""
        return self._places(row_ids)[1]

    def nodes_of(self, row_ids: RowIds) -> Positions:
        """The nodes of those of some rows that have one."""
        places, found = self._places(row_ids)
        nodes: Positions = places[found] if self._order is None else self._order[places[found]]
        return nodes

    def _places(self, row_ids: RowIds) -> tuple[Positions, Mask]:
        """Where rows are among the sorted ones, and which are there."""
        if not len(self._sorted):
            return np.zeros(len(row_ids), np.int64), np.zeros(len(row_ids), bool)
        places = np.minimum(np.searchsorted(self._sorted, row_ids), len(self._sorted) - 1)
        return places, self._sorted[places] == row_ids

    def mask_of(self, row_ids: RowIds) -> Mask:
        """(n,) which nodes are those of some rows."""
        mask = np.zeros(len(self.row_ids), bool)
        mask[self.nodes_of(row_ids)] = True
        return mask

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: Mask | None = None
    ) -> tuple[Scores, Positions]:
        """The nearest nodes of each query, as `ExactIndex.search` gives them.

        Few allowed nodes are all compared. Where the index finds fewer than k though there are
        more, all nodes are compared for that query.
        """
        allowed = both(allowed, self.alive)
        n_allowed = len(self.row_ids) if allowed is None else int(np.count_nonzero(allowed))
        few = max(EXACT_ROWS, EXACT_SHARE * len(self.row_ids))
        assert self.exact is not None
        if self.approximate is None or n_allowed <= few:
            return self.exact.search(queries, k, allowed)
        units = np.array(queries, np.float32)
        is_empty = normalize_rows(units)
        effort = round(self.effort * len(self.row_ids) / n_allowed)
        scores, nodes = self.propose(units, k, effort, allowed)
        short = np.flatnonzero(~is_empty & (nodes[:, min(k, n_allowed) - 1] < 0))
        if len(short):
            scores[short], nodes[short] = self.exact.search(units[short], k, allowed)
        scores[is_empty], nodes[is_empty] = -np.inf, -1
        return scores, nodes

    def propose(
        self, units: NDArray[np.float32], k: int, effort: int, allowed: Mask | None = None
    ) -> tuple[Scores, Positions]:
        """What the approximate index finds, scored from the vectors and ranked."""
        assert self.approximate is not None
        depth = min(k * self.approximate.depth, len(self.row_ids))
        nodes = self.approximate.search(units, max(depth, k), effort, allowed)
        nodes[(nodes < 0) | (nodes >= len(self.units))] = -1
        found = _rank(self.units, units, nodes, k)
        self._let_go(nodes.size)
        return found

    def _let_go(self, n_read: int) -> None:
        """Give back the memory of the vectors that were looked at, now and then.

        They stay in the system's cache of files, which gives way where memory is wanted.
        """
        self._n_read += n_read
        if self._n_read > LET_GO_ROWS and isinstance(self.units, np.memmap):
            self._n_read = 0
            self.units._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _rank(
    rows: NDArray[np.float32], units: NDArray[np.float32], nodes: Positions, k: int
) -> tuple[Scores, Positions]:
    """The k best of the proposed nodes (n_queries, depth), by exact cosine, equal ones by node."""
    scores = np.full(nodes.shape, -np.inf, np.float32)
    for query, proposed in enumerate(nodes):
        there = proposed >= 0
        found = rows[proposed[there]].astype(np.float64) @ units[query].astype(np.float64)
        scores[query, there] = np.minimum(found, 1.0)
    order = np.lexsort((nodes, -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(nodes, order, axis=1)

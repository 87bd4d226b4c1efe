"""The vectors of a space's passages by row, without a copy of what the index has mapped.

Row i is the passage with the i-th smallest row id of the store. Vectors have length 1; one that the
model gave nothing to is zero, and is near to none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.explore.points import Matrix, Rows
from rowspace.explore.units import nearest_units
from rowspace.search.index.dense import DenseIndex
from rowspace.search.index.exact import Mask
from rowspace.search.snapshot import Snapshot
from rowspace.search.store import RowIds, Store

IN_MEMORY = 1 << 26
"""Values of a matrix that is made here; a larger one is in a file without a name."""


@dataclass(frozen=True)
class Part:
    """Some of the vectors, as they are held."""

    rows: Rows
    """(m,) the row of each; -1 for one that is gone."""
    units: Matrix
    """(m, dim)"""
    alive: Mask | None
    """(m,) or None where none is gone."""


class SpaceVectors:
    """Vectors of one model in one version of a space.

    Parameters
    ----------
    snapshot : Snapshot
    model : str
    row_ids : (n,) uint64 array
        Of all passages, ascending.
    """

    def __init__(self, snapshot: Snapshot, model: str, row_ids: RowIds) -> None:
        self.row_ids = row_ids
        self.dim = snapshot.commit.models[model].dim
        self._parts = [part for part in _parts(snapshot, model, self.row_ids) if len(part.rows)]
        starts = np.cumsum([0, *(len(part.rows) for part in self._parts)])
        self._place = np.full(len(self.row_ids), -1, np.int64)  # in the parts, one after another
        for part, start in zip(self._parts, starts[:-1], strict=True):
            there = np.flatnonzero(part.rows >= 0)
            self._place[part.rows[there]] = start + there
        self._starts = starts

    def __len__(self) -> int:
        return len(self.row_ids)

    def take(self, rows: Rows) -> Matrix:
        """(n, dim) the vectors at some rows."""
        found = np.zeros((len(rows), self.dim), np.float32)
        place = self._place[rows]
        for part, start in zip(self._parts, self._starts[:-1], strict=True):
            mine = np.flatnonzero((place >= start) & (place < start + len(part.rows)))
            found[mine] = part.units[place[mine] - start]
        return found

    def all(self) -> Matrix:
        """(n, dim) all vectors: a view where they are held in this order."""
        if len(self._parts) == 1 and np.array_equal(self._parts[0].rows, np.arange(len(self))):
            return self._parts[0].units
        return self.take(np.arange(len(self)))

    def nearest(
        self, queries: Matrix, k: int, allowed: Mask | None = None
    ) -> tuple[Rows, NDArray[np.float32]]:
        """(n_queries, k) rows and cosines, best first, all compared; -1 and NaN where none is.

        `allowed` is (n,), by row: those that may be found.
        """
        found = []
        for part in self._parts:
            mask = part.alive if allowed is None else (part.rows >= 0) & allowed[part.rows]
            places, cosines = nearest_units(part.units, queries, k, mask)
            found.append((np.where(places >= 0, part.rows[places], -1), cosines))
        return best_of(found, len(queries), k)


def best_of(
    found: Sequence[tuple[Rows, NDArray[np.float32]]], n_queries: int, k: int
) -> tuple[Rows, NDArray[np.float32]]:
    """The k best of what was found in several places, -1 and NaN where there are fewer.

    Parameters
    ----------
    found : sequence of ((n_queries, m) rows, (n_queries, m) cosines)
        A row of -1 has a cosine of -inf.
    n_queries, k : int
    """
    none = np.full((n_queries, k), -1, np.int64), np.full((n_queries, k), -np.inf, np.float32)
    rows, cosines = (np.concatenate(parts, axis=1) for parts in zip(none, *found, strict=True))
    order = np.lexsort((rows, -cosines), axis=1)[:, :k]
    rows = np.take_along_axis(rows, order, axis=1)
    cosines = np.take_along_axis(cosines, order, axis=1)
    return rows, np.where(rows >= 0, cosines, np.nan).astype(np.float32)


def _parts(snapshot: Snapshot, model: str, row_ids: RowIds) -> list[Part]:
    dense = snapshot.dense(model)
    if not isinstance(dense, DenseIndex):  # Lance's own index, which holds no vectors
        dense = DenseIndex(
            *_in_a_file(snapshot.local_store, snapshot.commit.models[model].column, row_ids)
        )
    parts = [Part(_rows(row_ids, dense.row_ids), dense.units, None)]
    if (mapped := dense.mapped) is not None:
        parts.append(Part(_rows(row_ids, mapped.row_ids), mapped.units, mapped.alive))
    return parts


def _rows(row_ids: RowIds, some: RowIds) -> Rows:
    """(m,) where each of some row ids is among all, which ascend; -1 where it is not."""
    if not len(row_ids):
        return np.full(len(some), -1, np.int64)
    places = np.minimum(np.searchsorted(row_ids, some), len(row_ids) - 1)
    return np.where(row_ids[places] == some, places, -1)


def _in_a_file(store: Store, column: str, row_ids: RowIds) -> Matrix:
    """The vectors of all rows, whose ids ascend."""
    matrix = scratch(len(row_ids), store.dim(column))
    for some, vectors in store.vector_batches(column):
        matrix[np.searchsorted(row_ids, some)] = vectors
    return matrix


def scratch(n: int, dim: int) -> Matrix:
    """(n, dim) zeros: in memory, or where they are many in a file that is gone with the array."""
    if n * dim <= IN_MEMORY:
        return np.zeros((n, dim), np.float32)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float32, "w+", shape=(n, dim))

"""The documents of a space as points: the mean direction of each one's passages."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.explore.passages import LENGTH, PassagePoints, details, fingerprint, label
from rowspace.explore.points import BLOCK, Matrix, Rows, return_read_memory
from rowspace.explore.space_vectors import best_of, scratch
from rowspace.explore.units import nearest_units
from rowspace.search.index.exact import Mask, normalize_rows
from rowspace.search.store import Row, content

PASSAGES = "passages"
"""How many passages a document has."""


@dataclass(frozen=True)
class Groups:
    """Which passages are of which document, by rows; documents are in order of their first."""

    document: Rows
    """(n_passages,) the document of each passage."""
    order: Rows
    """(n_passages,) passages, one document's after the other's."""
    starts: Rows
    """(n + 1,) where each document begins in `order`."""
    first: Rows
    """(n,) the passage that a document begins with."""

    @property
    def sizes(self) -> Rows:
        """(n,) how many passages each document has."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class Means:
    """The vectors of documents that have several passages; of one, it is the passage's own."""

    documents: Rows
    """(m,) ascending."""
    units: Matrix
    """(m, dim) the mean of the passages' directions, scaled to length 1."""
    filled: Mask
    """(m,) which have a direction."""


class DocumentPoints:
    """Documents; satisfies `Points`.

    Parameters
    ----------
    passages : PassagePoints
    """

    kind = "documents"

    def __init__(self, passages: PassagePoints) -> None:
        self.passages = passages
        self.model = passages.model
        self._lock = threading.RLock()

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the version of the space and the model."""
        return fingerprint(self.passages.snapshot, self.model, self.kind)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.passages.dim

    def __len__(self) -> int:
        return self.passages.snapshot.commit.documents

    @property
    def groups(self) -> Groups:
        """The passages of each document."""
        with self._lock:
            return self._grouped

    @functools.cached_property
    def _grouped(self) -> Groups:
        positions = self.passages.column("position").to_numpy()
        groups = groups_of(self.passages.column("document_id"), positions, len(self))
        return_read_memory()
        return groups

    def vectors(self, rows: Rows | None = None) -> Matrix:
        """As `Points.vectors`."""
        wanted = np.arange(len(self)) if rows is None else rows
        found = self.passages.vectors(self.groups.first[wanted])
        several = self.groups.sizes[wanted] > 1
        means = self.means
        found[several] = means.units[np.searchsorted(means.documents, wanted[several])]
        return found

    @property
    def means(self) -> Means:
        """The vectors of the documents that have several passages."""
        with self._lock:
            return self._made

    @functools.cached_property
    def _made(self) -> Means:
        groups = self.groups
        documents = np.flatnonzero(groups.sizes > 1)
        units = scratch(len(documents), self.dim)
        for part in self._parts(groups.sizes[documents]):
            sizes = groups.sizes[documents[part]]
            begins = np.cumsum(sizes) - sizes
            places = np.repeat(groups.starts[documents[part]] - begins, sizes)
            passages = groups.order[places + np.arange(sizes.sum())]
            vectors = self.passages.vectors(passages).astype(np.float64)
            units[part] = np.add.reduceat(vectors, begins, axis=0) / sizes[:, None]
        normalize_rows(units)
        return Means(documents, units, np.asarray(units.any(axis=1)))

    def _parts(self, sizes: Rows) -> Iterator[slice]:
        """Documents whose passages' vectors take a few MB, or one document."""
        ends, start = np.cumsum(sizes), 0
        while start < len(sizes):
            read = ends[start - 1] if start else 0
            stop = int(np.searchsorted(ends, read + BLOCK // self.dim, side="right"))
            yield slice(start, max(stop, start + 1))
            start = max(stop, start + 1)

    def nearest(self, queries: Matrix, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """As `Points.nearest`."""
        k, found, groups, means = min(k, len(self)), [], self.groups, self.means
        alone = np.zeros(len(self.passages), bool)
        alone[groups.first[groups.sizes == 1]] = True
        if alone.any():
            passages, cosines = self.passages.space_vectors.nearest(queries, k, alone)
            there = passages >= 0
            found.append(
                (
                    np.where(there, groups.document[passages], -1),
                    np.where(there, cosines, -np.inf).astype(np.float32),
                )
            )
        if len(means.documents):
            places, cosines = nearest_units(means.units, queries, k, means.filled)
            found.append((np.where(places >= 0, means.documents[places], -1), cosines))
        return best_of(found, len(queries), k)

    def labels(self, rows: Rows) -> list[str]:
        """Each document's title, or the beginning of its text."""
        return [_label(row) for row in self._first(rows)]

    def details(self, rows: Rows) -> list[dict[str, Any]]:
        """Each document's first passage, and how many there are."""
        pairs = zip(self._first(rows), self.groups.sizes[rows].tolist(), strict=True)
        return [details(row) | {"label": _label(row), PASSAGES: size} for row, size in pairs]

    def texts(self, rows: Rows) -> list[str]:
        """Titles, and the text each document begins with."""
        return [content(row.title, row.text) for row in self._first(rows)]

    def _first(self, rows: Rows) -> list[Row]:
        """The passage that each document begins with."""
        return self.passages.stored(self.groups.first[rows])

    def find(self, query: str, k: int) -> list[tuple[int, float | None]]:
        """As of passages, each document once."""
        found: dict[int, float | None] = {}
        for passage, score in self.passages.find(query, 5 * k):
            found.setdefault(int(self.groups.document[passage]), score)
        return list(found.items())[:k]

    @property
    def fields(self) -> Mapping[str, str]:
        """Those of passages but the length, and the number of passages."""
        of_passages = dict(self.passages.fields)
        if LENGTH not in self.passages.snapshot.commit.fields:
            del of_passages[LENGTH]
        return {PASSAGES: "number"} | of_passages

    def values(self, field: str) -> pa.Array:
        """As `Points.values`."""
        if field not in self.fields:
            raise ConfigError(
                f"documents have no {field!r}; colour by cluster, {', '.join(self.fields)}"
            )
        if field == PASSAGES and field not in self.passages.fields:
            return pa.array(self.groups.sizes)
        return self.passages.values(field).take(pa.array(self.groups.first))


def groups_of(ids: pa.Array, positions: NDArray[np.integer[Any]], n: int) -> Groups:
    """The passages of each of n documents.

    Parameters
    ----------
    ids : (n_passages,) Arrow array of strings
        The document of each passage.
    positions : (n_passages,) int array
        Its place in the document.
    n : int
    """
    begins = np.append(True, pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False))
    if np.count_nonzero(begins) == n:  # each document's passages lie together, as is usual
        documents = np.cumsum(begins) - 1
    else:
        documents = ids.dictionary_encode().indices.to_numpy().astype(np.int64)
    order = np.arange(len(documents))
    places = documents * (int(positions.max()) + 1) + positions
    if np.any(places[1:] < places[:-1]):
        order = np.argsort(places, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(documents, minlength=n)))
    return Groups(documents, order, starts, order[starts[:-1]])


def _label(row: Row) -> str:
    return row.title or label(row)

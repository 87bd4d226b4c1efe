"""The documents of a space as points: the mean direction of each one's passages."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.explore.passages import LENGTH, PassagePoints, details, fingerprint, label
from rowspace.explore.points import BLOCK, Matrix, Rows
from rowspace.explore.space_vectors import scratch
from rowspace.explore.units import nearest_units
from rowspace.search.index.exact import normalize_rows
from rowspace.search.store import content

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
        documents = self.passages.column("document_id").dictionary_encode().indices.to_numpy()
        positions = self.passages.column("position").to_numpy()
        order = np.lexsort((positions, documents)).astype(np.int64)
        starts = np.searchsorted(documents[order], np.arange(len(self) + 1))
        return Groups(documents.astype(np.int64), order, starts, order[starts[:-1]])

    def vectors(self, rows: Rows | None = None) -> Matrix:
        """As `Points.vectors`."""
        return self._units if rows is None else self._units[rows]

    @property
    def _units(self) -> Matrix:
        with self._lock:
            return self._made

    @functools.cached_property
    def _made(self) -> Matrix:
        """(n, dim) the mean of each document's unit vectors, scaled to length 1."""
        groups, means = self.groups, scratch(len(self), self.dim)
        step = max(1, BLOCK // self.dim)
        for start in range(0, len(self), step):
            bounds = groups.starts[start : start + step + 1]
            units = self.passages.vectors(groups.order[bounds[0] : bounds[-1]])
            sums = np.add.reduceat(units.astype(np.float64), bounds[:-1] - bounds[0], axis=0)
            means[start : start + len(sums)] = sums / np.diff(bounds)[:, None]
        normalize_rows(means)
        return means

    def nearest(self, queries: Matrix, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """As `Points.nearest`."""
        units = self._units
        filled = np.asarray(units.any(axis=1))
        rows, cosines = nearest_units(units, queries, min(k, len(self)), filled)
        return rows, np.where(rows >= 0, cosines, np.nan).astype(np.float32)

    def labels(self, rows: Rows) -> list[str]:
        """Each document's title, or the beginning of its text."""
        found = self.passages.stored(self.groups.first[rows])
        return [row.title or label(row) for row in found]

    def details(self, rows: Rows) -> list[dict[str, Any]]:
        """Each document's first passage, and how many there are."""
        found = map(details, self.passages.stored(self.groups.first[rows]))
        sizes = self.groups.sizes[rows].tolist()
        return [one | {PASSAGES: size} for one, size in zip(found, sizes, strict=True)]

    def texts(self, rows: Rows) -> list[str]:
        """Titles, and the text each document begins with."""
        found = self.passages.stored(self.groups.first[rows])
        return [content(row.title, row.text) for row in found]

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

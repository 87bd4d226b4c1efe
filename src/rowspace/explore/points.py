"""What a map shows: points that have a vector, a label and facts. Words, documents or passages.

Rows are numbers from 0 to n - 1 and mean the same point as long as `fingerprint` is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.machine import return_free_memory

Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]


class Points(Protocol):
    """A set of points of one model."""

    @property
    def kind(self) -> str:
        """What it is called in addresses: "words", "vocabulary", "documents" or "passages"."""

    @property
    def model(self) -> str:
        """The name of the model that made the vectors; empty where there is but one."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of which points these are and of what made their vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def __len__(self) -> int:
        """How many there are."""

    def vectors(self, rows: Rows | None = None) -> Matrix:
        """(n, dim) vectors of some rows or of all.

        Those of words are as the model has them, those of passages have length 1, or 0 where the
        model knows nothing of the text; a document's is the mean direction of its passages'.
        """

    def nearest(self, queries: Matrix, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """(n_queries, k) rows and cosines of the nearest points, best first; -1 where none is."""

    def labels(self, rows: Rows) -> list[str]:
        """What each is called: the word, or the title and the beginning of the text."""

    def details(self, rows: Rows) -> list[dict[str, Any]]:
        """What is known of each, for people: `label`, and count, text, source, metadata."""

    def texts(self, rows: Rows) -> list[str]:
        """The text that each stands for: of words themselves."""

    def find(self, query: str, k: int) -> list[tuple[int, float | None]]:
        """Rows that a search box's text finds, with scores where there are; best first."""

    @property
    def fields(self) -> Mapping[str, str]:
        """The facts by which points can be coloured, as name: "number", "category" or "date"."""

    def values(self, field: str) -> pa.Array:
        """(n,) a fact of each point; null where it has none.

        Raises
        ------
        ConfigError
            If there is no such fact.
        """


BLOCK = 1 << 22
"""Values of vectors that are read at once."""


def blocks(points: Points, rows: Rows | None = None) -> list[Rows]:
    """Rows, all or some, in parts whose vectors take a few MB each."""
    wanted = np.arange(len(points)) if rows is None else rows
    step = max(1, BLOCK // max(1, points.dim))
    return [wanted[start : start + step] for start in range(0, len(wanted), step)]


def return_read_memory() -> None:
    """Give back what reading columns of many points took: Arrow and the C library would keep it."""
    pa.default_memory_pool().release_unused()
    return_free_memory()

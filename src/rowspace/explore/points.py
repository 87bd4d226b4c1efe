"""What a map shows: points that have a vector, a label and facts. Words, documents or passages.

Rows are numbers from 0 to n - 1 and mean the same point as long as `fingerprint` is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]


class Points(Protocol):
    """A set of points of one model."""

    @property
    def kind(self) -> str:
        """What it is called in addresses: "words", "documents" or "passages"."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of which points these are and of what made their vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def __len__(self) -> int:
        """How many there are."""

    def vectors(self, rows: Rows | None = None) -> Matrix:
        """(n, dim) vectors as the model has them, not scaled, of some rows or of all."""

    def nearest(self, queries: Matrix, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """(n_queries, k) rows and cosines of the nearest points, best first; -1 where none is."""

    def labels(self, rows: Rows) -> list[str]:
        """What each is called: the word, or the title or the beginning of the text."""

    def details(self, rows: Rows) -> list[dict[str, Any]]:
        """What is known of each, for people: count, text, source, metadata."""

    def find(self, query: str, k: int) -> list[tuple[int, float | None]]:
        """Rows that a search box's text finds, with scores where there are; best first."""

    @property
    def fields(self) -> Mapping[str, str]:
        """The facts by which points can be coloured, as name: "number", "category" or "date"."""

    def values(self, field: str) -> Sequence[Any]:
        """(n,) a fact of each point; None where it has none."""

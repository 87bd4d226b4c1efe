"""The words of a model as points."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.explore.points import Matrix, Rows
from rowspace.space.vectors import Vectors

COUNT = "frequency"


class WordPoints:
    """Words; satisfies `Points`.

    Parameters
    ----------
    vectors : Vectors
    """

    kind = "words"

    def __init__(self, vectors: Vectors) -> None:
        self.word_vectors = vectors

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the words and their vectors."""
        digest = hashlib.sha256(
            "\0".join(self.word_vectors.index_to_key).encode("utf-8", "replace")
        )
        digest.update(np.ascontiguousarray(self.word_vectors.matrix).data)
        return digest.hexdigest()

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.word_vectors.dim

    def __len__(self) -> int:
        return len(self.word_vectors)

    def vectors(self, rows: Rows | None = None) -> Matrix:
        """As `Points.vectors`."""
        matrix: Matrix = self.word_vectors.matrix
        return matrix if rows is None else matrix[rows]

    def nearest(self, queries: Matrix, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """As `Points.nearest`."""
        raise NotImplementedError

    def labels(self, rows: Rows) -> list[str]:
        """The words."""
        return [self.word_vectors.index_to_key[row] for row in rows.tolist()]

    def details(self, rows: Rows) -> list[dict[str, Any]]:
        """Each word's count and the rank of it."""
        raise NotImplementedError

    def find(self, query: str, k: int) -> list[tuple[int, float | None]]:
        """The word itself, then those that begin with it, then those that hold it."""
        raise NotImplementedError

    @property
    def fields(self) -> Mapping[str, str]:
        """How often a word occurs, where the model tells."""
        return {} if self.word_vectors.counts is None else {COUNT: "number"}

    def values(self, field: str) -> Sequence[Any]:
        """As `Points.values`."""
        counts = self.word_vectors.counts
        if field != COUNT or counts is None:
            raise ConfigError(f"words have no {field!r}; colour by cluster")
        values: list[int] = counts.tolist()
        return values

"""The words of a model as points."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.explore.points import Matrix, Points, Rows
from rowspace.search.fields import clean
from rowspace.space.sample import frequency_order
from rowspace.space.similarity import nearest_rows
from rowspace.space.vectors import Vectors

COUNT = "frequency"
RANK = "rank"
WORDS, VOCABULARY = "words", "vocabulary"
FREQUENT = 5
"""Times that a word must occur to be shown at first: rarer ones hardly have a place yet."""
FEWEST = 1000
"""Words that must be left; of a small text all are shown."""
HASHED = 1 << 26
"""Values of a matrix that are all part of the fingerprint; of a larger one so many are."""


class WordPoints:
    """Words; satisfies `Points`.

    Parameters
    ----------
    vectors : Vectors
    model : str
        The name of the model, in a space.
    kind : {"words", "vocabulary"}
        The latter where there are rarer words besides.
    """

    def __init__(self, vectors: Vectors, model: str = "", kind: str = WORDS) -> None:
        self.word_vectors = vectors
        self.model, self.kind = model, kind

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the words and their vectors; of a very large matrix, of rows throughout it."""
        digest = hashlib.sha256(f"{len(self)} {self.dim}\0".encode())
        digest.update("\0".join(self.word_vectors.index_to_key).encode("utf-8", "replace"))
        step = 1 + len(self) * self.dim // HASHED
        digest.update(np.ascontiguousarray(self.word_vectors.matrix[::step]).data)
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
        vectors = self.word_vectors
        rows, cosines = nearest_rows(vectors.matrix, queries, k, norms=vectors.norms)
        return rows, cosines.astype(np.float32)

    def labels(self, rows: Rows) -> list[str]:
        """The words."""
        return [self.word_vectors.index_to_key[row] for row in rows.tolist()]

    def texts(self, rows: Rows) -> list[str]:
        """The words."""
        return self.labels(rows)

    def details(self, rows: Rows) -> list[dict[str, Any]]:
        """Each word with its count, where that is known, and its rank, the most frequent's 1."""
        known = {"label": self.labels(rows)}
        if self.word_vectors.counts is not None:
            known[COUNT] = self.word_vectors.counts[rows].tolist()
        known[RANK] = self._ranks[rows].tolist()
        return [
            dict(zip(known, values, strict=True)) for values in zip(*known.values(), strict=True)
        ]

    def find(self, query: str, k: int) -> list[tuple[int, float | None]]:
        """The word itself, then those that begin with it, then those that hold it."""
        wanted = clean(query.strip())
        if not wanted:
            return []
        begins = pc.starts_with(self._keys, wanted, ignore_case=True)
        holds = pc.match_substring(self._keys, wanted, ignore_case=True)
        rows = [row for row in (wanted, wanted.lower()) if row in self.word_vectors]
        found = [self.word_vectors.get_index(word) for word in rows]
        for mask in (begins, holds):
            some = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
            found += some[np.argsort(self._ranks[some], kind="stable")][: 2 * k].tolist()
        return [(row, None) for row in list(dict.fromkeys(found))[:k]]

    @functools.cached_property
    def _keys(self) -> pa.Array:
        return pa.array([clean(key) for key in self.word_vectors.index_to_key], pa.large_string())

    @functools.cached_property
    def _ranks(self) -> Rows:
        """(n,) place by frequency, from 1."""
        ranks = np.empty(len(self), np.int64)
        ranks[frequency_order(self.word_vectors)] = np.arange(1, len(self) + 1)
        return ranks

    @property
    def fields(self) -> Mapping[str, str]:
        """How often a word occurs, where the model tells, and its rank."""
        counted = {} if self.word_vectors.counts is None else {COUNT: "number"}
        return counted | {RANK: "number"}

    def values(self, field: str) -> pa.Array:
        """As `Points.values`."""
        if field not in self.fields:
            raise ConfigError(f"words have no {field!r}; colour by cluster or {RANK}")
        return pa.array(self.word_vectors.counts if field == COUNT else self._ranks)


def word_sets(vectors: Vectors, model: str = "") -> dict[str, WordPoints]:
    """The words that occur often enough, and where that leaves some out, all of them.

    Parameters
    ----------
    vectors : Vectors
    model : str
        The name of the model, in a space.
    """
    n = vectors.n_frequent(FREQUENT)
    if n is None or not FEWEST <= n < len(vectors):
        return {WORDS: WordPoints(vectors, model)}
    counts = None if vectors.counts is None else vectors.counts[:n]
    frequent = Vectors(vectors.index_to_key[:n], vectors.matrix[:n], counts, vectors.metadata)
    return {
        WORDS: WordPoints(frequent, model),
        VOCABULARY: WordPoints(vectors, model, VOCABULARY),
    }


def all_words(sets: Mapping[str, Points]) -> Vectors | None:
    """The whole vocabulary's vectors; None where points are no words."""
    words = sets.get(VOCABULARY, sets.get(WORDS))
    return words.word_vectors if isinstance(words, WordPoints) else None

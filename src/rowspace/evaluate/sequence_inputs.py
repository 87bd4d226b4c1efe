"""What sequence models read: texts as rows of a table, for every kind of embedding.

Every kind is scaled alike: over the words of the texts that may be learnt from, each dimension has
mean 0 and variance 1. So one learning rate suits all, and the few huge dimensions of a
transformer's states do not hide the others. A word without a vector is zeros, which is the mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.sequence import TokenVectors

Kind = Literal["random", "random, frozen", "frozen", "fine-tuned", "contextual"]
"""A table drawn at random, which is trained or not; a pretrained one, which is not or is, where
unknown words are drawn at random (Kim 2014, https://aclanthology.org/D14-1181, calls these rand,
static and non-static); the states of a transformer."""

_LEAST_STD = 1e-6
_BLOCK = 4096
"""Rows at once."""


@dataclass(frozen=True)
class Inputs:
    """Texts as rows of a table."""

    table: NDArray[np.float32]
    """(1 + n_rows, dim); the first row is zeros, for padding."""
    ids: list[NDArray[np.int64]]
    """(n_words,) rows of each text."""
    is_trained: bool


@dataclass(frozen=True)
class WordTable:
    """Texts, and the vectors of their words where each has one in all texts."""

    ids: list[NDArray[np.int64]]
    """(n_words,) rows of each text, from 1."""
    rows: NDArray[np.float32]
    """(1 + n_words, dim) scaled; zeros where there is none."""

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """(1 + n_words,) whether a row is a word's that has a vector."""
        return np.asarray(self.rows.any(axis=1))

    def inputs(self, kind: Kind, seed: int) -> Inputs:
        """Of one of the kinds that are tables; what is drawn at random is drawn by the seed."""
        if kind == "frozen":
            return Inputs(self.rows, self.ids, is_trained=False)
        drawn = np.random.default_rng(seed).standard_normal(self.rows.shape, dtype=np.float32)
        if kind == "fine-tuned":
            drawn[self.is_known] = self.rows[self.is_known]
        drawn[0] = 0
        return Inputs(drawn, self.ids, is_trained=kind != "random, frozen")


def word_table(
    reader: TokenVectors, texts: Sequence[Sequence[str]], n_scaled: int | None = None
) -> WordTable:
    """Look up the words of texts.

    Parameters
    ----------
    reader : TokenVectors
        Not contextual.
    texts : sequence of sequence of str
    n_scaled : int, optional
        Only the first so many texts tell how to scale; all if not given.
    """
    places: dict[str, int] = {}
    ids = [
        np.array([places.setdefault(word, len(places) + 1) for word in words], dtype=np.int64)
        for words in texts
    ]
    (found,) = reader.read([list(places)])
    read = np.concatenate([*ids[:n_scaled], np.zeros(0, dtype=np.int64)])
    rows = np.concatenate([_padding(reader.dim), found])
    scale(rows, np.bincount(read, minlength=len(rows)))
    return WordTable(ids, rows)


def contextual_inputs(
    reader: TokenVectors, texts: Sequence[Sequence[str]], n_scaled: int | None = None
) -> Inputs:
    """Read texts with a transformer: a row a word in its text; arguments as `word_table`'s."""
    found = reader.read(texts)
    lengths = [len(rows) for rows in found]
    starts = np.concatenate([[1], 1 + np.cumsum(lengths, dtype=np.int64)])
    table = np.concatenate([_padding(reader.dim), *found])
    del found  # all states twice are enough
    is_scaled = np.zeros(len(table), dtype=np.int64)
    is_scaled[1 : starts[len(texts) if n_scaled is None else n_scaled]] = 1
    scale(table, is_scaled)
    ids = [np.arange(start, start + n) for start, n in zip(starts, lengths, strict=False)]
    return Inputs(table, ids, is_trained=False)


def scale(rows: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
    """Give rows mean 0 and variance 1 in each dimension, in place; rows of zeros stay so.

    Parameters
    ----------
    rows : (n, dim) float32 array
        Written. Beside it there is only a block of it in float64 in memory.
    counts : (n,) int array
        How often each is read, which weighs it in the mean.
    """
    is_known = np.asarray(rows.any(axis=1))
    weights = (counts * is_known).astype(np.float64)
    n = max(1.0, weights.sum())
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(rows), _BLOCK)]
    mean = sum(weights[block] @ rows[block] for block in blocks) / n
    squares = sum(weights[block] @ np.square(rows[block] - mean) for block in blocks)
    std = np.sqrt(np.maximum(squares / n, _LEAST_STD**2))
    for block in blocks:
        rows[block] = np.where(is_known[block, None], (rows[block] - mean) / std, 0)


def digest(rows: NDArray[np.float32]) -> str:
    """Hex SHA-256 of rows, which tells whether runs read the same."""
    return hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest()


def _padding(dim: int) -> NDArray[np.float32]:
    return np.zeros((1, dim), dtype=np.float32)

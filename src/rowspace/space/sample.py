"""Which rows a measure looks at: the most frequent words that have a direction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, VocabularyError
from rowspace.space.similarity import Doubles, Floats, Rows, row_norms, unit_rows
from rowspace.space.vectors import Vectors


def frequency_order(vectors: Vectors) -> Rows:
    """Rows, the most frequent word first; without counts the order they are in."""
    if vectors.counts is None:
        return np.arange(len(vectors), dtype=np.int64)
    return np.argsort(-vectors.counts, kind="stable").astype(np.int64)


def frequent(vectors: Vectors, n: int) -> Vectors:
    """The `n` most frequent words in memory, the most frequent first, without zero vectors.

    Raises
    ------
    ConfigError
        If `n` is below 1, all of them are zero vectors, or one holds NaN or infinity.
    """
    if n < 1:
        raise ConfigError(f"top is {n}, so nothing is measured; give 1 or more")
    rows = frequency_order(vectors)[:n]
    rows = rows[lengths(vectors, rows) != 0]  # NaN stays, and is named when they are taken
    if not len(rows):
        raise ConfigError(
            f"all {min(n, len(vectors)):,} vectors are zero and have no direction; train them first"
        )
    return take(vectors, rows)


def lengths(vectors: Vectors, rows: Rows) -> Floats:
    """Lengths of the vectors at `rows`, without reading the others of a mapped file."""
    return row_norms(vectors.matrix[rows])


def take(vectors: Vectors, rows: Rows) -> Vectors:
    """The vectors at `rows`, copied into memory, in that order."""
    keys = [vectors.index_to_key[row] for row in rows.tolist()]
    counts = None if vectors.counts is None else vectors.counts[rows]
    return Vectors(keys, np.array(vectors.matrix[rows]), counts, vectors.metadata)


def rows_of(vectors: Vectors, keys: Iterable[str]) -> Rows:
    """The row of each key, (n,); an unknown one is a VocabularyError."""
    return np.array([vectors.get_index(key) for key in keys], dtype=np.int64)


def common_keys(vectors: Vectors, other: Vectors) -> list[str]:
    """Keys of both, in the order of the first.

    Raises
    ------
    VocabularyError
        If there are none.
    """
    common = [key for key in vectors if key in other]
    if not common:
        raise VocabularyError(
            f"the two spaces share no word: the first has {_some(vectors)}, the second "
            f"{_some(other)}; give spaces of one language, spelled and cased alike"
        )
    return common


def _some(keys: Vectors) -> str:
    return ", ".join(map(repr, keys.index_to_key[:3]))


def directions(matrix: NDArray[np.floating[Any]], keys: Sequence[str] | None = None) -> Doubles:
    """The rows (n, dim) scaled to length 1, in float64.

    Raises
    ------
    ConfigError
        If a row is zero, and has no direction, or is not finite.
    """
    units = unit_rows(matrix)
    wrong = np.flatnonzero(~(np.einsum("nd,nd->n", units, units) > 0.5))  # NaN too
    if len(wrong):
        row = int(wrong[0])
        name = f"row {row}" if keys is None else f"the vector of {keys[row]!r}"
        raise ConfigError(
            f"{name} is zero or not finite, so it has no direction, as {len(wrong):,} of "
            f"{len(units):,}; leave them out"
        )
    return units

"""Our transformers of texts, made such of tables: scikit-learn's own checks run on those."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from rowspace.adapters.sklearn import TextEmbedder, Word2VecEmbedder
from rowspace.space.vectors import Vectors

_N_COLUMNS, _N_VALUES = 20, 5
WORDS = [f"c{column}v{value}" for column in range(_N_COLUMNS) for value in range(_N_VALUES)]


def word_vectors() -> Vectors:
    """A vector for every word that a table can become."""
    matrix = np.random.default_rng(5).normal(size=(len(WORDS), 6)).astype(np.float32)
    return Vectors(WORDS, matrix)


class _OfTables:
    """Each row becomes a text, each number a word that tells its column and roughly its value."""

    def fit(self, X: Any, y: Any = None) -> Self:
        fitted: Self = super().fit(_texts(validate_data(self, X)), y)  # type: ignore[misc]
        return fitted

    def transform(self, X: Any) -> Any:
        check_is_fitted(self)
        return super().transform(_texts(validate_data(self, X, reset=False)))  # type: ignore[misc]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, True
        return tags


class TextEmbedderOfTables(_OfTables, TextEmbedder):
    """A model's vectors of a table's rows."""


class Word2VecEmbedderOfTables(_OfTables, Word2VecEmbedder):
    """Word vectors learnt from a table."""


def _texts(rows: Any) -> list[str]:
    values = np.floor(np.asarray(rows, dtype=np.float64)).astype(np.int64) % _N_VALUES
    return [" ".join(f"c{i % _N_COLUMNS}v{value}" for i, value in enumerate(row)) for row in values]

"""The plain mean of word vectors, worked by hand."""

from __future__ import annotations

import numpy as np

from rowspace.space.vectors import Vectors
from rowspace.static.mean import MeanEncoder

MATRIX = np.array([[3, 0], [0, 1], [4, 4]], dtype=np.float32)


def _encoder(matrix: np.ndarray = MATRIX) -> MeanEncoder:
    return MeanEncoder(Vectors(["cat", "dog", "tax"], matrix))


def test_words_count_as_often_as_they_occur_and_as_long_as_they_are() -> None:
    encoded = _encoder().encode(["A Cat, a cat: the DOG!"])
    np.testing.assert_allclose(encoded, [[2, 1 / 3]], rtol=1e-6)
    assert encoded.dtype == np.float32


def test_a_text_without_a_known_word_is_a_zero_row() -> None:
    encoded = _encoder().encode(["nothing known", "", "tax"])
    np.testing.assert_array_equal(encoded, [[0, 0], [0, 0], [4, 4]])


def test_no_text_is_no_row() -> None:
    assert _encoder().encode([]).shape == (0, 2)


def test_the_fingerprint_changes_with_the_vectors() -> None:
    assert _encoder().fingerprint == _encoder().fingerprint
    assert _encoder().fingerprint != _encoder(MATRIX + 1).fingerprint

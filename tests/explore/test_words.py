from __future__ import annotations

import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.explore.words import WordPoints
from rowspace.space.vectors import Vectors
from tests.naive_space import cosine


def words(counts: bool = True) -> WordPoints:
    keys = ["the", "lava", "Java", "lavatory", "palava", "sea"]
    matrix = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
    return WordPoints(Vectors(keys, matrix, [90, 3, 8, 5, 7, 20] if counts else None))


def test_nearest_words_are_those_of_all_cosines() -> None:
    points = words()
    query = points.vectors(np.array([1]))
    rows, cosines = points.nearest(query, 6)
    expected = [cosine(query[0].tolist(), other.tolist()) for other in points.vectors()]
    assert rows[0].tolist() == np.argsort(-np.array(expected)).tolist()
    assert cosines[0] == pytest.approx(sorted(expected, reverse=True), abs=1e-6)


def test_the_word_itself_is_found_first_then_beginnings_then_the_rest_by_frequency() -> None:
    points = words()
    assert [row for row, _ in points.find("lava", 10)] == [1, 3, 4]
    assert [row for row, _ in points.find("AVA", 10)] == [2, 4, 3, 1]
    assert [row for row, _ in points.find("ava", 2)] == [2, 4]
    assert points.find("  ", 5) == [] and points.find("%", 5) == []


def test_a_surrogate_in_a_query_finds_nothing_and_breaks_nothing() -> None:
    assert words().find("\ud800", 5) == []


def test_details_are_the_word_with_its_count_and_rank() -> None:
    assert words().details(np.array([0, 1])) == [
        {"label": "the", "frequency": 90, "rank": 1},
        {"label": "lava", "frequency": 3, "rank": 6},
    ]
    assert words(counts=False).details(np.array([2])) == [{"label": "Java", "rank": 3}]


def test_values_are_by_row() -> None:
    assert words().values("frequency").to_pylist() == [90, 3, 8, 5, 7, 20]
    with pytest.raises(ConfigError, match="no 'frequency'; colour by cluster or rank"):
        words(counts=False).values("frequency")


def test_the_fingerprint_is_of_words_and_vectors() -> None:
    one = words()
    same = WordPoints(Vectors(one.word_vectors.index_to_key, one.vectors()))
    moved = WordPoints(Vectors(one.word_vectors.index_to_key, one.vectors() + 1))
    named = WordPoints(Vectors(["a", "b", "c", "d", "e", "f"], one.vectors()))
    assert same.fingerprint == one.fingerprint
    assert len({one.fingerprint, moved.fingerprint, named.fingerprint}) == 3

from __future__ import annotations

import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.explore.words import WordPoints, all_words, word_sets
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


def test_words_that_occur_five_times_are_shown_first_and_all_of_them_besides() -> None:
    counts = np.repeat([9, 5, 4, 1], [600, 500, 300, 100])
    matrix = np.random.default_rng(0).standard_normal((1500, 3)).astype(np.float32)
    vectors = Vectors([f"w{i}" for i in range(1500)], matrix, counts)
    sets = word_sets(vectors)
    assert {kind: len(points) for kind, points in sets.items()} == {
        "words": 1100,
        "vocabulary": 1500,
    }
    assert sets["words"].find("w1099", 1) == [(1099, None)] and sets["words"].find("w1100", 1) == []
    assert sets["vocabulary"].find("w1100", 1) == [(1100, None)]
    assert all_words(sets) is vectors
    assert sets["words"].fingerprint != sets["vocabulary"].fingerprint


@pytest.mark.parametrize("counts", [None, [9] * 1500, [1] * 1500, [*range(1500)]])
def test_all_words_are_shown_where_counts_tell_nothing(counts: list[int] | None) -> None:
    vectors = Vectors([f"w{i}" for i in range(1500)], np.ones((1500, 2), np.float32), counts)
    sets = word_sets(vectors)
    assert list(sets) == ["words"] and len(sets["words"]) == 1500
    assert all_words(sets) is vectors

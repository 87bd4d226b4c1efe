"""Ethayarajh's measures against their definitions, pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError
from rowspace.space import similarity
from rowspace.space.contextual_geometry import (
    anisotropy,
    explainable_variance,
    intra_sentence_similarity,
    measure_contextuality,
    random_explainable_variance,
    self_similarity,
)
from rowspace.space.isotropy import mean_cosine
from tests import naive_geometry


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(8, 30), dim=st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_measures_are_those_of_the_definitions(seed: int, n: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((n, dim)) + 0.5
    words = np.r_[0, 0, 1, rng.integers(0, 5, n - 3)] * 7 - 3
    sentences = np.r_[0, 1, 1, rng.integers(0, 4, n - 3)] + 100
    found = measure_contextuality(matrix, words, sentences)
    rows, word_list, sentence_list = matrix.tolist(), words.tolist(), sentences.tolist()
    naive = naive_geometry
    assert found.self_similarity == pytest.approx(naive.self_similarity(rows, word_list))
    assert found.intra_sentence == pytest.approx(naive.intra_sentence(rows, sentence_list))
    assert found.baseline == pytest.approx(naive.anisotropy(rows, word_list, sentence_list))
    assert anisotropy(matrix, words) == pytest.approx(naive.anisotropy(rows, word_list))
    assert found.explainable == pytest.approx(naive.explainable_variance(matrix, word_list))
    difference = found.self_similarity - found.baseline
    assert found.adjusted_self_similarity == found.as_dict()["adjusted_self_similarity"]
    assert found.adjusted_self_similarity == pytest.approx(difference)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    matrix, words = rng.standard_normal((40, 5)) + 0.3, rng.integers(0, 6, 40)
    sentences = rng.integers(0, 5, 40)
    whole = measure_contextuality(matrix, words, sentences).as_dict()
    monkeypatch.setattr(similarity, "_VALUES_AT_ONCE", 35)  # blocks of seven rows
    assert measure_contextuality(matrix, words, sentences).as_dict() == pytest.approx(whole)


def test_different_words_in_sentences_of_their_own_are_any_two_rows() -> None:
    matrix = np.random.default_rng(2).standard_normal((9, 4)) + 1
    assert anisotropy(matrix, np.arange(9), np.arange(9)) == pytest.approx(mean_cosine(matrix))


def test_static_vectors_are_told_as_such() -> None:
    """A word's row times any length: nothing of it is the sentence's."""
    rng = np.random.default_rng(3)
    words = np.repeat(np.arange(6), 4)
    matrix = rng.standard_normal((6, 40))[words] * rng.uniform(0.5, 2, (24, 1))
    found = measure_contextuality(matrix, words, np.tile(np.arange(4), 6))
    assert found.self_similarity == pytest.approx(1)
    assert found.explainable == pytest.approx(1)
    assert found.adjusted_explainable > 0.3


def test_words_dealt_at_random_are_nothing_above_the_baselines() -> None:
    rng = np.random.default_rng(4)
    matrix = rng.standard_normal((3000, 8)) + 0.6
    words = np.repeat(np.arange(600), 5)
    found = measure_contextuality(matrix, words, np.tile(np.arange(60), 50))
    assert found.baseline > 0.2
    assert found.explainable > 0.4
    assert abs(found.adjusted_self_similarity) < 0.02
    assert abs(found.adjusted_explainable) < 0.02


def test_only_the_rows_asked_for_are_measured() -> None:
    rng = np.random.default_rng(5)
    matrix, words, sentences = rng.standard_normal((30, 4)), np.arange(30) % 5, np.arange(30) // 6
    some, other = np.arange(0, 12), np.arange(12, 30)
    found = measure_contextuality(
        matrix, words, sentences, word_rows=some, sentence_rows=other, seed=1
    )
    assert found.self_similarity == self_similarity(matrix[some], words[some])
    assert found.explainable == explainable_variance(matrix[some], words[some])
    assert found.intra_sentence == intra_sentence_similarity(matrix[other], sentences[other])
    assert found.baseline == anisotropy(matrix[other], words[other], sentences[other])
    sizes = [3, 3, 2, 2, 2]  # of the words 0 to 4 in the first twelve rows
    assert found.explainable_baseline == random_explainable_variance(matrix[other], sizes, 1)


def test_words_and_sentences_of_one_vector_are_left_out() -> None:
    matrix = np.array([[1.0, 0], [1, 0], [0, 1]])
    assert self_similarity(matrix, [0, 0, 1]) == pytest.approx(1)
    assert intra_sentence_similarity(matrix, [0, 1, 0]) == pytest.approx(np.sqrt(0.5))
    assert explainable_variance(matrix, [0, 1, 0]) == pytest.approx(0.5)


def test_what_cannot_be_measured_is_said() -> None:
    matrix = np.eye(3)
    with pytest.raises(ConfigError, match="no word has two vectors"):
        self_similarity(matrix, [0, 1, 2])
    with pytest.raises(ConfigError, match="no word has two vectors"):
        explainable_variance(matrix, [0, 1, 2])
    with pytest.raises(ConfigError, match="no sentence has two vectors"):
        intra_sentence_similarity(matrix, [0, 1, 2])
    with pytest.raises(ConfigError, match="3 vectors are of one word or one sentence"):
        anisotropy(matrix, [0, 1, 2], [0, 0, 0])
    with pytest.raises(ConfigError, match="2 ids for 3 vectors; give one for each"):
        self_similarity(matrix, [0, 0])
    with pytest.raises(ConfigError, match="row 1 is zero or not finite"):
        self_similarity(np.array([[1.0, 0], [0, 0]]), [0, 0])

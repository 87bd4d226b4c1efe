"""Word in context: the threshold by trying all, and folds that keep a lemma together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.sense_data import Occurrence, WordPair
from rowspace.evaluate.wic import best_threshold, evaluate_wic, lemma_folds


class Angles:
    """The first token of a sentence is an angle, in degrees."""

    def occurrences(
        self, sentences: Sequence[Sequence[str]], indices: Sequence[int]
    ) -> NDArray[np.float32]:
        angles = np.radians([float(tokens[0]) for tokens in sentences])
        return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def _pair(lemma: str, angle: float, is_same: bool) -> WordPair:
    first, second = Occurrence(("0", lemma), 1), Occurrence((str(angle), lemma), 1)
    return WordPair(lemma=lemma, first=first, second=second, is_same=is_same)


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_is_better_than_the_best(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cosines = np.round(rng.uniform(size=12), 1)  # with equal ones among them
    is_same = rng.random(12) < cosines
    tried = [*np.unique(cosines), np.inf]
    best = max(int(((cosines >= threshold) == is_same).sum()) for threshold in tried)
    found = best_threshold(cosines, is_same)
    assert ((cosines >= found) == is_same).sum() == best


def test_cosines_that_differ_by_rounding_are_not_parted() -> None:
    below = float(np.nextafter(1.0, 0))
    cosines = np.array([below, 1.0, below, 1.0, below])
    is_same = cosines == 1.0  # a threshold between the two would tell all
    assert best_threshold(cosines, is_same) == np.inf  # three of five are others


def test_a_threshold_lies_between_the_cosines_it_parts() -> None:
    cosines = np.array([0.3, 0.3 + 3e-9])
    found = best_threshold(cosines, np.array([False, True]))
    assert cosines[0] < found < cosines[1]


def test_one_vector_a_lemma_is_not_told_by_rounding() -> None:
    """As a static word's own vector: its cosine with itself is 1, give or take."""

    class OneALemma:
        def occurrences(
            self, sentences: Sequence[Sequence[str]], indices: Sequence[int]
        ) -> NDArray[np.float32]:
            numbers = [int(tokens[1][1:]) for tokens in sentences]
            return np.random.default_rng(0).normal(size=(60, 37)).astype(np.float32)[numbers]

    rng = np.random.default_rng(3)
    pairs = [_pair(f"l{i}", 0, bool(rng.random() < 0.5)) for i in range(60)]
    result = evaluate_wic(OneALemma(), pairs)
    assert result.accuracy == result.most_frequent_accuracy


def test_all_of_one_label_need_no_finite_threshold() -> None:
    cosines = np.array([0.1, 0.9])
    assert best_threshold(cosines, np.array([True, True])) == -np.inf
    assert best_threshold(cosines, np.array([False, False])) == np.inf


def test_a_lemma_is_in_one_fold_and_folds_are_alike_in_size() -> None:
    rng = np.random.default_rng(0)
    lemmas = [f"l{i}" for i in rng.integers(0, 40, size=400)]
    folds = lemma_folds(lemmas, 5)
    for lemma in set(lemmas):
        assert len({int(f) for f, name in zip(folds, lemmas, strict=True) if name == lemma}) == 1
    sizes = np.bincount(folds, minlength=5)
    assert sizes.max() - sizes.min() <= 4


def test_pairs_that_a_threshold_parts_are_all_told_right() -> None:
    pairs = [_pair(f"l{i}", 20 + i, True) for i in range(10)]
    pairs += [_pair(f"l{i}", 60 + i, False) for i in range(10)]
    result = evaluate_wic(Angles(), pairs)
    assert result.accuracy == 1.0
    assert np.cos(np.radians(60)) < result.threshold < np.cos(np.radians(29))
    assert result.n_pairs == 20


def test_a_pair_is_told_with_a_threshold_of_other_lemmas() -> None:
    # Only lemma l0 has its pairs the wrong way round; a threshold of its own would tell them.
    pairs = [_pair(f"l{i}", angle, angle < 45) for i in range(1, 13) for angle in (10, 80)]
    pairs += [_pair("l0", 80, True), _pair("l0", 81, True), _pair("l0", 82, True)]
    assert evaluate_wic(Angles(), pairs).accuracy == pytest.approx(24 / 27)


def test_the_same_vector_for_all_tells_no_more_than_the_more_frequent_label() -> None:
    pairs = [_pair(f"l{i}", 0, i % 3 > 0) for i in range(30)]
    result = evaluate_wic(Angles(), pairs)
    assert result.accuracy == result.most_frequent_accuracy == pytest.approx(2 / 3)


def test_fewer_lemmas_than_folds_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="there are 2 lemmas"):
        evaluate_wic(Angles(), [_pair("a", 1, True), _pair("b", 2, False)])

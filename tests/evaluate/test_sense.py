"""Senses told from examples: against scikit-learn, and ties and gaps by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.sense import (
    SenseSettings,
    draw,
    evaluate_senses,
    first_of_each,
    macro_f1,
    nearest_centroid,
    nearest_example,
)
from rowspace.evaluate.sense_data import Occurrence, SenseTask


class ByNumber:
    """Gives an occurrence the row that its first token names, and counts what it is asked."""

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self.matrix = matrix
        self.asked: list[str] = []

    def occurrences(
        self, sentences: Sequence[Sequence[str]], indices: Sequence[int]
    ) -> NDArray[np.float32]:
        self.asked += [tokens[0] for tokens in sentences]
        return self.matrix[[int(tokens[0]) for tokens in sentences]]


def _task(
    rng: np.random.Generator, counts: dict[str, int], dim: int = 6
) -> tuple[SenseTask, ByNumber]:
    """Half of each sense's occurrences for training, with vectors around its own place."""
    parts: list[list[Occurrence]] = [[], []]
    rows: list[NDArray[np.float64]] = []
    for sense, count in counts.items():
        place = rng.normal(size=dim)
        for i in range(2 * count):
            parts[i % 2].append(Occurrence((str(len(rows)), "x"), 1, sense))
            rows.append(place + rng.normal(size=dim))
    task = SenseTask(name="x", train=tuple(parts[0]), test=tuple(parts[1]))
    return task, ByNumber(np.array(rows, dtype=np.float32))


def _random(seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, 4, size=40))
    return (
        rng.normal(size=(40, 5)).astype(np.float32),
        labels,
        rng.normal(size=(60, 5)).astype(np.float32),
    )


def test_the_nearest_example_is_that_of_scikit_learn() -> None:
    examples, labels, queries = _random(0)
    peer = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(examples, labels)
    assert (nearest_example(examples, labels, queries) == peer.predict(queries)).all()


def test_the_nearest_centroid_is_the_nearest_mean_of_scikit_learn() -> None:
    examples, labels, queries = _random(1)
    means = np.array([examples[labels == sense].mean(axis=0) for sense in range(4)])
    peer = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(means, np.arange(4))
    assert (nearest_centroid(examples, labels, queries) == peer.predict(queries)).all()


def test_the_two_ways_differ_where_one_example_is_far_from_the_others() -> None:
    examples = np.array([[1, 0], [1, 0.1], [0, 1], [0.2, 1], [0.9, -0.2]], dtype=np.float32)
    labels = np.array([0, 0, 1, 1, 1])
    query = np.array([[1, -0.25]], dtype=np.float32)
    assert nearest_example(examples, labels, query).tolist() == [1]
    assert nearest_centroid(examples, labels, query).tolist() == [0]


@pytest.mark.parametrize("classify", [nearest_example, nearest_centroid])
def test_equally_near_senses_give_the_most_frequent(classify: object) -> None:
    rng = np.random.default_rng(5)
    examples = np.tile(rng.normal(size=300).astype(np.float32), (30, 1))
    labels = np.repeat([0, 1, 2], 10)
    said = classify(examples, labels, examples[:7])  # type: ignore[operator]
    assert said.tolist() == [0] * 7


@pytest.mark.parametrize("classify", [nearest_example, nearest_centroid])
def test_what_has_no_vector_gets_the_most_frequent_sense_and_attracts_none(
    classify: object,
) -> None:
    examples = np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float32)
    labels = np.array([0, 1, 2])
    queries = np.array([[0, 0], [-1, -0.1], [1, 0.1]], dtype=np.float32)
    # The second is at more than a right angle to both examples, and nearer to the last.
    assert classify(examples, labels, queries).tolist() == [0, 2, 1]  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(0, 5, size=30), rng.integers(0, 6, size=30)
    truth[truth == 3] = 2  # one sense that is said and never right
    expected = f1_score(truth, said, average="macro", zero_division=0)
    assert macro_f1(truth, said) == pytest.approx(expected)


def test_the_most_frequent_sense_is_that_of_the_training_part() -> None:
    train = [Occurrence(("0",), 0, s) for s in ("a", "b", "b")]
    test = [Occurrence(("0",), 0, s) for s in ("a", "a", "a", "b")]
    task = SenseTask(name="x", train=tuple(train), test=tuple(test))
    result = evaluate_senses(ByNumber(np.ones((1, 2), np.float32)), task)
    assert result.most_frequent_accuracy == 0.25
    assert result.most_frequent_f1 == pytest.approx((2 * 1 / (4 + 1)) / 2)
    # One vector for all tells nothing apart: the same is said.
    for scores in result.scores.values():
        assert [score.accuracy for score in scores] == [0.25] * 4
        assert [score.macro_f1_std for score in scores] == [0.0] * 4


def test_scores_are_the_mean_and_spread_of_the_draws() -> None:
    task, encoder = _task(np.random.default_rng(2), {"b": 30, "a": 20, "c": 8})
    settings = SenseSettings(n_examples=(2, 10), seeds=(3, 4, 5))
    result = evaluate_senses(encoder, task, settings)
    senses = ["b", "a", "c"]
    labels = np.array([senses.index(o.sense) for o in task.train])
    rows = [int(o.tokens[0]) for o in task.train]
    queries = encoder.matrix[[int(o.tokens[0]) for o in task.test]]
    truth = [senses.index(o.sense) for o in task.test]
    for place, n in enumerate((2, 10)):
        f1, accuracy = [], []
        for seed in (3, 4, 5):
            kept = draw(labels, n, seed)
            peer = KNeighborsClassifier(n_neighbors=1, metric="cosine")
            peer.fit(encoder.matrix[[rows[i] for i in kept]], labels[kept])
            said = peer.predict(queries)
            f1.append(f1_score(truth, said, average="macro"))
            accuracy.append(accuracy_score(truth, said))
        score = result.scores["nearest"][place]
        assert score.n_examples == n
        assert score.macro_f1 == pytest.approx(np.mean(f1))
        assert score.macro_f1_std == pytest.approx(np.std(f1, ddof=1))
        assert score.accuracy == pytest.approx(np.mean(accuracy))
        assert score.accuracy_std == pytest.approx(np.std(accuracy, ddof=1))


def test_each_sentence_is_encoded_once() -> None:
    task, encoder = _task(np.random.default_rng(3), {"a": 20, "b": 20})
    evaluate_senses(encoder, task, SenseSettings(n_examples=(1, 3, 5), seeds=(0, 1, 2)))
    assert len(set(encoder.asked)) == len(encoder.asked)


def test_draws_have_n_of_each_sense_or_all_there_are_and_grow() -> None:
    labels = np.array([0] * 20 + [1] * 3)
    drawn = draw(labels, 10, seed=1)
    assert np.bincount(labels[drawn]).tolist() == [10, 3]
    assert len(set(drawn.tolist())) == 13
    few = first_of_each(drawn, labels, 4)
    assert np.bincount(labels[few]).tolist() == [4, 3]
    assert set(few) == set(draw(labels, 4, seed=1))
    assert (draw(labels, 10, seed=2) != drawn).any()


def test_senses_with_few_examples_are_named() -> None:
    task, encoder = _task(np.random.default_rng(4), {"a": 20, "b": 3})
    result = evaluate_senses(encoder, task, SenseSettings(n_examples=(10,)))
    assert result.rare_senses(10) == ["b"]
    assert result.n_train == {"a": 20, "b": 3}


def test_a_sense_without_an_example_is_missed() -> None:
    train = (Occurrence(("0",), 0, "a"), Occurrence(("1",), 0, "b"))
    test = (*train, Occurrence(("1",), 0, "new"))
    matrix = np.eye(2, dtype=np.float32)
    result = evaluate_senses(ByNumber(matrix), SenseTask(name="x", train=train, test=test))
    assert result.scores["centroid"][0].accuracy == pytest.approx(2 / 3)
    assert result.rare_senses(1) == ["new"]


def test_a_limit_keeps_the_share_of_each_sense() -> None:
    task, encoder = _task(np.random.default_rng(6), {"a": 60, "b": 20})
    result = evaluate_senses(encoder, task, SenseSettings(n_examples=(3,), limit=20))
    assert result.n_test == {"a": 15, "b": 5}


def test_a_limit_keeps_a_rare_sense_that_occurs_once() -> None:
    task, encoder = _task(np.random.default_rng(6), {"a": 40, "b": 30, "c": 1})
    result = evaluate_senses(encoder, task, SenseSettings(n_examples=(1,), limit=14))
    assert result.n_test == {"a": 8, "b": 6, "c": 1}


def test_a_test_part_of_senses_that_occur_once_is_classified_within_a_limit() -> None:
    task, encoder = _task(np.random.default_rng(6), {"a": 1, "b": 1})
    result = evaluate_senses(encoder, task, SenseSettings(n_examples=(1,), limit=1))
    assert result.n_test == {"a": 1, "b": 1}


def test_an_empty_test_part_is_an_error() -> None:
    train = (Occurrence(("0",), 0, "a"), Occurrence(("1",), 0, "b"))
    with pytest.raises(EvaluationError, match="x has no occurrence in its test part"):
        evaluate_senses(
            ByNumber(np.eye(2, dtype=np.float32)), SenseTask(name="x", train=train, test=())
        )


def test_one_seed_has_no_spread() -> None:
    task, encoder = _task(np.random.default_rng(7), {"a": 5, "b": 5})
    result = evaluate_senses(encoder, task, SenseSettings(n_examples=(1,), seeds=(0,)))
    assert np.isnan(result.scores["centroid"][0].macro_f1_std)


def test_one_sense_is_nothing_to_tell_apart() -> None:
    one = (Occurrence(("0",), 0, "a"),)
    with pytest.raises(EvaluationError, match="has 1 sense in its training part"):
        evaluate_senses(
            ByNumber(np.eye(2, dtype=np.float32)), SenseTask(name="x", train=one, test=one)
        )


@pytest.mark.parametrize(
    "settings", [{"n_examples": ()}, {"n_examples": (0,)}, {"seeds": ()}, {"limit": 0}]
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"n_examples is|seeds is|limit is"):
        SenseSettings(**settings)  # type: ignore[arg-type]

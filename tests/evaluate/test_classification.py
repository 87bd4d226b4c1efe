"""Labels told from vectors, against scikit-learn's own search for the penalty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from rowspace.errors import ConfigError
from rowspace.evaluate.classification import (
    ClassificationSettings,
    evaluate_classification,
    tell_labels,
)
from rowspace.evaluate.labelled_texts import LabelledTexts, TextTask

DIM = 6
LABELS = ("a", "b", "c")


class Numbered:
    """The text "17" has the 18th vector."""

    fingerprint = "numbered"
    dim = DIM

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self.matrix = matrix

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.matrix[[int(text) for text in texts]]


def clouds(spread: float, n: int = 300, seed: int = 0) -> tuple[Numbered, TextTask]:
    """Three clouds of vectors, a label each; a third of them is the test part."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    matrix = rng.normal(size=(3, DIM))[labels] + spread * rng.normal(size=(n, DIM))
    texts = LabelledTexts(texts=[str(i) for i in range(n)], labels=[LABELS[i] for i in labels])
    held = np.arange(n) % 3 == 0
    task = TextTask(
        name="clouds", train=texts.at(np.flatnonzero(~held)), test=texts.at(np.flatnonzero(held))
    )
    return Numbered(matrix.astype(np.float32)), task


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
def test_the_penalty_and_the_labels_are_those_of_a_grid_search(spread: float) -> None:
    encoder, task = clouds(spread)
    settings = ClassificationSettings()
    told = tell_labels(encoder, task, settings)
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("fit", LogisticRegression(max_iter=1000))]),
        {"fit__C": list(settings.penalties)},
        cv=KFold(5, shuffle=True, random_state=0),
    ).fit(encoder.encode(task.train.texts).astype(np.float64), task.train.labels)
    said = search.predict(encoder.encode(task.test.texts).astype(np.float64))
    assert told.penalty == search.best_params_["fit__C"]
    assert [LABELS[label] for label in told.said] == said.tolist()
    result = evaluate_classification(encoder, task, settings)
    assert result.accuracy == pytest.approx((said == np.array(task.test.labels)).mean())
    assert result.macro_f1 == pytest.approx(f1_score(task.test.labels, said, average="macro"))
    usual = max(LABELS, key=task.train.labels.count)
    assert result.most_frequent_accuracy == task.test.labels.count(usual) / len(task.test)
    assert (result.n_train, result.n_test, result.n_labels) == (200, 100, 3)


def test_length_and_place_of_the_vectors_do_not_matter() -> None:
    encoder, task = clouds(1.0)
    moved = Numbered((100 * encoder.matrix + np.arange(DIM)).astype(np.float32))
    first, second = tell_labels(encoder, task), tell_labels(moved, task)
    assert first.said.tolist() == second.said.tolist()
    assert first.penalty == second.penalty


def test_vectors_that_say_nothing_do_no_better_than_the_most_frequent_label() -> None:
    encoder, task = clouds(0.0)
    flat = Numbered(np.zeros_like(encoder.matrix))
    result = evaluate_classification(flat, task)
    assert result.accuracy == result.most_frequent_accuracy
    assert result.n_zero == len(task.test)
    assert evaluate_classification(encoder, task).accuracy == 1.0


def test_limits_are_kept_and_said() -> None:
    encoder, task = clouds(1.0)
    result = evaluate_classification(encoder, task, ClassificationSettings(n_train=60, n_test=30))
    assert (result.n_train, result.n_test) == (60, 30)
    assert result.notes == (
        "60 of 200 texts of the training part",
        "30 of 100 texts of the test part",
    )


def test_a_label_of_the_test_part_alone_is_never_said() -> None:
    encoder, _ = clouds(0.0)
    train = LabelledTexts(texts=["0", "1", "2", "3"], labels=["a", "b", "a", "b"])
    task = TextTask(name="x", train=train, test=LabelledTexts(texts=["0", "4"], labels=["a", "z"]))
    told = tell_labels(encoder, task)
    assert told.truth.tolist() == [0, 2]
    assert 2 not in told.said


def test_a_fold_of_one_label_is_no_error() -> None:
    encoder, _ = clouds(0.0)
    train = LabelledTexts(texts=["0", "1"], labels=["a", "b"])
    task = TextTask(name="x", train=train, test=LabelledTexts(texts=["0"], labels=["a"]))
    assert evaluate_classification(encoder, task).n_train == 2


def test_a_penalty_must_be_above_zero() -> None:
    with pytest.raises(ConfigError, match=r"penalties are \(0\.0,\); give one number above 0"):
        ClassificationSettings(penalties=(0.0,))

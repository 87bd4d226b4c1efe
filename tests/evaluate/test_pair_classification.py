"""Labelled pairs against scikit-learn and a threshold tried by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rowspace.errors import EvaluationError
from rowspace.evaluate.pair_classification import evaluate_pair_classification
from rowspace.evaluate.sentence_data import SentencePair
from tests.evaluate.test_sts import TableEncoder, random_pairs


def _labelled(seed: int) -> list[SentencePair]:
    """Few texts, so that many pairs, and their cosines, are the same."""
    pairs = random_pairs(n_pairs=60, n_texts=6, seed=seed)
    return [(a, b, float(score > 1)) for a, b, score in pairs]


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_equals_scikit_learn_with_ties(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    encoder, pairs = TableEncoder(seed=seed), _labelled(seed)
    # Rounded, since the cosines of (a, b) and (b, a) are equal but for rounding here.
    cosines = [round(encoder.cosine(a, b), 9) for a, b, _ in pairs]
    result = evaluate_pair_classification(encoder, pairs)
    labels = [label for *_, label in pairs]
    assert result.average_precision == pytest.approx(
        metrics.average_precision_score(labels, cosines)
    )
    assert (result.n_pairs, result.n_positive) == (60, sum(labels))


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_does_better_than_the_best(seed: int) -> None:
    encoder, pairs = TableEncoder(seed=seed), _labelled(seed)
    cosines = np.array([round(encoder.cosine(a, b), 9) for a, b, _ in pairs])
    labels = np.array([label for *_, label in pairs])
    tried = [float(np.mean((cosines >= t) == labels)) for t in (*cosines, math.inf)]
    result = evaluate_pair_classification(encoder, pairs)
    assert result.best_accuracy == max(tried)
    assert np.mean((cosines >= result.threshold - 1e-8) == labels) == result.best_accuracy


def test_calling_no_pair_can_be_best() -> None:
    encoder = TableEncoder()
    pairs = [("t1", "t1", 0.0), ("t2", "t2", 0.0), ("t1", "x", 1.0)]
    result = evaluate_pair_classification(encoder, pairs)
    assert (result.best_accuracy, result.threshold, result.n_zero) == (2 / 3, math.inf, 1)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_pairs_of_one_label_are_refused(label: float) -> None:
    with pytest.raises(EvaluationError, match="give pairs of both labels"):
        evaluate_pair_classification(TableEncoder(), [("t1", "t2", label), ("t2", "t3", label)])

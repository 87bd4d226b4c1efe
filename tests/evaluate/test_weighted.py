"""Scores of items that count several times equal those of the items written out so often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score, v_measure_score

from rowspace.evaluate import weighted
from rowspace.evaluate.weighted import Column, Doubles, score_once

N = 60


def _columns(name: str, seed: int) -> tuple[Column, ...]:
    rng = np.random.default_rng(seed)
    small = [rng.integers(4, size=N) for _ in range(3)]
    cosines = (rng.normal(size=N) + small[0]).round(1)  # with ties
    return {
        "mean": (cosines,),
        "accuracy": (small[0], small[1]),
        "spearman": (small[0], cosines),
        "macro_f1": (small[0], small[1]),
        "mean_macro_f1": (small[2], small[0], small[1]),
        "average_precision": (small[0] > 1, cosines),
        "v_measure": (small[0], small[1]),
    }[name]


def _mean_macro_f1(group: Column, truth: Column, said: Column) -> float:
    parts = [group == one for one in np.unique(group)]
    return float(np.mean([f1_score(truth[i], said[i], average="macro") for i in parts]))


PEERS: dict[str, tuple[Callable[..., Doubles], Callable[..., float]]] = {
    "mean": (weighted.mean, np.mean),
    "accuracy": (weighted.accuracy, lambda truth, said: np.mean(truth == said)),
    "spearman": (weighted.spearman, lambda a, b: stats.spearmanr(a, b).statistic),
    "macro_f1": (weighted.macro_f1, lambda a, b: f1_score(a, b, average="macro")),
    "mean_macro_f1": (weighted.mean_macro_f1, _mean_macro_f1),
    "average_precision": (weighted.average_precision, average_precision_score),
    "v_measure": (weighted.v_measure, v_measure_score),
}


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_scores_are_those_of_scipy_and_scikit_learn(name: str, seed: int) -> None:
    ours, theirs = PEERS[name]
    columns = _columns(name, seed)
    rows = [np.random.default_rng(seed + i).integers(N, size=N) for i in range(5)]
    weights = np.array([np.bincount(row, minlength=N) for row in rows], dtype=np.float64)
    expected = [theirs(*(column[row] for column in columns)) for row in rows]
    assert ours(weights, *columns) == pytest.approx(expected, abs=1e-12)
    assert score_once(ours, *columns) == pytest.approx(theirs(*columns), abs=1e-12)


def test_a_correlation_with_a_constant_is_not_a_number() -> None:
    weights = np.array([[1.0, 1, 1], [0, 2, 1]])
    scores = weighted.spearman(weights, np.array([1, 2, 2]), np.array([1.0, 2, 3]))
    assert scores[0] == pytest.approx(np.sqrt(3) / 2)
    assert np.isnan(scores[1])


def test_average_precision_without_positives_is_not_a_number() -> None:
    weights = np.array([[1.0, 1], [2, 0]])
    scores = weighted.average_precision(weights, np.array([0, 1]), np.array([0.9, 0.1]))
    assert scores[0] == 0.5
    assert np.isnan(scores[1])


def test_a_group_that_was_not_drawn_is_left_out_of_the_mean() -> None:
    group, truth, said = np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0, 1, 1])
    scores = weighted.mean_macro_f1(np.array([[1.0, 1, 1], [1, 2, 0]]), group, truth, said)
    assert scores.tolist() == [0.5, 1.0]


def test_one_group_in_one_cluster_is_perfect() -> None:
    one = np.zeros(3, dtype=np.int64)
    assert score_once(weighted.v_measure, one, one) == 1.0

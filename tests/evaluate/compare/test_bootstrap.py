"""Intervals from resamples: as wide as they should be, and as scipy's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rowspace.errors import EvaluationError
from rowspace.evaluate.compare.bootstrap import STATISTICS, difference, interval, score
from rowspace.evaluate.compare.outcome import Items


def items(statistic: str, *, metric: str = "m", **columns: ArrayLike) -> Items:
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    return Items(statistic=statistic, columns=arrays, metric=metric)


def test_95_in_100_intervals_hold_the_true_mean() -> None:
    rng = np.random.default_rng(0)
    n_trials, held = 400, 0
    for trial in range(n_trials):
        drawn = items("mean", value=rng.exponential(2.0, size=200))
        _, low, high = interval(drawn, n_resamples=400, seed=trial)
        held += low <= 2.0 <= high
    # Binomial: 3 standard deviations are 3.3 of 100; the percentile interval is a little narrow.
    assert 0.91 <= held / n_trials <= 0.98


def test_95_in_100_intervals_hold_the_true_correlation() -> None:
    rng = np.random.default_rng(1)
    rho, held = 0.6, 0
    expected = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of a bivariate normal (Kruskal 1958)
    for trial in range(300):
        human = rng.normal(size=150)
        model = rho * human + np.sqrt(1 - rho**2) * rng.normal(size=150)
        _, low, high = interval(
            items("spearman", human=human, model=model), n_resamples=300, seed=trial
        )
        held += low <= expected <= high
    assert 0.90 <= held / 300 <= 0.985


@pytest.mark.parametrize("name", ["mean", "spearman"])
def test_ends_are_those_of_scipy(name: str) -> None:
    rng = np.random.default_rng(2)
    human = rng.normal(size=300)
    model = human + rng.normal(size=300)
    columns: tuple[NDArray[np.float64], ...] = (human,) if name == "mean" else (human, model)
    statistic: Callable[..., Any] = np.mean
    if name == "spearman":
        statistic = lambda a, b: stats.spearmanr(a, b).statistic  # noqa: E731
    named: dict[str, Any] = dict(zip(STATISTICS[name].columns, columns, strict=True))
    ours = items(name, **named)
    theirs = stats.bootstrap(
        columns,
        statistic,
        paired=name == "spearman",
        vectorized=name == "mean",
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(3),
    )
    _, low, high = interval(ours, n_resamples=5000)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    # Two sets of resamples: an end's own spread is about 0.05 of the width with so many.
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.1 * width)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.1 * width)


def test_seeds_repeat_and_differ() -> None:
    drawn = items("mean", value=np.random.default_rng(0).normal(size=50))
    assert interval(drawn, seed=1) == interval(drawn, seed=1)
    assert interval(drawn, seed=1) != interval(drawn, seed=2)


def test_a_score_by_clusters_is_inside_its_interval() -> None:
    # Few items a cell: without moving them, resamples score higher than all items do.
    rng = np.random.default_rng(0)
    drawn = items("v_measure", group=rng.integers(20, size=200), cluster=rng.integers(20, size=200))
    value, low, high = interval(drawn)
    assert low < value < high
    assert (low + high) / 2 == pytest.approx(value, abs=0.2 * (high - low))


def test_pairing_leaves_out_what_is_hard_for_both() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=400)
    first = items("mean", value=hardness + 0.1 * rng.normal(size=400) + 0.05)
    second = items("mean", value=hardness + 0.1 * rng.normal(size=400))
    value, low, high = difference(first, second)
    _, a_low, a_high = interval(first)
    _, b_low, b_high = interval(second)
    unpaired = np.hypot(a_high - a_low, b_high - b_low)
    assert high - low < 0.2 * unpaired
    assert 0 < low < value < high
    assert value == pytest.approx(score(first) - score(second))
    mean = (np.asarray(first.columns["value"]) - second.columns["value"]).std() / 20
    assert high - low == pytest.approx(2 * 1.96 * mean, rel=0.1)


def test_a_model_does_not_differ_from_itself() -> None:
    human = np.arange(30.0)
    one = items("spearman", human=human, model=human[::-1] ** 2)
    assert difference(one, one) == (0.0, 0.0, 0.0)


def test_differences_are_of_the_same_items() -> None:
    one = items("spearman", human=[1, 2, 3], model=[1.0, 2, 3])
    other = items("spearman", human=[1, 2, 4], model=[1.0, 2, 3])
    with pytest.raises(EvaluationError, match=re.escape("(3 and 3, by column human); score both")):
        difference(one, other)
    with pytest.raises(EvaluationError, match="different items"):
        difference(items("mean", value=[1, 2]), items("mean", value=[1, 2, 3]))
    with pytest.raises(EvaluationError, match="one score is mean, the other spearman"):
        difference(items("mean", value=[1, 2]), one)
    with pytest.raises(EvaluationError, match="one score is a, the other b"):
        difference(items("mean", metric="a", value=[1]), items("mean", metric="b", value=[1]))


def test_without_a_score_there_is_no_interval() -> None:
    assert all(np.isnan(interval(items("spearman", human=[1, 1], model=[1, 2]))))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (items("median", value=[1]), "there is no statistic 'median'; it is one of mean, spearman"),
        (items("accuracy", truth=[1]), "takes the columns truth, said, and said is missing"),
        (items("accuracy", truth=[1], said=[1, 2]), "the columns truth, said hold 1, 2 items"),
        (items("mean", value=[]), "the columns value hold 0 items; give equally many"),
    ],
)
def test_items_that_have_no_score_are_named(wrong: Items, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        interval(wrong)


def test_no_resamples_have_no_percentiles() -> None:
    with pytest.raises(EvaluationError, match="0 resamples have no percentiles"):
        interval(items("mean", value=[1, 2]), n_resamples=0)


def test_many_items_are_drawn_in_parts_with_the_same_result() -> None:
    # 100 resamples at a time here.
    rng = np.random.default_rng(0)
    n = 20_000
    columns: dict[str, Any] = {
        "value": rng.normal(size=n),
        "human": rng.normal(size=n),
        "model": rng.normal(size=n),
        "truth": rng.integers(3, size=n),
        "said": rng.integers(3, size=n),
        "group": rng.integers(3, size=n),
        "cluster": rng.integers(3, size=n),
        "label": rng.integers(2, size=n),
        "cosine": rng.normal(size=n),
        "loss": rng.uniform(1, 9, size=n),
        "count": rng.integers(1, 9, size=n),
    }
    for name in STATISTICS:
        value, low, high = interval(items(name, **columns), n_resamples=150)
        assert low <= value <= high, name

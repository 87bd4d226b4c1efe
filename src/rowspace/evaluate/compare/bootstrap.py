"""How sure is a score? Percentile intervals from resamples of the items.

Efron & Tibshirani (1993), "An introduction to the bootstrap", chapter 13. An interval says what
other items of the kind would have given; not what another training, split or start would have.
Two models are compared item by item: both are scored on the same resamples, which leaves out what
makes an item hard for both (Berg-Kirkpatrick, Burkett & Klein 2012,
https://aclanthology.org/D12-1091).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rowspace.errors import EvaluationError
from rowspace.evaluate import weighted
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.weighted import Doubles, score_once

N_RESAMPLES = 1_000
LEVEL = 0.95

_NUMBERS_AT_ONCE = 2_000_000  # weights of resamples; 16 MB, and a few arrays of that size


@dataclass(frozen=True)
class Statistic:
    """How columns of items become a score."""

    columns: tuple[str, ...]
    """Which ones, in the order that `of` takes them."""

    of: Callable[..., Doubles]
    """`of(weights, *columns)`, as all of `evaluate.weighted`."""

    is_centered: bool = False
    """Whether its resamples are moved to have their mean at the score. So where a resample scores
    higher only since it has fewer distinct items, as entropies do. Such a score is 0 or more."""


STATISTICS: Mapping[str, Statistic] = {
    "mean": Statistic(("value",), weighted.mean),
    "spearman": Statistic(("human", "model"), weighted.spearman),
    "inverse_perplexity": Statistic(("loss", "count"), weighted.inverse_perplexity),
    "accuracy": Statistic(("truth", "said"), weighted.accuracy),
    "macro_f1": Statistic(("truth", "said"), weighted.macro_f1),
    "mean_macro_f1": Statistic(("group", "truth", "said"), weighted.mean_macro_f1),
    "average_precision": Statistic(("label", "cosine"), weighted.average_precision),
    "v_measure": Statistic(("group", "cluster"), weighted.v_measure, is_centered=True),
}
"""By the name that `Items.statistic` has. Purity is the mean of "is of its cluster's majority"."""

_ABOUT_ITEMS = {"human", "truth", "label", "group", "count"}
"""Columns that say what an item is, not what a model made of it."""


def score(items: Items) -> float:
    """The score of all items; NaN where it is undefined, as a correlation with a constant.

    Raises
    ------
    EvaluationError
        If there is no item, or not the columns that the statistic takes.
    """
    columns = _columns(items)
    return score_once(STATISTICS[items.statistic].of, *columns)


def interval(
    items: Items, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """The score of all items and its 95 % interval.

    Parameters
    ----------
    items : Items
    n_resamples : int
        Of as many items as there are, drawn with replacement.
    seed : int

    Returns
    -------
    value, low, high : float
        The 2.5th and 97.5th percentiles; resamples without a score are left out, and without any,
        all are NaN.

    Raises
    ------
    EvaluationError
        As `score`.

    Examples
    --------
    >>> import numpy as np
    >>> from rowspace.evaluate.compare.outcome import Items
    >>> right = np.array([1, 1, 1, 0])
    >>> interval(Items(statistic="mean", columns={"value": right}, metric="accuracy"))
    (0.75, 0.25, 1.0)
    """
    return interval_of(items, draws(items, n_resamples=n_resamples, seed=seed))


def draws(items: Items, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Doubles:
    """The score of each resample; those of two models on the same items belong together.

    Returns
    -------
    (n_resamples,) float64
        NaN where a resample has no score.

    Raises
    ------
    EvaluationError
        As `score`.
    """
    columns = _columns(items)
    statistic = STATISTICS[items.statistic]
    parts = _resamples(len(columns[0]), n_resamples, seed)
    return np.concatenate([statistic.of(part, *columns) for part in parts])


def interval_of(items: Items, drawn: Doubles) -> tuple[float, float, float]:
    """As `interval`, of `draws` that are there."""
    value = score(items)
    is_centered = STATISTICS[items.statistic].is_centered
    low, high = _ends(drawn, value if is_centered else None)
    return value, max(low, 0.0) if is_centered else low, high


def difference(
    first: Items, second: Items, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """How much higher the first model's score is than the second's, and the 95 % interval.

    An interval that does not hold 0 is a difference that other items would likely show too.

    Parameters
    ----------
    first, second : Items
        Of two models on the same items, in the same order.
    n_resamples, seed : int
        As of `interval`.

    Returns
    -------
    value, low, high : float

    Raises
    ------
    EvaluationError
        If they are not of the same items, or as `score`.
    """
    check_same(first, second)
    ours, theirs = (draws(one, n_resamples=n_resamples, seed=seed) for one in (first, second))
    return difference_of(first, second, ours, theirs)


def difference_of(
    first: Items, second: Items, ours: Doubles, theirs: Doubles
) -> tuple[float, float, float]:
    """As `difference`, of the `draws` of both."""
    check_same(first, second)
    value = score(first) - score(second)
    is_centered = STATISTICS[first.statistic].is_centered
    return value, *_ends(ours - theirs, value if is_centered else None)


def check_same(first: Items, second: Items) -> None:
    """Both must be scored in one way on the same items.

    Raises
    ------
    EvaluationError
        If they are not; the message says in what they differ.
    """
    for what in ("statistic", "metric"):
        ours, theirs = getattr(first, what), getattr(second, what)
        if ours != theirs:
            raise EvaluationError(
                f"one score is {ours}, the other {theirs}; compare models on the same task"
            )
    statistic = STATISTICS[first.statistic]
    columns = zip(statistic.columns, _columns(first), _columns(second), strict=True)
    for name, one, other in columns:
        is_same = len(one) == len(other)
        if is_same and name in _ABOUT_ITEMS:
            is_same = np.array_equal(one, other)
        if not is_same:
            raise EvaluationError(
                f"two models were scored on different items ({len(one):,} and {len(other):,}, by "
                f"column {name}); score both on the same files and settings"
            )


def _columns(items: Items) -> list[weighted.Column]:
    if items.statistic not in STATISTICS:
        raise EvaluationError(
            f"there is no statistic {items.statistic!r}; it is one of {', '.join(STATISTICS)}"
        )
    wanted = STATISTICS[items.statistic].columns
    missing = [name for name in wanted if name not in items.columns]
    if missing:
        raise EvaluationError(
            f"{items.statistic} takes the columns {', '.join(wanted)}, and {', '.join(missing)} is "
            "missing; give all"
        )
    columns = [np.asarray(items.columns[name]) for name in wanted]
    lengths = {len(column) for column in columns}
    if len(lengths) > 1 or lengths == {0}:
        raise EvaluationError(
            f"the columns {', '.join(wanted)} hold {', '.join(map(str, sorted(lengths)))} items; "
            "give equally many in each, one or more"
        )
    return columns


def _resamples(n_items: int, n_resamples: int, seed: int) -> Iterator[Doubles]:
    """How often each item was drawn, for some resamples at a time."""
    if n_resamples < 1:
        raise EvaluationError(f"{n_resamples} resamples have no percentiles; give 1 or more")
    rng = np.random.default_rng(seed)
    n_at_once = max(1, _NUMBERS_AT_ONCE // n_items)
    for start in range(0, n_resamples, n_at_once):
        n = min(n_at_once, n_resamples - start)
        drawn = rng.integers(n_items, size=(n, n_items)) + np.arange(n)[:, None] * n_items
        counts = np.bincount(drawn.ravel(), minlength=n * n_items)
        yield counts.reshape(n, n_items).astype(np.float64)


def _ends(scores: Doubles, center: float | None) -> tuple[float, float]:
    known = scores[~np.isnan(scores)]
    if not len(known):
        return np.nan, np.nan
    if center is not None:
        known = known - known.mean() + center
    low, high = np.percentile(known, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)

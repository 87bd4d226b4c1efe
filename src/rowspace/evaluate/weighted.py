"""Scores of items that count several times, or not at all: what a resample of them is.

Each takes `weights` (n_resamples, n_items), how often an item counts, then the items' columns
(n_items,), and gives (n_resamples,) scores; NaN where a score is undefined. Sorting is done once
for all resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Column = NDArray[Any]


def score_once(statistic: Callable[..., Doubles], *columns: Column) -> float:
    """The score where every item counts once."""
    return float(statistic(np.ones((1, len(columns[0]))), *columns)[0])


def mean(weights: Doubles, value: Column) -> Doubles:
    """The mean of a column."""
    means: Doubles = weights @ value.astype(np.float64) / weights.sum(axis=1)
    return means


def inverse_perplexity(weights: Doubles, loss: Column, count: Column) -> Doubles:
    """e to minus the mean surprise of words, of which items hold several: sums in nats, counts.

    The probability that the words were given, in the geometric mean; higher is better.
    """
    return np.exp(-(weights @ loss.astype(np.float64)) / (weights @ count.astype(np.float64)))


def accuracy(weights: Doubles, truth: Column, said: Column) -> Doubles:
    """Share of the items of which was said what is true."""
    return mean(weights, truth == said)


def spearman(weights: Doubles, human: Column, model: Column) -> Doubles:
    """Pearson's correlation of the ranks, equal values having the mean of theirs.

    Spearman (1904), "The proof and measurement of association between two things".
    """
    first, second = _ranks(weights, human), _ranks(weights, model)
    # The mean rank is the same whatever the ties.
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2
    first -= middle
    second -= middle
    shared = np.einsum("rn,rn,rn->r", weights, first, second)
    spread = np.einsum("rn,rn,rn->r", weights, first, first)
    spread *= np.einsum("rn,rn,rn->r", weights, second, second)
    return _divide(shared, np.sqrt(spread))


def macro_f1(weights: Doubles, truth: Column, said: Column) -> Doubles:
    """The mean of the labels' F1, of those that occur or were said."""
    return mean_macro_f1(weights, np.zeros(len(truth), dtype=np.int64), truth, said)


def mean_macro_f1(weights: Doubles, group: Column, truth: Column, said: Column) -> Doubles:
    """The mean over groups of the macro-F1 in each, as over words in CoarseWSD-20.

    F1 is 2·hits / (occurrences + times said).
    """
    groups = np.unique(group)
    scores = np.full((len(weights), len(groups)), np.nan)
    for place, one in enumerate(groups):
        is_in = group == one
        scores[:, place] = _macro_f1(weights[:, is_in], truth[is_in], said[is_in])
    return _mean_known(scores)


def average_precision(weights: Doubles, label: Column, cosine: Column) -> Doubles:
    """Of the items by falling cosine: precision at each one labelled 1, averaged over these.

    Those with equal cosines are called alike. Manning, Raghavan & Schütze (2008), section 8.4.
    """
    order = np.argsort(-cosine, kind="stable")
    is_last = np.append(np.diff(cosine[order]) != 0, True)  # of equal cosines
    n_called = np.cumsum(weights[:, order], axis=1)[:, is_last]
    n_right = np.cumsum(weights[:, order] * label[order], axis=1)[:, is_last]
    gained = np.diff(n_right, prepend=0, axis=1)
    precision = n_right / np.maximum(n_called, 1)
    return _divide((gained * precision).sum(axis=1), n_right[:, -1])


def v_measure(weights: Doubles, group: Column, cluster: Column) -> Doubles:
    """Harmonic mean of homogeneity and completeness: mutual information by the mean entropy.

    1 where there is one group and one cluster. Rosenberg & Hirschberg (2007),
    https://aclanthology.org/D07-1043, with β = 1.
    """
    of_groups, of_clusters = _entropies(weights, group), _entropies(weights, cluster)
    pairs = np.unique(np.column_stack([group, cluster]), axis=0, return_inverse=True)[1]
    shared = of_groups + of_clusters - _entropies(weights, pairs.ravel())
    total = of_groups + of_clusters
    return np.where(total > 0, _divide(2 * shared, total), 1.0)


def _ranks(weights: Doubles, values: Column) -> Doubles:
    """(n_resamples, n_items): the mean rank, from 1, of an item's copies and its equals'."""
    distinct, place = np.unique(values, return_inverse=True)
    counts = _counts(weights, place.ravel(), len(distinct))
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
    return ranks[:, place.ravel()]


def _counts(weights: Doubles, place: NDArray[np.intp], n: int) -> Doubles:
    """(n_resamples, n): how often each value counts, by its number for each item."""
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(n))
    return np.add.reduceat(weights[:, order], starts, axis=1)


def _macro_f1(weights: Doubles, truth: Column, said: Column) -> Doubles:
    scores = np.full((len(weights), len(labels := np.union1d(truth, said))), np.nan)
    for place, label in enumerate(labels):
        hits = weights @ ((truth == label) & (said == label))
        total = weights @ ((truth == label).astype(np.float64) + (said == label))
        scores[:, place] = _divide(2 * hits, total)
    return _mean_known(scores)


def _entropies(weights: Doubles, labels: Column) -> Doubles:
    """(n_resamples,): of the shares of the labels, in nats."""
    distinct, place = np.unique(labels, return_inverse=True)
    counts = _counts(weights, place.ravel(), len(distinct))
    shares = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropies: Doubles = -(shares * logs).sum(axis=1)
    return entropies


def _mean_known(scores: Doubles) -> Doubles:
    """(n_resamples,): the mean of each row's numbers that are not NaN."""
    is_known = ~np.isnan(scores)
    return _divide(np.where(is_known, scores, 0).sum(axis=1), is_known.sum(axis=1))


def _divide(above: Doubles, below: Column) -> Doubles:
    """NaN where the divisor is 0."""
    ratios: Doubles = np.full(len(above), np.nan)
    return np.divide(above, below, out=ratios, where=below > 0)

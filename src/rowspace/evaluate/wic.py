"""Word in context: has a word the same sense in two sentences?

Pilehvar & Camacho-Collados (2019), https://aclanthology.org/N19-1128: the cosine of the word's two
vectors against a threshold. Differs from the paper, which tunes the threshold on the training part
and tests on another: here all pairs come from one file, and the threshold for the pairs of some
lemmas is tuned on those of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder
from rowspace.evaluate.sense import TIE, encode
from rowspace.evaluate.sense_data import WordPair
from rowspace.space.similarity import unit_rows

N_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class WicResult:
    """How often "the same sense" and "another" were told apart."""

    accuracy: float
    """Share of all pairs told right, each with the threshold of the other folds' lemmas."""

    accuracy_std: float
    """Standard deviation over folds."""

    threshold: float
    """Mean over folds: cosines from here on were taken for the same sense."""

    most_frequent_accuracy: float
    """Of the other folds' more frequent label for all pairs of a fold: about 0.5."""

    n_pairs: int


def evaluate_wic(encoder: OccurrenceEncoder, pairs: Sequence[WordPair]) -> WicResult:
    """Tell pairs of one sense from others by cosine, in five folds over lemmas.

    Parameters
    ----------
    encoder : OccurrenceEncoder
        A pair of which one has no vector has cosine 0.
    pairs : sequence of WordPair

    Raises
    ------
    EvaluationError
        If there are fewer than five lemmas.
    """
    told = tell_pairs(encoder, pairs)
    finite = [threshold for threshold in told.thresholds if math.isfinite(threshold)]
    by_fold = [told.is_right[told.folds == k].mean() for k in range(N_FOLDS)]
    return WicResult(
        accuracy=float(told.is_right.mean()),
        accuracy_std=float(np.std(by_fold, ddof=1)),
        threshold=float(np.mean(finite)) if finite else math.nan,
        most_frequent_accuracy=float(told.is_usual.mean()),
        n_pairs=len(pairs),
    )


@dataclass(frozen=True, kw_only=True)
class ToldPairs:
    """What was said of each pair."""

    is_right: NDArray[np.bool_]
    """(n_pairs,)."""

    is_usual: NDArray[np.bool_]
    """(n_pairs,): whether its label is the more frequent one of the other folds."""

    is_zero: NDArray[np.bool_]
    """(n_pairs,): whether one of the two has no vector."""

    folds: NDArray[np.int64]
    """(n_pairs,)."""

    thresholds: tuple[float, ...]
    """By fold."""


def tell_pairs(encoder: OccurrenceEncoder, pairs: Sequence[WordPair]) -> ToldPairs:
    """As `evaluate_wic`, pair by pair."""
    folds = lemma_folds([pair.lemma for pair in pairs], N_FOLDS)
    vectors = unit_rows(encode(encoder, [o for pair in pairs for o in (pair.first, pair.second)]))
    cosines = np.einsum("nd,nd->n", vectors[::2], vectors[1::2])
    is_same = np.array([pair.is_same for pair in pairs])
    thresholds = [best_threshold(cosines[folds != k], is_same[folds != k]) for k in range(N_FOLDS)]
    is_right = (cosines >= np.array(thresholds)[folds]) == is_same
    usual = np.array([is_same[folds != k].mean() >= 0.5 for k in range(N_FOLDS)])
    has_vector = np.asarray(vectors.any(axis=1))
    return ToldPairs(
        is_right=is_right,
        is_usual=usual[folds] == is_same,
        is_zero=~(has_vector[::2] & has_vector[1::2]),
        folds=folds,
        thresholds=tuple(thresholds),
    )


def best_threshold(cosines: NDArray[np.float64], is_same: NDArray[np.bool_]) -> float:
    """The threshold with the most pairs on their side: the same sense from it on, others below.

    Half way between two cosines that differ by more than rounding; -inf where all pairs are best
    taken for the same, inf for none.
    """
    order = np.argsort(cosines)
    ranked, labels = cosines[order], is_same[order].astype(np.int64)
    # Right with the first k below: the "others" among them and the "same" after them.
    n_right = np.concatenate([[0], np.cumsum(1 - labels)])
    n_right += labels.sum() - np.concatenate([[0], np.cumsum(labels)])
    edges = np.concatenate([[-np.inf], ranked, [np.inf]])
    n_right[1:-1][np.diff(ranked) <= TIE] = -1  # equal cosines are not parted
    best = int(n_right.argmax())
    return float((edges[best] + edges[best + 1]) / 2)


def lemma_folds(lemmas: Sequence[str], n_folds: int) -> NDArray[np.int64]:
    """The fold of each pair: all of a lemma are in one, and folds have about equally many pairs.

    Raises
    ------
    EvaluationError
        If there are fewer lemmas than folds.
    """
    names, of_pair, counts = np.unique(np.array(lemmas), return_inverse=True, return_counts=True)
    if len(names) < n_folds:
        raise EvaluationError(
            f"there are {len(names)} lemmas, and the threshold is tuned in {n_folds} folds of "
            "them; give pairs of more"
        )
    sizes = np.zeros(n_folds, dtype=np.int64)
    fold_of = np.zeros(len(names), dtype=np.int64)
    for name in np.argsort(-counts, kind="stable"):  # each to the smallest fold so far
        fold_of[name] = sizes.argmin()
        sizes[fold_of[name]] += counts[name]
    return fold_of[of_pair]

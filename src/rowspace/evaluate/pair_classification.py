"""Pair classification: do texts that belong together have higher cosines than those that do not?

As paraphrases (Dolan & Brockett 2005, https://aclanthology.org/I05-5002) and duplicate questions.
Equal cosines are called alike, whatever their order in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.sentence_data import SentencePair
from rowspace.evaluate.sts import pair_cosines
from rowspace.space.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class PairResult:
    """How well one encoder's cosines tell pairs labelled 1 from those labelled 0."""

    average_precision: float
    """Of the pairs by falling cosine, in [0, 1]; by chance the share of pairs labelled 1."""

    best_accuracy: float
    """With the best threshold for these very pairs, so higher than on others; in [0, 1]."""

    threshold: float
    """The lowest cosine then called 1; infinite where calling none so is best."""

    n_pairs: int
    """Pairs behind the numbers: all of them."""

    n_positive: int
    """Of these, pairs labelled 1."""

    n_zero: int
    """Of these, pairs of which a text has a zero vector; they count with cosine 0."""

    notes: tuple[str, ...] = ()
    """What a reader must know to trust the numbers."""


def evaluate_pair_classification(encoder: Encoder, pairs: Sequence[SentencePair]) -> PairResult:
    """Score the cosine of each pair of texts against its label.

    Parameters
    ----------
    encoder : Encoder
    pairs : sequence of (text, text, label)
        A label is 0 or 1.

    Returns
    -------
    PairResult

    Raises
    ------
    EvaluationError
        If one of the labels does not occur.
    """
    labels = np.array([label for *_, label in pairs])
    n_positive = int(labels.sum())
    if n_positive in (0, len(pairs)):
        raise EvaluationError(
            f"{n_positive} of {len(pairs)} pairs are labelled 1, and there is nothing to tell "
            "apart; give pairs of both labels"
        )
    found = pair_cosines(encoder, pairs)
    thresholds, n_called, n_right = _by_threshold(labels, found.cosines)
    gained = np.diff(n_right, prepend=0)
    # Right are the called pairs of label 1 and the others of label 0; first, none is called.
    n_correct = np.append(0, 2 * n_right - n_called) + len(pairs) - n_positive
    best = int(n_correct.argmax())
    return PairResult(
        average_precision=float((gained * n_right / n_called).sum() / n_positive),
        best_accuracy=float(n_correct[best] / len(pairs)),
        threshold=float(np.append(np.inf, thresholds)[best]),
        n_pairs=len(pairs),
        n_positive=n_positive,
        n_zero=int(found.is_zero.sum()),
        notes=found.notes,
    )


def _by_threshold(
    labels: NDArray[np.float64], cosines: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Each cosine once, falling; how many pairs reach it; how many of these are labelled 1."""
    order = np.argsort(-cosines, kind="stable")
    is_last = np.append(np.diff(cosines[order]) != 0, True)  # of pairs with equal cosines
    n_called = np.flatnonzero(is_last) + 1
    n_right = np.cumsum(labels[order]).astype(np.int64)[is_last]
    return cosines[order][is_last], n_called, n_right

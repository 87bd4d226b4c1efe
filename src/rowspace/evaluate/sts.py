"""Sentence similarity (STS): do the cosines of sentence pairs rise with people's scores?

Agirre et al. (2012), https://aclanthology.org/S12-1051; Cer et al. (2017), the STS benchmark,
https://aclanthology.org/S17-2001. Nothing is left out: a text without a vector has cosine 0 with
every other, as in sentence-transformers, and such pairs are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.correlation import correlations
from rowspace.evaluate.sentence_data import SentencePair, SentenceTask
from rowspace.sentence.alike import encode_alike
from rowspace.space.encoder import Encoder
from rowspace.space.similarity import unit_rows

_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class STSResult:
    """How the cosines of one encoder agree with people on sentence pairs."""

    spearman: float
    """Rank correlation in [-1, 1], ties averaged; NaN where all cosines or all scores are equal."""

    pearson: float
    """Linear correlation in [-1, 1]; NaN in the same case."""

    n_pairs: int
    """Pairs behind the two numbers: all of them."""

    n_zero: int
    """Of these, pairs of which a text has a zero vector; they count with cosine 0."""

    parts: Mapping[str, STSResult] = field(default_factory=dict)
    """By file, where the task has several; the numbers above are of all pairs in one."""

    notes: tuple[str, ...] = ()
    """What a reader must know to trust the numbers."""

    @property
    def mean_spearman(self) -> float:
        """Mean over the files; papers give this or that of all pairs."""
        return _mean([part.spearman for part in self.parts.values()] or [self.spearman])

    @property
    def mean_pearson(self) -> float:
        """Mean over the files."""
        return _mean([part.pearson for part in self.parts.values()] or [self.pearson])


@dataclass(frozen=True, kw_only=True)
class PairCosines:
    """The cosine of each pair of texts under one encoder."""

    cosines: NDArray[np.float64]
    """(n_pairs,), each in [-1, 1]; 0 where a text has a zero vector."""

    is_zero: NDArray[np.bool_]
    """(n_pairs,): whether one of the two has a zero vector."""

    notes: tuple[str, ...]
    """How the texts were encoded, where there was a choice."""


def evaluate_sts(encoder: Encoder, pairs: Sequence[SentencePair]) -> STSResult:
    """Correlate the cosine of each pair of texts with the score that people gave it.

    Parameters
    ----------
    encoder : Encoder
    pairs : sequence of (text, text, score)

    Returns
    -------
    STSResult

    Raises
    ------
    EvaluationError
        If there are fewer than two pairs, so there is nothing to correlate.

    Examples
    --------
    >>> import numpy as np
    >>> from rowspace.space.vectors import Vectors
    >>> from rowspace.static.mean import MeanEncoder
    >>> matrix = np.array([[1, 0], [1, 1], [0, 1]], dtype=np.float32)
    >>> encoder = MeanEncoder(Vectors(["cat", "dog", "tax"], matrix))
    >>> pairs = [("a cat", "a dog", 4.0), ("a cat", "a tax", 0.0), ("the dog", "a dog", 5.0)]
    >>> evaluate_sts(encoder, pairs).spearman
    1.0
    """
    return _score(pairs, pair_cosines(encoder, pairs))


def evaluate_sts_task(encoder: Encoder, task: SentenceTask) -> STSResult:
    """As `evaluate_sts` for all pairs of a task, and for those of each file if it has several.

    Raises
    ------
    EvaluationError
        If a file holds fewer than two pairs.
    """
    found = pair_cosines(encoder, task.pairs)
    parts: dict[str, STSResult] = {}
    start = 0
    for name, pairs in task.parts.items():
        part = slice(start, start + len(pairs))
        of_part = PairCosines(cosines=found.cosines[part], is_zero=found.is_zero[part], notes=())
        parts[name] = _score(pairs, of_part, name)
        start += len(pairs)
    return _score(task.pairs, found, task.name, parts if len(parts) > 1 else {})


def pair_cosines(encoder: Encoder, pairs: Sequence[SentencePair]) -> PairCosines:
    """Encode each text once and take the cosine of every pair.

    Both are encoded alike (`encode_alike`).
    """
    rows = {text: row for row, text in enumerate(dict.fromkeys(t for p in pairs for t in p[:2]))}
    vectors, notes = encode_alike(encoder, list(rows))
    first = [rows[pair[0]] for pair in pairs]
    second = [rows[pair[1]] for pair in pairs]
    return row_cosines(vectors, first, second, notes)


def row_cosines(
    vectors: NDArray[np.float32],
    first: Sequence[int],
    second: Sequence[int],
    notes: tuple[str, ...] = (),
) -> PairCosines:
    """The cosines of pairs of rows of (n, dim); `notes` are handed on."""
    units = unit_rows(vectors)  # zero rows stay zero
    has_vector = np.asarray(vectors.any(axis=1))
    cosines = np.einsum("nd,nd->n", units[first], units[second])
    return PairCosines(
        # Two copies of a text have cosine 1 but for float64's rounding; all such pairs tie.
        cosines=cosines.round(_DIGITS),
        is_zero=~(has_vector[first] & has_vector[second]),
        notes=notes,
    )


def _score(
    pairs: Sequence[SentencePair],
    found: PairCosines,
    name: str = "",
    parts: Mapping[str, STSResult] | None = None,
) -> STSResult:
    if len(pairs) < 2:
        raise EvaluationError(
            f"a correlation takes two sentence pairs or more, and {name or 'the task'} holds "
            f"{len(pairs)}; give more"
        )
    human = np.array([score for *_, score in pairs])
    spearman, pearson = correlations(human, found.cosines)
    return STSResult(
        spearman=spearman,
        pearson=pearson,
        n_pairs=len(pairs),
        n_zero=int(found.is_zero.sum()),
        parts=parts or {},
        notes=found.notes,
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))

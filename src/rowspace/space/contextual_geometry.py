"""How much of a word's vectors is the word's own, and how much its sentences', in one layer.

Ethayarajh (2019), https://aclanthology.org/D19-1006, sections 3.3 and 3.4.
Differs from the paper: over all pairs instead of a thousand, as Σᵢⱼ uᵢ·uⱼ is |Σ uᵢ|²; and what is
subtracted from the explainable variance is that of as many random occurrences as the word has, not
of a thousand, since a few vectors always lie nearer to a line than many do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rowspace.errors import ConfigError
from rowspace.space.sample import directions
from rowspace.space.similarity import Doubles, Rows, row_blocks, unit_rows

Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Contextuality:
    """How contextual the vectors of one layer are."""

    baseline: float
    """Mean cosine of different words in different sentences; 0 where no direction is preferred."""
    self_similarity: float
    """Mean cosine of a word with itself in another sentence; 1 is a static vector."""
    intra_sentence: float
    """Mean cosine of words with the mean vector of their sentence."""
    explainable: float
    """Share of a word's vectors that a static one explains, in [0, 1]."""
    explainable_baseline: float
    """The same of random occurrences, as many as each word has."""

    @property
    def adjusted_self_similarity(self) -> float:
        """Less what any two words have; 0 is as if there were no words."""
        return self.self_similarity - self.baseline

    @property
    def adjusted_intra_sentence(self) -> float:
        """Less what any two words have; higher where a sentence makes its words alike."""
        return self.intra_sentence - self.baseline

    @property
    def adjusted_explainable(self) -> float:
        """Less what as many random vectors have; near 0 no static vector will do."""
        return self.explainable - self.explainable_baseline

    def as_dict(self) -> dict[str, float]:
        """The figures by name, the adjusted ones too."""
        return vars(self) | {
            "adjusted_self_similarity": self.adjusted_self_similarity,
            "adjusted_intra_sentence": self.adjusted_intra_sentence,
            "adjusted_explainable": self.adjusted_explainable,
        }


def measure_contextuality(
    vectors: Matrix,
    word_ids: ArrayLike,
    sentence_ids: ArrayLike,
    *,
    word_rows: Rows | None = None,
    sentence_rows: Rows | None = None,
    seed: int = 0,
) -> Contextuality:
    """All the measures of this module.

    Parameters
    ----------
    vectors : (n, dim) float array
        Of occurrences of words, in one layer; none of them zero.
    word_ids, sentence_ids : (n,) int array
        Which word each is, and in which sentence.
    word_rows : (k,) int array, optional
        Occurrences of the words whose self-similarity and explainable variance are measured; all
        by default.
    sentence_rows : (m,) int array, optional
        Those that are whole sentences, of which the rest is measured; all by default.
    seed : int
        Of the random occurrences.

    Raises
    ------
    ConfigError
        If no word or sentence has two vectors, all are of one, or a vector is zero.

    Examples
    --------
    >>> found = measure_contextuality(np.eye(4), [0, 0, 1, 1], [0, 1, 0, 1])
    >>> found.baseline, found.self_similarity, round(found.intra_sentence, 3)
    (0.0, 0.0, 0.707)
    """
    word_ids, sentence_ids = np.asarray(word_ids), np.asarray(sentence_ids)
    words = slice(None) if word_rows is None else word_rows
    sentences = slice(None) if sentence_rows is None else sentence_rows
    of_words, of_sentences = vectors[words], vectors[sentences]
    sizes = np.unique(word_ids[words], return_counts=True)[1]
    return Contextuality(
        baseline=anisotropy(of_sentences, word_ids[sentences], sentence_ids[sentences]),
        self_similarity=self_similarity(of_words, word_ids[words]),
        intra_sentence=intra_sentence_similarity(of_sentences, sentence_ids[sentences]),
        explainable=explainable_variance(of_words, word_ids[words]),
        explainable_baseline=random_explainable_variance(of_sentences, sizes.tolist(), seed),
    )


def self_similarity(vectors: Matrix, word_ids: ArrayLike) -> float:
    """Mean cosine of two occurrences of a word, averaged over words (definition 1).

    Parameters
    ----------
    vectors : (n, dim) float array
    word_ids : (n,) int array
        A word that occurs once is left out.

    Returns
    -------
    float
        In [-1, 1]; 1 where a word's vector is the same in every sentence.
    """
    groups, counts = _numbered(word_ids, vectors)
    several = counts > 1
    _check(several, "word")
    sums, n = _group_sums(vectors, groups, len(counts))[several], counts[several]
    cosines = (np.einsum("gd,gd->g", sums, sums) - n) / (n * (n - 1))
    return float(cosines.mean())


def intra_sentence_similarity(vectors: Matrix, sentence_ids: ArrayLike) -> float:
    """Mean cosine of words with their sentence's mean vector, averaged over sentences (def. 2).

    Parameters
    ----------
    vectors : (n, dim) float array
    sentence_ids : (n,) int array
        A sentence of one word, which is its own mean, is left out.

    Returns
    -------
    float
        In [-1, 1]; 1 where the words of a sentence have one direction.
    """
    groups, counts = _numbered(sentence_ids, vectors)
    several = counts > 1
    _check(several, "sentence")
    units = _group_sums(vectors, groups, len(counts))
    means = np.zeros_like(units)
    np.add.at(means, groups, vectors)
    cosines = np.einsum("gd,gd->g", units, unit_rows(means)) / counts
    return float(cosines[several].mean())


def anisotropy(
    vectors: Matrix, word_ids: ArrayLike, sentence_ids: ArrayLike | None = None
) -> float:
    """Mean cosine of two occurrences of different words in different sentences.

    Parameters
    ----------
    vectors : (n, dim) float array
    word_ids : (n,) int array
    sentence_ids : (n,) int array, optional
        Without, two words of one sentence are a pair too.

    Returns
    -------
    float
        In [-1, 1]; 0 where no direction is preferred.

    Raises
    ------
    ConfigError
        If there is no such pair.
    """
    words, n_words = _numbered(word_ids, vectors)
    total, pairs = _pairs(vectors, np.zeros_like(words))
    alike, n_alike = _pairs(vectors, words)
    total, pairs = total - alike, pairs - n_alike
    if sentence_ids is not None:
        sentences, _ = _numbered(sentence_ids, vectors)
        together, n_together = _pairs(vectors, sentences)
        both, n_both = _pairs(vectors, sentences * len(n_words) + words)  # which were taken twice
        total, pairs = total - together + both, pairs - n_together + n_both
    if pairs == 0:
        raise ConfigError(
            f"{len(vectors):,} vectors are of one word or one sentence; give those of several"
        )
    return total / pairs


def explainable_variance(vectors: Matrix, word_ids: ArrayLike) -> float:
    """Share of a word's vectors that its best static one explains, averaged over words (def. 3).

    σ₁² / Σ σᵢ² with the singular values of the matrix of a word's vectors, which is not centered:
    the static vector is the direction that keeps most of their squared lengths. The figures in the
    paper, under 5%, are of something else: what scikit-learn's TruncatedSVD calls explained
    variance, that of the vectors around their mean, along this direction.

    Parameters
    ----------
    vectors : (n, dim) float array
    word_ids : (n,) int array
        A word that occurs once is left out.

    Returns
    -------
    float
        In [0, 1]; 1 where a word's vectors differ in length alone.
    """
    groups, counts = _numbered(word_ids, vectors)
    _check(counts > 1, "word")
    rows = np.split(np.argsort(groups, kind="stable"), np.cumsum(counts)[:-1])
    return float(np.mean([_first_share(vectors[group]) for group in rows if len(group) > 1]))


def random_explainable_variance(vectors: Matrix, sizes: Sequence[int], seed: int = 0) -> float:
    """`explainable_variance` of words whose occurrences are drawn at random.

    Parameters
    ----------
    vectors : (n, dim) float array
        Of all sorts of words.
    sizes : sequence of int
        Occurrences of each word; one that occurs once is left out.
    seed : int
    """
    rng = np.random.default_rng(seed)
    n = len(vectors)
    drawn = [rng.choice(n, min(size, n), replace=False) for size in sizes if size > 1]
    return float(np.mean([_first_share(vectors[rows]) for rows in drawn]))


def _first_share(vectors: Matrix) -> float:
    """The largest squared singular value over the sum of all."""
    exact = vectors.astype(np.float64)
    gram = exact @ exact.T if len(exact) <= exact.shape[1] else exact.T @ exact
    return float(np.linalg.eigvalsh(gram)[-1] / np.trace(gram))


def _numbered(ids: ArrayLike, vectors: Matrix) -> tuple[Rows, Rows]:
    """The ids as 0, 1, …, and how often each is there."""
    numbers = np.asarray(ids)
    if numbers.shape != (len(vectors),):
        raise ConfigError(f"{numbers.size:,} ids for {len(vectors):,} vectors; give one for each")
    _, groups, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return groups.astype(np.int64), counts.astype(np.int64)


def _check(several: NDArray[np.bool_], what: str) -> None:
    if not several.any():
        raise ConfigError(f"no {what} has two vectors, so there is nothing to compare; give more")


def _group_sums(vectors: Matrix, groups: Rows, n_groups: int) -> Doubles:
    """(n_groups, dim) sums of the vectors' directions."""
    sums = np.zeros((n_groups, vectors.shape[1]))
    for part in row_blocks(vectors):
        np.add.at(sums, groups[part], directions(vectors[part]))
    return sums


def _pairs(vectors: Matrix, ids: Rows) -> tuple[float, int]:
    """Sum of the cosines of all pairs with one id, a vector and itself included; how many."""
    groups, counts = _numbered(ids, vectors)
    sums = _group_sums(vectors, groups, len(counts))
    return float(np.einsum("gd,gd->", sums, sums)), int(counts @ counts)

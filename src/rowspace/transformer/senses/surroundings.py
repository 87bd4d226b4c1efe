"""What tells a sense to a reader: typical sentences, words around it, words near it.

Words around: log-odds with an informative Dirichlet prior (Monroe, Colaresi & Quinn 2008,
https://doi.org/10.1093/pan/mpn018, equations 16, 20 and 22). Typical sentences: maximal marginal relevance
(Carbonell & Goldstein 1998, https://doi.org/10.1145/290941.291025).
"""  # noqa: E501

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.space.similarity import Doubles, Rows, unit_rows
from rowspace.text.tokenizer import words

if TYPE_CHECKING:
    from rowspace.transformer.contextual import ContextualEncoder

N_TYPICAL = 5
N_WORDS = 10
Scored = list[tuple[str, float]]
"""Words and a number for each, the largest first."""

_CANDIDATES = 4  # rows for each one that is chosen
_PRIOR = 0.1  # weight of the prior: all counts, so many times
_LEAST_Z = 1.96  # of a normal distribution 2.5 % are above it
_LEAST_COUNT = 3  # a mean of fewer vectors is that of their sentence
_LEAST_SENTENCES = 2
_MOST_SENTENCES = 300  # whose every word is read
_ENDING = 3  # letters of the longest inflection, as -ing
_COMMON = 0.2  # a word of more sentences says nothing of any


def typical(units: Doubles, center: Doubles, n: int = N_TYPICAL, variety: float = 0.3) -> Rows:
    """Of the rows nearest to a center, some that differ from each other, best first.

    Parameters
    ----------
    units : (n_rows, dim) float64
        Of length 1.
    center : (dim,) float64
        Of length 1.
    n : int
    variety : float
        Weight of being unlike the rows already chosen, in [0, 1].
    """
    nearness = units @ center
    candidates = np.argsort(-nearness, kind="stable")[: _CANDIDATES * n]
    units, nearness = units[candidates], nearness[candidates]
    likeness = np.zeros(len(units))
    chosen: list[int] = []
    for _ in range(min(n, len(units))):
        score = (1 - variety) * nearness - variety * likeness
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
        likeness = np.maximum(likeness, units @ units[chosen[-1]])
    return candidates[chosen]


def words_around(
    sentences: Sequence[str], groups: Rows, n_groups: int, word: str, n: int = N_WORDS
) -> list[Scored]:
    """The words that stand in the sentences of a group more than in those of the others.

    Parameters
    ----------
    sentences : sequence of str
    groups : (n_sentences,) int array
    n_groups : int
    word : str
        It and its inflections are left out.
    n : int

    Returns
    -------
    list of list of (str, float)
        Words of each group with the z-score of their log-odds, 1.96 or more.
    """
    counts: list[Counter[str]] = [Counter() for _ in range(n_groups)]
    for sentence, group in zip(sentences, groups.tolist(), strict=True):
        counts[group].update(set(words(sentence)))
    total: Counter[str] = sum(counts, Counter())
    vocabulary = [
        key
        for key, count in total.items()
        if _says_something(count, len(sentences)) and len(key) > 1 and not is_inflection(key, word)
    ]
    if not vocabulary:
        return [[] for _ in counts]
    table = np.array([[of_group[key] for key in vocabulary] for of_group in counts], dtype=float)
    scores = log_odds(table)
    return [
        [
            (vocabulary[row], float(of_group[row]))
            for row in np.argsort(-of_group, kind="stable")[:n]
            if of_group[row] >= _LEAST_Z
        ]
        for of_group in scores
    ]


def log_odds(counts: Doubles) -> Doubles:
    """z-scores of each word's log-odds in a group against all other groups.

    Parameters
    ----------
    counts : (n_groups, n_words) float64
        Each word occurs.

    Returns
    -------
    (n_groups, n_words) float64
        0 where there is one group.
    """
    if len(counts) < 2:
        return np.zeros(counts.shape)
    overall = counts.sum(axis=0)
    prior = _PRIOR * overall
    own, others = counts + prior, overall - counts + prior
    own_rest = own.sum(axis=1, keepdims=True) - own
    other_rest = others.sum(axis=1, keepdims=True) - others
    tiny = 1e-12  # where there is but one word
    difference = np.log(own / (own_rest + tiny)) - np.log(others / (other_rest + tiny))
    return np.asarray(difference / np.sqrt(1 / own + 1 / others))


def words_near(
    encoder: ContextualEncoder,
    sentences: Sequence[str],
    units: Doubles,
    groups: Rows,
    n_groups: int,
    word: str,
    layers: Sequence[int],
    n: int = N_WORDS,
) -> list[Scored]:
    """The words of a group's sentences whose mean vectors there are nearest to its center.

    All vectors are first moved by the mean of all words read, since contextual vectors share a
    large part (Ethayarajh 2019). A word that is nearer to another group's center is left out.

    Parameters
    ----------
    encoder : ContextualEncoder
    sentences : sequence of str
    units : (n, dim) float64
        Vectors of the word, of length 1.
    groups : (n,) int array
        Of each sentence.
    n_groups : int
    word : str
        It and its inflections are left out.
    layers : sequence of int
    n : int

    Returns
    -------
    list of list of (str, float)
        Words of each group with their cosine.
    """
    chosen = _some_of_each(groups, n_groups)
    texts = [sentences[row] for row in chosen]
    read = encoder.contextual(texts, layers=layers, mix="mean", on_truncate="chunk")
    vectors = unit_rows(read.vectors)
    mean = vectors.mean(axis=0)
    keys = [
        texts[text][start:end].lower()
        for text, (start, end) in zip(read.text_ids.tolist(), read.spans.tolist(), strict=True)
    ]
    of_word = groups[chosen][read.text_ids]
    common = _common(keys, read.text_ids, len(texts))
    centers = np.zeros((n_groups, units.shape[1]))  # zero where a sense never occurs
    for group in np.unique(groups):
        centers[group] = units[groups == group].mean(axis=0) - mean
    centers = unit_rows(centers)
    found: list[Scored] = []
    for group in range(n_groups):
        rows = [
            row
            for row in np.flatnonzero(of_word == group).tolist()
            if keys[row] not in common and not is_inflection(keys[row], word)
        ]
        names, vectors_of = _mean_vectors(
            [keys[row] for row in rows], read.text_ids[rows], vectors[rows] - mean
        )
        cosines = vectors_of @ centers.T  # (n_names, n_groups)
        best = np.argsort(-cosines[:, group], kind="stable")
        own = [row for row in best if cosines[row].argmax() == group][:n]
        found.append([(names[row], float(cosines[row, group])) for row in own])
    return found


def _some_of_each(groups: Rows, n_groups: int) -> Rows:
    """Rows spread over each group, as many of each as there is room for."""
    most = max(1, _MOST_SENTENCES // n_groups)
    chosen = []
    for group in range(n_groups):
        rows = np.flatnonzero(groups == group)
        steps = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)
        chosen.append(rows[steps])
    return np.concatenate(chosen)


def _common(keys: Sequence[str], text_ids: NDArray[np.int64], n_texts: int) -> set[str]:
    """Words of many of the sentences."""
    pairs = set(zip(keys, text_ids.tolist(), strict=True))
    counts = Counter(key for key, _ in pairs)
    return {key for key, count in counts.items() if not _says_something(count, n_texts)}


def _says_something(count: int, n_sentences: int) -> bool:
    """Whether a word is not in so many sentences that it is in those of any group."""
    return count <= max(_LEAST_COUNT, _COMMON * n_sentences)


def _mean_vectors(
    keys: Sequence[str], text_ids: NDArray[np.int64], vectors: Doubles
) -> tuple[list[str], Doubles]:
    """Words met often enough, in more than one sentence, and the direction of each one's mean."""
    counts = Counter(keys)
    n_sentences = Counter(key for key, _ in set(zip(keys, text_ids.tolist(), strict=True)))
    names = [
        key
        for key, count in counts.items()
        if count >= _LEAST_COUNT and n_sentences[key] >= _LEAST_SENTENCES and _is_wordlike(key)
    ]
    place = {key: row for row, key in enumerate(names)}
    sums = np.zeros((len(names), vectors.shape[1]))
    for key, vector in zip(keys, vectors, strict=True):
        if key in place:
            sums[place[key]] += vector
    return names, unit_rows(sums)


def _is_wordlike(key: str) -> bool:
    return len(key) > 1 and not any(character.isdigit() for character in key)


def is_inflection(other: str, word: str) -> bool:
    """Whether a word is another form of `word`, or of a part of it, as its spelling tells.

    Examples
    --------
    >>> [is_inflection(other, "crane") for other in ("crane", "cranes", "craning", "crab")]
    [True, True, True, False]
    """
    return any(_same_stem(other.lower(), part) for part in words(word))


def _same_stem(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < 3:
        return False
    stem = short[:-1] if len(short) > 3 and short[-1] in "ey" else short
    return long.startswith(stem) and len(long) - len(stem) <= _ENDING

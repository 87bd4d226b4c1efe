"""What sets the texts of a group apart: class-based TF-IDF.

Grootendorst (2022), https://arxiv.org/abs/2203.05794, equation 2: W(t, c) = tf(t, c) ·
log(1 + A / tf(t)), where tf(t, c) counts a word in the texts of a group, tf(t) in all, and A is the
mean number of words of a group. Here tf(t, c) is a share of the group's words, so that groups of
different size can be compared; the order in a group is the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rowspace.space.similarity import Doubles

_WORD = r"[^\W\d_][\w'’-]*[^\W_]"
_ENDING = re.compile(r"(?:ies|y|es|e|['’]?s)$")
MAX_SHARE = 0.5
"""A word that is in more of the texts than this says nothing of a group, where texts are many."""
MANY = 50


def class_tf_idf(counts: NDArray[np.int64]) -> Doubles:
    """(n_groups, n_words) weights of words that are counted by group, (n_groups, n_words)."""
    sizes = counts.sum(axis=1)
    totals = counts.sum(axis=0)
    share = counts / np.maximum(sizes, 1)[:, None]
    weights: Doubles = share * np.log1p(sizes.mean() / np.maximum(totals, 1))[None]
    return weights


def telling_words(
    texts: Sequence[str], groups: NDArray[np.int64], n_groups: int, n: int = 3
) -> list[list[str]]:
    """The n words that tell most of each group.

    Parameters
    ----------
    texts : sequence of str
    groups : (n_texts,) int array
    n_groups, n : int

    Returns
    -------
    list of list of str
        Fewer where a group has fewer words; of a singular and its plural only one.
    """
    counted = _count(texts, groups, n_groups)
    if counted is None:
        return [[] for _ in range(n_groups)]
    counts, words = counted
    weights = class_tf_idf(counts)
    best = np.argsort(-weights, axis=1, kind="stable")[:, : 8 * n]
    return [
        _different([words[word] for word in row if weights[group, word] > 0], n)
        for group, row in enumerate(best)
    ]


def _count(
    texts: Sequence[str], groups: NDArray[np.int64], n_groups: int
) -> tuple[NDArray[np.int64], list[str]] | None:
    """Words by group, and the words; None where there are none."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    many = len(texts) >= MANY
    vectorizer = CountVectorizer(
        token_pattern=_WORD,
        stop_words="english",
        max_df=MAX_SHARE if many else 1.0,
        min_df=2 if many else 1,
    )
    try:
        by_text = vectorizer.fit_transform(texts)
    except ValueError:  # no words are left
        return None
    ones = np.ones(len(texts), np.int64)
    member = csr_matrix((ones, (groups, np.arange(len(texts)))), shape=(n_groups, len(texts)))
    counts: NDArray[np.int64] = (member @ by_text).toarray()
    return counts, vectorizer.get_feature_names_out().tolist()


def _different(words: list[str], n: int) -> list[str]:
    """The first n words of which no two are one word's singular and plural."""
    chosen: dict[str, str] = {}
    for word in words:
        chosen.setdefault(_ENDING.sub("", word) if len(word) > 3 else word, word)
    return list(chosen.values())[:n]

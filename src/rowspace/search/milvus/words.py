"""BM25 as an inner product of sparse vectors, which every Milvus computes exactly.

The score of a passage is the sum over the query's words of idf · tf / (tf + k1 (1 - b + b l/avg)):
a passage's vector holds that part for each of its words, and a query's how often each stands in it
(Lucene's variant, as in `lexical`). Milvus's own BM25 function takes the statistics of each
segment by itself, and stems and stops otherwise.

A word's dimension is 32 bits of its SHA-256, as there is no vocabulary to keep: among 300,000
words a query's word shares its dimension with another at a chance of 7 in 100,000.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections import Counter

from rowspace.search.lexical import K1, B, indexed_words
from rowspace.search.words import WordFinder

SparseVector = dict[int, float]

NO_WORD = 0
"""The dimension of passages without words, as a vector of Milvus may not be empty."""
_N_DIMENSIONS = (1 << 32) - 2


class Statistics:
    """What BM25 needs to know of all passages; shown each of them first, then asked for vectors.

    Parameters
    ----------
    language : str or None
        What words are stemmed and stopped by.
    """

    def __init__(self, language: str | None) -> None:
        self._finder = WordFinder(language)
        self._language = language
        self._n_with = Counter[str]()
        self._n_times = Counter[str]()
        self._spelled: dict[str, str] = {}
        self._n_texts = 0

    def add(self, text: str) -> None:
        """Take note of a passage's words."""
        counts = Counter[str]()
        for word, (start, end) in self._finder.words(text):
            counts[word] += 1
            if self._language not in (None, "english"):
                self._spelled[text[start:end]] = word
        self._n_with.update(counts.keys())
        self._n_times.update(counts)
        self._n_texts += bool(counts)

    def vector(self, text: str) -> SparseVector:
        """What a passage is found by."""
        counts = Counter(word for word, _ in self._finder.words(text))
        for word in self._stopped & counts.keys():
            del counts[word]
        if not counts:
            return {NO_WORD: 1.0}
        length = K1 * (1 - B + B * counts.total() / self._mean_length)
        vector: SparseVector = {}
        for word, n in counts.items():
            dimension = dimension_of(word)
            vector[dimension] = vector.get(dimension, 0.0) + self._idf(word) * n / (n + length)
        return vector

    def _idf(self, word: str) -> float:
        n = self._n_with[word]
        return math.log1p((self._n_texts - n + 0.5) / (n + 0.5))

    @functools.cached_property
    def _stopped(self) -> set[str]:
        """Words that the space's own index leaves out, of which only Lance knows."""
        kept = indexed_words(list(self._spelled), self._language)
        return {word for spelled, word in self._spelled.items() if spelled not in kept}

    @functools.cached_property
    def _mean_length(self) -> float:
        n_words = self._n_times.total() - sum(self._n_times[word] for word in self._stopped)
        return n_words / max(1, self._n_texts)


def query_vector(query: str, finder: WordFinder) -> SparseVector:
    """What a query looks for: how often each of its words stands in it."""
    vector: SparseVector = {}
    for word, _ in finder.words(query):
        dimension = dimension_of(word)
        vector[dimension] = vector.get(dimension, 0.0) + 1.0
    return vector


@functools.lru_cache(maxsize=1 << 18)
def dimension_of(word: str) -> int:
    """The number of a word, above 0."""
    digest = hashlib.sha256(word.encode("utf-8", "replace")).digest()
    return 1 + int.from_bytes(digest[:8], "little") % (_N_DIMENSIONS - 1)

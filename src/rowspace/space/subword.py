"""Vectors made of subwords: a word is the mean of its own row and its character n-grams' rows.

Bojanowski et al. (2017), https://aclanthology.org/Q17-1010. So a word that was never seen has a
vector too. The rows may be memory-mapped: a word's vector reads only its own, and the matrix of
all words is computed when something first asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, VocabularyError
from rowspace.space.similarity import Floats, unit_rows
from rowspace.space.subword_kernels import mean_rows
from rowspace.space.vectors import Neighbors, Vectors
from rowspace.text.ngrams import check_ngrams, encode_word, ngrams, subword_buckets


class SubwordVectors(Vectors):
    """Words and n-gram rows, as fastText trains them.

    Parameters
    ----------
    keys : sequence of str
        All different, the most frequent first.
    rows : (n_words + n_ngram_rows, dim) float32
        Those of the words, then those of n-grams. May be memory-mapped.
    minn, maxn : int
        Shortest and longest n-gram, in characters; maxn 0 for none.
    bucket : int
        N-grams that share a hash modulo this share a row.
    bucket_rows : (bucket,) int32, optional
        Which n-gram row a bucket has; -1 where it has none, which counts as zeros. None where
        `rows` has all of them in order.
    is_pruned : bool
        N-grams without a row do not count at all, as in a fastText model whose n-grams were pruned.
    counts : (n_words,) int array, optional
    metadata : mapping, optional
    output : (n, dim) float32, optional
        The output matrix of the training, which a `.bin` file holds too.

    Raises
    ------
    VocabularyError, ConfigError
        As Vectors, or where the n-grams' rows do not fit the buckets.

    Examples
    --------
    >>> rows = np.eye(4, dtype=np.float32)
    >>> vectors = SubwordVectors(["on", "in"], rows, minn=3, maxn=3, bucket=2)
    >>> "up" in vectors, vectors["up"].shape  # an unknown word, from <up and up>
    (False, (4,))
    """

    def __init__(
        self,
        keys: Sequence[str],
        rows: Floats,
        *,
        minn: int,
        maxn: int,
        bucket: int,
        bucket_rows: NDArray[np.int32] | None = None,
        is_pruned: bool = False,
        counts: NDArray[np.int64] | None = None,
        metadata: Mapping[str, Any] | None = None,
        output: Floats | None = None,
    ) -> None:
        check_ngrams(minn, maxn, bucket)
        self.rows = rows
        self.minn, self.maxn, self.bucket = minn, maxn, bucket
        self.bucket_rows = bucket_rows
        self.is_pruned = is_pruned
        self.output = output
        self._keys = list(keys)
        self._key_to_index = dict(zip(self._keys, range(len(self._keys)), strict=True))
        self._counts = None if counts is None else np.asarray(counts, dtype=np.int64)
        self.metadata = dict(metadata or {})
        self._norms = None
        self._check_rows()
        if not isinstance(rows, np.memmap) and not np.isfinite(rows).all():
            raise ConfigError("the rows hold NaN or infinity; train with a lower learning rate")

    def _check_rows(self) -> None:
        if not self._keys:
            raise VocabularyError("there are no keys, so nothing can be found; give at least one")
        if len(self._key_to_index) != len(self._keys):
            twice = next(k for row, k in enumerate(self._keys) if self._key_to_index[k] != row)
            raise ConfigError(f"key {twice!r} occurs more than once; keep one row of each key")
        n_ngrams = 0
        if self.maxn > 0:
            n_ngrams = self.bucket
            if self.bucket_rows is not None:
                n_ngrams = int(self.bucket_rows.max(initial=-1)) + 1
        if len(self.rows) < len(self._keys) + n_ngrams:
            raise ConfigError(
                f"{len(self.rows):,} rows for {len(self._keys):,} words and {n_ngrams:,} n-grams; "
                "give a row for each"
            )

    def __getattr__(self, name: str) -> Any:
        if name != "_matrix":  # the only one that is made when it is first asked for
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._matrix = self._all_words()
        return self._matrix

    def _all_words(self) -> Floats:
        matrix = np.empty((len(self), self.dim), dtype=np.float32)
        step = 1 << 16
        for first in range(0, len(self), step):
            words = self._keys[first : first + step]
            mean_rows(self.rows, *self._subwords(words), matrix[first : first + step])
        matrix.flags.writeable = False
        return matrix

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.rows.shape[1])

    def __repr__(self) -> str:
        ngrams = f"n-grams of {self.minn} to {self.maxn}"
        return f"SubwordVectors({len(self):,} keys, dim {self.dim}, {ngrams})"

    def _subwords(self, words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ends and rows of each word: its own first if it is known; -1 for a row of zeros."""
        ends, buckets = subword_buckets(words, self.minn, self.maxn, self.bucket)
        places = buckets.astype(np.int64)
        if self.bucket_rows is not None:
            places = self.bucket_rows[buckets].astype(np.int64)
        if self.is_pruned:
            ends = np.concatenate([[0], np.cumsum(places >= 0)])[ends]
            places = places[places >= 0]
        places[places >= 0] += len(self)
        own = np.array([self._key_to_index.get(word, -1) for word in words], dtype=np.int64)
        known = np.flatnonzero(own >= 0)
        rows = np.insert(places, ends[known], own[known])
        return ends + np.concatenate([[0], np.cumsum(own >= 0)]), rows

    def get_vector(self, key: str, norm: bool = False) -> Floats:
        """The vector of any word that has n-grams, (dim,) float32; scaled to length 1 with `norm`.

        Raises
        ------
        VocabularyError
            If the word is unknown and too short for an n-gram.
        """
        vector: Floats = self.get_vectors([key])[0]
        if norm:
            vector = unit_rows(vector[None])[0].astype(np.float32)
        vector.flags.writeable = False
        return vector

    def get_vectors(self, keys: Sequence[str]) -> Floats:
        """The vectors of several words, known or not: (n_keys, dim) float32.

        Raises
        ------
        VocabularyError
            As `get_vector`.
        """
        if wrong_kinds := {type(key) for key in keys} - {str}:
            raise ConfigError(f"a key is a {wrong_kinds.pop().__name__}; give strings")
        ends, rows = self._subwords(keys)
        empty = np.flatnonzero(np.diff(ends) == 0)
        if len(empty):
            raise VocabularyError(
                f"no vector for {keys[empty[0]]!r}: it is not one of {len(self):,} words, and has "
                f"no n-grams of {self.minn} to {self.maxn} characters; give a longer word"
            )
        vectors = np.empty((len(keys), self.dim), dtype=np.float32)
        mean_rows(self.rows, ends, rows, vectors)
        if not np.isfinite(vectors).all():
            wrong = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise ConfigError(f"the rows of {keys[wrong]!r} hold NaN or infinity; train again")
        return vectors

    def __getitem__(self, key_or_keys: str | Sequence[str]) -> Floats:
        """The vector of a word, (dim,), or of several, (n_keys, dim); unknown ones too."""
        if isinstance(key_or_keys, str):
            return self.get_vector(key_or_keys)
        return self.get_vectors(list(key_or_keys))

    def get_subwords(self, word: str) -> tuple[list[str], NDArray[np.int64]]:
        """A word's subwords and their rows, its own first if it is known, as fastText tells them.

        Row -1: this model has none for that n-gram, which counts as zeros.
        """
        names = [gram.decode("utf-8", "surrogateescape") for gram in self._ngrams(word)]
        if self.is_pruned and self.bucket_rows is not None:
            _, buckets = subword_buckets([word], self.minn, self.maxn, self.bucket)
            has_row = (self.bucket_rows[buckets] >= 0).tolist()
            names = [name for name, has in zip(names, has_row, strict=True) if has]
        _, rows = self._subwords([word])
        return [word, *names] if word in self else names, rows

    def _ngrams(self, word: str) -> list[bytes]:
        return ngrams(encode_word(word), self.minn, self.maxn) if self.maxn > 0 else []

    def most_similar(
        self,
        positive: Any = None,
        negative: Any = None,
        topn: int = 10,
        restrict_vocab: int | None = None,
        metric: str = "cosine",
    ) -> Neighbors:
        """As `Vectors.most_similar`; unknown words may be asked for."""
        asked = [self._known_or_vector(side, metric) for side in (positive, negative)]
        return super().most_similar(asked[0], asked[1], topn, restrict_vocab, metric)

    def _known_or_vector(self, query: Any, metric: str) -> Any:
        """The query with the vector of each unknown word in place of the word."""

        def replace(item: Any) -> Any:
            if isinstance(item, tuple) and len(item) == 2:
                return replace(item[0]), item[1]
            if isinstance(item, str) and item not in self:
                return self.get_vector(item, norm=metric == "cosine")
            return item

        if query is None or isinstance(query, np.ndarray):
            return query
        return [replace(query)] if isinstance(query, str | tuple) else [replace(i) for i in query]

    def most_similar_batch(
        self,
        queries: Any,
        topn: int = 10,
        restrict_vocab: int | None = None,
        metric: str = "cosine",
    ) -> list[Neighbors]:
        """As `Vectors.most_similar_batch`; unknown words may be asked for."""
        if isinstance(queries, str | np.ndarray) or all(query in self for query in queries):
            return super().most_similar_batch(queries, topn, restrict_vocab, metric)
        rows = np.array([[self._key_to_index.get(query, -1)] for query in queries], dtype=np.int64)
        return self._nearest(self.get_vectors(queries), topn, metric, restrict_vocab, rows)

    def _known(self, keys: Iterable[str]) -> list[str]:
        return list(keys) if not isinstance(keys, str) else super()._known(keys)

"""Word vectors as what cuts texts: a word picks its row, or none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, VocabularyError
from rowspace.explore.token_reading import Reading, RowView, Token
from rowspace.space.subword import SubwordVectors
from rowspace.space.vectors import Vectors
from rowspace.text.tokenizer import words

MOST_NUMBERS = 1 << 28
"""Numbers that are compared with a word's, from the first words on: what a request may cost."""


class WordTokens:
    """A `TokenModel` of word vectors.

    Parameters
    ----------
    vectors : Vectors
    """

    kind = "words"
    prompts: Mapping[str, str] = {}

    def __init__(self, vectors: Vectors) -> None:
        self.word_vectors = vectors

    @property
    def n_rows(self) -> int:
        """Words."""
        return len(self.word_vectors)

    @property
    def dim(self) -> int:
        """Numbers of a row."""
        return self.word_vectors.dim

    def read(self, text: str, prompt: str = "") -> Reading:
        """The words of a text, as training and search read them."""
        found = words(text)
        tokens = [self._token(word, number) for number, word in enumerate(found)]
        return Reading(tokens, len(found))

    def _token(self, word: str, number: int) -> Token:
        row = self.word_vectors.key_to_index.get(word)
        ngrams = self._ngrams(word)
        return Token(
            text=word,
            row=row,
            key=word,
            word=number,
            is_read=row is not None or bool(ngrams),
            count=self._count(row),
            n_ngrams=None if ngrams is None else len(ngrams),
        )

    def vectors(self, tokens: list[Token]) -> NDArray[np.float32]:
        """As `TokenModel.vectors`; of an unknown word, what its n-grams make."""
        found = np.zeros((len(tokens), self.dim), dtype=np.float32)
        for place, token in enumerate(tokens):
            if token.is_read:
                found[place] = self.word_vectors.get_vector(token.key)
        return found

    def row(self, row: int, k: int) -> RowView:
        """As `TokenModel.row`."""
        if not 0 <= row < self.n_rows:
            raise ConfigError(f"row is {row:,}; give one of 0 to {self.n_rows - 1:,}")
        return self.word(self.word_vectors.index_to_key[row], k)

    def word(self, word: str, k: int) -> RowView:
        """As `TokenModel.word`.

        Raises
        ------
        VocabularyError
            If the word has no row, nor n-grams that could stand for it.
        """
        row, ngrams = self.word_vectors.key_to_index.get(word), self._ngrams(word)
        if row is None and not ngrams:
            raise VocabularyError(
                f"{word!r} is not in the vocabulary of {self.n_rows:,} words, so it picks no row; "
                "give another word"
            )
        n_compared = min(self.n_rows, max(1, MOST_NUMBERS // self.dim))
        near = self.word_vectors.most_similar(
            word, topn=min(k, n_compared), restrict_vocab=n_compared
        )
        index = self.word_vectors.key_to_index
        return RowView(
            row,
            word,
            word,
            np.asarray(self.word_vectors.get_vector(word), dtype=np.float32),
            [(index[key], key, float(cosine)) for key, cosine in near],
            n_compared,
            self._count(row),
            ngrams or [],
        )

    def _ngrams(self, word: str) -> list[tuple[str, int]] | None:
        """N-grams with their rows in the table, the word itself left out; None without subwords."""
        if not isinstance(self.word_vectors, SubwordVectors):
            return None
        names, rows = self.word_vectors.get_subwords(word)
        first = int(word in self.word_vectors)
        return list(zip(names[first:], rows.tolist()[first:], strict=True))

    def _count(self, row: int | None) -> int | None:
        counts = self.word_vectors.counts
        return None if row is None or counts is None else int(counts[row])

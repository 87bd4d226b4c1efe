"""Text vectors from subword vectors: the averages of `sif` and `mean`, unknown words included.

A word that was never seen gets the vector of its n-grams (Bojanowski et al. 2017,
https://aclanthology.org/Q17-1010). Its weight in SIF is that of a word of frequency 0, which is 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import VocabularyError
from rowspace.space.similarity import unit_rows
from rowspace.space.subword import SubwordVectors
from rowspace.static.sif import word_shares
from rowspace.text.tokenizer import words

Average = Literal["sif", "mean"]


class ComposedEncoder:
    """Encodes texts by the words in them, known or not; satisfies the `Encoder` protocol.

    No common component is removed. Only the rows of the words that are read are touched, so that
    vectors may be mapped from a large file.

    Parameters
    ----------
    vectors : SubwordVectors
    average : {"sif", "mean"}
        Weighted, of unit vectors, and of unit length; or plain.
    smoothing : float
        a in SIF's weight a / (a + p(word)).
    """

    def __init__(
        self, vectors: SubwordVectors, average: Average = "sif", *, smoothing: float = 1e-3
    ) -> None:
        self.vectors, self.average, self.smoothing = vectors, average, smoothing
        self._shares = word_shares(vectors) if average == "sif" else None

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.vectors.dim

    @property
    def fingerprint(self) -> str:
        """Hex digest of the rows, the words and the average."""
        made = f"composed 1 {self.average} {self.smoothing!r} {self.vectors!r}"
        digest = hashlib.sha256(made.encode())
        digest.update("\0".join(self.vectors.index_to_key).encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(self.vectors.rows).data)
        return digest.hexdigest()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The averages.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        (n_texts, dim) float32 array
            A zero row where no word of a text has a vector.
        """
        cut = [words(text) for text in texts]
        table = self.table_of({word: None for text in cut for word in text})
        encoded = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(encoded, cut, strict=True):
            found = [table[word] for word in text if word in table]
            if found:
                row[:] = np.mean(found, axis=0)
        return encoded if self._shares is None else unit_rows(encoded).astype(np.float32)

    def table_of(self, wanted: Sequence[str] | dict[str, None]) -> dict[str, NDArray[np.float32]]:
        """The weighted vector of each word that has one."""
        has_one = [word for word in wanted if has_vector(self.vectors, word)]
        rows = self.vectors.get_vectors(has_one) if has_one else np.zeros((0, self.dim), np.float32)
        if self._shares is not None:
            index = self.vectors.key_to_index
            known = [index.get(word, -1) for word in has_one]
            shares = np.array([self._shares[row] if row >= 0 else 0.0 for row in known])
            weights = (self.smoothing / (self.smoothing + shares)).astype(np.float32)
            rows = unit_rows(rows).astype(np.float32) * weights[:, None]
        return dict(zip(has_one, rows, strict=True))


def has_vector(vectors: SubwordVectors, word: str) -> bool:
    """Whether a word is known, or long enough for an n-gram."""
    if word in vectors:
        return True
    try:
        vectors.get_vector(word)
    except VocabularyError:
        return False
    return True

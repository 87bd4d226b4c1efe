"""Text vectors as the plain mean of their words' vectors: the baseline that others must beat.

No weights, no scaling, no component removed; see `sif` for the average that has all three.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rowspace.space.vectors import Vectors
from rowspace.text.tokenizer import words


class MeanEncoder:
    """Encodes texts by the words in them; satisfies the `Encoder` protocol.

    Parameters
    ----------
    vectors : Vectors
        A word that has none is passed over.
    """

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.vectors.dim

    @property
    def fingerprint(self) -> str:
        """Hex digest of the word vectors."""
        digest = hashlib.sha256(b"mean 1")
        digest.update("\0".join(self.vectors.index_to_key).encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(self.vectors.matrix).data)
        return digest.hexdigest()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Means of the word vectors, of any length.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        (n_texts, dim) float32 array
            A zero row where no word of a text has a vector.
        """
        index = self.vectors.key_to_index
        means = np.zeros((len(texts), self.dim), dtype=np.float32)
        for i, text in enumerate(texts):
            rows = [row for word in words(text) if (row := index.get(word)) is not None]
            if rows:
                means[i] = self.vectors.matrix[rows].mean(axis=0)
        return means

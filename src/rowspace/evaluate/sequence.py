"""What the quality of its embeddings does to a sequence model: what gives the words their vectors.

`sequence_tokens` makes readers of every kind of model, `sequence_curves` trains on what they read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TokenVectors(Protocol):
    """Texts as sequences of vectors, one a word."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def is_contextual(self) -> bool:
        """Whether a word's vector depends on the words around it; a table's does not."""

    @property
    def looks_ahead(self) -> bool:
        """Whether a word's vector knows the words after it, which a next-word model must not."""

    def read(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """One (n_words, dim) array a text of words; a zero row where a word has no vector."""

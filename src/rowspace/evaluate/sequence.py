"""What the quality of its embeddings does to a sequence model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TokenVectors(Protocol):
    """Texts as sequences of vectors, one a token."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def looks_ahead(self) -> bool:
        """Whether a token's vector knows the tokens after it, which a next-word model must not."""

    def read(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """One (n_words, dim) array a text of words; a zero row where a word has no vector."""

"""What turns texts into vectors, whatever trained it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """A text encoder. Search and evaluation know nothing else about a model."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of what determines the vectors; equal fingerprints mean one space."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of `texts`: (n_texts, dim) float32, a zero row where a text has no known word."""

"""What turns texts into vectors, whatever trained it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

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


def encode_queries(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of queries: (n_texts, dim) float32; by `encode_query` where the encoder has it."""
    encode = getattr(encoder, "encode_query", encoder.encode)
    vectors: NDArray[np.float32] = encode(texts)
    return vectors


def encode_documents(
    encoder: Encoder, texts: Sequence[str], **settings: Any
) -> tuple[NDArray[np.float32], int]:
    """Vectors of documents, and how many of the texts were not read to their end.

    Parameters
    ----------
    encoder : Encoder
    texts : sequence of str
    **settings
        Of its `encode_document`, or of its `encode` where it has none.

    Returns
    -------
    ((n_texts, dim) float32 array, int)
        A caller with many lists tells the sum, so that no list is warned of.
    """
    encode = getattr(encoder, "encode_document", encoder.encode)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the rest was not read")
        vectors: NDArray[np.float32] = encode(texts, **settings)
    return vectors, getattr(encoder, "n_truncated", 0)

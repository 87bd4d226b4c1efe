"""An encoder whose texts the batcher computes, for the threads that search and add documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rowspace.serve.embedder import DOCUMENT, QUERY, Embedder, Vectors

if TYPE_CHECKING:
    from rowspace.serve.batching import Batcher


class QueuedEncoder:
    """An encoder whose texts are computed by a batcher; `Batcher.queued` makes one.

    Its methods block the thread that calls them.
    """

    def __init__(self, batcher: Batcher, embedder: Embedder) -> None:
        self._batcher, self._embedder = batcher, embedder
        self.n_truncated = 0
        """Texts of the last call that were not read to their end."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._embedder.encoder.dim

    @property
    def fingerprint(self) -> str:
        """The encoder's."""
        return self._embedder.encoder.fingerprint

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As the encoder's own."""
        return self._vectors(texts, None)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """As `encode`, with the prompt of queries."""
        return self._vectors(texts, QUERY)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """As `encode`, with the prompt of documents."""
        return self._vectors(texts, DOCUMENT)

    def n_query_tokens(self, texts: Sequence[str]) -> int:
        """Tokens that are read of queries, prompts and special ones included."""
        work = self._embedder.read(texts, input_type=QUERY, on_truncate="cut", dim=None)
        return int(work.n_tokens.sum())

    def _vectors(self, texts: Sequence[str], input_type: str | None) -> Vectors:
        if not len(texts):
            return np.zeros((0, self.dim), dtype=np.float32)
        found = self._batcher.embed_here(self._embedder, list(texts), input_type)
        self.n_truncated = found.n_truncated
        return found.vectors

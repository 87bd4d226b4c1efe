"""Queries to measure an index with, where nobody has given any: sentences of the passages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.search.store import RowIds, Store
from rowspace.space.encoder import Encoder, encode_queries
from rowspace.text.passages import split_sentences

N_QUERIES = 500
MIN_WORDS = 5


@dataclass(frozen=True)
class HeldAside:
    """Queries, each out of a passage that does not count as an answer to it."""

    vectors: NDArray[np.float32]
    """(n, dim)"""
    passages: RowIds
    """(n,)"""

    def __getitem__(self, which: slice) -> HeldAside:
        return HeldAside(self.vectors[which], self.passages[which])


def held_aside_queries(store: Store, encoder: Encoder, n: int = N_QUERIES) -> HeldAside:
    """The sentences in the middle of n passages, evenly spread.

    They are encoded as queries are, so that they lie as far from the passages as queries do.
    """
    row_ids = store.all_row_ids()
    if not len(row_ids):
        return HeldAside(np.zeros((0, encoder.dim), np.float32), row_ids)
    chosen = row_ids[np.unique(np.linspace(0, len(row_ids) - 1, n).astype(np.int64))]
    texts = [middle_sentence(row.text) or row.text for row in store.fetch(chosen)]
    vectors = encode_queries(encoder, texts)
    kept = np.abs(vectors).max(axis=1, initial=0.0) > 0
    return HeldAside(vectors[kept], chosen[kept])


def middle_sentence(text: str) -> str | None:
    """The sentence in the middle of those of five words and more; None if there is none."""
    sentences = [s for s in split_sentences(text) if len(s.split()) >= MIN_WORDS]
    return sentences[len(sentences) // 2] if sentences else None

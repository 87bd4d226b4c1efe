"""Queries to measure an index with, where nobody has given any: sentences of the passages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rowspace.search.store import Store
from rowspace.space.encoder import Encoder, encode_queries
from rowspace.text.passages import split_sentences

N_QUERIES = 500
MIN_WORDS = 5


def held_aside_queries(store: Store, encoder: Encoder, n: int = N_QUERIES) -> NDArray[np.float32]:
    """(n_queries, dim) vectors of queries out of n passages, evenly spread.

    They are encoded as queries are, so that they lie as far from the passages as queries do.
    """
    row_ids = store.all_row_ids()
    if not len(row_ids):
        return np.zeros((0, encoder.dim), np.float32)
    chosen = row_ids[np.unique(np.linspace(0, len(row_ids) - 1, n).astype(np.int64))]
    texts = [query_from(row.text) for row in store.fetch(chosen)]
    vectors = encode_queries(encoder, texts)
    kept: NDArray[np.float32] = vectors[np.abs(vectors).max(axis=1, initial=0.0) > 0]
    return kept


def query_from(text: str) -> str:
    """The sentence in a passage's middle; of a passage that is one sentence, the first half."""
    sentence = middle_sentence(text) or text
    words = sentence.split()
    if 2 * len(sentence) < len(text) or len(words) < 2:
        return sentence
    return " ".join(words[: max(MIN_WORDS, len(words) // 2)])


def middle_sentence(text: str) -> str | None:
    """The sentence in the middle of those of five words and more; None if there is none."""
    sentences = [s for s in split_sentences(text) if len(s.split()) >= MIN_WORDS]
    return sentences[len(sentences) // 2] if sentences else None

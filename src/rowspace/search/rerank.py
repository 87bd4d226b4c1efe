"""Reranking: the best hits of a search, in the order that a slower and better judge gives them.

Nogueira & Cho (2019), https://arxiv.org/abs/1901.04085. The judge is a cross-encoder, or whatever
gives (query, text) pairs a score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.search.hit import Hit
from rowspace.search.store import content


class Reranker(Protocol):
    """What judges hits: `CrossEncoder`, or one of sentence-transformers."""

    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[Any]:
        """(n_pairs,) scores of (query, text) pairs; higher is more relevant."""


def rerank(encoder: Reranker, query: str, hits: Sequence[Hit], k: int | None = None) -> list[Hit]:
    """Hits in the order of a reranker's scores, which each has as its `rerank_score`.

    Parameters
    ----------
    encoder : Reranker
        Is given each hit's title and text.
    query : str
    hits : sequence of Hit
        Best first.
    k : int or None
        How many of the reordered hits; None for all.

    Returns
    -------
    list of Hit
        Those of equal scores in the order they came in.

    Raises
    ------
    ConfigError
        If the reranker does not give each hit one finite score.
    """
    texts = [content(hit.title, hit.text) if hit.title else hit.text for hit in hits]
    order = rank_texts(encoder, query, texts, k)
    return [dataclasses.replace(hits[i], rerank_score=score) for i, score in order]


def rank_texts(
    encoder: Reranker, query: str, texts: Sequence[str], k: int | None = None
) -> list[tuple[int, float]]:
    """(place, score) of the k most relevant texts, the best first, equal ones in their order.

    Raises
    ------
    ConfigError
        If the reranker does not give each text one finite score.
    """
    if not texts:
        return []
    scores = np.asarray(encoder.predict([(query, text) for text in texts]), dtype=np.float64)
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise ConfigError(
            f"the reranker gave scores of the shape {scores.shape} for {len(texts)} texts, "
            f"{int((~np.isfinite(scores)).sum())} of them not finite; give one that scores each "
            "pair with one number"
        )
    order = np.argsort(-scores, kind="stable")[:k]
    return [(int(i), float(scores[i])) for i in order]


def rerank_all(
    encoder: Reranker, queries: Sequence[str], found: Sequence[Sequence[Hit]], k: int
) -> list[list[Hit]]:
    """`rerank` of each query's hits."""
    reranked = []
    with track("reranking", len(queries)) as tracker:
        for query, hits in zip(queries, found, strict=True):
            reranked.append(rerank(encoder, query, hits, k))
            tracker.advance()
    return reranked

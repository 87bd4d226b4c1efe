"""One passage that a search found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hit:
    """One passage that a search found."""

    document_id: str
    passage_id: str
    text: str
    title: str
    source: str
    metadata: dict[str, Any]
    score: float
    """Higher is better: cosine if dense, BM25 if lexical, reciprocal rank fusion if hybrid."""
    dense_rank: int | None = None
    """Its place by meaning, from 1; None if it was not among those looked at."""
    lexical_rank: int | None = None
    """Its place by words, from 1."""

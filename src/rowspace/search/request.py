"""What a search asks for, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rowspace.errors import ConfigError
from rowspace.search.filters import Given
from rowspace.search.rerank import Reranker

MODES = ("hybrid", "dense", "lexical")
MAX_K = 10_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for of each query, beside the query."""

    k: int = 10
    """How many hits."""
    mode: str = "hybrid"
    """By meaning (dense), by words (lexical), or by both, fused by rank (hybrid)."""
    where: Given | None = None
    """What a passage must meet; of a sequence, all."""
    dense_weight: float | None = None
    """How much the ranking by meaning counts in a hybrid search, beside 1 for that by words;
    None takes what is set for the model."""
    diversity: float = 0.0
    """How much hits are to differ from each other, 0 (not looked at) to 1: maximal marginal
    relevance with λ = 1 - diversity."""
    group: bool = False
    """Whether hits are documents, each by its best passage, and not passages."""
    rerank: Reranker | None = None
    """What puts the best hits in a better order."""
    rerank_depth: int = 50
    """How many hits it is given, at least k."""
    model: str | None = None
    """Which of the space's models finds by meaning; None takes its default."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode is {self.mode!r}; give one of {', '.join(MODES)}")
        if not 1 <= self.k <= MAX_K:
            raise ConfigError(f"k is {self.k}; give 1 to {MAX_K:,}")
        check_dense_weight(self.dense_weight)
        if not 0 <= self.diversity <= 1:
            raise ConfigError(f"diversity is {self.diversity}; give 0 (off) to 1")
        if not 1 <= self.rerank_depth <= MAX_K:
            raise ConfigError(f"rerank_depth is {self.rerank_depth}; give 1 to {MAX_K:,}")
        if self.diversity and self.rerank is not None:
            raise ConfigError(
                f"diversity is {self.diversity} and there is a reranker, and both say the order "
                "of the hits; leave out one of them"
            )

    @property
    def candidates(self) -> Request:
        """What a reranker is given: the same, deeper, and without it."""
        return replace(self, k=max(self.k, self.rerank_depth), rerank=None)


def check_dense_weight(weight: float | None) -> None:
    """See that a weight can be one, or is left to the space.

    Raises
    ------
    ConfigError
        If it is negative, infinite or no number.
    """
    if weight is not None and not 0 <= weight < math.inf:
        raise ConfigError(f"dense_weight is {weight}; give 0 or more")

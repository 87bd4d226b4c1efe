"""What a search asks for, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from rowspace.errors import ConfigError
from rowspace.search.filters import Filter

MODES = ("hybrid", "dense", "lexical")
MAX_K = 10_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for of each query, beside the query."""

    k: int = 10
    """How many hits."""
    mode: str = "hybrid"
    """By meaning (dense), by words (lexical), or by both, fused by rank (hybrid)."""
    where: str | Filter | None = None
    """What a passage must meet."""
    dense_weight: float | None = None
    """How much the ranking by meaning counts in a hybrid search, beside 1 for that by words;
    None takes what is set for the model."""
    model: str | None = None
    """Which of the space's models finds by meaning; None takes its default."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode is {self.mode!r}; give one of {', '.join(MODES)}")
        if not 1 <= self.k <= MAX_K:
            raise ConfigError(f"k is {self.k}; give 1 to {MAX_K:,}")
        if self.dense_weight is not None and not self.dense_weight >= 0:
            raise ConfigError(f"dense_weight is {self.dense_weight}; give 0 or more")

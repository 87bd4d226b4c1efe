"""How texts are read that are long, and words that have several tokens; without torch."""

from __future__ import annotations

from typing import Literal, get_args

from rowspace.errors import ConfigError

Pooling = Literal["mean", "first", "last"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
OnTruncate = Literal["warn", "error", "chunk"]
ON_TRUNCATE: tuple[OnTruncate, ...] = get_args(OnTruncate)


def check_pooling(pooling: str) -> None:
    """Raise ConfigError for what makes no vector of several."""
    if pooling not in POOLINGS:
        raise ConfigError(f"subword_pooling is {pooling!r}; give one of {', '.join(POOLINGS)}")


def check_on_truncate(on_truncate: str) -> None:
    """Raise ConfigError for what is no way to go about long texts."""
    if on_truncate not in ON_TRUNCATE:
        raise ConfigError(f"on_truncate is {on_truncate!r}; give one of {', '.join(ON_TRUNCATE)}")

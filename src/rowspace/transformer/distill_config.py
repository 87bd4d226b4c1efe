"""The settings of distilling static vectors; without torch, for the command line's help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rowspace.errors import ConfigError
from rowspace.transformer.reading_options import Pooling, check_pooling

Mix = Literal["mean", "concat"]
MIXES: tuple[Mix, ...] = get_args(Mix)


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """Which words get vectors, and what these are made of."""

    max_words: int | None = 30_000
    """At most this many words, the most frequent ones; None for all."""
    min_count: int = 5
    """A word that occurs less often is left out."""
    max_occurrences: int = 50
    """Of a word, whose sentences are read; a word that has as many is not looked for again."""
    layers: tuple[int, ...] = (-1,)
    """0 is the embeddings, -1 the last."""
    mix: Mix = "mean"
    """What is made of several layers."""
    subword_pooling: Pooling = "mean"
    """What is made of a word's several tokens."""
    remove_top: int = 0
    """Directions that all-but-the-top takes out in the end, the mean too; 0 takes out nothing."""
    case_sensitive: bool = False
    """Whether Bank and bank are two words."""

    def __post_init__(self) -> None:
        for name in ("max_words", "min_count", "max_occurrences"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; give 1 or more")
        if self.mix not in MIXES:
            raise ConfigError(f"mix is {self.mix!r}; give one of {', '.join(MIXES)}")
        check_pooling(self.subword_pooling)
        if self.remove_top < 0:
            raise ConfigError(f"remove_top is {self.remove_top}; give 0 or more")

"""The settings of distilling a static embedder; without torch, for the command line's help."""

from __future__ import annotations

from dataclasses import dataclass

from rowspace.errors import ConfigError

TABLE_DTYPES = ("float32", "float16", "int8")


@dataclass(frozen=True, kw_only=True)
class StaticDistillConfig:
    """What a static embedder is made of, and how it is fitted to its teacher."""

    dim: int = 256
    """Numbers of a vector: principal axes of the teacher's vectors."""
    sif: float = 1e-4
    """a of the weights a / (a + p), p a token's share of the texts that have it (Arora et al.
    2017); without a corpus, its share by Zipf's law and its rank. 0 weighs all alike."""
    remove_top: int = 0
    """Directions that all-but-the-top takes out of the tokens' vectors before they are weighted."""
    max_words: int = 0
    """Whole words of the corpus that become tokens, the most frequent ones."""
    min_count: int = 5
    """A word that occurs less often is no token."""
    max_texts: int = 50_000
    """Sentences of the corpus, drawn at random, that the teacher reads and the table is fitted
    to."""
    epochs: int = 2
    """Times that the table goes through these; 0 does not fit it."""
    batch_size: int = 512
    """Sentences of a step."""
    learning_rate: float = 0.1
    """Step size at first, in the root mean square of the table; it falls to 0."""
    table_dtype: str = "float32"
    """Of the table that is written."""
    seed: int = 1
    """Of the drawing and of the batches' order."""

    def __post_init__(self) -> None:
        least = {"dim": 1, "sif": 0, "remove_top": 0, "max_words": 0, "min_count": 1}
        least |= {"max_texts": 100, "epochs": 0, "batch_size": 1}
        for name, number in least.items():
            if not getattr(self, name) >= number:
                raise ConfigError(f"{name} is {getattr(self, name)}; give {number} or more")
        if not self.learning_rate > 0:
            raise ConfigError(f"learning_rate is {self.learning_rate}; give more than 0")
        if self.table_dtype not in TABLE_DTYPES:
            names = ", ".join(TABLE_DTYPES)
            raise ConfigError(f"table_dtype is {self.table_dtype!r}; give one of {names}")

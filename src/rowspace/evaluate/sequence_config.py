"""Settings of sequence models on top of embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rowspace.errors import ConfigError

Cell = Literal["gru", "lstm", "mean"]
"""GRU (Cho et al. 2014, https://aclanthology.org/D14-1179); LSTM (Hochreiter & Schmidhuber 1997,
https://doi.org/10.1162/neco.1997.9.8.1735); the mean of the words' vectors, which sees no order."""

CELLS: tuple[Cell, ...] = get_args(Cell)


@dataclass(frozen=True, kw_only=True)
class SequenceConfig:
    """How a sequence model learns to tell the labels of texts; the same for all embeddings."""

    cells: tuple[Cell, ...] = ("gru", "lstm")

    sizes: tuple[int, ...] = (100, 1000)
    """Labelled texts that are learnt from; all there are where there are fewer."""

    seeds: int = 3
    """Models of each kind: each draws its texts, its weights and their order anew."""

    hidden: int = 64
    """Length of the cell's state."""

    learning_rates: tuple[float, ...] = (0.003,)
    """Of Adam. Of several, each model takes the one with the lowest loss on its held-out texts."""

    epochs: int = 30
    """Passes over the texts at most."""

    patience: int = 4
    """Passes without a lower loss on the held-out texts after which learning stops; the best
    weights are kept."""

    held_out: float = 0.2
    """Share of the texts that is held out for that, of which none is learnt from."""

    batch_size: int = 32
    """Texts in a step; fewer where a pass would have fewer than ten steps."""

    dropout: float = 0.3
    """Share of a word's vector, and of the state that is classified, that is hidden in training."""

    max_words: int = 100
    """Of a text, the first ones."""

    n_test: int | None = 500
    """Texts that are classified at most; None for all."""

    def __post_init__(self) -> None:
        self._check_lists()
        for name in ("seeds", "hidden", "epochs", "patience", "batch_size", "max_words"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 1 or more")
        if not 0 < self.held_out < 1:
            raise ConfigError(f"held_out is {self.held_out}; give a share between 0 and 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; give a share from 0 to below 1")

    def _check_lists(self) -> None:
        if not self.cells or not set(self.cells) <= set(CELLS):
            raise ConfigError(f"cells are {self.cells}; give some of {', '.join(CELLS)}")
        if not self.sizes or min(self.sizes) < 10:
            raise ConfigError(f"sizes are {self.sizes}; give one number of 10 or more, or several")
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ConfigError(f"learning_rates are {self.learning_rates}; give one above 0 or more")

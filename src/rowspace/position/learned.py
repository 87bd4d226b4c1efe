"""Learned positions: one trained vector for each place, added to the token's.

Gehring et al. (2017), https://arxiv.org/abs/1705.03122; BERT and GPT-2 have them. There are as many
places as the table has rows, and no more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.position.base import Position


class Learned(Position):
    """A table of position vectors, trained with the model.

    Parameters
    ----------
    max_length : int
        Rows: positions 0 to `max_length` - 1.
    dim : int
        Of the token vectors.

    Raises
    ------
    ConfigError
        If either is below 1.
    """

    def __init__(self, max_length: int, dim: int) -> None:
        super().__init__()
        for name, value in (("max_length", max_length), ("dim", dim)):
            if value < 1:
                raise ConfigError(f"{name} is {value}, so there is no table; give 1 or more")
        self.max_length = max_length
        self.table = nn.Embedding(max_length, dim)
        nn.init.normal_(self.table.weight, std=0.02)  # as BERT and GPT-2

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Token vectors plus the rows of their positions; see `Position.embed`."""
        self._check(positions)
        rows: Tensor = self.table(positions)  # (T, D) or (B, T, D)
        return x + rows.to(x.dtype)

    def _check(self, positions: Tensor) -> None:
        # A compiled graph cannot ask for a value, and a meta tensor has none.
        if torch.compiler.is_compiling() or positions.is_meta or not positions.numel():
            return
        lowest, highest = (int(value) for value in torch.aminmax(positions))
        if highest >= self.table.num_embeddings:
            raise ConfigError(
                f"position {highest} is beyond the {self.table.num_embeddings} learned positions; "
                "give a shorter text, or train with a larger max_length"
            )
        if lowest < 0:
            raise ConfigError(f"position {lowest} is below 0; positions count from 0")

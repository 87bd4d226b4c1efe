"""Position: one interface for the places where a model can be told which token stands where.

Attention by itself is blind to order (Vaswani et al. 2017, section 3.5). A method tells it in one
of three places: it adds a vector to each token (learned, sinusoidal), it turns queries and keys
(RoPE, xPos), or it adds a number to each score (ALiBi, T5). A model asks for all three; a method
answers where it works and leaves the rest as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


class Rotation(Protocol):
    """Turns the vectors of one forward pass's queries, or keys."""

    def __call__(self, x: Tensor) -> Tensor:
        """Turn `x`, (B, H, T, head_dim), in its own dtype."""
        ...


@dataclass(frozen=True)
class Placement:
    """What one forward pass needs of its positions: worked out once, shared by all layers."""

    turn_queries: Rotation | None = None
    turn_keys: Rotation | None = None
    bias: Tensor | None = None
    """(1 or B, n_heads, T_query, T_key), added to the scores after they were scaled."""


class Position(nn.Module):
    """A method of position; by itself, none.

    A subclass overrides `embed`, or `place`, and nothing else.
    """

    max_length: int | None = None
    """Positions it has: 0 to this, less one. None where there is no limit."""
    head_dim: int | None = None
    """Length of the vectors that it turns. None where it turns none."""
    n_heads: int | None = None
    """Heads that its bias is for. None where it has no bias."""
    turns_all_keys: bool = False
    """Whether a longer text changes the turn of earlier keys (dynamic NTK, LongRoPE). A cache must
    then hold keys as they were before they were turned, and `place` turns all of them."""

    def changes(self, old_length: int, new_length: int) -> bool:
        """Whether a text that grew from one length to the other has to be read anew.

        A cache holds what the layers made of earlier tokens, which is then no longer so.
        """
        return False

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Token vectors with their positions in them.

        Parameters
        ----------
        x : (B, T, D) tensor
        positions : (T,) or (B, T) int64 tensor

        Returns
        -------
        (B, T, D) tensor
            In the dtype of `x`.

        Raises
        ------
        ConfigError
            If a position is beyond `max_length`.
        """
        return x

    def place(
        self,
        query_positions: Tensor,
        key_positions: Tensor,
        length: int,
        dtype: torch.dtype,
    ) -> Placement:
        """What attention needs, for queries and the keys they look at.

        Parameters
        ----------
        query_positions : (T_query,) or (B, T_query) int64 tensor
            Of the tokens of this pass.
        key_positions : (T_key,) or (B, T_key) int64 tensor
            Of all keys, those of the cache first. `turn_keys` covers them all where
            `turns_all_keys`, and else those of this pass alone, whose positions are
            `query_positions`.
        length : int
            Tokens of the longest text so far: the highest position, plus one.
        dtype : torch.dtype
            Of the scores; tables are worked out in float32 or better and cast last.
        """
        return Placement()

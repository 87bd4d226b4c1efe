"""A model whose every batch is told of, so that reading can be followed and stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rowspace.transformer.hidden_states import HiddenStates


class WatchedStates:
    """The `HiddenStates` of another.

    Parameters
    ----------
    states : HiddenStates
    before : callable
        Told, before each batch, of how many texts it has; what it raises ends the reading.
    """

    def __init__(self, states: HiddenStates, before: Callable[[int], None]) -> None:
        self.states, self.before = states, before

    @property
    def dim(self) -> int:
        """Length of a state."""
        return self.states.dim

    @property
    def n_layers(self) -> int:
        """Layers after the embeddings."""
        return self.states.n_layers

    @property
    def n_rows(self) -> int:
        """Token ids that it has rows for."""
        return self.states.n_rows

    @property
    def max_length(self) -> int | None:
        """Tokens that it can read at once; None for any number."""
        return self.states.max_length

    @property
    def device(self) -> torch.device:
        """Where ids have to be."""
        return self.states.device

    def read(self, token_ids: Tensor, mask: Tensor | None, layers: Sequence[int]) -> list[Tensor]:
        """As `HiddenStates.read`."""
        self.before(len(token_ids))
        return self.states.read(token_ids, mask, layers)

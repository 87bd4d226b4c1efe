"""T5's relative positions: a learned number for each head and each bucket of distances.

Raffel et al. (2020), section 2.1, https://arxiv.org/abs/1910.10683. Near distances have a bucket
each, far ones share buckets that widen by a constant factor, and all beyond `max_distance` share
the last. T5 does not divide its scores by the square root of the head dimension; that is the
attention's business.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.position.alibi import distances
from rowspace.position.base import Placement, Position


class RelativeBias(Position):
    """A learned bias by head and bucket.

    Parameters
    ----------
    n_heads : int
    n_buckets : int
        For both directions together where `bidirectional`.
    max_distance : int
        Tokens; at this distance and beyond, all is one bucket.
    bidirectional : bool
        Whether keys after the query have buckets of their own (an encoder). Otherwise they share
        the bucket of distance 0, as a causal mask hides them.

    Raises
    ------
    ConfigError
        If there is no head, or the buckets do not fit the distances.
    """

    def __init__(
        self,
        n_heads: int,
        n_buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        if n_heads < 1:
            raise ConfigError(f"n_heads is {n_heads}; give 1 or more")
        n_exact = n_buckets // (4 if bidirectional else 2)
        if n_exact < 1 or (bidirectional and n_buckets % 2):
            least = "an even number, 4 or more" if bidirectional else "2 or more"
            raise ConfigError(f"n_buckets is {n_buckets}; give {least}")
        if max_distance <= n_exact:
            raise ConfigError(
                f"max_distance is {max_distance}, but the first {n_exact} distances have buckets "
                f"of their own; give {n_exact + 1} or more, or fewer buckets"
            )
        self.n_heads, self.bidirectional = n_heads, bidirectional
        self.n_buckets, self.max_distance = n_buckets, max_distance
        self.table = nn.Embedding(n_buckets, n_heads)
        nn.init.normal_(self.table.weight, std=0.02)

    def place(
        self, query_positions: Tensor, key_positions: Tensor, length: int, dtype: torch.dtype
    ) -> Placement:
        """The bias of every head; see `Position.place`."""
        before = distances(query_positions, key_positions).squeeze(1)  # (1 or B, T_query, T_key)
        bias = self.table(self.buckets(before))  # (1 or B, T_query, T_key, n_heads)
        return Placement(bias=bias.movedim(-1, 1).to(dtype))

    def buckets(self, before: Tensor) -> Tensor:
        """The bucket of each distance.

        Parameters
        ----------
        before : int64 tensor of any shape
            How many tokens the key is before the query; negative for one after it.

        Returns
        -------
        int64 tensor of that shape
            Each in [0, `n_buckets`).
        """
        if not self.bidirectional:
            return self._one_sided(before.clamp(min=0), self.n_buckets)
        half = self.n_buckets // 2
        return self._one_sided(before.abs(), half) + (before < 0) * half

    def _one_sided(self, distance: Tensor, n_buckets: int) -> Tensor:
        n_exact = n_buckets // 2
        # In float32 and in this order, as T5 itself: elsewhere a distance on the border of two
        # buckets would fall into the other one.
        share = torch.log(distance.float() / n_exact) / math.log(self.max_distance / n_exact)
        far = n_exact + (share * (n_buckets - n_exact)).long()
        # log(0) is -inf, and not a bucket; `where` never takes it.
        return torch.where(distance < n_exact, distance, far.clamp(max=n_buckets - 1))

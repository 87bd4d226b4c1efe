"""ALiBi: each score loses in proportion to the distance between query and key.

Press, Smith & Lewis (2022), https://arxiv.org/abs/2108.12409. Nothing is learned. A text without a
causal mask is treated as one with: what counts is the distance, whichever side the key is on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.position.base import Placement, Position


class ALiBi(Position):
    """Bias `-slope * |i - j|`, with a slope of its own for each head.

    Parameters
    ----------
    n_heads : int
        Any number, a power of two or not.

    Raises
    ------
    ConfigError
        If `n_heads` is below 1.

    Examples
    --------
    >>> ALiBi(4).slopes
    [0.25, 0.0625, 0.015625, 0.00390625]
    """

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        if n_heads < 1:
            raise ConfigError(f"n_heads is {n_heads}; give 1 or more")
        self.n_heads = n_heads
        self.slopes = slopes(n_heads)

    def place(
        self, query_positions: Tensor, key_positions: Tensor, length: int, dtype: torch.dtype
    ) -> Placement:
        """The bias of every head; see `Position.place`."""
        distance = distances(query_positions, key_positions).abs()  # (1 or B, 1, T_query, T_key)
        slope = torch.tensor(self.slopes, dtype=torch.float32, device=distance.device)
        # The product is rounded once. In bfloat16, slope * i - slope * j would round both and
        # leave three different values among the last sixteen of 2,048 keys.
        return Placement(bias=(-slope.view(1, -1, 1, 1) * distance).to(dtype))


def slopes(n_heads: int) -> list[float]:
    """Each head's slope, by the authors' rule.

    2^(-8k/n) for n a power of two. Otherwise those of the power of two below, then every other one
    of the power of two above, which lie between them.
    """
    power = 1 << (n_heads.bit_length() - 1)
    between = geometric(2 * power)[::2][: n_heads - power]
    return geometric(power) + between


def geometric(n: int) -> list[float]:
    """2^(-8/n), 2^(-16/n), ..., 2^-8."""
    return [2.0 ** (-8 * k / n) for k in range(1, n + 1)]


def distances(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """How far each key is before each query: (1 or B, 1, T_query, T_key) int64."""
    difference = query_positions.unsqueeze(-1) - key_positions.unsqueeze(-2)  # ([B,] T_q, T_k)
    return difference.unsqueeze(1) if difference.dim() == 3 else difference[None, None]

"""xPos: RoPE whose scores also fade with distance, the fast pairs' first.

Sun et al. (2023), https://arxiv.org/abs/2212.10554. Queries grow as keys shrink, so that
a score depends on the distance alone. Differs from the authors' code: the center is one constant
and not the middle of each text, so that keys in a cache stay right as the text grows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.position.base import Placement, Position
from rowspace.position.rotation import check_rotation, cos_and_sin, exact_device, make_rotation
from rowspace.position.scaling import powers

LARGEST = 1e36  # a scale below it, and its inverse, are within float32


class XPos(Position):
    """RoPE with pair i of queries times zeta_i^((position - center)/scale_base), of keys over it.

    zeta_i = (2i + .4 dim) / (1.4 dim), below 1.

    Parameters
    ----------
    head_dim : int
        Even.
    base : float
        As RoPE's.
    layout : {"half", "interleaved"}
        As RoPE's; the authors have "interleaved".
    scale_base : float
        Tokens; larger fades slower.
    center : int
        The position where nothing is scaled. Scores do not depend on it, but scales do: the middle
        of the longest text keeps them small, as float16 wants (keys overflow some 4,000 tokens
        away).

    Raises
    ------
    ConfigError
        If `head_dim` is odd, `base` or `scale_base` is no finite number that works, or, in `place`,
        a text is so long that float32 cannot hold the scales. A turn raises it for vectors of
        another head_dim.
    """

    head_dim: int

    def __init__(
        self,
        head_dim: int,
        *,
        base: float = 10_000.0,
        layout: str = "interleaved",
        scale_base: float = 512.0,
        center: int = 0,
    ) -> None:
        super().__init__()
        check_rotation(head_dim, head_dim, layout, base)
        if not 0 < scale_base < math.inf:
            raise ConfigError(f"scale_base is {scale_base}; give a finite number above 0, as 512")
        self.head_dim, self.base, self.layout = head_dim, base, layout
        self.scale_base, self.center = scale_base, center
        reach = int(scale_base * math.log(LARGEST) / math.log(1.4 / 0.4))
        self.max_length = center + reach
        if center > reach:
            raise ConfigError(
                f"center is {center}, so position 0 is scaled beyond float32; "
                f"give {reach} or less, or a larger scale_base"
            )

    def place(
        self, query_positions: Tensor, key_positions: Tensor, length: int, dtype: torch.dtype
    ) -> Placement:
        """Turns of queries and of keys, which differ; see `Position.place`."""
        if self.max_length is not None and length > self.max_length:
            raise ConfigError(
                f"a text of {length} tokens is beyond xPos's {self.max_length}, where float32 no "
                f"longer holds its scales; give a larger scale_base than {self.scale_base}, "
                "or a larger center"
            )
        frequencies = 1.0 / powers(self.base, self.head_dim, torch.float64)
        cos, sin = cos_and_sin(query_positions, frequencies, 1.0, torch.float64)
        scale = self.scales(query_positions).to(cos.device)
        kept = torch.float64 if dtype == torch.float64 else torch.float32
        queries, keys = (
            make_rotation((cos * by).to(kept), (sin * by).to(kept), self.head_dim, self.layout)
            for by in (scale, 1 / scale)
        )
        return Placement(turn_queries=queries, turn_keys=keys)

    def scales(self, positions: Tensor) -> Tensor:
        """What queries are multiplied by: (T, head_dim/2) or (B, 1, T, head_dim/2) float64."""
        positions = positions.to(exact_device(positions.device))
        first = torch.arange(0, self.head_dim, 2, dtype=torch.float64, device=positions.device)
        zeta = (first + 0.4 * self.head_dim) / (1.4 * self.head_dim)
        powers_of = (positions.to(torch.float64).unsqueeze(-1) - self.center) / self.scale_base
        scale: Tensor = zeta**powers_of
        return scale.unsqueeze(1) if positions.dim() == 2 else scale

"""Sinusoidal positions: waves from short to long, added to the token vectors.

Vaswani et al. (2017), section 3.5, https://arxiv.org/abs/1706.03762. Nothing is learned and no
length is too long, though models do badly beyond the lengths that they were trained at. fairseq's
layout, which many checkpoints have, is not the paper's: see `Sinusoidal`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.position.base import Position
from rowspace.position.rotation import exact_device

LAYOUTS = ("interleaved", "concatenated")


class Sinusoidal(Position):
    """Sines and cosines of the position, at dim/2 wavelengths.

    Parameters
    ----------
    dim : int
        Of the token vectors; even.
    layout : {"interleaved", "concatenated"}
        "interleaved" is the paper's: sine and cosine in turn, frequencies base^(-2i/dim).
        "concatenated" is fairseq's: all sines, then all cosines, frequencies
        base^(-i/(dim/2 - 1)), so that the last is 1/base itself. (fairseq also counts positions
        from its padding index plus one: add that to `positions`.)
    base : float
        The longest wavelength, about, in turns of 2 pi.
    scale : float
        What the waves are multiplied by. They are as long as √(dim/2): beside token vectors of
        N(0, 0.02), which the paper's √dim makes no larger than 0.02 √dim, a model sees the position
        alone and learns the tokens late or not at all.

    Raises
    ------
    ConfigError
        If `dim` is odd, or too small for the layout; of an unknown layout, or a base that is not a
        finite number above 0; or of a scale that is not.

    Examples
    --------
    >>> import torch
    >>> Sinusoidal(4).vectors(torch.tensor([0]))
    tensor([[0., 1., 0., 1.]], dtype=torch.float64)
    """

    def __init__(
        self,
        dim: int,
        layout: str = "interleaved",
        base: float = 10_000.0,
        *,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        if layout not in LAYOUTS:
            raise ConfigError(f"layout is {layout!r}; give one of {', '.join(LAYOUTS)}")
        if dim % 2 or dim < (2 if layout == "interleaved" else 4):
            raise ConfigError(
                f"dim is {dim}, but {layout} sines and cosines come in pairs; "
                f"give an even dim of {2 if layout == 'interleaved' else 4} or more"
            )
        if not 0 < base < math.inf:
            raise ConfigError(f"base is {base}; give a finite number above 0, as 10000")
        if not 0 < scale < math.inf:
            raise ConfigError(f"scale is {scale}; give a finite number above 0")
        self.dim, self.layout, self.base, self.scale = dim, layout, base, scale

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Token vectors plus the waves at their positions; see `Position.embed`."""
        return x + (self.scale * self.vectors(positions)).to(x)

    def vectors(self, positions: Tensor) -> Tensor:
        """The waves at `positions`, (T,) or (B, T): (T, dim) or (B, T, dim), float64, unscaled."""
        positions = positions.to(exact_device(positions.device))
        half = self.dim // 2
        last = half if self.layout == "interleaved" else half - 1
        pair = torch.arange(half, dtype=torch.float64, device=positions.device)
        angles = positions.to(torch.float64).unsqueeze(-1) * self.base ** (-pair / last)
        sin, cos = angles.sin(), angles.cos()  # (..., dim/2)
        if self.layout == "interleaved":
            return torch.stack((sin, cos), dim=-1).flatten(-2)
        return torch.cat((sin, cos), dim=-1)

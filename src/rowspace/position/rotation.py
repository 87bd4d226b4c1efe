"""Turning pairs of values by angles: the arithmetic of RoPE and xPos.

Su et al. (2021), equation 34, https://arxiv.org/abs/2104.09864. A pair (a, b) becomes
(a cos - b sin, b cos + a sin). Which values make a pair is the layout: `half` (Hugging Face's
LLaMA, Mistral, Qwen) pairs value i with i + dim/2, `interleaved` (Meta's LLaMA, GPT-J) 2i with
2i + 1.
The gradient of a turn is the turn back, so that nothing but the tables is kept for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from rowspace.errors import ConfigError
from rowspace.position.base import Rotation

LAYOUTS = ("half", "interleaved")


def exact_device(device: torch.device) -> torch.device:
    """Where float64 is worked out for `device`: there, but for Apple's, which has none."""
    return torch.device("cpu") if device.type == "mps" else device


def cos_and_sin(
    positions: Tensor, frequencies: Tensor, temperature: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Tables of one forward pass.

    Parameters
    ----------
    positions : (T,) or (B, T) int64 tensor
    frequencies : (dim/2,) float64 or float32 tensor
        Angles are worked out in its dtype.
    temperature : float
        That both are multiplied by.
    dtype : torch.dtype
        Of the vectors to turn. The tables are float64 for float64, and float32 for all else:
        a cosine in bfloat16 is wrong by .002.

    Returns
    -------
    cos, sin : (T, dim/2) or (B, 1, T, dim/2) tensors
        On the device of `positions`.
    """
    device = exact_device(positions.device)
    angles = positions.to(device, frequencies.dtype).unsqueeze(-1) * frequencies.to(device)
    if positions.dim() == 2:
        angles = angles.unsqueeze(1)  # the same for all heads
    kept = torch.float64 if dtype == torch.float64 else torch.float32
    cos, sin = angles.cos() * temperature, angles.sin() * temperature
    return cos.to(positions.device, kept), sin.to(positions.device, kept)


def make_rotation(cos: Tensor, sin: Tensor, head_dim: int, layout: str) -> Rotation:
    """The turn by these tables, (..., T, dim/2), of vectors whose values beyond `dim` stay."""
    if layout == "half":
        return HalfRotation(cos.contiguous(), sin.contiguous(), head_dim)
    rest = (head_dim - 2 * cos.shape[-1]) // 2
    ones, zeros = cos.new_ones(*cos.shape[:-1], rest), cos.new_zeros(*cos.shape[:-1], rest)
    cos, sin = torch.cat((cos, ones), dim=-1), torch.cat((sin, zeros), dim=-1)
    return InterleavedRotation(cos, sin, head_dim)


@dataclass(frozen=True, eq=False)
class HalfRotation:
    """Turns value i with value i + dim/2."""

    cos: Tensor
    """(T, dim/2) or (B, 1, T, dim/2)."""
    sin: Tensor
    """As `cos`."""
    head_dim: int

    def __call__(self, x: Tensor) -> Tensor:
        """Turn `x`, (B, H, T, head_dim), in its own dtype."""
        _check_vectors(x, self.head_dim)
        if _is_recorded():
            return _half_plain(x, self.cos, self.sin)
        turned: Tensor = _TurnHalves.apply(x, self.cos, self.sin, 1.0)  # type: ignore[no-untyped-call]
        return turned


@dataclass(frozen=True, eq=False)
class InterleavedRotation:
    """Turns value 2i with value 2i + 1."""

    cos: Tensor
    """(T, head_dim/2) or (B, 1, T, head_dim/2), ones beyond dim/2."""
    sin: Tensor
    """As `cos`, zeros beyond dim/2."""
    head_dim: int

    def __call__(self, x: Tensor) -> Tensor:
        """Turn `x`, (B, H, T, head_dim), in its own dtype."""
        _check_vectors(x, self.head_dim)
        if _is_recorded():
            return _interleaved_plain(x, self.cos, self.sin)
        turns = torch.complex(self.cos, self.sin)
        turned: Tensor = _TurnInterleaved.apply(x, turns)  # type: ignore[no-untyped-call]
        return turned


def _is_recorded() -> bool:
    """Whether a graph is made of what is done, which can hold torch's own operations alone."""
    is_traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return torch.compiler.is_compiling() or is_traced


def _check_vectors(x: Tensor, head_dim: int) -> None:
    if x.shape[-1] != head_dim:
        raise ConfigError(
            f"a rotation for a head_dim of {head_dim} was given vectors of {x.shape[-1]}; "
            f"make the position with head_dim {x.shape[-1]}, or give attention heads of {head_dim}"
        )


class _TurnHalves(torch.autograd.Function):
    """By the angles of the tables, or back where `sign` is -1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, sign: float) -> Tensor:
        ctx.save_for_backward(cos, sin)
        ctx.sign = sign
        return _turn_halves(x, cos, sin, sign)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        back = (*ctx.saved_tensors, -ctx.sign)
        turned = _TurnHalves.apply(gradients[0], *back)  # type: ignore[no-untyped-call]
        return turned, None, None, None


class _TurnInterleaved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, turns: Tensor) -> Tensor:
        ctx.save_for_backward(turns)
        return _by_complex(x, turns)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        back = ctx.saved_tensors[0].conj()
        return _TurnInterleaved.apply(gradients[0], back), None  # type: ignore[no-untyped-call]


def _turn_halves(x: Tensor, cos: Tensor, sin: Tensor, sign: float) -> Tensor:
    """In one pass by a kernel on a processor, and by three operations elsewhere."""
    if _has_kernel(x, cos):
        from rowspace.position.rotation_kernels import turn_halves

        return turn_halves(x, cos, sin, sign)
    half = sin.shape[-1]
    wide = x.to(cos.dtype)
    ones = cos.new_ones(*cos.shape[:-1], x.shape[-1] - 2 * half)
    out = wide * torch.cat((cos, cos, ones), dim=-1)  # (B, H, T, head_dim)
    out[..., :half].addcmul_(wide[..., half : 2 * half], sin, value=-sign)
    out[..., half : 2 * half].addcmul_(wide[..., :half], sin, value=sign)
    return out.to(x.dtype)


def _has_kernel(x: Tensor, cos: Tensor) -> bool:
    """Whether the kernel, which checks nothing, may have these; torch tells what does not fit."""
    plain = type(x) in (Tensor, Parameter) and x.device.type == "cpu" and x.numel() > 0
    narrow = x.dtype in (torch.float32, torch.bfloat16) and cos.dtype == torch.float32
    fits = x.dim() == 4 and x.shape[2] == cos.shape[-2] and x.shape[3] >= 2 * cos.shape[-1]
    return plain and narrow and fits and (cos.dim() == 2 or cos.shape[0] in (1, x.shape[0]))


def _by_complex(x: Tensor, turns: Tensor) -> Tensor:
    """Pairs as complex numbers, so that a turn is one product."""
    pairs = _pairs(x.to(turns.real.dtype))  # (B, H, T, head_dim/2, 2)
    *steps, step = pairs.stride()
    if step != 1 or any(n % 2 for n in (*steps, pairs.storage_offset())):
        pairs = pairs.clone(memory_format=torch.contiguous_format)  # no complex numbers as it lies
    turned = torch.view_as_real(torch.view_as_complex(pairs) * turns)
    return turned.flatten(-2).to(x.dtype)


def _pairs(x: Tensor) -> Tensor:
    """Neighbors in a dimension of their own; every size is told, as there may be no values."""
    return x.reshape(*x.shape[:-1], x.shape[-1] // 2, 2)


def _half_plain(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The same in operations that torch.compile fuses by itself."""
    half = sin.shape[-1]
    first, second, rest = x.to(cos.dtype).tensor_split((half, 2 * half), dim=-1)
    turned = (first * cos - second * sin, second * cos + first * sin, rest)
    return torch.cat(turned, dim=-1).to(x.dtype)


def _interleaved_plain(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = _pairs(x.to(cos.dtype)).unbind(-1)
    turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.flatten(-2).to(x.dtype)


def check_rotation(head_dim: int, rotary_dim: int, layout: str, base: float) -> None:
    """Raise ConfigError for a head that cannot be turned so."""
    if layout not in LAYOUTS:
        raise ConfigError(f"layout is {layout!r}; give one of {', '.join(LAYOUTS)}")
    if head_dim < 2 or head_dim % 2:
        raise ConfigError(
            f"head_dim is {head_dim}, but values turn in pairs; give an even head_dim"
        )
    if not 2 <= rotary_dim <= head_dim or rotary_dim % 2:
        raise ConfigError(
            f"rotary_dim is {rotary_dim}; give an even number from 2 to head_dim, {head_dim}"
        )
    if not 1 < base < math.inf:
        raise ConfigError(f"base is {base}; give a finite number above 1, as 10000")

"""Scalings of RoPE: other frequencies, so that a model reads further than it was trained to.

Each gives the frequencies (radians a token) of all pairs and a factor on cosine and sine. With
theta_i = base^(-2i/dim), L the length of training and s the factor:

Linear      theta / s (position interpolation, Chen et al. 2023, https://arxiv.org/abs/2306.15595)
NTK         base * s^(dim/(dim-2)) (bloc97 2023): the fastest pair stays, the slowest takes theta/s
DynamicNTK  the same, with s growing as the text does
YaRN        fast pairs stay, slow ones as Linear (Peng et al. 2023, https://arxiv.org/abs/2309.00071)
Llama3      the same with another border (Llama 3.1)
LongRoPE    a factor found by search for each pair (Ding et al. 2024, https://arxiv.org/abs/2402.13753)

The order of operations is that of Hugging Face `transformers`, which decides the last bits in
float32; in float64 it does not matter. docs/decisions/position.md tells where that code and the
papers part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from rowspace.errors import ConfigError


@dataclass(frozen=True)
class Scaling:
    """No scaling; and what every scaling can do."""

    depends_on_length: ClassVar[bool] = False
    """Whether the frequencies change as a text grows, those of earlier tokens too."""

    def check(self, dim: int) -> None:
        """Raise ConfigError where `dim` rotary dimensions cannot be scaled so."""

    def frequencies(
        self, base: float, dim: int, length: int, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """Angle that each pair turns by from one token to the next.

        Parameters
        ----------
        base : float
        dim : int
            Rotary dimensions, two to a pair.
        length : int
            Tokens of the longest text so far.
        dtype : torch.dtype
            That it is worked out in.

        Returns
        -------
        (dim/2,) tensor
            Radians, on the CPU.
        """
        return 1.0 / powers(base, dim, dtype)

    def temperature(self, length: int) -> float:
        """What cosine and sine are multiplied by; scores grow by its square."""
        return 1.0


def powers(base: float | Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    """base^(2i/dim) for each pair: (dim/2,)."""
    exponents = torch.arange(0, dim, 2, dtype=torch.int64, device="cpu").to(dtype) / dim
    raised: Tensor = base**exponents
    return raised


@dataclass(frozen=True)
class Linear(Scaling):
    """Position interpolation: all angles divided by `factor`."""

    factor: float

    def __post_init__(self) -> None:
        check_factor(self.factor)

    def frequencies(
        self, base: float, dim: int, length: int, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """See `Scaling.frequencies`."""
        return super().frequencies(base, dim, length, dtype) / self.factor


@dataclass(frozen=True)
class NTK(Scaling):
    """NTK-aware: a larger base, which slows the slowest pair by `factor` and the fastest not."""

    factor: float

    def __post_init__(self) -> None:
        check_factor(self.factor)

    def check(self, dim: int) -> None:
        """See `Scaling.check`."""
        check_ntk(dim)

    def frequencies(
        self, base: float, dim: int, length: int, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """See `Scaling.frequencies`."""
        self.check(dim)
        return 1.0 / powers(base * self.factor ** (dim / (dim - 2)), dim, dtype)


@dataclass(frozen=True)
class DynamicNTK(Scaling):
    """NTK-aware, by as much as the text needs: nothing up to `original_length`."""

    depends_on_length: ClassVar[bool] = True

    factor: float
    original_length: int
    """Tokens; the longest text of training."""

    def __post_init__(self) -> None:
        check_factor(self.factor)
        check_length(self.original_length)

    def check(self, dim: int) -> None:
        """See `Scaling.check`."""
        check_ntk(dim)

    def frequencies(
        self, base: float, dim: int, length: int, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """See `Scaling.frequencies`."""
        self.check(dim)
        if length <= self.original_length:
            return super().frequencies(base, dim, length, dtype)
        # A tensor, since transformers too rounds the new base to `dtype`.
        longest = torch.tensor(length, dtype=dtype, device="cpu")
        stretch = (self.factor * longest / self.original_length) - (self.factor - 1)
        return 1.0 / powers(base * stretch ** (dim / (dim - 2)), dim, dtype)


@dataclass(frozen=True)
class YaRN(Scaling):
    """Fast pairs stay as they are, slow ones are interpolated, a ramp lies between.

    The ramp is linear in the pair's index, as in the authors' code and every checkpoint; in the
    paper (equation 18) it is linear in the turns that a pair makes within `original_length`.
    """

    factor: float
    original_length: int
    """Tokens; the longest text of training."""
    beta_fast: float = 32.0
    """Turns within `original_length` from which a pair stays as it is."""
    beta_slow: float = 1.0
    """Turns up to which a pair is interpolated."""
    truncate: bool = True
    """Whether the ramp begins and ends at whole indices."""
    attention_factor: float | None = None
    """The temperature itself, where it is not worked out from the rest."""
    mscale: float | None = None
    mscale_all_dim: float | None = None
    """DeepSeek's two: the temperature is the quotient of the two's own."""

    def __post_init__(self) -> None:
        check_factor(self.factor)
        check_length(self.original_length)
        if not self.beta_fast > self.beta_slow > 0:
            raise ConfigError(
                f"beta_fast is {self.beta_fast} and beta_slow {self.beta_slow}; "
                "give beta_fast more than beta_slow, and both more than 0"
            )

    def frequencies(
        self, base: float, dim: int, length: int, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """See `Scaling.frequencies`."""
        steps = powers(base, dim, dtype)
        as_trained, interpolated = 1.0 / steps, 1.0 / (self.factor * steps)
        kept = 1 - self._ramp(base, dim, dtype)
        return interpolated * (1 - kept) + as_trained * kept

    def _ramp(self, base: float, dim: int, dtype: torch.dtype) -> Tensor:
        """How far each pair is interpolated, from 0 to 1: (dim/2,)."""
        first = self._index(self.beta_fast, base, dim)
        last = self._index(self.beta_slow, base, dim)
        if self.truncate:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, dim - 1)
        if first == last:
            last += 0.001  # a step, rather than a division by zero
        indices = torch.arange(dim // 2, dtype=dtype, device="cpu")
        return ((indices - first) / (last - first)).clamp(0, 1)

    def _index(self, turns: float, base: float, dim: int) -> float:
        """Index, with a fraction, of the pair that turns so often within `original_length`."""
        return dim * math.log(self.original_length / (turns * 2 * math.pi)) / (2 * math.log(base))

    def temperature(self, length: int) -> float:
        """See `Scaling.temperature`; 0.1 ln(factor) + 1 where nothing else is given."""
        if self.attention_factor is not None:
            return self.attention_factor
        if self.mscale and self.mscale_all_dim:
            return self._mscale(self.mscale) / self._mscale(self.mscale_all_dim)
        return self._mscale(1.0)

    def _mscale(self, weight: float) -> float:
        return 0.1 * weight * math.log(self.factor) + 1.0


@dataclass(frozen=True)
class Llama3(Scaling):
    """Pairs slower than one border are interpolated, those faster than another stay."""

    factor: float = 8.0
    low_freq_factor: float = 1.0
    """Turns within `original_length` up to which a pair is interpolated."""
    high_freq_factor: float = 4.0
    """Turns from which a pair stays as it is."""
    original_length: int = 8192
    """Tokens; the longest text of training."""

    def __post_init__(self) -> None:
        check_factor(self.factor)
        check_length(self.original_length)
        if not self.high_freq_factor > self.low_freq_factor > 0:
            raise ConfigError(
                f"high_freq_factor is {self.high_freq_factor} and low_freq_factor "
                f"{self.low_freq_factor}; give the first more than the second, and both more than 0"
            )

    def frequencies(
        self, base: float, dim: int, length: int, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """See `Scaling.frequencies`."""
        trained = super().frequencies(base, dim, length, dtype)
        wavelengths = 2 * math.pi / trained
        turns = self.original_length / wavelengths
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        between = (1 - kept) * trained / self.factor + kept * trained
        slow = wavelengths > self.original_length / self.low_freq_factor
        fast = wavelengths < self.original_length / self.high_freq_factor
        return torch.where(fast, trained, torch.where(slow, trained / self.factor, between))


@dataclass(frozen=True)
class LongRoPE(Scaling):
    """A factor for each pair: one set for texts up to `original_length`, one for longer ones."""

    depends_on_length: ClassVar[bool] = True

    short_factors: tuple[float, ...]
    long_factors: tuple[float, ...]
    original_length: int
    """Tokens; the longest text of the first training."""
    factor: float = 1.0
    """The length it was extended to, over `original_length`; the temperature comes from it."""
    attention_factor: float | None = None
    """The temperature itself, where it is not worked out."""

    def __post_init__(self) -> None:
        check_length(self.original_length)
        check_factor(self.factor)
        for name in ("short_factors", "long_factors"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not all(value > 0 for value in getattr(self, name)):
                raise ConfigError(
                    f"{name} has {min(getattr(self, name))}; give more than 0 for all"
                )

    def check(self, dim: int) -> None:
        """See `Scaling.check`."""
        for name in ("short_factors", "long_factors"):
            n_factors = len(getattr(self, name))
            if n_factors != dim // 2:
                raise ConfigError(
                    f"{name} has {n_factors} factors for {dim // 2} pairs of {dim} rotary "
                    "dimensions; give one factor a pair"
                )

    def frequencies(
        self, base: float, dim: int, length: int, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """See `Scaling.frequencies`."""
        self.check(dim)
        factors = self.long_factors if length > self.original_length else self.short_factors
        by_pair = torch.tensor(factors, dtype=dtype, device="cpu")
        return 1.0 / (by_pair * powers(base, dim, dtype))

    def temperature(self, length: int) -> float:
        """See `Scaling.temperature`; the same for short and long texts."""
        if self.attention_factor is not None:
            return self.attention_factor
        return math.sqrt(1 + math.log(self.factor) / math.log(self.original_length))


def check_factor(factor: Any) -> None:
    """Raise ConfigError for a factor that would shorten, or is none."""
    if not isinstance(factor, Real) or not 1 <= float(factor) < math.inf:
        raise ConfigError(
            f"factor is {factor!r}; give how many times longer texts shall be, 1 or more"
        )


def check_length(length: int) -> None:
    """Raise ConfigError for a length of training that is none."""
    if length < 2:
        raise ConfigError(f"original_length is {length}; give the tokens trained at, 2 or more")


def check_ntk(dim: int) -> None:
    """Raise ConfigError where there is but one pair, which would be fastest and slowest."""
    if dim <= 2:
        raise ConfigError(
            f"NTK scaling divides by dim - 2, and the rotary dimension is {dim}; "
            "give 4 or more, or Linear scaling"
        )

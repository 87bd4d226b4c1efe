"""Slow, plain positions: one pair, one distance, one head at a time, in Python's float64."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence


def naive_turn(
    values: Sequence[float],
    position: int,
    frequencies: Sequence[float],
    layout: str,
    scales: Sequence[float] | None = None,
) -> list[float]:
    """Each pair as a complex number times e^(i position theta), the rest as it is."""
    turned = list(values)
    n = len(frequencies)
    for i, theta in enumerate(frequencies):
        first, second = (i, i + n) if layout == "half" else (2 * i, 2 * i + 1)
        z = complex(values[first], values[second]) * cmath.exp(1j * position * theta)
        if scales is not None:
            z *= scales[i]
        turned[first], turned[second] = z.real, z.imag
    return turned


def naive_frequencies(base: float, dim: int) -> list[float]:
    return [math.exp(-2 * i / dim * math.log(base)) for i in range(dim // 2)]


def naive_ntk(base: float, dim: int, factor: float) -> list[float]:
    """theta_i * factor^(-2i/(dim-2)): the slowest pair, i = dim/2 - 1, by the whole factor."""
    return [
        theta * factor ** (-2 * i / (dim - 2))
        for i, theta in enumerate(naive_frequencies(base, dim))
    ]


def naive_dynamic(base: float, dim: int, factor: float, original: int, length: int) -> list[float]:
    return naive_ntk(base, dim, factor * max(length, original) / original - (factor - 1))


def naive_yarn(
    base: float, dim: int, factor: float, original: int, fast: float, slow: float, truncate: bool
) -> list[float]:
    """A ramp over the index, from where a pair makes `fast` turns to where it makes `slow`."""
    found = []
    # index x makes original * base^(-2x/dim) / 2 pi turns
    first, last = (
        dim / 2 * math.log(original / (2 * math.pi * turns), base) for turns in (fast, slow)
    )
    if truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, dim - 1)
    for i, theta in enumerate(naive_frequencies(base, dim)):
        share = min(max((i - first) / (last - first), 0.0), 1.0)
        found.append(share * theta / factor + (1 - share) * theta)
    return found


def naive_llama3(
    base: float, dim: int, factor: float, low: float, high: float, original: int
) -> list[float]:
    """gamma = clip((turns - low)/(high - low)); gamma theta + (1 - gamma) theta / factor."""
    found = []
    for theta in naive_frequencies(base, dim):
        turns = original * theta / (2 * math.pi)
        gamma = min(max((turns - low) / (high - low), 0.0), 1.0)
        found.append(gamma * theta + (1 - gamma) * theta / factor)
    return found


def naive_sinusoidal(position: int, dim: int) -> list[float]:
    """Vaswani et al. (2017), section 3.5: sin at 2i, cos at 2i + 1."""
    row = []
    for i in range(dim // 2):
        angle = position / 10_000 ** (2 * i / dim)
        row += [math.sin(angle), math.cos(angle)]
    return row


def naive_fairseq_sinusoidal(position: int, dim: int) -> list[float]:
    """fairseq's: frequencies exp(-i ln(10000)/(half - 1)); all sines, then all cosines."""
    half = dim // 2
    step = math.log(10_000) / (half - 1)
    angles = [position * math.exp(-i * step) for i in range(half)]
    return [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]


def naive_slopes(n: int) -> list[float]:
    """As ALiBi's authors tell it: a geometric sequence, or two of them put together."""
    if math.log2(n).is_integer():
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]
    power = 2 ** math.floor(math.log2(n))
    return naive_slopes(power) + naive_slopes(2 * power)[0::2][: n - power]


def naive_zeta(dim: int) -> list[float]:
    """Sun et al. (2023): pair i's decay."""
    return [(2 * i + 0.4 * dim) / (1.4 * dim) for i in range(dim // 2)]

"""The numbers behind the plots of positions, worked out by `rowspace.position` itself.

All of it needs torch, which is imported where it is used, and all of it is small: each function's
limits keep an answer below a second and a megabyte.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.extras import require_torch

if TYPE_CHECKING:
    from rowspace.position import Scaling

Numbers = NDArray[np.floating[Any]]
MOST_POINTS = 513
"""Of a curve."""


def sinusoidal(dim: int, length: int, base: float, layout: str) -> dict[str, Any]:
    """The waves at each position, their wavelengths, and how alike positions are by distance.

    Vaswani et al. (2017), section 3.5.
    """
    check("dim", dim, 2, 256)
    check("length", length, 2, 512)
    check("base", base, 1.5, 1e7)
    torch = _torch()
    from rowspace.position import Sinusoidal

    waves = Sinusoidal(dim, layout, base).vectors(torch.arange(length)).numpy()
    is_paper = layout == "interleaved"
    half = dim // 2
    sin, cos = (waves[1, 0::2], waves[1, 1::2]) if is_paper else (waves[1, :half], waves[1, half:])
    return {
        "values": _rounded(waves, 4),
        "wavelengths": _significant(2 * math.pi / np.arctan2(sin, cos)),
        "likeness": _rounded(waves @ waves[0] / half, 4),
    }


def rope(
    head_dim: int, base: float, train_length: int, factor: float, span: int, vector: str, seed: int
) -> dict[str, Any]:
    """What turning does to the score of a query with itself, so many tokens apart.

    Su et al. (2021), section 3.4.3; each scaling beside it.

    Parameters
    ----------
    head_dim : int
    base : float
    train_length : int
        Tokens that a model was trained at, which YaRN and Llama 3 need to know.
    factor : float
        How many times longer texts shall be.
    span : int
        The largest distance.
    vector : {"ones", "random"}
    seed : int
        Of the random one.
    """
    check("head_dim", head_dim, 4, 256)
    check("base", base, 1.5, 1e9)
    check("train_length", train_length, 16, 131_072)
    check("factor", factor, 1, 64)
    check("span", span, 8, 1 << 20)
    check("seed", seed, 0, 1 << 31)
    if vector not in ("ones", "random"):
        raise ConfigError(f"vector is {vector!r}; give ones or random")
    _torch()
    from rowspace.position.rotation import LAYOUTS, check_rotation

    check_rotation(head_dim, head_dim, "half", base)
    query = np.ones(head_dim)
    if vector == "random":
        query = np.random.default_rng(seed).normal(size=head_dim)
    distances = np.unique(np.linspace(0, span, MOST_POINTS).astype(np.int64))
    scalings = _scalings(factor, train_length)
    frequencies = {
        name: one.frequencies(base, head_dim, span + 1).numpy() for name, one in scalings.items()
    }
    return {
        "distances": distances.tolist(),
        "scores": {
            name: _rounded(_scores(query, distances, base, "half", one), 4)
            for name, one in scalings.items()
        },
        "layouts": {
            layout: _rounded(_scores(query, distances, base, layout, scalings["none"]), 4)
            for layout in LAYOUTS
        },
        "frequencies": {name: _significant(values) for name, values in frequencies.items()},
        "wavelengths": {
            name: _significant(2 * math.pi / values) for name, values in frequencies.items()
        },
        "temperatures": {name: one.temperature(span + 1) for name, one in scalings.items()},
        "pairs": {layout: _pairs(head_dim, layout) for layout in LAYOUTS},
    }


def alibi(n_heads: int, length: int) -> dict[str, Any]:
    """Each head's slope, what it takes from scores, and how far that lets it look.

    Press, Smith & Lewis (2022), section 3.
    """
    check("n_heads", n_heads, 1, 64)
    check("length", length, 2, 8192)
    torch = _torch()
    from rowspace.position import ALiBi

    method = ALiBi(n_heads)
    keys = torch.arange(length)
    bias = method.place(keys[-1:], keys, length, torch.float64).bias
    assert bias is not None
    penalties = bias[0, :, 0].flip(-1)  # (n_heads, length) by distance
    weights = penalties.softmax(dim=-1)
    reach = (weights.cumsum(dim=-1) < 0.5).sum(dim=-1) + 1
    distances = np.unique(np.linspace(0, length - 1, MOST_POINTS // 2 + 1).astype(np.int64))
    return {
        "slopes": method.slopes,
        "distances": distances.tolist(),
        "penalties": _rounded(penalties.numpy()[:, distances], 5),
        "weights": _significant(weights.numpy()[:, distances]),
        "reach": reach.tolist(),
    }


def t5(n_buckets: int, max_distance: int, length: int, bidirectional: bool) -> dict[str, Any]:
    """The bucket of each distance, a key before the query having a positive one.

    Raffel et al. (2020), section 2.1.
    """
    check("n_buckets", n_buckets, 2, 128)
    check("max_distance", max_distance, 2, 4096)
    check("length", length, 2, 1024)
    torch = _torch()
    from rowspace.position import RelativeBias

    method = RelativeBias(1, n_buckets, max_distance, bidirectional)
    distances = torch.arange(-length if bidirectional else 0, length + 1)
    return {"distances": distances.tolist(), "buckets": method.buckets(distances).tolist()}


def check(name: str, value: float, least: float, most: float) -> None:
    """Raise ConfigError for a setting out of its limits, or one that is no number."""
    if not least <= value <= most:
        shown = f"{value:g}" if isinstance(value, float) else str(value)[:20]  # of any length
        raise ConfigError(f"{name} is {shown}; give {least:,g} to {most:,.10g}")


def _torch() -> Any:
    require_torch("The plots of positions")
    import torch

    return torch


def _scalings(factor: float, train_length: int) -> dict[str, Scaling]:
    from rowspace.position import NTK, Linear, Llama3, Scaling, YaRN

    return {
        "none": Scaling(),
        "linear": Linear(factor),
        "ntk": NTK(factor),
        "yarn": YaRN(factor, train_length),
        "llama3": Llama3(factor, original_length=train_length),
    }


def _scores(
    query: Numbers, distances: NDArray[np.int64], base: float, layout: str, scaling: Scaling
) -> Numbers:
    """(n_distances,) scores of a vector at a distance with itself at 0; 1 if none had turned."""
    import torch

    from rowspace.position import RoPE

    method = RoPE(len(query), base=base, layout=layout, scaling=scaling)
    positions = torch.from_numpy(distances)
    vectors = torch.from_numpy(query / np.linalg.norm(query)).expand(1, 1, len(distances), -1)
    length = int(distances[-1]) + 1
    turned = method.rotation(positions, length, torch.float64)(vectors)
    still = method.rotation(torch.zeros(1, dtype=torch.int64), length, torch.float64)
    key = still(vectors[:, :, :1])  # (1, 1, 1, head_dim)
    scores: Numbers = (turned * key).sum(dim=-1)[0, 0].numpy()
    return scores


def _pairs(head_dim: int, layout: str) -> list[list[int]]:
    """Which values turn together, seen in what a quarter turn of one value alone brings about."""
    import torch

    from rowspace.position.rotation import make_rotation

    half = head_dim // 2
    turn = make_rotation(torch.zeros(1, half), torch.ones(1, half), head_dim, layout)
    units = torch.eye(head_dim).view(head_dim, 1, 1, head_dim)
    moved = turn(units).view(head_dim, head_dim).abs().argmax(dim=1).tolist()
    return [[i, j] for i, j in enumerate(moved) if i < j]


def _rounded(values: Numbers, digits: int) -> Any:
    return np.round(values, digits).tolist()


def _significant(values: Numbers) -> Any:
    """Five digits of each number."""
    if values.ndim > 1:
        return [_significant(row) for row in values]
    return [float(f"{value:.5g}") for value in values.tolist()]

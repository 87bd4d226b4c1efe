"""What the extrapolation experiment found: means over the seeds, and how far these lie apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rowspace.evaluate.extrapolation_config import ExtrapolationConfig
from rowspace.version import __version__

if TYPE_CHECKING:
    from rowspace.evaluate.extrapolation_run import Measured, Text


@dataclass(frozen=True)
class Spread:
    """A number of each seed's model."""

    mean: float
    std: float
    """Between the seeds (n − 1 in the divisor); 0 for one seed."""

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Mean and spread of some values."""
        found = np.fromiter(values, dtype=np.float64)
        std = float(found.std(ddof=1)) if len(found) > 1 else 0.0
        return cls(float(found.mean()), std)


@dataclass(frozen=True)
class MethodResult:
    """How one method does, over all seeds."""

    method: str
    """The position, and its scaling: "rope + yarn"."""
    is_tuned: bool
    """Whether training went on at a longer length."""
    refused_beyond: int | None
    """Tokens of the longest text that the model reads, where there is a limit."""
    perplexity: dict[int, Spread | None]
    """At each length of window; None where the model refuses it."""
    ratio: Spread | None
    """Perplexity at the longest window, over that at the training length."""
    sliding: Spread
    """Perplexity of tokens that are told from nearly full windows of the training length."""
    against_sliding: Spread | None
    """Perplexity at the longest window, over `sliding`: below 1, the model gains from what lies
    farther back than it was trained for, and not only from fewer short contexts."""
    places: list[tuple[int, int, Spread]]
    """(first, last + 1, nats per token) at places of the longest window that it reads."""

    @property
    def name(self) -> str:
        """As tables name it."""
        return f"{self.method}, tuned" if self.is_tuned else self.method


@dataclass(frozen=True)
class Results:
    """What `extrapolate` found."""

    config: ExtrapolationConfig
    n_train_tokens: int
    """Tokens there were to train on."""
    n_measured: int
    """Held-out tokens told at each length."""
    methods: list[MethodResult]

    @property
    def positions(self) -> list[MethodResult]:
        """Each position as it was trained."""
        return [m for m in self.methods if m.method in self.config.positions and not m.is_tuned]

    @property
    def ropes(self) -> list[MethodResult]:
        """RoPE in all its ways; nothing where there is but one."""
        found = [m for m in self.methods if m.method.split(" + ")[0] == "rope"]
        return found if len(found) > 1 else []

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it; the same for the same text, settings and threads."""
        return {
            "rowspace": __version__,
            "config": self.config.without_machine(),
            "n_train_tokens": self.n_train_tokens,
            "n_measured": self.n_measured,
            "methods": [{"name": m.name, **dataclasses.asdict(m)} for m in self.methods],
        }


def summarize(
    config: ExtrapolationConfig, text: Text, models: Sequence[Sequence[Measured]]
) -> Results:
    """Put together what was measured of each model.

    Parameters
    ----------
    config : ExtrapolationConfig
    text : Text
    models : sequence of sequence of Measured
        Of each model, all ways it was read in.
    """
    by_method: dict[tuple[str, bool], list[Measured]] = {}
    for measured in (entry for model in models for entry in model):
        by_method.setdefault((measured.method, measured.is_tuned), []).append(measured)
    methods = [_method_result(config, seeds) for seeds in by_method.values()]
    return Results(config, len(text.train), text.n_measured, methods)


def _method_result(config: ExtrapolationConfig, seeds: Sequence[Measured]) -> MethodResult:
    first = seeds[0]
    perplexity = {length: _perplexity(seeds, length) for length in config.lengths}
    return MethodResult(
        method=first.method,
        is_tuned=first.is_tuned,
        refused_beyond=first.refused_beyond,
        perplexity=perplexity,
        ratio=_ratio(seeds, config.longest, lambda seed: seed.losses[config.train_length]),
        sliding=Spread.of(math.exp(seed.sliding) for seed in seeds),
        against_sliding=_ratio(seeds, config.longest, lambda seed: seed.sliding),
        places=[
            (start, stop, Spread.of(seed.places[i][2] for seed in seeds))
            for i, (start, stop, _) in enumerate(first.places)
        ],
    )


def _perplexity(seeds: Sequence[Measured], length: int) -> Spread | None:
    losses = [seed.losses[length] for seed in seeds]
    known = [loss for loss in losses if loss is not None]
    return Spread.of(math.exp(loss) for loss in known) if known else None


def _ratio(
    seeds: Sequence[Measured], length: int, against: Callable[[Measured], float | None]
) -> Spread | None:
    """Perplexity at a length over another, of each seed's own model."""
    ratios = []
    for seed in seeds:
        loss, other = seed.losses[length], against(seed)
        if loss is None or other is None:
            return None
        ratios.append(math.exp(loss - other))
    return Spread.of(ratios)


def table_lines(results: Results) -> list[str]:
    """Tables for a terminal: perplexity at each length, then the loss at each place."""
    config = results.config
    lengths = [f"{length:,}" for length in config.lengths]
    head = ["perplexity in windows of", *lengths, "ratio", "sliding", "against it"]
    rows = [
        [
            method.name,
            *(_cell(method, method.perplexity[length]) for length in config.lengths),
            _ratio_cell(method.ratio),
            spread_text(method.sliding, 1),
            _ratio_cell(method.against_sliding),
        ]
        for method in results.methods
    ]
    longest = next((m.places for m in results.methods if m.refused_beyond is None), [])
    places = [f"{first:,}-{stop - 1:,}" for first, stop, _ in longest]
    of_places = [
        [method.name, *(f"{spread.mean:.3f}" for _, _, spread in method.places)]
        for method in results.methods
        if method.refused_beyond is None
    ]
    return [*_aligned([head, *rows]), "", *_aligned([["loss at places", *places], *of_places])]


def _cell(method: MethodResult, spread: Spread | None) -> str:
    if spread is None:
        return f"refused beyond {method.refused_beyond:,}"
    return spread_text(spread, 1)


def _ratio_cell(ratio: Spread | None) -> str:
    return "" if ratio is None else spread_text(ratio, 3)


def spread_text(spread: Spread, digits: int = 1) -> str:
    """Mean and spread, the latter left out where there is none."""
    text = f"{spread.mean:,.{digits}f}"
    return f"{text} ± {spread.std:,.{digits}f}" if spread.std else text


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    n_columns = max(map(len, rows))
    padded = [[*row, *[""] * (n_columns - len(row))] for row in rows]
    widths = [max(map(len, column)) for column in zip(*padded, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in padded
    ]

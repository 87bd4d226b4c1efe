"""Plots as numbers: where each point, bar, tick and label stands in an SVG drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in the units of the drawing."""

_PLOT_WIDTH, _PLOT_HEIGHT = 460.0, 300.0
PLOT_BOX: Box = (62.0, 16.0, 444.0, 246.0)
_ZIPF_POINTS = 200
_CURVE_POINTS = 400
_CURVES_WIDTH, _CURVES_HEIGHT = 700.0, 400.0
CURVES_BOX: Box = (62.0, 16.0, 540.0, 346.0)
_LINE_HEIGHT = 16.0
_BAR_STEP = 3.0


@dataclass(frozen=True)
class Curve:
    """One of several lines over the same axes."""

    name: str
    points: list[tuple[float, float, str]]
    """(x, y, what it says)."""
    label: tuple[float, float]
    """Where its name is written."""
    color: int
    """Of those that pages have, and so the same in all plots of a page."""
    is_dashed: bool = False
    spread: list[tuple[float, float, float]] = field(default_factory=list)
    """(x, top, bottom) of a bar at each point, where there is an interval."""

    @property
    def line(self) -> str:
        """The points as an SVG polyline takes them."""
        return _polyline(self.points)


@dataclass(frozen=True)
class Plot:
    """A plot in the units of its drawing, y downwards."""

    title: str
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    points: list[tuple[float, float, str]]
    """(x, y, what it says)."""
    has_dots: bool = True
    has_line: bool = True
    bars: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    """(left, top, width, height, what it says)."""
    second: list[tuple[float, float, str]] = field(default_factory=list)
    """Another curve over the same axes, as `points`."""
    curves: list[Curve] = field(default_factory=list)
    """Curves with their names beside them."""
    reference: list[tuple[float, float]] = field(default_factory=list)
    """The two ends of a dashed line, if there is one."""
    reference_label: str = ""
    width: float = _PLOT_WIDTH
    height: float = _PLOT_HEIGHT
    box: Box = PLOT_BOX

    @property
    def line(self) -> str:
        """The points as an SVG polyline takes them."""
        return _polyline(self.points)

    @property
    def second_line(self) -> str:
        """The same of the other curve."""
        return _polyline(self.second)


def _polyline(points: Sequence[tuple[float, float, str]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)


@dataclass(frozen=True)
class Scale:
    """Where the values of one axis go."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """The place of `value` in the drawing."""
        low, high = self._measure(self.low), self._measure(self.high)
        share = (self._measure(value) - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def _measure(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def linear_ticks(low: float, high: float, n_wanted: int = 5) -> list[float]:
    """Round values from `low` or below to `high` or above, evenly spaced.

    Examples
    --------
    >>> linear_ticks(0, 9.3)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / n_wanted))
    step = next(power * m for m in (1, 2, 5, 10) if power * m * n_wanted >= span * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def log_ticks(high: float) -> list[float]:
    """Powers of ten from 1 to `high` or above."""
    return [10.0**k for k in range(max(1, math.ceil(math.log10(max(high, 1)) - 1e-9)) + 1)]


def short_number(value: float) -> str:
    """A number in few characters.

    Examples
    --------
    >>> short_number(1234567), short_number(10_000), short_number(2.5), short_number(3.0)
    ('1.23M', '10k', '2.5', '3')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Examples
    --------
    >>> duration(0.042), duration(3.14159), duration(75), duration(7322)
    ('0.04 s', '3.1 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def rank_plot(counts: Sequence[int]) -> Plot:
    """Count against rank, both logarithmic (Zipf 1949), beside a line that falls as 1 / rank.

    Parameters
    ----------
    counts : sequence of int
        Falling, all at least 1.
    """
    left, top, right, bottom = PLOT_BOX
    x_ticks, y_ticks = log_ticks(len(counts)), log_ticks(counts[0])
    x = Scale(1, x_ticks[-1], left, right, is_log=True)
    y = Scale(1, y_ticks[-1], bottom, top, is_log=True)
    ranks = np.unique(np.geomspace(1, len(counts), _ZIPF_POINTS).round().astype(int)).tolist()
    end = min(float(counts[0]), x_ticks[-1])
    return Plot(
        title="Words by rank",
        x_label="rank of the word (log)",
        y_label="occurrences (log)",
        x_ticks=[(x(t), short_number(t)) for t in x_ticks],
        y_ticks=[(y(t), short_number(t)) for t in y_ticks],
        points=[(x(r), y(counts[r - 1]), f"rank {r:,}: {counts[r - 1]:,}") for r in ranks],
        has_dots=len(counts) <= 12,
        reference=[(x(1), y(counts[0])), (x(end), y(counts[0] / end))],
        reference_label="1 / rank",
    )


def epoch_plot(
    values: Sequence[tuple[int, float]],
    title: str,
    y_label: str,
    reference: tuple[float, str] | None = None,
) -> Plot:
    """One point an epoch, and a level to compare with.

    Parameters
    ----------
    values : sequence of (epoch, value)
    reference : (value, what it is), optional
    """
    left, top, right, bottom = PLOT_BOX
    last = max(epoch for epoch, _ in values)
    x_ticks = [t for t in linear_ticks(1, max(last, 2)) if t == int(t) and 1 <= t <= max(last, 2)]
    x_ticks = sorted({1.0, *(t for t in x_ticks if t <= last)})
    x = Scale(0.5, last + 0.5, left, right)
    levels = [value for _, value in values] + ([reference[0]] if reference else [])
    y_ticks = linear_ticks(0, max(levels))
    y = Scale(y_ticks[0], y_ticks[-1], bottom, top)
    return Plot(
        title=title,
        x_label="epoch",
        y_label=y_label,
        x_ticks=[(x(t), short_number(t)) for t in x_ticks],
        y_ticks=[(y(t), short_number(t)) for t in y_ticks],
        points=[(x(e), y(v), f"epoch {e}: {_said(v)}") for e, v in values],
        reference=[(left, y(reference[0])), (right, y(reference[0]))] if reference else [],
        reference_label=reference[1] if reference else "",
    )


def step_plot(
    values: Sequence[tuple[int, float]],
    title: str,
    y_label: str,
    *,
    second: Sequence[tuple[int, float]] = (),
    reference: tuple[float, str] | None = None,
    starts_at_zero: bool = True,
) -> Plot:
    """A curve over the steps of training, another one with dots, and a level to compare with.

    Parameters
    ----------
    values, second : sequence of (step, value)
        Rising steps; the first curve is drawn by at most some hundred of its points.
    title, y_label : str
    reference : (value, what it is), optional
    starts_at_zero : bool
        Where the values begin, else near their smallest.
    """
    left, top, right, bottom = PLOT_BOX
    shown = [*values, *second]
    levels = [value for _, value in shown] + ([reference[0]] if reference else [])
    x_ticks = linear_ticks(0, max(step for step, _ in shown))
    y_ticks = linear_ticks(0 if starts_at_zero else min(levels), max(levels))
    x = Scale(0, x_ticks[-1], left, right)
    y = Scale(y_ticks[0], y_ticks[-1], bottom, top)
    every = max(1, len(values) // _CURVE_POINTS)
    return Plot(
        title=title,
        x_label="step",
        y_label=y_label,
        x_ticks=[(x(t), short_number(t)) for t in x_ticks],
        y_ticks=[(y(t), short_number(t)) for t in y_ticks],
        points=[(x(s), y(v), f"step {s:,}: {_said(v)}") for s, v in values[::every]],
        has_dots=False,
        second=[(x(s), y(v), f"step {s:,}: {_said(v)}") for s, v in second],
        reference=[(left, y(reference[0])), (right, y(reference[0]))] if reference else [],
        reference_label=reference[1] if reference else "",
    )


@dataclass(frozen=True)
class Series:
    """The values of one curve, before they have a place in a drawing."""

    name: str
    values: Sequence[tuple[float, float]]
    """(x, y)"""
    color: int
    is_dashed: bool = False
    spread: Sequence[tuple[float, float]] = ()
    """(low, high) at each value; nothing where there are no intervals. What lies beyond the axis,
    which follows the values alone, is cut."""


def curves_plot(
    series: Sequence[Series],
    title: str,
    x_label: str,
    y_label: str,
    *,
    x_ticks: Sequence[tuple[float, str]],
    is_log: bool = False,
    x_is_log: bool = True,
    reference: tuple[float, str] | None = None,
) -> Plot:
    """Several named curves, each axis logarithmic or not.

    Parameters
    ----------
    series : sequence of Series
        At least one, each of at least one value, above 0 along a logarithmic axis.
    title, x_label, y_label : str
    x_ticks : sequence of (x, what it says)
        They tell how far the axis goes.
    is_log : bool
        Whether y is logarithmic; else it begins near the smallest value.
    x_is_log : bool
    reference : (value, what it is), optional
    """
    left, top, right, bottom = CURVES_BOX
    levels = [y for one in series for _, y in one.values] + ([reference[0]] if reference else [])
    y_ticks = (fine_log_ticks if is_log else linear_ticks)(min(levels), max(levels))
    x = Scale(x_ticks[0][0], x_ticks[-1][0], left, right, is_log=x_is_log)
    y = Scale(y_ticks[0], y_ticks[-1], bottom, top, is_log=is_log)
    labels = _labels([(x(one.values[-1][0]), y(one.values[-1][1])) for one in series])
    return Plot(
        title=title,
        x_label=x_label,
        y_label=y_label,
        x_ticks=[(x(t), text) for t, text in x_ticks],
        y_ticks=[(y(t), short_number(t)) for t in y_ticks],
        points=[],
        curves=[
            Curve(
                one.name,
                [(x(a), y(b), f"{one.name}, {a:,.0f}: {_said(b)}") for a, b in one.values],
                label,
                one.color,
                one.is_dashed,
                [
                    # Beside each other, so that bars of like values can be told apart.
                    (x(a) + _BAR_STEP * place, max(y(high), top), min(y(low), bottom))
                    for (a, _), (low, high) in zip(one.values, one.spread, strict=False)
                ],
            )
            for place, (one, label) in enumerate(zip(series, labels, strict=True))
        ],
        reference=[(left, y(reference[0])), (right, y(reference[0]))] if reference else [],
        reference_label=reference[1] if reference else "",
        width=_CURVES_WIDTH,
        height=_CURVES_HEIGHT,
        box=CURVES_BOX,
    )


def fine_log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, from `low` or below to `high` or above.

    Examples
    --------
    >>> fine_log_ticks(30, 180)
    [20.0, 50.0, 100.0, 200.0]
    """
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{m}e{k}") for k in powers for m in (1, 2, 5)]
    first = max(i for i, tick in enumerate(ticks) if tick <= low * (1 + 1e-9))
    last = min(i for i, tick in enumerate(ticks) if tick >= high * (1 - 1e-9))
    return ticks[first : max(last, first + 1) + 1]


def _labels(ends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where names are written: at the right, as far apart as lines must be, and in the order of
    the curves' ends; above the end of a curve that stops before."""
    _, top, right, bottom = CURVES_BOX
    labels = [(x, y - 2 * _LINE_HEIGHT) for x, y in ends]
    whole = sorted((y, i) for i, (x, y) in enumerate(ends) if x > right - 1)
    lowest = bottom + _LINE_HEIGHT
    places: list[float] = []
    for y, _ in whole:  # push down what would lie on the one above
        places.append(max(y, places[-1] + _LINE_HEIGHT if places else top))
    for place, (_, i) in zip(reversed(places), reversed(whole), strict=True):
        lowest = min(place, lowest - _LINE_HEIGHT)  # and up again what went below the axis
        labels[i] = right + 9, lowest
    return labels


def _said(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if value >= 0.1 or value == 0 else f"{value:.3g}"

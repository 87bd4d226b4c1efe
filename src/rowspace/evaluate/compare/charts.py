"""Drawings of a comparison as numbers: quality against a cost, and scores as bars.

Everything has its place in the units of an SVG drawing, y downwards, as in `space.plots`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rowspace.space.plots import Box, Scale, fine_log_ticks, linear_ticks, short_number

WIDTH, HEIGHT = 820.0, 470.0
BOX: Box = (62.0, 20.0, 800.0, 410.0)
_LETTER, _LINE = 7.0, 15.0  # of a label, about
_WIDE_LETTER = 8.0  # that the names of bars are not wider than, so that none is cut
_BAR, _GAP, _MOST_LEFT, _BARS_RIGHT = 18.0, 10.0, 380.0, 740.0
_MOST_TICKS = 8


@dataclass(frozen=True)
class Spot:
    """A model, before it has a place."""

    name: str
    x: float
    y: float
    low: float
    high: float
    color: int
    """Of those that pages have."""
    is_hollow: bool = False


@dataclass(frozen=True)
class Placed:
    """A model in the drawing."""

    name: str
    x: float
    y: float
    low: float
    high: float
    color: int
    is_hollow: bool
    said: str
    is_on_front: bool
    label: tuple[float, float, str]
    """x, y and where the text is anchored."""


@dataclass(frozen=True)
class Scatter:
    """Quality against a cost, with the front of those that nothing beats in both."""

    title: str
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    spots: list[Placed]
    front: list[tuple[float, float]]
    """The steps of the front, as a line."""
    width: float = WIDTH
    height: float = HEIGHT
    box: Box = BOX


def pareto_front(spots: Sequence[Spot]) -> list[Spot]:
    """Those that no other is at least as good and as cheap as, and better in one; cheapest first.

    Examples
    --------
    >>> made = [Spot("a", 1, 0.3, 0, 0, 0), Spot("b", 2, 0.2, 0, 0, 0), Spot("c", 3, 0.5, 0, 0, 0)]
    >>> [spot.name for spot in pareto_front(made)]
    ['a', 'c']
    """
    front: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: (spot.x, -spot.y)):
        if not front or spot.y > front[-1].y:
            front.append(spot)
    return front


def scatter(spots: Sequence[Spot], title: str, x_label: str, y_label: str) -> Scatter:
    """Place models by a cost, logarithmic, and a score with its interval.

    Parameters
    ----------
    spots : sequence of Spot
        At least one; x above 0.
    title, x_label, y_label : str
    """
    left, top, right, bottom = BOX
    x_ticks = _thinned(fine_log_ticks(min(s.x for s in spots), max(s.x for s in spots)))
    y_ticks = linear_ticks(min(0.0, *(s.low for s in spots)), max(s.high for s in spots))
    x = Scale(x_ticks[0], x_ticks[-1], left + 12, right - 12, is_log=True)
    y = Scale(y_ticks[0], y_ticks[-1], bottom, top)
    front = pareto_front(spots)
    corners = [(x(s.x), y(s.y)) for s in front]
    steps = [
        point
        for (x1, y1), (x2, _) in zip(corners, [*corners[1:], (right, 0.0)], strict=True)
        for point in ((x1, y1), (x2, y1))
    ]
    labels = _labels([(x(s.x), y(s.y), y(s.low), y(s.high), s.name) for s in spots])
    return Scatter(
        title=title,
        x_label=x_label,
        y_label=y_label,
        x_ticks=[(x(t), short_number(t)) for t in x_ticks],
        y_ticks=[(y(t), short_number(t)) for t in y_ticks],
        spots=[
            Placed(
                name=s.name,
                x=x(s.x),
                y=y(s.y),
                low=y(s.low),
                high=y(s.high),
                color=s.color,
                is_hollow=s.is_hollow,
                said=f"{s.name}: {s.y:.3f} [{s.low:.3f}, {s.high:.3f}] at {short_number(s.x)}",
                is_on_front=s in front,
                label=label,
            )
            for s, label in zip(spots, labels, strict=True)
        ],
        front=steps,
    )


def _thinned(ticks: list[float]) -> list[float]:
    """Powers of ten alone, and the ends, where there would be too many."""
    if len(ticks) <= _MOST_TICKS:
        return ticks
    return [t for t in ticks if t in (ticks[0], ticks[-1]) or f"{t:e}".startswith("1.0")]


_Mark = tuple[float, float, float, float, str]
"""x, y, the two ends of the interval, the label."""


def _labels(marks: Sequence[_Mark]) -> list[tuple[float, float, str]]:
    """A free place for each name: beside its point, above or below it, or a little off."""
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y, *_ in marks]
    whiskers: list[Box] = [(x - 1, high, x + 1, low) for x, _, low, high, _ in marks]
    found: dict[int, tuple[float, float, str]] = {}
    # From the top down, so that where many stand close, the names keep the order of the points.
    for i in sorted(range(len(marks)), key=lambda i: marks[i][1]):
        x, y, _, _, name = marks[i]
        width = _LETTER * len(name)
        best = min(
            _places(x, y),
            key=lambda place: _cost(_box(place, width), taken, whiskers, place, y),
        )
        taken.append(_box(best, width))
        found[i] = best
    return [found[i] for i in range(len(marks))]


def _places(x: float, y: float) -> list[tuple[float, float, str]]:
    offsets = [0.0, *(sign * step * _LINE / 2 for step in range(1, 9) for sign in (-1, 1))]
    beside = [
        (x + side * 10, y + dy, anchor)
        for dy in offsets
        for side, anchor in ((1, "start"), (-1, "end"))
    ]
    return [*beside, (x, y - 14, "middle"), (x, y + 14, "middle")]


def _box(place: tuple[float, float, str], width: float) -> Box:
    x, y, anchor = place
    left = {"start": x, "end": x - width, "middle": x - width / 2}[anchor]
    return left, y - _LINE / 2, left + width, y + _LINE / 2


def _cost(
    box: Box,
    taken: Sequence[Box],
    whiskers: Sequence[Box],
    place: tuple[float, float, str],
    y: float,
) -> float:
    """How bad a place is: over others, over their intervals, outside, far from its point."""
    left, top, right, bottom = box
    outside = max(0.0, BOX[0] - left) + max(0.0, right - BOX[2]) + max(0.0, bottom - BOX[3])
    return (
        sum(_overlap(box, other) for other in taken)
        + 0.2 * sum(_overlap(box, other) for other in whiskers)
        + 40 * (outside + max(0.0, BOX[1] - _LINE - top))
        + abs(place[1] - y)
        + (1 if place[2] == "end" else 0)
    )


def _overlap(one: Box, other: Box) -> float:
    """The area that both cover."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


@dataclass(frozen=True)
class Bar:
    """A model's score, before it has a place."""

    name: str
    value: float
    low: float
    high: float
    color: int


@dataclass(frozen=True)
class PlacedBar:
    """A bar in the drawing, from the left."""

    name: str
    y: float
    width: float
    low: float
    high: float
    color: int
    text: str


@dataclass(frozen=True)
class Bars:
    """Scores below each other, with their intervals, beside a level to compare with."""

    title: str
    x_label: str
    x_ticks: list[tuple[float, str]]
    bars: list[PlacedBar]
    reference: tuple[float, str] | None
    left: float
    right: float
    bottom: float
    thickness: float
    width: float
    height: float


def bars(
    shown: Sequence[Bar], title: str, x_label: str, reference: tuple[float, str] | None = None
) -> Bars:
    """Place scores as bars from 0.

    Parameters
    ----------
    shown : sequence of Bar
        At least one.
    title, x_label : str
    reference : (value, what it is), optional
    """
    levels = [bar.high for bar in shown] + ([reference[0]] if reference else [])
    ticks = linear_ticks(min(0.0, *(bar.low for bar in shown)), max(levels))
    left = min(_MOST_LEFT, 20 + _WIDE_LETTER * max(len(bar.name) for bar in shown))
    x = Scale(ticks[0], ticks[-1], left, _BARS_RIGHT)
    top = 30.0
    bottom = top + len(shown) * (_BAR + _GAP)
    return Bars(
        title=title,
        x_label=x_label,
        x_ticks=[(x(t), short_number(t)) for t in ticks],
        bars=[
            PlacedBar(
                name=bar.name,
                y=top + i * (_BAR + _GAP),
                width=max(0.0, x(bar.value) - x(0)),
                low=x(bar.low),
                high=x(bar.high),
                color=bar.color,
                text=f"{bar.value:.3f}",
            )
            for i, bar in enumerate(shown)
        ],
        reference=None if reference is None else (x(reference[0]), reference[1]),
        left=x(0),
        right=_BARS_RIGHT,
        bottom=bottom,
        thickness=_BAR,
        width=WIDTH,
        height=bottom + 48,
    )

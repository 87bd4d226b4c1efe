"""Plots and maps of rowspace's own kinds, written as SVG beside the curves of `drawing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drawing import PICTURES

from rowspace.space.pages import page_template, write_page
from rowspace.space.plots import PLOT_BOX, Plot, Scale, linear_ticks, short_number


def write(name: str, **parts: Any) -> None:
    """Write NAME.svg of a `plot`, a `map` with its `tags`, or a `tree`."""
    given = {"plot": None, "map": None, "tags": [], "tree": None}
    path = PICTURES / f"{name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, page_template("rowspace.space", "drawing.svg").render(given | parts))
    print(path)


def columns(values: Sequence[tuple[str, float]], title: str, x_label: str, y_label: str) -> Plot:
    """A column a value, from 0, each with its name below."""
    left, top, right, bottom = PLOT_BOX
    y_ticks = linear_ticks(0, max(value for _, value in values))
    y = Scale(0, y_ticks[-1], bottom, top)
    width = (right - left) / len(values)
    return Plot(
        title=title,
        x_label=x_label,
        y_label=y_label,
        x_ticks=[(left + (i + 0.5) * width, name) for i, (name, _) in enumerate(values)],
        y_ticks=[(y(tick), short_number(tick)) for tick in y_ticks],
        points=[],
        bars=[
            (left + i * width + 8, y(value), width - 16, bottom - y(value), f"{name}: {value:.3f}")
            for i, (name, value) in enumerate(values)
        ],
    )

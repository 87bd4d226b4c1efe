"""What the plots of the guide share: a drawing of curves, written as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rowspace.space.pages import page_template, write_page
from rowspace.space.plots import Series, curves_plot

PICTURES = Path(__file__).parents[1] / "pictures" / "learn"


def draw(
    name: str,
    series: Sequence[Series],
    title: str,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[float],
    *,
    is_log: bool = False,
    x_is_log: bool = True,
    reference: tuple[float, str] | None = None,
) -> None:
    """Write NAME.svg of some curves; the ticks of x tell how far its axis goes."""
    plot = curves_plot(
        series,
        title,
        x_label,
        y_label,
        x_ticks=[(tick, f"{tick:,.10g}") for tick in x_ticks],
        is_log=is_log,
        x_is_log=x_is_log,
        reference=reference,
    )
    template = page_template("rowspace.space", "drawing.svg")
    path = PICTURES / f"{name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, template.render(plot=plot, map=None, tree=None))
    print(path)

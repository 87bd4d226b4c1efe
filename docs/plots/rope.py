"""Plots of chapter 7: RoPE's scalings by pair, and perplexities beyond the training length.

Run as `python docs/plots/rope.py`. The perplexities are read from benchmarks/results.md.
"""

from __future__ import annotations

import re
from pathlib import Path

from drawing import draw

from rowspace.position import NTK, Linear, Llama3, Scaling, YaRN
from rowspace.space.plots import Series

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results.md"
LENGTHS = (128, 256, 512, 1024, 2048)
DIM, BASE, LENGTH, FACTOR = 128, 10_000.0, 4096, 4.0


def recorded(title: str) -> dict[str, list[tuple[float, float]]]:
    """(window, perplexity) of each model in the section whose title ends so."""
    found = re.search(
        rf"^## [^\n]*{re.escape(title)}\n(.*?)\n\n(?:loss|## )", RESULTS.read_text(), re.M | re.S
    )
    assert found is not None, f"no section of {title!r} in {RESULTS}"
    _, _, table = found[1].partition("perplexity in windows of")
    curves = {}
    for line in table.splitlines()[1:]:
        name, *cells = re.split(r"\s{2,}", line)
        values = [float(cell.split()[0]) for cell in cells[: len(LENGTHS)] if cell[0].isdigit()]
        n = 1 if "refused" in line else len(LENGTHS)
        curves[name] = list(zip(LENGTHS[:n], values[:n], strict=True))
    return curves


def draw_recorded(name: str, title: str, names: tuple[str, ...]) -> None:
    """Perplexity by window of these models."""
    curves = recorded(title)
    draw(
        name,
        [Series(one, curves[one], color) for color, one in enumerate(names)],
        f"Perplexity by window: {title}",
        "tokens of a window (log)",
        "perplexity",
        LENGTHS,
    )


def draw_scalings() -> None:
    """What each scaling divides each pair's frequency by."""
    plain = Scaling().frequencies(BASE, DIM, LENGTH)
    scalings: dict[str, Scaling] = {
        "linear": Linear(FACTOR),
        "llama3": Llama3(FACTOR, 1.0, 4.0, LENGTH),
        "yarn": YaRN(FACTOR, LENGTH),
        "ntk": NTK(FACTOR),
    }
    draw(
        "rope-scalings",
        [
            Series(
                name,
                list(enumerate((plain / scaling.frequencies(BASE, DIM, LENGTH)).tolist())),
                color,
            )
            for color, (name, scaling) in enumerate(scalings.items())
        ],
        f"Scalings of RoPE by a factor of {FACTOR:.0f}",
        "pair, fast to slow",
        "frequency is divided by",
        (0, 9, 18, 27, 36, 45, 54, 63),
        x_is_log=False,
    )


if __name__ == "__main__":
    draw_scalings()
    draw_recorded(
        "extrapolation-methods",
        "5 methods, 1 seeds",
        ("rope", "alibi", "sinusoidal", "none", "learned"),
    )
    draw_recorded(
        "extrapolation-scalings",
        "2 methods, 3 seeds",
        (
            "rope",
            "rope + linear",
            "rope + ntk",
            "rope + dynamic",
            "rope + yarn",
            "rope + yarn, tuned",
            "alibi",
        ),
    )

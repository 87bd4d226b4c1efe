"""The extrapolation experiment as one HTML page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from rowspace.evaluate.extrapolation_results import MethodResult, Results, Spread, spread_text
from rowspace.space.pages import page_template
from rowspace.space.plots import Plot, Series, curves_plot
from rowspace.version import __version__


def render_page(name: str, results: Results, seconds: float, made: datetime) -> str:
    """The page as text.

    Parameters
    ----------
    name : str
        Of the experiment.
    results : Results
    seconds : float
        That it took.
    made : datetime
    """
    return page_template("rowspace.evaluate", "extrapolation.html").render(
        name=name,
        spread=_number,
        results=results,
        config=results.config,
        times=results.config.longest / results.config.train_length,
        findings=findings(results),
        plots={
            "lengths": length_plot(results, results.positions, "Perplexity by window"),
            "places": place_plot(results, results.positions, "Loss by place in the window"),
        },
        rope_plots={
            "lengths": length_plot(results, results.ropes, "Perplexity of RoPE by window"),
            "places": place_plot(results, results.ropes, "Loss of RoPE by place in the window"),
        }
        if results.ropes
        else {},
        seconds=seconds,
        map=None,
        version=__version__,
        made=made,
    )


def _number(spread: Spread | None, digits: int = 1) -> str:
    return "–" if spread is None else spread_text(spread, digits)


def length_plot(results: Results, methods: Sequence[MethodResult], title: str) -> Plot | None:
    """Perplexity at each length of window, a curve a method; None where there is one length."""
    lengths = results.config.lengths
    if len(lengths) < 2:
        return None
    series = [
        Series(
            method.name,
            [(n, spread.mean) for n, spread in method.perplexity.items() if spread is not None],
            color,
            method.is_tuned,
        )
        for color, method in _colored(methods)
    ]
    return curves_plot(
        series,
        title,
        "tokens in a window (log)",
        "perplexity (log)",
        x_ticks=[(n, f"{n:,}") for n in lengths],
        is_log=True,
    )


def place_plot(results: Results, methods: Sequence[MethodResult], title: str) -> Plot | None:
    """Loss at places of the longest window, a curve a method that reads it."""
    whole = [(c, method) for c, method in _colored(methods) if method.refused_beyond is None]
    if not whole or len(whole[0][1].places) < 2:
        return None
    series = [
        Series(
            method.name,
            [(_middle(first, stop), loss.mean) for first, stop, loss in method.places],
            color,
            method.is_tuned,
        )
        for color, method in whole
    ]
    return curves_plot(
        series,
        title,
        "place in the window (log)",
        "nats per token",
        x_ticks=[(_middle(first, stop), f"{first:,}+") for first, stop, _ in whole[0][1].places],
    )


def _middle(first: int, stop: int) -> float:
    """The place in the middle of an octave, by logarithm; the first one's begins at its half."""
    return math.sqrt(max(first, stop / 2) * stop)


def _colored(methods: Sequence[MethodResult]) -> list[tuple[int, MethodResult]]:
    """Each method with its color, which a method that was tuned shares with what it was before."""
    names = list(dict.fromkeys(method.method for method in methods))
    return [(names.index(method.method), method) for method in methods]


def findings(results: Results) -> list[str]:
    """What the numbers say, a sentence a position, from the best to the worst."""
    times = results.config.longest / results.config.train_length
    read = [method for method in results.positions if method.ratio is not None]
    said = [
        f"{method.name}: {_number(method.ratio, 2)} times the perplexity at {times:g} times "
        f"the length, {_number(method.against_sliding, 2)} times that of sliding windows"
        for method in sorted(read, key=lambda method: method.ratio.mean if method.ratio else 0)
    ]
    refused = [
        f"{method.name}: refused beyond {method.refused_beyond:,}, for there is no row to look up"
        for method in results.positions
        if method.refused_beyond is not None
    ]
    return [*said, *refused]

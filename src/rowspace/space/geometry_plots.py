"""The plots of a space's geometry: spectrum, hubs, lengths by frequency, drift."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from rowspace.space.alignment import Drift
from rowspace.space.hubness import Hubness
from rowspace.space.plots import PLOT_BOX, Plot, Scale, linear_ticks, log_ticks, short_number
from rowspace.space.spectrum import Spectrum
from rowspace.space.vectors import Vectors

_N_DOTS = 1500
_N_BARS = 20


def spectrum_plot(spectrum: Spectrum) -> Plot:
    """Share of the variance along the first axes together, beside a line where all are alike."""
    left, top, right, bottom = PLOT_BOX
    summed = np.cumsum(spectrum.shares)
    dim = len(summed)
    x, y = Scale(0, dim, left, right), Scale(0, 1, bottom, top)
    said = [f"{i + 1} of {dim} axes: {100 * share:.1f} %" for i, share in enumerate(summed)]
    return Plot(
        title="Variance",
        x_label="principal axes, the strongest first",
        y_label="share of the variance",
        x_ticks=[(x(t), short_number(t)) for t in linear_ticks(0, dim) if t <= dim],
        y_ticks=[(y(t), f"{100 * t:.0f} %") for t in linear_ticks(0, 1)],
        points=[
            (x(0), y(0), "no axis: 0 %"),
            *((x(i + 1), y(share), said[i]) for i, share in enumerate(summed.tolist())),
        ],
        has_dots=dim <= 12,
        reference=[(x(0), y(0)), (x(dim), y(1))],
        reference_label="",
    )


def hub_plot(hubness: Hubness) -> Plot:
    """How many words are among the nearest of how many others: none, 1, 2-3, 4-7 and so on."""
    most = int(hubness.occurrences.max())
    edges = [0, *(2**i for i in range(most.bit_length() + 1))]
    counts, _ = np.histogram(hubness.occurrences, bins=[*edges[:-1], most + 1])
    names = [str(low) if high - low == 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)]
    return _columns(
        counts.tolist(),
        names,
        title="Hubs",
        x_label=f"how many words have it among their {hubness.k} nearest",
        says="{0:,} words are among the nearest of {1}",
    )


def drift_plot(drift: Drift) -> Plot:
    """How many words moved how far, by cosine distance."""
    most = max(0.1, float(drift.distances.max()))
    edges = linear_ticks(0, most, _N_BARS)
    counts, _ = np.histogram(drift.distances, bins=edges)
    names = [f"{low:.2f}-{high:.2f}" for low, high in pairwise(edges)]
    plot = _columns(
        counts.tolist(), names, title="Drift", x_label="cosine distance of a word from itself",
        says="{0:,} words moved by {1}",
    )  # fmt: skip
    x = Scale(edges[0], edges[-1], PLOT_BOX[0], PLOT_BOX[2])
    shown = [t for t in linear_ticks(edges[0], edges[-1]) if t <= edges[-1] + 1e-9]
    plot.x_ticks[:] = [(x(t), short_number(t)) for t in shown]
    return plot


def _columns(counts: list[int], names: list[str], title: str, x_label: str, says: str) -> Plot:
    """A bar a count."""
    left, top, right, bottom = PLOT_BOX
    y_ticks = linear_ticks(0, max(*counts, 1))
    y = Scale(0, y_ticks[-1], bottom, top)
    width = (right - left) / len(counts)
    bars = [
        (left + i * width + 1, y(n), width - 2, bottom - y(n), says.format(n, name))
        for i, (n, name) in enumerate(zip(counts, names, strict=True))
    ]
    step = -(-len(names) // 9)
    return Plot(
        title=title,
        x_label=x_label,
        y_label="words",
        x_ticks=[(left + (i + 0.5) * width, name) for i, name in enumerate(names) if i % step == 0],
        y_ticks=[(y(t), short_number(t)) for t in y_ticks],
        points=[],
        bars=bars,
    )


def norm_plot(sample: Vectors) -> Plot | None:
    """Length of vectors against how often their words occur; None without counts.

    Of many words, so many are drawn, spread evenly over the ranks' logarithms.
    """
    if sample.counts is None or sample.counts.max() < 1:
        return None
    left, top, right, bottom = PLOT_BOX
    rows = np.unique(np.geomspace(1, len(sample), _N_DOTS).astype(np.int64)) - 1
    rows = rows[sample.counts[rows] > 0]
    x_ticks = log_ticks(float(sample.counts.max()))
    y_ticks = linear_ticks(0, float(sample.norms.max()))
    x = Scale(1, x_ticks[-1], left, right, is_log=True)
    y = Scale(0, y_ticks[-1], bottom, top)
    return Plot(
        title="Length and frequency",
        x_label="occurrences of the word (log)",
        y_label="length of its vector",
        x_ticks=[(x(t), short_number(t)) for t in x_ticks],
        y_ticks=[(y(t), short_number(t)) for t in y_ticks],
        points=[
            (
                x(int(sample.counts[row])),
                y(float(sample.norms[row])),
                f"{sample.index_to_key[row]}: {sample.counts[row]:,} times, "
                f"length {sample.norms[row]:.2f}",
            )
            for row in rows.tolist()
        ],
        has_line=False,
    )

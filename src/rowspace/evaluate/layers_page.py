"""The layers of a transformer as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rowspace.evaluate.layers import LayersGeometry, Measures, findings
from rowspace.space.pages import page_template, write_page
from rowspace.space.plots import Plot, Series, curves_plot
from rowspace.version import __version__

_TICKS = 13
_NAMES = {
    "raw": "as they are",
    "all_but_the_top": "all-but-the-top",
    "whitened": "whitened",
}


def write_layers(geometry: LayersGeometry, out: Path, name: str) -> None:
    """Draw the layers of a model.

    Parameters
    ----------
    geometry : LayersGeometry
    out : Path
        The page; its folder is made if it is not there.
    name : str
        What the model is called.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    write_page(out, render_layers(geometry, name, datetime.now(UTC)))


def render_layers(geometry: LayersGeometry, name: str, made: datetime) -> str:
    """The page as text."""
    return page_template("rowspace.evaluate", "layers.html").render(
        name=name,
        geometry=geometry,
        findings=findings(geometry),
        names=_NAMES,
        plots=_plots(geometry) if len(geometry.layers) > 1 else {},
        map=None,
        version=__version__,
        made=made,
    )


def _plots(geometry: LayersGeometry) -> dict[str, Plot]:
    return {
        "cosines": _plot(
            geometry,
            "Cosines by layer",
            "mean cosine",
            {
                "same word": ("raw", lambda m: m.contextuality.self_similarity),
                "in sentence": ("raw", lambda m: m.contextuality.intra_sentence),
                "random words": ("raw", lambda m: m.contextuality.baseline),
            },
        ),
        "self_similarity": _by_mend(
            geometry,
            "A word with itself",
            "cosine above random words",
            lambda m: m.contextuality.adjusted_self_similarity,
        ),
        "intra_sentence": _by_mend(
            geometry,
            "Words of a sentence",
            "cosine above random words",
            lambda m: m.contextuality.adjusted_intra_sentence,
        ),
        "explainable": _by_mend(
            geometry,
            "What a static vector explains",
            "share above random",
            lambda m: m.contextuality.adjusted_explainable,
        ),
        "isoscore": _by_mend(
            geometry, "Evenness by layer", "IsoScore", lambda m: m.isotropy.isoscore
        ),
    }


def _by_mend(
    geometry: LayersGeometry, title: str, y_label: str, value: Callable[[Measures], float]
) -> Plot:
    """One figure of the vectors as they are and mended."""
    mends = geometry.layers[0].mended
    return _plot(geometry, title, y_label, {_NAMES[mend]: (mend, value) for mend in mends})


def _plot(
    geometry: LayersGeometry,
    title: str,
    y_label: str,
    curves: dict[str, tuple[str, Callable[[Measures], float]]],
) -> Plot:
    series = [
        Series(name, [(m.layer, value(m.mended[mend])) for m in geometry.layers], color)
        for color, (name, (mend, value)) in enumerate(curves.items())
    ]
    return curves_plot(
        series,
        title,
        "layer",
        y_label,
        x_ticks=_ticks([found.layer for found in geometry.layers]),
        x_is_log=False,
        reference=(0, ""),
    )


def _ticks(layers: Sequence[int]) -> list[tuple[float, str]]:
    """Some of the layers, and the last."""
    step = -(-len(layers) // _TICKS)
    shown = [*layers[:-1][::step], layers[-1]]
    if len(shown) > 2 and shown[-1] - shown[-2] < step:
        del shown[-2]
    return [(layer, str(layer)) for layer in shown]

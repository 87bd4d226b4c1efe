"""The plots of chapter 3: lengths, hubs and a map of word vectors of novels.

Run as `python docs/plots/geometry.py`; some half a minute.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pictures import write

import rowspace as rs
from rowspace.space.geometry import measure_geometry
from rowspace.space.geometry_plots import hub_plot, norm_plot, spectrum_plot
from rowspace.space.geometry_report import draw_clusters
from rowspace.space.vectors import Vectors

NOVELS = Path(__file__).parents[2] / "examples" / "gutenberg"
N_DOTS = 700


def some(vectors: Vectors) -> Vectors:
    """Some words, spread evenly over the logarithms of their ranks."""
    rows = np.unique(np.geomspace(1, len(vectors), N_DOTS).astype(np.int64)) - 1
    assert vectors.counts is not None
    words = [vectors.index_to_key[row] for row in rows]
    return Vectors(words, vectors.matrix[rows], vectors.counts[rows])


def main() -> None:
    """Train as the chapter does, and draw."""
    vectors = rs.Word2Vec(dim=100, epochs=5, n_threads=1).fit(NOVELS)
    found = measure_geometry(vectors)
    view = draw_clusters(found)
    write("novels-lengths", plot=norm_plot(some(vectors)))
    write("novels-hubs", plot=hub_plot(found.hubness))
    write("novels-spectrum", plot=spectrum_plot(found.spectrum))
    write("novels-map", map=view.map, tags=view.tags)


if __name__ == "__main__":
    main()

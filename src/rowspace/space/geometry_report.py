"""A space's geometry as one HTML page, or as a folder of SVG drawings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.space.clusters import linkage
from rowspace.space.dendrogram import MAX_LEAVES, Dendrogram, dendrogram_text, draw_dendrogram
from rowspace.space.geometry import Geometry, findings
from rowspace.space.geometry_plots import drift_plot, hub_plot, norm_plot, spectrum_plot
from rowspace.space.pages import page_template, write_page
from rowspace.space.plots import Plot
from rowspace.space.similarity import Doubles, Rows, unit_rows
from rowspace.space.wordmap import WordMap, draw_map, map_rows
from rowspace.version import __version__

N_HUBS = 20
N_MOVED = 25
_MIN_TAGGED = 3


@dataclass(frozen=True)
class MapView:
    """The map of words, and the number of each cluster where most of its words stand."""

    map: WordMap
    tags: list[tuple[float, float, str]]
    """(x, y, number of the cluster, from 1)."""


def write_geometry(geometry: Geometry, out: Path, name: str) -> list[Path]:
    """Draw the geometry; returns the files that were written, each whole or not at all.

    Parameters
    ----------
    geometry : Geometry
    out : Path
        A page where it ends in .html or .htm; otherwise a folder for SVG drawings, made if it is
        not there. Other files in it stay.
    name : str
        What the space is called.

    Raises
    ------
    ConfigError
        If `out` is neither.
    """
    check_drawings(out)
    if _is_page(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_page(out, render_geometry(geometry, name, datetime.now(UTC)))
        return [out]
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for stem, drawing in _drawings(geometry):
        written.append(out / f"{stem}.svg")
        write_page(written[-1], drawing)
    return written


def check_drawings(out: Path) -> None:
    """Raise ConfigError if `out` is neither a page nor a folder."""
    if not _is_page(out) and (out.suffix or (out.exists() and not out.is_dir())):
        raise ConfigError(f"{str(out)!r} is no folder and no .html page; give one of the two")


def _is_page(out: Path) -> bool:
    return out.suffix.lower() in (".html", ".htm")


def render_geometry(geometry: Geometry, name: str, made: datetime) -> str:
    """The page as text."""
    view = draw_clusters(geometry)
    return page_template("rowspace.space", "geometry.html").render(
        name=name,
        geometry=geometry,
        sample=geometry.sample,
        findings=findings(geometry),
        plots=dict(_plots(geometry)),
        map=view.map,
        tags=view.tags,
        tree=cluster_dendrogram(geometry),
        hubs=[
            (geometry.sample.index_to_key[row], int(geometry.hubness.occurrences[row]))
            for row in geometry.hubness.hubs(N_HUBS)
        ],
        moved=[] if geometry.drift is None else geometry.drift.largest(N_MOVED).tolist(),
        version=__version__,
        made=made,
    )


def _plots(geometry: Geometry) -> Iterator[tuple[str, Plot]]:
    yield "spectrum", spectrum_plot(geometry.spectrum)
    yield "hubs", hub_plot(geometry.hubness)
    norms = norm_plot(geometry.sample)
    if norms is not None:
        yield "norms", norms
    if geometry.drift is not None:
        yield "drift", drift_plot(geometry.drift)


def _drawings(geometry: Geometry) -> Iterator[tuple[str, str]]:
    """Names and texts of the drawings that stand alone."""
    template = page_template("rowspace.space", "drawing.svg")
    view = draw_clusters(geometry)
    given: dict[str, Any] = {"plot": None, "map": None, "tags": [], "tree": None}
    yield "map", template.render(given | {"map": view.map, "tags": view.tags})
    for stem, plot in _plots(geometry):
        yield stem, template.render(given | {"plot": plot})
    tree = cluster_dendrogram(geometry)
    if tree is not None:
        yield "clusters", template.render(given | {"tree": tree})


def draw_clusters(geometry: Geometry) -> MapView:
    """The map of frequent words in the colours of their clusters."""
    rows = map_rows(geometry.sample)
    groups = _map_groups(geometry, rows)
    with track("drawing the map"):
        drawn = draw_map(geometry.sample, rows, groups)
    if geometry.clusters is None:
        return MapView(drawn, [])
    places = np.array([(word.x, word.y) for word in drawn.words])
    tags = []
    for group in range(geometry.clusters.n_clusters):
        own = places[groups == group]
        if len(own) >= _MIN_TAGGED:
            x, y = np.median(own, axis=0).tolist()
            tags.append((x, y, str(group + 1)))
    return MapView(drawn, tags)


def _map_groups(geometry: Geometry, rows: Rows) -> Rows:
    """The cluster of each word on the map; the nearest one's where it is in none."""
    if geometry.clusters is None:
        return np.zeros(len(rows), dtype=np.int64)
    groups = geometry.clusters.groups
    nearest = (unit_rows(geometry.sample.matrix[rows]) @ geometry.clusters.centers.T).argmax(axis=1)
    own = groups[np.minimum(rows, len(groups) - 1)]
    return np.where(rows < len(groups), own, nearest).astype(np.int64)


def cluster_labels(geometry: Geometry) -> list[str]:
    """Number and central words of each cluster."""
    return [
        f"{i}  {', '.join(described.central[:4])}"
        for i, described in enumerate(geometry.cluster_words, 1)
    ]


def _cluster_tree(geometry: Geometry) -> Doubles | None:
    """How the clusters' centers join by average linkage; None where there is nothing to join."""
    if geometry.clusters is None or not 2 <= geometry.clusters.n_clusters <= MAX_LEAVES:
        return None
    if not geometry.clusters.centers.any(axis=1).all():  # opposite words: no middle to join
        return None
    return linkage(geometry.clusters.centers, "average")


def cluster_dendrogram(geometry: Geometry) -> Dendrogram | None:
    """The tree of clusters, to draw."""
    tree = _cluster_tree(geometry)
    return None if tree is None else draw_dendrogram(tree, cluster_labels(geometry))


def cluster_tree_text(geometry: Geometry) -> str:
    """The tree of clusters as text; a list where there is nothing to join."""
    tree = _cluster_tree(geometry)
    labels = cluster_labels(geometry)
    return "\n".join(labels) if tree is None else dendrogram_text(tree, labels)

"""Two coordinates for every point: PCA, UMAP or t-SNE of its direction.

UMAP: McInnes, Healy & Melville (2018), https://arxiv.org/abs/1802.03426. t-SNE: van der Maaten &
Hinton (2008), https://jmlr.org/papers/v9/vandermaaten08a.html. Both are of cosine distances and
start from PCA. Of more points than they bear, a sample is fitted and the others are placed by the
nearest of it (`placing`). How much of what is near on the map is near indeed is measured:
trustworthiness (Venna & Kaski 2001, https://doi.org/10.1007/3-540-44668-0_68).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.explore.fitting import Placed, fit_and_place
from rowspace.explore.frame import fit_in_square
from rowspace.explore.layout_methods import Tell
from rowspace.explore.placing import choose_sample
from rowspace.explore.points import Points, Rows
from rowspace.explore.principal import principal_places
from rowspace.explore.unfinished import Begin, Unkept
from rowspace.explore.units import filled_rows, units_of
from rowspace.space.similarity import Doubles
from rowspace.version import __version__


@dataclass(frozen=True)
class Method:
    """A way to place points."""

    label: str
    max_fitted: int | None
    """Points that are fitted at most; None where it takes all."""


METHODS = {
    "umap": Method("UMAP", 30_000),
    "pca": Method("PCA", None),
    "tsne": Method("t-SNE", 6_000),
}
FEWEST = 16
"""With fewer points that have a direction there is nothing but PCA."""
MEASURED, NEAR = 2000, 15
"""Points that trustworthiness is measured on, and neighbours of each."""
NOWHERE = (0.0, -1.0)
"""Where points without a direction are drawn."""


@dataclass(frozen=True, kw_only=True)
class LayoutRecord:
    """What is kept beside the coordinates."""

    method: str
    seed: int
    fingerprint: str
    """Of the points."""
    n: int
    n_fitted: int
    """Of these, which the method placed itself."""
    n_empty: int
    """Without a direction, drawn at the lower edge."""
    parameters: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    trustworthiness: float | None
    """In [0, 1], of a sample; None of too few points."""
    seconds: float


@dataclass(frozen=True, eq=False)
class Layout:
    """Coordinates, and how they were made. Equal to itself alone."""

    places: NDArray[np.float32]
    """(n, 2) in [-1, 1]."""
    record: LayoutRecord

    @cached_property
    def content(self) -> memoryview:
        """The coordinates little-endian, as they lie in memory where that is so."""
        return np.ascontiguousarray(self.places, "<f4").data.cast("B")

    @cached_property
    def digest(self) -> str:
        """By which a page knows the content."""
        return hashlib.sha256(self.content).hexdigest()


def check_method(method: str) -> Method:
    """A method by its name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if method not in METHODS:
        raise ConfigError(f"layout {method!r} is unknown; give one of {', '.join(METHODS)}")
    return METHODS[method]


def make_layout(
    points: Points,
    method: str,
    seed: int,
    clusters: Rows | None,
    tell: Tell,
    begin: Begin = Unkept,
) -> Layout:
    """Place every point.

    Parameters
    ----------
    points : Points
    method : str
        A key of `METHODS`.
    seed : int
    clusters : (n,) int array or None
        Each point's group, of which a sample takes its share; -1 for none.
    tell : callable
    begin : callable
        Gives what keeps the steps of one that takes long, so that it goes on where it was. The map
        is the same then.

    Raises
    ------
    ConfigError
        If the method is unknown.
    """
    check_method(method)
    started = time.monotonic()
    tell(0.0, "reading vectors")
    filled = filled_rows(points)
    if method == "pca" or len(filled) < FEWEST:
        placed = _placed_by_pca(points, filled, tell)
    else:
        groups = None if clusters is None else clusters[filled]
        chosen = choose_sample(len(filled), METHODS[method].max_fitted, groups, seed)
        placed = fit_and_place(points, filled, method, seed, chosen, begin, tell)
    tell(0.97, "measuring the map")
    trust = trustworthiness(points, filled, placed.places, seed)
    drawn = np.full((len(points), 2), NOWHERE, np.float32)
    drawn[filled] = fit_in_square(placed.places)
    record = LayoutRecord(
        method=method,
        seed=seed,
        fingerprint=points.fingerprint,
        n=len(points),
        n_fitted=placed.n_fitted,
        n_empty=len(points) - len(filled),
        parameters=placed.parameters,
        versions=placed.versions,
        trustworthiness=trust,
        seconds=round(placed.seconds_before + time.monotonic() - started, 1),
    )
    return Layout(drawn, record)


def _placed_by_pca(points: Points, filled: Rows, tell: Tell) -> Placed:
    places = principal_places(points, filled, lambda share: tell(0.95 * share, "reading vectors"))
    versions = {"rowspace": __version__, "numpy": np.__version__}
    return Placed(places, len(filled), {}, versions)


def trustworthiness(points: Points, rows: Rows, places: Doubles, seed: int) -> float | None:
    """Share of what is near on the map that is near in the space too; see the module.

    Parameters
    ----------
    points : Points
    rows : (n,) int array
        With a direction.
    places : (n, 2) float64
    seed : int
        Of the sample that it is measured on.
    """
    from sklearn.manifold import trustworthiness as measure

    if len(rows) < FEWEST:
        return None
    random = np.random.default_rng(seed)
    some = np.sort(random.permutation(len(rows))[:MEASURED])
    near = min(NEAR, (len(some) - 1) // 2)
    value = measure(units_of(points, rows[some]), places[some], n_neighbors=near, metric="cosine")
    return round(float(value), 4)

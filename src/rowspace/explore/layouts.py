"""Two coordinates for every point: PCA, UMAP or t-SNE of its direction.

UMAP: McInnes, Healy & Melville (2018), https://arxiv.org/abs/1802.03426. t-SNE: van der Maaten &
Hinton (2008), https://jmlr.org/papers/v9/vandermaaten08a.html. Both are of cosine distances and
start from PCA. Of more points than they bear, a sample is fitted and the others are placed by the
nearest of it (`placing`). How much of what is near on the map is near indeed is measured:
trustworthiness (Venna & Kaski 2001, https://doi.org/10.1007/3-540-44668-0_68).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.errors import ConfigError
from rowspace.explore.frame import fit_in_square
from rowspace.explore.placing import choose_sample, place_by_neighbors
from rowspace.explore.points import Matrix, Points, Rows
from rowspace.explore.units import filled_rows, unit_blocks, units_of
from rowspace.space.similarity import Doubles
from rowspace.space.spectrum import spectrum_of_blocks
from rowspace.version import __version__

Tell = Callable[[float, str], None]
"""Is told what share is done, in [0, 1], and what is being done."""


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


@dataclass(frozen=True)
class Layout:
    """Coordinates, and how they were made."""

    places: NDArray[np.float32]
    """(n, 2) in [-1, 1]."""
    record: LayoutRecord


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
    points: Points, method: str, seed: int, clusters: Rows | None, tell: Tell
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

    Raises
    ------
    ConfigError
        If the method is unknown.
    """
    check_method(method)
    started = time.monotonic()
    tell(0.0, "reading vectors")
    filled = filled_rows(points)
    share = 0.95 if method == "pca" else 0.1
    flat = principal_places(points, filled, lambda done: tell(share * done, "reading vectors"))
    places, fitted = flat, filled
    parameters, versions = dict[str, Any](), {"numpy": np.__version__}
    if method != "pca" and len(filled) >= FEWEST:
        fitted, places, parameters, versions = _fit(
            points, method, seed, filled, flat, clusters, tell
        )
    tell(0.97, "measuring the map")
    trust = trustworthiness(points, filled, places, seed)
    drawn = np.full((len(points), 2), NOWHERE, np.float32)
    drawn[filled] = fit_in_square(places)
    record = LayoutRecord(
        method=method,
        seed=seed,
        fingerprint=points.fingerprint,
        n=len(points),
        n_fitted=len(fitted),
        n_empty=len(points) - len(filled),
        parameters=parameters,
        versions={"rowspace": __version__, **versions},
        trustworthiness=trust,
        seconds=round(time.monotonic() - started, 1),
    )
    return Layout(drawn, record)


def _fit(
    points: Points,
    method: str,
    seed: int,
    filled: Rows,
    flat: Doubles,
    clusters: Rows | None,
    tell: Tell,
) -> tuple[Rows, Doubles, dict[str, Any], dict[str, str]]:
    """The rows that were fitted, places of all `filled`, and what it was done with."""
    from rowspace.explore.layout_methods import FITS

    chosen = choose_sample(
        len(filled),
        METHODS[method].max_fitted,
        None if clusters is None else clusters[filled],
        seed,
    )
    units = units_of(points, filled[chosen])
    some, parameters, versions = FITS[method](
        units, flat[chosen], seed, lambda share, message: tell(0.1 + 0.6 * share, message)
    )
    if len(chosen) == len(filled):
        return filled, some, parameters, versions
    places = place_by_neighbors(
        units, some, chosen, lambda part: units_of(points, filled[part]), len(filled), seed,
        lambda share: tell(0.7 + 0.27 * share, "placing the other points"),
    )  # fmt: skip
    return filled[chosen], places, parameters, versions


def principal_places(points: Points, rows: Rows, advance: Callable[[float], None]) -> Doubles:
    """(n, 2) the rows' directions on the two axes of largest variance.

    Parameters
    ----------
    points : Points
    rows : (n,) int array
    advance : callable
        Is told what share is done.
    """
    flat = np.zeros((len(rows), 2))
    if len(rows) < 2:
        return flat
    n_read = 0

    def read() -> Iterator[Matrix]:
        nonlocal n_read
        for units in unit_blocks(points, rows):
            yield units
            n_read += len(units)
            advance(n_read / (3 * len(rows)))  # mean, covariance, places

    with threadpool_limits(1):  # more add up in another order
        spectrum = spectrum_of_blocks(len(rows), read)
        axes, start = spectrum.axes[:2], 0
        for units in read():
            flat[start : start + len(units), : len(axes)] = (units - spectrum.mean) @ axes.T
            start += len(units)
    return flat


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

"""Two models beside each other: which of a point's neighbours both agree on, and where it is.

The overlap is the share of a point's k nearest that it has in both spaces, which needs no alignment
(Gonen et al. 2020, https://aclanthology.org/2020.acl-main.51). It is exact, among the points that
both have.

For the maps, A's points are laid out by t-SNE, a sample of them where they are many, and B is
turned onto A by orthogonal Procrustes (`space.alignment`). Then each point of either stands where
the laid-out points nearest to it lie, by one rule for both (`placing`): the same vector is in the
same place. Where the two have vectors of different lengths there is no such turn. B is laid out by
itself then, and its map turned onto A's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.errors import ConfigError
from rowspace.explore.frame import fit_in_square
from rowspace.explore.layout_methods import Tell
from rowspace.explore.neighbors import Neighbors
from rowspace.explore.placing import JITTER, NEAREST, REACH, choose_sample, median_gap, places_among
from rowspace.explore.points import Matrix, Points, Rows
from rowspace.explore.sides import common_rows
from rowspace.explore.units import units_of
from rowspace.space.alignment import procrustes
from rowspace.space.projection import coordinates
from rowspace.space.similarity import Doubles, unit_rows

K = 10
FEWEST = 30
"""With fewer common points a large part of them are neighbours by chance."""
LAID_OUT = 1200
"""Points that t-SNE places; the others go among them."""
SEED = 0

_AT_ONCE = 2048


@dataclass(frozen=True)
class Comparison:
    """Points that two models have, row by row the same in both."""

    rows_a: Rows
    rows_b: Rows
    n_common: int
    """Of which these are all, or some."""
    near_a: Rows
    """(n, k) the nearest others in A, as rows of this comparison, best first."""
    near_b: Rows
    cosines_a: NDArray[np.float32]
    """(n, k) with them."""
    cosines_b: NDArray[np.float32]
    shared: NDArray[np.int64]
    """(n,) how many of the k nearest are the same."""
    places_a: NDArray[np.float32]
    """(n, 2) in [-1, 1]."""
    places_b: NDArray[np.float32]
    residual: float
    """|turned B - A|² / |A|²: of the directions, or of the maps where dimensions differ."""
    is_turned: bool
    """Whether B was turned onto A; else the maps were."""

    @property
    def k(self) -> int:
        """Neighbours that are compared."""
        return int(self.near_a.shape[1])

    @property
    def overlaps(self) -> Doubles:
        """(n,) share of the k nearest that both have, in [0, 1]."""
        overlaps: Doubles = self.shared / self.k
        return overlaps


def compare_points(a: Points, b: Points, tell: Tell) -> Comparison:
    """Compare the points that both have; the same on every run.

    Raises
    ------
    ConfigError
        If they have fewer than `FEWEST` in common that have a direction in both.
    """
    tell(0.0, "finding what both have")
    rows_a, rows_b, n_common = common_rows(a, b)
    if n_common < FEWEST:
        raise ConfigError(
            f"the two have {n_common:,} {a.kind} in common, too few to compare; give models of the "
            f"same language or texts, with {FEWEST} or more"
        )
    units_a, units_b = units_of(a, rows_a), units_of(b, rows_b)
    filled = units_a.any(axis=1) & units_b.any(axis=1)
    if filled.sum() < FEWEST:
        raise ConfigError(
            f"of the {a.kind} that both have, {filled.sum():,} have a direction in both, too few "
            f"to compare; give models that know {FEWEST} or more"
        )
    units_a, units_b = units_a[filled], units_b[filled]
    near_a, cosines_a = nearest_others(units_a, K, lambda s: tell(0.05 + 0.25 * s, "comparing"))
    near_b, cosines_b = nearest_others(units_b, K, lambda s: tell(0.3 + 0.25 * s, "comparing"))
    tell(0.55, "placing")
    places_a, places_b, residual = _places(units_a, units_b)
    return Comparison(
        rows_a=rows_a[filled],
        rows_b=rows_b[filled],
        n_common=n_common,
        near_a=near_a,
        near_b=near_b,
        cosines_a=cosines_a,
        cosines_b=cosines_b,
        shared=count_shared(near_a, near_b),
        places_a=places_a,
        places_b=places_b,
        residual=residual,
        is_turned=units_a.shape[1] == units_b.shape[1],
    )


def nearest_others(
    units: Matrix, k: int, advance: Callable[[float], None]
) -> tuple[Rows, NDArray[np.float32]]:
    """(n, k) rows and cosines of the nearest others of each, all compared, best first."""
    index = Neighbors(units, len(units))
    rows = np.empty((len(units), k), np.int64)
    cosines = np.empty((len(units), k), np.float32)
    for start in range(0, len(units), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        near, found = index.search(units[part], k + 1)[::-1]
        is_own = near == np.arange(start, start + len(near))[:, None]
        is_own[~is_own.any(axis=1), -1] = True  # among equals, it was not found: leave out the last
        rows[part] = near[~is_own].reshape(-1, k)
        cosines[part] = found[~is_own].reshape(-1, k)
        advance((start + len(near)) / len(units))
    return rows, cosines


def count_shared(near_a: Rows, near_b: Rows) -> NDArray[np.int64]:
    """(n,) how many numbers two rows of (n, k) have in common."""
    shared: NDArray[np.int64] = (near_a[:, :, None] == near_b[:, None, :]).sum(axis=(1, 2))
    return shared


def _places(
    units_a: Matrix, units_b: Matrix
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Where the points of both are, and what is left between them after the turn."""
    chosen = choose_sample(len(units_a), LAID_OUT, None, SEED)
    flat_a, _ = coordinates(unit_rows(units_a[chosen]))
    places_a = _among(units_a, units_a[chosen], flat_a)
    if units_a.shape[1] == units_b.shape[1]:
        turned, residual = turn(units_b, units_a)
        places_b = _among(turned.astype(np.float32), units_a[chosen], flat_a)
    else:
        flat_b, _ = coordinates(unit_rows(units_b[chosen]))
        places_b, residual = _turned_map(_among(units_b, units_b[chosen], flat_b), places_a)
    drawn = fit_in_square(np.concatenate([places_a, places_b]))
    return drawn[: len(places_a)], drawn[len(places_a) :], residual


def _turned_map(source: Doubles, target: Doubles) -> tuple[Doubles, float]:
    """A map at the size of another, turned and moved onto it; and what is left, as in `turn`.

    The factor that fits best would shrink it, the more the less the two are alike.
    """
    around = source - source.mean(axis=0), target - target.mean(axis=0)
    sizes = [float(np.linalg.norm(one)) or 1.0 for one in around]
    scaled = source * (sizes[1] / sizes[0])
    turned = procrustes(scaled, target, center=True).apply(scaled).astype(np.float64)
    return turned, float(((turned - target) ** 2).sum()) / sizes[1] ** 2


def turn(source: Matrix, target: Matrix) -> tuple[Doubles, float]:
    """Directions turned onto others, and |turned - target|² / |target|²."""
    with threadpool_limits(1):
        turned = unit_rows(procrustes(source, target).apply(source))
    difference = turned - target
    return turned, float(np.vdot(difference, difference) / np.vdot(target, target))


def _among(units: Matrix, fitted: Matrix, flat: Doubles) -> Doubles:
    """Places of all, by the laid-out ones nearest to each; a little beside, as in `placing`."""
    gap = median_gap(flat)
    cosines, rows = Neighbors(fitted, len(units)).search(units, min(NEAREST, len(fitted)))
    places = places_among(cosines, flat[rows], REACH * gap)
    random = np.random.default_rng(SEED)  # the same for both, so that the same stays the same
    moved: Doubles = places + JITTER * gap * random.standard_normal(places.shape)
    return moved

"""Groups of points with names, coarse and fine: spherical k-means of their directions.

Of many points a sample is grouped, and each of the others belongs to the centre nearest to it.
How many coarse groups there are is chosen by silhouette. Fine groups are about eight times as many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.explore.points import Matrix, Points, Rows, blocks
from rowspace.explore.telling_words import telling_words
from rowspace.explore.units import filled_rows, units_of
from rowspace.explore.words import COUNT, WordPoints
from rowspace.space.clusters import cluster, silhouettes, spherical_kmeans
from rowspace.space.similarity import Doubles, unit_rows

Codes = NDArray[np.uint16]

NONE = np.uint16(0xFFFF)
"""The group of a point without a direction."""
TRIED = (6, 9, 12, 16, 20, 24)
FINER = 8
MEASURED, GROUPED = 4000, 12_000
"""Points that the number is chosen by, and that are grouped."""
N_TEXTS = 40
"""Of each fine group, that its name is made of; a coarse one has those of its fine ones."""
N_WORDS = 3


@dataclass(frozen=True, eq=False)
class Clusters:
    """Groups at two levels. Equal to itself alone."""

    codes: Codes
    """(n, 2) the coarse and the fine group of each point, the largest being 0; `NONE` for none."""
    names: tuple[list[str], list[str]]
    silhouette: float
    """Of the coarse groups, of a sample."""
    seed: int


def make_clusters(points: Points, seed: int, tell: Callable[[float, str], None]) -> Clusters:
    """Group points and name the groups.

    Parameters
    ----------
    points : Points
    seed : int
    tell : callable
    """
    tell(0.0, "grouping")
    codes = np.full((len(points), 2), NONE, np.uint16)
    filled = filled_rows(points)
    if not len(filled):
        return Clusters(codes, ([], []), 0.0, seed)
    random = np.random.default_rng(seed)
    sample = np.sort(random.permutation(len(filled))[:GROUPED])
    units = unit_rows(units_of(points, filled[sample]))
    with threadpool_limits(1):  # more add up in another order
        n_coarse = _choose_number(units, seed, random)
        coarse = _centers(units, n_coarse, seed)
        tell(0.4, "grouping finely")
        n_fine = min(FINER * n_coarse, max(n_coarse, len(units) // 12))
        fine = _centers(units, n_fine, seed, n_starts=1)
        tell(0.6, "assigning")
        for part in blocks(points, filled):
            block = units_of(points, part)
            codes[part, 0] = _nearest(block, coarse)
            codes[part, 1] = _nearest(block, fine)
    centers = tuple(_by_size(codes, filled, level, of) for level, of in enumerate((coarse, fine)))
    tell(0.8, "naming")
    names = _names(points, codes, filled, centers, random)
    silhouette = float(silhouettes(units, codes[filled[sample], 0].astype(np.int64)).mean())
    return Clusters(codes, names, round(silhouette, 4), seed)


def _choose_number(units: Doubles, seed: int, random: np.random.Generator) -> int:
    """How many coarse groups: the number with the largest silhouette."""
    if len(units) < 2 * TRIED[0]:
        return max(1, min(len(units) // 4, 3))
    some = units[np.sort(random.permutation(len(units))[:MEASURED])]
    return cluster(some, tried=TRIED, seed=seed).n_clusters


def _centers(units: Doubles, n: int, seed: int, n_starts: int = 3) -> Matrix:
    """(n, dim) directions of the groups."""
    groups = spherical_kmeans(units, n, seed, n_starts)
    sums = np.zeros((n, units.shape[1]))
    np.add.at(sums, groups, units)
    return unit_rows(sums).astype(np.float32)


def _nearest(units: Matrix, centers: Matrix) -> Codes:
    nearest: Codes = (units @ centers.T).argmax(axis=1).astype(np.uint16)
    return nearest


def _by_size(codes: Codes, filled: Rows, level: int, centers: Matrix) -> Matrix:
    """Number the groups anew, the largest first and none that is empty; their centres then."""
    sizes = np.bincount(codes[filled, level], minlength=len(centers))
    order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
    places = np.zeros(len(centers), np.uint16)
    places[order] = np.arange(len(order))
    codes[filled, level] = places[codes[filled, level]]
    return centers[order]


def _names(
    points: Points,
    codes: Codes,
    filled: Rows,
    centers: tuple[Matrix, ...],
    random: np.random.Generator,
) -> tuple[list[str], list[str]]:
    """Names of the groups of both levels."""
    if isinstance(points, WordPoints):
        of_words = [
            _central_words(points, codes[:, level], filled, of) for level, of in enumerate(centers)
        ]
        return of_words[0], of_words[1]
    some = _some_of_each(codes[filled, 1], len(centers[1]), random)
    rows = filled[some]
    texts = points.texts(rows)
    found = [
        [
            ", ".join(words)
            for words in telling_words(
                texts, codes[rows, level].astype(np.int64), len(centers[level]), N_WORDS
            )
        ]
        for level in (0, 1)
    ]
    return found[0], found[1]


def _some_of_each(groups: Codes, n_groups: int, random: np.random.Generator) -> Rows:
    """Places of up to `N_TEXTS` members of each group, ascending."""
    shuffled = random.permutation(len(groups))
    order = shuffled[np.argsort(groups[shuffled], kind="stable")]
    starts = np.searchsorted(groups[order], np.arange(n_groups))
    place = np.arange(len(order)) - starts[groups[order]]
    return np.sort(order[place < N_TEXTS])


def _central_words(points: Points, codes: Codes, filled: Rows, centers: Matrix) -> list[str]:
    """The most central of each group's frequent words."""
    counts = points.values(COUNT).to_numpy() if COUNT in points.fields else -np.arange(len(points))
    names = []
    for group, center in enumerate(centers):
        rows = filled[codes[filled] == group]
        frequent = rows[np.argsort(-counts[rows], kind="stable")[: max(30, len(rows) // 5)]][:300]
        cosines = units_of(points, frequent) @ center
        central = frequent[np.argsort(-cosines, kind="stable")[:N_WORDS]]
        names.append(", ".join(points.labels(central)))
    return names

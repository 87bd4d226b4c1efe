"""Groups of words by cosine: spherical k-means or hierarchical, their number by silhouette.

Dhillon & Modha (2001), https://doi.org/10.1023/A:1007612920971: k-means on the unit sphere.
Rousseeuw (1987), https://doi.org/10.1016/0377-0427(87)90125-7: silhouettes. With cosine distances
a point's mean distance to a cluster is 1 - u·mean, so they are exact and need no distance matrix.
Hierarchies are scipy's: average linkage of cosine distances, or Ward's on the unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.space.sample import directions
from rowspace.space.similarity import Doubles, Rows, inverse
from rowspace.space.vectors import Vectors

METHODS = ("kmeans", "average", "ward")
TRIED = tuple(range(4, 21))
"""Numbers of clusters that are tried where none is given: two or three say little of a language."""
MAX_HIERARCHY = 5000
"""Rows of the largest hierarchy: its distances take n² / 2 doubles, 100 MB."""

_MAX_ROUNDS = 100
_SETTLED = 1e-4  # of the sum of cosines: what a further round must bring


@dataclass(frozen=True)
class Clustering:
    """Rows in groups."""

    groups: Rows
    """(n,) group of each row; group 0 is the largest."""
    centers: Doubles
    """(n_clusters, dim) mean direction of each group, of length 1."""
    silhouettes: Doubles
    """(n,) in [-1, 1]; above 0 where a row is nearer to its own group than to the next."""
    method: str
    tried: dict[int, float] = field(default_factory=dict)
    """Mean silhouette by number of clusters, where the number was chosen."""

    @property
    def n_clusters(self) -> int:
        """How many groups there are."""
        return len(self.centers)

    @property
    def silhouette(self) -> float:
        """Mean silhouette, in [-1, 1]."""
        return float(self.silhouettes.mean())


@dataclass(frozen=True)
class ClusterWords:
    """A cluster as people see it."""

    size: int
    central: list[str]
    """Nearest to its center, best first."""
    frequent: list[str]
    cohesion: float
    """Mean cosine of its words with its center."""
    silhouette: float


def cluster(
    matrix: NDArray[np.floating[Any]],
    n_clusters: int | None = None,
    *,
    method: str = "kmeans",
    tried: Sequence[int] = TRIED,
    seed: int = 0,
) -> Clustering:
    """Group rows by the direction they point in.

    Parameters
    ----------
    matrix : (n, dim) float array
        No row zero.
    n_clusters : int, optional
        By default that of `tried` with the largest mean silhouette.
    method : {"kmeans", "average", "ward"}
        Spherical k-means, or a hierarchy that is cut; ties may leave a cut with fewer groups.
    tried : sequence of int
        Those above n / 2 are left out.
    seed : int
        Of k-means; the same seed gives the same clusters.

    Raises
    ------
    ConfigError
        If there are fewer rows than clusters, too many for a hierarchy, or a row is zero.

    Examples
    --------
    >>> matrix = np.array([[1, 0.1], [1, 0], [1, -0.1], [0.1, 1], [0, 1]])
    >>> cluster(matrix, 2).groups.tolist()
    [0, 0, 0, 1, 1]
    """
    if method not in METHODS:
        raise ConfigError(f"clustering {method!r} is unknown; give one of {', '.join(METHODS)}")
    units = directions(matrix)
    if n_clusters is not None:
        _check_number(n_clusters, len(units))
    with threadpool_limits(1):  # more add up in another order
        tree = None
        if method != "kmeans":
            with track("joining words"):
                tree = linkage(units, method)

        def group(k: int) -> Rows:
            return spherical_kmeans(units, k, seed) if tree is None else cut(tree, k)

        if n_clusters is None:
            groups, scores = _best_number(units, group, tried)
        else:
            groups, scores = group(n_clusters), {}
    by_size = np.argsort(-np.bincount(groups), kind="stable")
    groups = np.argsort(by_size)[groups].astype(np.int64)
    centers = _mean_directions(units, groups, len(by_size))
    return Clustering(groups, centers, silhouettes(units, groups), method, scores)


def _best_number(
    units: Doubles, group: Callable[[int], Rows], numbers: Sequence[int]
) -> tuple[Rows, dict[int, float]]:
    """The groups with the largest mean silhouette, and that by number of clusters."""
    numbers = [k for k in numbers if 2 <= k <= len(units) // 2] or [min(2, len(units))]
    best, scores = np.zeros(len(units), dtype=np.int64), dict[int, float]()
    with track("trying numbers of clusters", total=len(numbers)) as tracker:
        for k in numbers:
            groups = group(k)
            score = float(silhouettes(units, groups).mean())
            if score > max(scores.values(), default=-np.inf):
                best = groups
            scores[k] = score
            tracker.advance(note=f"{k}: {score:.3f}")
    return best, scores


def _check_number(n_clusters: int, n: int) -> None:
    if not 1 <= n_clusters <= n:
        raise ConfigError(
            f"{n_clusters} clusters of {n:,} vectors cannot be made; give 1 to {n:,} clusters"
        )


def spherical_kmeans(units: Doubles, n_clusters: int, seed: int = 0, n_starts: int = 3) -> Rows:
    """k-means of unit vectors with unit centers: maximises Σ u·center (Dhillon & Modha 2001).

    Parameters
    ----------
    units : (n, dim) float64
        Of length 1.
    n_clusters : int
    seed, n_starts : int
        Starts are chosen by k-means++; the best of so many is kept.

    Returns
    -------
    (n,) int64
        Each number below `n_clusters` occurs.
    """
    from sklearn.cluster import kmeans_plusplus

    _check_number(n_clusters, len(units))
    best, best_score = np.zeros(len(units), dtype=np.int64), -np.inf
    for start in range(n_starts):
        centers, _ = kmeans_plusplus(units, n_clusters, random_state=seed + start)
        groups, score = _lloyd(units, centers)
        if score > best_score:
            best, best_score = groups, score
    return best


def _lloyd(units: Doubles, centers: Doubles) -> tuple[Rows, float]:
    """Assign and average until it brings little; the groups and the sum of cosines."""
    before = -np.inf
    for _ in range(_MAX_ROUNDS):
        cosines = units @ centers.T
        groups = cosines.argmax(axis=1).astype(np.int64)
        closeness = cosines[np.arange(len(units)), groups]
        groups = _fill_empty(groups, closeness, len(centers))
        score = float(closeness.sum())
        if score - before <= _SETTLED * abs(score):
            break
        before = score
        centers = _mean_directions(units, groups, len(centers))
    return groups, score


def _fill_empty(groups: Rows, closeness: Doubles, n_clusters: int) -> Rows:
    """Give each empty cluster the row that fits its own worst, if that leaves another there."""
    sizes = np.bincount(groups, minlength=n_clusters)
    if sizes.all():
        return groups
    groups, empty = groups.copy(), np.flatnonzero(sizes == 0).tolist()
    for row in np.argsort(closeness, kind="stable").tolist():
        if not empty:
            break
        if sizes[groups[row]] > 1:
            sizes[groups[row]] -= 1
            groups[row] = empty.pop()
    return groups


def _mean_directions(units: Doubles, groups: Rows, n_clusters: int) -> Doubles:
    """(n_clusters, dim) means of each group, of length 1 or 0."""
    means = _sums(units, groups, n_clusters)
    means *= inverse(np.sqrt(np.einsum("kd,kd->k", means, means)))[:, None]
    return means


def _sums(units: Doubles, groups: Rows, n_clusters: int) -> Doubles:
    sums = np.zeros((n_clusters, units.shape[1]))
    for group in range(n_clusters):
        sums[group] = units[groups == group].sum(axis=0)
    return sums


def silhouettes(units: Doubles, groups: Rows) -> Doubles:
    """(b - a) / max(a, b) of each row by cosine distance; 0 in a cluster of one, or with one only.

    Parameters
    ----------
    units : (n, dim) float64
        Of length 1.
    groups : (n,) int array
        0 up to the number of clusters.

    Returns
    -------
    (n,) float64
        In [-1, 1].
    """
    sizes = np.bincount(groups)
    own = np.arange(len(units)), groups
    distances = 1 - units @ (_sums(units, groups, len(sizes)) / np.maximum(sizes, 1)[:, None]).T
    # Its own distance, 0, is not one of them.
    within = distances[own] * sizes[groups] / np.maximum(sizes[groups] - 1, 1)
    distances[own] = np.inf
    distances[:, sizes == 0] = np.inf
    nearest = distances.min(axis=1)
    scale = np.maximum(within, nearest)
    is_scored = (sizes[groups] > 1) & np.isfinite(nearest) & (scale > 1e-12)
    scores = np.zeros(len(units))
    np.divide(nearest - within, scale, out=scores, where=is_scored)
    return scores


def linkage(units: Doubles, method: str = "average") -> Doubles:
    """The hierarchy of unit vectors as scipy's (n - 1, 4) linkage matrix.

    Parameters
    ----------
    units : (n, dim) float64
        Of length 1; two to `MAX_HIERARCHY` rows.
    method : {"average", "ward"}
        Mean cosine distance between groups, or Ward's (1963) on Euclidean distances.

    Raises
    ------
    ConfigError
        If there are too few or too many rows.
    """
    from scipy.cluster.hierarchy import linkage as join
    from scipy.spatial.distance import pdist

    if not 2 <= len(units) <= MAX_HIERARCHY:
        raise ConfigError(
            f"a hierarchy of {len(units):,} vectors cannot be made; give 2 to {MAX_HIERARCHY:,}, "
            "or use k-means"
        )
    directions(units)
    if method == "ward":
        return np.asarray(join(units, "ward"))
    return np.asarray(join(np.maximum(pdist(units, "cosine"), 0.0), method))


def cut(tree: Doubles, n_clusters: int) -> Rows:
    """Groups of a hierarchy cut into `n_clusters`, (n,) int64 from 0."""
    from scipy.cluster.hierarchy import fcluster

    _check_number(n_clusters, len(tree) + 1)
    return np.asarray(fcluster(tree, n_clusters, "maxclust"), dtype=np.int64) - 1


def describe_clusters(
    vectors: Vectors, clustering: Clustering, n_words: int = 8
) -> list[ClusterWords]:
    """The most central and most frequent words of each cluster.

    Parameters
    ----------
    vectors : Vectors
        Those that were clustered, the most frequent first.
    clustering : Clustering
    n_words : int
    """
    units = directions(vectors.matrix)
    described = []
    for group, center in enumerate(clustering.centers):
        rows = np.flatnonzero(clustering.groups == group)
        cosines = units[rows] @ center
        central = rows[np.argsort(-cosines, kind="stable")[:n_words]]
        described.append(
            ClusterWords(
                size=len(rows),
                central=[vectors.index_to_key[row] for row in central],
                frequent=[vectors.index_to_key[row] for row in rows[:n_words]],
                cohesion=float(cosines.mean()),
                silhouette=float(clustering.silhouettes[rows].mean()),
            )
        )
    return described

"""Whether rows fall into groups at all: their silhouette against that of a cloud without groups.

Any cloud can be parted, and its silhouette tells how well; a stretched one parts well though there
is nothing between its halves. So the same is done to clouds that have the data's mean and
covariance and no groups, as Liu, Hayes, Nobel & Marron (2008), https://doi.org/10.1198/016214508000000454,
do for two groups. That a statistic counts by what it is above such a reference, and that one group
is an answer, is the idea of the gap statistic (Tibshirani, Walther & Hastie 2001,
https://doi.org/10.1111/1467-9868.00293).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.space.clusters import Clustering, cluster
from rowspace.space.sample import directions
from rowspace.space.similarity import Doubles, unit_rows

N_CLOUDS = 10


@dataclass(frozen=True)
class Separation:
    """Groups, and what a cloud without groups would have given."""

    clustering: Clustering
    """The best of the numbers of groups that were tried."""
    clouds: Doubles
    """(n_clouds,) the best mean silhouette in each cloud."""

    @property
    def excess(self) -> float:
        """Mean silhouette above that of the clouds; about 0 where there are no groups."""
        return self.clustering.silhouette - float(self.clouds.mean())

    @property
    def error(self) -> float:
        """Of the excess, by chance among clouds: s of Tibshirani et al. (2001), section 3."""
        return float(self.clouds.std() * np.sqrt(1 + 1 / len(self.clouds)))


def measure_separation(
    matrix: Doubles,
    tried: Sequence[int],
    *,
    method: str = "ward",
    n_clouds: int = N_CLOUDS,
    seed: int = 0,
) -> Separation:
    """Group rows by direction, and clouds without groups in the same way.

    Parameters
    ----------
    matrix : (n, dim) float64
        No row zero.
    tried : sequence of int
        Numbers of groups.
    method : {"ward", "average", "kmeans"}
    n_clouds, seed : int
        Clouds drawn, and from which seed.

    Raises
    ------
    ConfigError
        If rows cannot be grouped by that method, or a row is zero.
    """
    units = directions(matrix)
    generator = np.random.default_rng(seed)
    found = cluster(units, method=method, tried=tried, seed=seed)
    clouds = [
        cluster(draw_cloud(units, generator), method=method, tried=tried, seed=seed).silhouette
        for _ in range(n_clouds)
    ]
    return Separation(found, np.array(clouds))


def draw_cloud(units: Doubles, generator: np.random.Generator) -> Doubles:
    """As many unit rows from one Gaussian with the mean and covariance of `units`.

    Parameters
    ----------
    units : (n, dim) float64
    generator : numpy.random.Generator

    Returns
    -------
    (n, dim) float64
    """
    mean = units.mean(axis=0)
    weights = generator.standard_normal((len(units), len(units))) / np.sqrt(len(units))
    with threadpool_limits(1):  # more add up in another order
        return unit_rows(mean + weights @ (units - mean))

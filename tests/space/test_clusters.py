import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, silhouette_samples

from rowspace.errors import ConfigError
from rowspace.space.clusters import (
    METHODS,
    _fill_empty,
    cluster,
    cut,
    describe_clusters,
    linkage,
    silhouettes,
    spherical_kmeans,
)
from rowspace.space.dendrogram import dendrogram_text, draw_dendrogram
from rowspace.space.sample import directions
from rowspace.space.vectors import Vectors
from tests import naive_geometry

Matrix = NDArray[np.float64]


def bunches(sizes: tuple[int, ...], dim: int = 8, seed: int = 0) -> tuple[Matrix, list[int]]:
    """Rows around orthogonal directions, of all lengths, and the bunch of each."""
    generator = np.random.default_rng(seed)
    bunch = np.repeat(np.arange(len(sizes)), sizes)
    matrix = np.eye(dim)[bunch] + 0.15 * generator.standard_normal((len(bunch), dim))
    return matrix * generator.uniform(0.2, 5, (len(bunch), 1)), bunch.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_planted_clusters_are_recovered(method: str) -> None:
    matrix, truth = bunches((40, 25, 60, 10))
    found = cluster(matrix, 4, method=method)
    assert adjusted_rand_score(truth, found.groups) == 1
    assert np.bincount(found.groups).tolist() == [60, 40, 25, 10]  # the largest is 0
    assert found.silhouette > 0.7


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_planted_clusters_is_found(method: str) -> None:
    found = cluster(bunches((40, 25, 60, 10))[0], method=method, tried=range(2, 9))
    assert found.n_clusters == 4
    assert max(found.tried, key=lambda k: found.tried[k]) == 4
    assert list(found.tried) == list(range(2, 9))


def test_clusters_are_the_same_on_every_run() -> None:
    matrix, _ = bunches((30, 30, 30))
    once, again = cluster(matrix, 5, seed=3), cluster(matrix, 5, seed=3)
    np.testing.assert_array_equal(once.groups, again.groups)


def test_silhouettes_are_those_of_scikit_learn() -> None:
    matrix, _ = bunches((9, 7, 12))
    units = directions(matrix)
    groups = np.random.default_rng(1).integers(0, 4, len(units))
    groups[0] = 4  # a cluster of one
    expected = silhouette_samples(units, groups, metric="cosine")
    np.testing.assert_allclose(silhouettes(units, groups), expected, atol=1e-12)


def test_kmeans_reaches_the_best_of_all_groupings() -> None:
    for seed in range(5):
        units = directions(np.random.default_rng(seed).standard_normal((7, 3)))
        groups = spherical_kmeans(units, 2, seed=seed, n_starts=10)
        reached = sum(np.linalg.norm(units[groups == group].sum(axis=0)) for group in (0, 1))
        assert reached == pytest.approx(naive_geometry.best_grouping(units, 2), rel=1e-3)


def test_no_cluster_stays_empty() -> None:
    groups = _fill_empty(np.array([0, 0, 0, 1]), np.array([0.9, 0.1, 0.5, 0.0]), 3)
    assert groups.tolist() == [0, 2, 0, 1]  # the only row of its cluster stays, the next worst goes
    units = directions(np.repeat(np.eye(3), 4, axis=0))
    assert set(spherical_kmeans(units, 5).tolist()) == set(range(5))


def test_average_linkage_is_that_of_the_slow_version() -> None:
    units = directions(np.random.default_rng(2).standard_normal((9, 4)))
    heights = linkage(units)[:, 2]
    expected = naive_geometry.average_linkage_heights(units.tolist())
    np.testing.assert_allclose(heights, expected, rtol=1e-9)


def test_a_cut_has_so_many_groups() -> None:
    tree = linkage(directions(bunches((5, 6, 7))[0]), "ward")
    for k in (1, 2, 3, 18):
        assert sorted(set(cut(tree, k).tolist())) == list(range(k))


def test_clusters_are_described_by_their_words() -> None:
    matrix = np.array([[1, 0.3], [1, 0], [1, -0.2], [0, 1], [0.2, 1]])
    vectors = Vectors(["often", "middle", "rare", "up", "near"], matrix)
    first, second = describe_clusters(vectors, cluster(vectors.matrix, 2), n_words=2)
    assert (first.size, first.frequent, first.central[0]) == (3, ["often", "middle"], "middle")
    assert (second.size, second.frequent) == (2, ["up", "near"])
    # both are at half the angle between them from the middle
    assert second.cohesion == pytest.approx(np.cos(np.arctan(0.2) / 2))


def test_a_dendrogram_shows_each_leaf_once_and_where_groups_join() -> None:
    units = directions(np.array([[1, 0.0], [1, 0.1], [0, 1], [0.1, 1], [-1, 0]]))
    labels = ["a", "b", "c", "d", "e"]
    tree = linkage(units)
    text = dendrogram_text(tree, labels)
    lines = text.splitlines()
    assert sorted(line[-1] for line in lines if line[-1].isalpha()) == labels
    assert len(lines) == 9
    assert lines[0] == f"{tree[-1, 2]:.2f}"
    drawn = draw_dendrogram(tree, labels)
    assert sorted(label for _, _, label, _ in drawn.labels) == labels
    assert all(labels[leaf] == label for _, _, label, leaf in drawn.labels)
    assert len(drawn.lines) == 4
    places = [y for _, y, _, _ in drawn.labels]
    assert all(b - a == pytest.approx(22) for a, b in itertools.pairwise(places))
    for line in drawn.lines:
        assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in line)


def test_bad_arguments_say_what_to_give() -> None:
    matrix, _ = bunches((3, 3))
    with pytest.raises(ConfigError, match="7 clusters of 6 vectors cannot be made; give 1 to 6"):
        cluster(matrix, 7)
    with pytest.raises(ConfigError, match="clustering 'dbscan' is unknown; give one of kmeans"):
        cluster(matrix, 2, method="dbscan")
    with pytest.raises(ConfigError, match="a hierarchy of 6,000 vectors cannot be made"):
        cluster(np.ones((6000, 2)), 2, method="ward")
    with pytest.raises(ConfigError, match="3 labels for a hierarchy of shape"):
        dendrogram_text(np.zeros((1, 4)), ["a", "b", "c"])
    with pytest.raises(ConfigError, match="a tree of 500 leaves cannot be read"):
        dendrogram_text(np.zeros((499, 4)), ["a"] * 500)

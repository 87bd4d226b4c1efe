import numpy as np
import pytest

from rowspace.space.sample import directions
from rowspace.space.separation import draw_cloud, measure_separation
from tests.space.test_clusters import bunches


def test_a_cloud_has_the_mean_and_covariance_of_the_data() -> None:
    # Rows so near each other that scaling to length 1 changes little.
    rows = 1 + 0.01 * np.random.default_rng(0).standard_normal((2000, 4)) * [1, 2, 3, 4]
    units = directions(rows)
    cloud = draw_cloud(units, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(cloud, axis=1), 1)
    np.testing.assert_allclose(cloud.mean(axis=0), units.mean(axis=0), atol=1e-3)
    largest = np.abs(np.cov(units.T)).max()
    np.testing.assert_allclose(np.cov(cloud.T), np.cov(units.T), atol=0.1 * largest)


@pytest.mark.parametrize("method", ["ward", "kmeans"])
def test_bunches_stand_out_and_a_cloud_does_not(method: str) -> None:
    matrix, truth = bunches((40, 30, 20))
    found = measure_separation(matrix, range(2, 6), method=method)
    assert found.clustering.n_clusters == len(set(truth))
    assert found.excess > 0.2
    cloud = np.random.default_rng(0).standard_normal((150, 30)) * np.linspace(1, 3, 30)
    assert abs(measure_separation(cloud, range(2, 6), method=method).excess) < 0.02


def test_the_error_is_that_of_the_gap_statistic() -> None:
    found = measure_separation(bunches((20, 20))[0], [2], n_clouds=4)
    mean = sum(found.clouds) / 4
    deviation = (sum((cloud - mean) ** 2 for cloud in found.clouds) / 4) ** 0.5
    assert found.error == pytest.approx(deviation * (1 + 1 / 4) ** 0.5)
    assert found.excess == pytest.approx(found.clustering.silhouettes.mean() - mean)

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import skew

from rowspace.errors import ConfigError
from rowspace.space import hubness
from rowspace.space.hubness import Hubness, measure_hubness, neighbor_graph
from tests import naive_geometry


def gaussian(n: int, dim: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((n, dim)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 4])
def test_occurrences_are_those_of_the_slow_version(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubness, "_QUERIES_AT_ONCE", 13)
    matrix = gaussian(60, 5)
    found = measure_hubness(matrix, k)
    assert found.occurrences.tolist() == naive_geometry.occurrences(matrix.tolist(), k)
    assert found.occurrences.mean() == k
    assert found.skewness == pytest.approx(float(skew(found.occurrences)))


def test_a_ring_has_no_hubs() -> None:
    angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = measure_hubness(ring, 2)
    assert (found.skewness, found.robin_hood, found.antihub_share) == (0, 0, 0)


def test_a_planted_hub_is_found() -> None:
    """Thirty axes at right angles, and a row between them all that is nearest to each."""
    matrix = np.vstack([np.eye(30), np.ones(30)]).astype(np.float32)
    found = measure_hubness(matrix, 1)
    assert found.hubs(1).tolist() == [30]
    assert found.occurrences[30] == 30
    assert found.antihub_share == 29 / 31
    assert found.robin_hood == pytest.approx(29 / 31)
    assert found.skewness > 5


def test_figures_by_hand() -> None:
    found = Hubness(2, np.array([6, 1, 1, 0]))  # mean 2, excess 4 of 8
    assert found.robin_hood == 0.5
    assert found.antihub_share == 0.25
    assert found.hubs(3).tolist() == [0, 1, 2]
    # deviations 4, -1, -1, -2: squares 22 / 4, cubes 54 / 4
    assert found.skewness == pytest.approx(13.5 / 5.5**1.5)


def test_high_dimensions_have_hubs() -> None:
    """Radovanović et al. (2010), section 3: skewness grows with the dimension."""
    generator = np.random.default_rng(0)
    few, many = (generator.random((800, dim)).astype(np.float32) for dim in (3, 100))
    assert measure_hubness(many, 5).skewness > measure_hubness(few, 5).skewness + 1


def test_bad_arguments_say_what_to_give() -> None:
    with pytest.raises(ConfigError, match="k is 3 among 3 vectors; give a k from 1 to 2"):
        neighbor_graph(gaussian(3, 2), 3)
    with pytest.raises(ConfigError, match="row 2 is zero"):
        measure_hubness(np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32), 1)

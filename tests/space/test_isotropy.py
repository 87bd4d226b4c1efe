import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from rowspace.errors import ConfigError
from rowspace.space import similarity
from rowspace.space.isotropy import (
    effective_rank,
    isoscore,
    mean_cosine,
    measure_isotropy,
    participation_ratio,
    partition_isotropy,
)
from rowspace.space.spectrum import spectrum_of
from tests import naive_geometry


def gaussian(n: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, dim))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12), dim=st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_measures_are_those_of_the_papers(seed: int, n: int, dim: int) -> None:
    matrix = gaussian(n, dim, seed) * 2 + 0.5
    found = measure_isotropy(matrix)
    assert found.partition == pytest.approx(naive_geometry.partition_isotropy(matrix))
    assert found.mean_cosine == pytest.approx(naive_geometry.mean_cosine(matrix.tolist()))
    assert found.isoscore == pytest.approx(naive_geometry.isoscore(matrix), abs=1e-9)
    # singular values of 1e-16 are zeros that rounding hides
    assert found.effective_rank == pytest.approx(naive_geometry.effective_rank(matrix), rel=1e-5)


def test_isoscore_is_that_of_the_authors_package() -> None:
    """IsoScore 1.0 from PyPI, `IsoScore(points.T)`."""
    points = np.array([[1, 2, 0], [3, 1, 1], [0, 4, 2], [5, 5, 1], [2, 0, 7], [1, 1, 1.0]])
    assert isoscore(spectrum_of(points).variances) == pytest.approx(0.657958031483589, rel=1e-12)


@pytest.mark.parametrize(("used", "score"), [(1, 0.0), (2, 0.25), (3, 0.5), (5, 1.0)])
def test_isoscore_of_k_even_axes_of_n(used: int, score: float) -> None:
    """(k - 1) / (n - 1): Rudman et al. (2022), section 4."""
    variances = np.array([3.0] * used + [0.0] * (5 - used))
    assert isoscore(variances) == pytest.approx(score)
    assert participation_ratio(variances) == pytest.approx(used)
    assert effective_rank(variances) == pytest.approx(used)


def test_a_gaussian_is_isotropic_and_a_cone_is_not() -> None:
    ball = gaussian(5000, 10)
    round_ = measure_isotropy(ball * 0.5)  # exp of long vectors needs more of them
    assert round_.partition > 0.95
    assert abs(round_.mean_cosine) < 0.01
    assert round_.isoscore > 0.98
    assert round_.participation_ratio > 9.9
    cone = measure_isotropy(ball * 0.2 + np.eye(10)[0] * 3)
    assert cone.partition < 0.01
    assert cone.mean_cosine > 0.9
    assert cone.isoscore > 0.98  # variance is around the mean, which makes the cone
    flat = measure_isotropy(ball * np.r_[np.ones(2), np.full(8, 0.01)])
    assert flat.isoscore < 0.15
    assert 1.9 < flat.participation_ratio < 2.1


def test_a_rotation_changes_nothing() -> None:
    matrix = gaussian(50, 5) * np.arange(1, 6) + 0.3
    turned = matrix @ np.linalg.qr(gaussian(5, 5, 1))[0]
    before, after = measure_isotropy(matrix), measure_isotropy(turned)
    for name, value in vars(before).items():
        assert vars(after)[name] == pytest.approx(value), name


def test_long_vectors_do_not_overflow() -> None:
    assert 0 <= partition_isotropy(gaussian(20, 3) * 1e4) < 1e-300


def test_the_spectrum_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_VALUES_AT_ONCE", 35)  # blocks of seven rows
    matrix = (gaussian(40, 5) * np.arange(1, 6) + 3).astype(np.float32)
    peer, found = PCA().fit(matrix.astype(np.float64)), spectrum_of(matrix)
    np.testing.assert_allclose(found.mean, peer.mean_, rtol=1e-12)
    np.testing.assert_allclose(found.variances, peer.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(found.shares, peer.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(np.abs(found.axes), np.abs(peer.components_), atol=1e-10)
    assert (found.axes[np.arange(5), np.abs(found.axes).argmax(axis=1)] > 0).all()


def test_bad_matrices_say_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="1 vector has no variance; give at least two"):
        spectrum_of(np.ones((1, 3)))
    with pytest.raises(ConfigError, match="all vectors are equal"):
        measure_isotropy(np.ones((4, 3)))
    with pytest.raises(ConfigError, match=r"row 1 is zero or not finite.*1 of 3; leave them out"):
        mean_cosine(np.array([[1.0, 0], [0, 0], [0, 1]]))
    with pytest.raises(ConfigError, match="1 vector makes no pair"):
        mean_cosine(np.ones((1, 3)))

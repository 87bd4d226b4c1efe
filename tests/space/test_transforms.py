import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from rowspace.errors import ConfigError
from rowspace.space.isotropy import mean_cosine, partition_isotropy
from rowspace.space.projection import coordinates
from rowspace.space.sample import directions
from rowspace.space.transforms import all_but_the_top, pca, reduce_dim, whiten
from rowspace.space.vectors import Vectors
from tests import naive_geometry


def sample(n: int = 60, dim: int = 6, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    return (generator.standard_normal((n, dim)) * np.arange(1, dim + 1) + 2).astype(np.float32)


@pytest.mark.parametrize("n_components", [0, 1, 3])
def test_all_but_the_top_is_that_of_the_paper(n_components: int) -> None:
    matrix = sample()
    expected = naive_geometry.all_but_the_top(matrix.astype(np.float64), n_components)
    found = all_but_the_top(matrix, n_components).apply(matrix)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.linalg.matrix_rank(found, tol=1e-3) == 6 - n_components


def test_all_but_the_top_makes_a_cone_isotropic() -> None:
    cone = np.random.default_rng(0).standard_normal((500, 8)) * 0.3
    cone[:, 0] = cone[:, 0] * 5 + 3
    cleaned = all_but_the_top(cone).apply(cone)  # one component, as the dimension is below 100
    assert partition_isotropy(cleaned) > 2 * partition_isotropy(cone)
    assert abs(mean_cosine(cleaned)) < 0.01 < mean_cosine(cone)


@pytest.mark.parametrize(("dim", "expected"), [(100, 1), (101, 2), (300, 3), (8, 1)])
def test_the_default_is_a_hundredth_of_the_dimension(dim: int, expected: int) -> None:
    matrix = np.random.default_rng(0).standard_normal((dim + 9, dim))
    assert all_but_the_top(matrix).name == f"all-but-the-top {expected}"


def test_pca_is_that_of_scikit_learn() -> None:
    matrix = sample()
    expected = PCA(3).fit_transform(matrix.astype(np.float64))
    found = pca(matrix, 3).apply(matrix)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)


def test_pca_to_the_same_dimension_keeps_distances() -> None:
    matrix = sample()
    turned = pca(matrix, 6).apply(matrix)
    before, after = (np.linalg.norm(m[0] - m, axis=1) for m in (matrix, turned))
    np.testing.assert_allclose(before, after, rtol=1e-4)


def test_whitened_vectors_have_the_unit_covariance() -> None:
    matrix = sample(200)
    found = whiten(matrix).apply(matrix)
    np.testing.assert_allclose(np.cov(found.T), np.eye(6), atol=1e-4)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    expected = PCA(4, whiten=True).fit_transform(matrix.astype(np.float64))
    np.testing.assert_allclose(np.abs(whiten(matrix, 4).apply(matrix)), np.abs(expected), atol=1e-4)


def test_whitening_leaves_out_directions_without_variance() -> None:
    matrix = np.hstack([sample(), sample()])  # twelve dimensions, six of them copies
    assert whiten(matrix).apply(matrix).shape == (60, 6)


def test_reduce_is_its_three_steps() -> None:
    vectors = Vectors([f"w{i}" for i in range(60)], sample(), counts=range(60))
    found = reduce_dim(vectors, 4, n_components=2)
    first = naive_geometry.all_but_the_top(vectors.matrix.astype(np.float64), 2)
    second = PCA(4).fit_transform(first)
    expected = naive_geometry.all_but_the_top(second, 2)
    np.testing.assert_allclose(np.abs(found.matrix), np.abs(expected), atol=1e-4)
    assert found.metadata["transforms"] == ["all-but-the-top 2", "pca 4", "all-but-the-top 2"]
    assert found.index_to_key == vectors.index_to_key
    np.testing.assert_array_equal(found.counts, vectors.counts)


def test_new_vectors_follow_the_map() -> None:
    matrix = sample()
    fitted = all_but_the_top(matrix, 2)
    np.testing.assert_allclose(fitted.apply(matrix[3:5]), fitted.apply(matrix)[3:5], atol=1e-6)
    with pytest.raises(ConfigError, match="was fitted to 6 dimensions, and these vectors have"):
        fitted.apply(matrix[:, :5])


@pytest.mark.parametrize("method", ["pca", "auto"])
def test_flat_coordinates_are_the_first_two_components(method: str) -> None:
    units = directions(sample(20))
    flat, used = coordinates(units, method)
    assert used == "PCA"
    np.testing.assert_allclose(np.abs(flat), np.abs(PCA(2).fit_transform(units)), atol=1e-9)


def test_tsne_keeps_bunches_together() -> None:
    bunch = np.repeat(np.arange(3), 8)
    generator = np.random.default_rng(0)
    units = directions(np.eye(5)[bunch] + 0.1 * generator.standard_normal((24, 5)))
    flat, used = coordinates(units, "tsne")
    assert used == "t-SNE"
    nearest = [
        int(np.argsort(np.linalg.norm(flat - point, axis=1), kind="stable")[1]) for point in flat
    ]
    assert (bunch[nearest] == bunch).all()


def test_bad_arguments_say_what_to_give() -> None:
    matrix = sample()
    with pytest.raises(ConfigError, match="of 6 components in 6 dimensions leaves nothing"):
        all_but_the_top(matrix, 6)
    with pytest.raises(ConfigError, match="PCA to 7 dimensions of vectors that vary in 6; give 1"):
        pca(matrix, 7)
    with pytest.raises(ConfigError, match="whitening to 0 dimensions"):
        whiten(matrix, 0)
    with pytest.raises(ConfigError, match="all vectors are equal, so there is nothing to whiten"):
        whiten(np.ones((4, 3)))
    with pytest.raises(ConfigError, match="projection 'umap' is unknown; give one of auto, pca"):
        coordinates(directions(matrix), "umap")
    with pytest.raises(ConfigError, match="t-SNE cannot place 2 vectors apart"):
        coordinates(directions(matrix[:2]), "tsne")

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes as scipy_procrustes

from rowspace.errors import ConfigError, VocabularyError
from rowspace.space.alignment import align, measure_drift, procrustes
from rowspace.space.vectors import Vectors

Matrix = NDArray[np.float64]


def gaussian(n: int, dim: int, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).standard_normal((n, dim))


def rotation(dim: int, seed: int = 1) -> Matrix:
    return np.asarray(np.linalg.qr(gaussian(dim, dim, seed))[0])


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 12), dim=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_the_rotation_is_that_of_scipy(seed: int, n: int, dim: int) -> None:
    a, b = gaussian(n, dim, seed), gaussian(n, dim, seed + 1)
    expected, singular = orthogonal_procrustes(a, b)
    found = procrustes(a, b)
    # Fewer rows than dimensions leave directions free, so what is compared is the fit.
    assert np.linalg.norm(a @ found.matrix - b) == pytest.approx(np.linalg.norm(a @ expected - b))
    np.testing.assert_allclose(found.matrix @ found.matrix.T, np.eye(dim), atol=1e-10)
    scaled = procrustes(a, b, scale=True)
    assert np.linalg.norm(scaled.matrix, 2) == pytest.approx(singular / (a**2).sum())


def test_scaled_and_centered_it_is_the_procrustes_analysis_of_scipy() -> None:
    a, b = gaussian(20, 3), gaussian(20, 3, 5) + 4
    mapped = procrustes(b, a, scale=True, center=True).apply(b)
    _, _, disparity = scipy_procrustes(a, b)  # of `a` scaled to 1
    spread = ((a - a.mean(axis=0)) ** 2).sum()
    assert ((mapped - a) ** 2).sum() / spread == pytest.approx(disparity, rel=1e-4)


def test_a_planted_similarity_is_undone() -> None:
    matrix = gaussian(40, 5)
    moved = 2.5 * (matrix - 1) @ rotation(5) + 3
    found = procrustes(moved, matrix, scale=True, center=True)
    np.testing.assert_allclose(found.apply(moved), matrix, atol=1e-5)


def planted(n: int = 80, dim: int = 8) -> tuple[Vectors, Vectors, list[str]]:
    """A space and itself turned, where five words have changed places with five others."""
    keys = [f"w{i}" for i in range(n)]
    matrix = gaussian(n, dim)
    order = np.arange(n)
    swapped = [3, 10, 25, 40, 66]
    order[swapped] = np.roll(swapped, 1)
    lengths = np.random.default_rng(3).uniform(0.5, 2, (n, 1))  # of no matter
    other = (matrix[order] @ rotation(dim)) * lengths
    return Vectors(keys, matrix), Vectors(keys[::-1], other[::-1]), [keys[i] for i in swapped]


def test_planted_words_have_drifted_and_others_have_not() -> None:
    vectors, other, changed = planted()
    still = [key for key in vectors if key not in changed]
    drift = measure_drift(vectors, other, k=5, anchors=still)
    assert {drift.keys[row] for row in drift.largest(5)} == set(changed)
    has_changed = np.isin(drift.keys, changed)
    assert drift.distances[~has_changed].max() < 1e-6
    assert drift.distances[has_changed].min() > 0.1
    assert drift.lost[has_changed].min() > drift.lost[~has_changed].mean()
    assert drift.alignment.residual < 1e-9
    by_all = measure_drift(vectors, other, k=5)
    assert {by_all.keys[row] for row in by_all.largest(5)} == set(changed)
    assert 0 < by_all.alignment.residual < 0.3


def test_a_turned_space_has_not_drifted() -> None:
    vectors, _, _ = planted()
    turned = Vectors(vectors.index_to_key, vectors.matrix @ rotation(8))
    drift = measure_drift(vectors, turned)
    assert drift.distances.max() < 1e-6
    assert drift.lost.max() == 0


def test_the_share_of_lost_neighbours_by_hand() -> None:
    """Four words in a plane, two pairs; in the other space the pairs have other partners."""
    near = [[1, 0.1], [1, -0.1], [-0.1, 1], [0.1, 1]]
    first = Vectors(list("abcd"), near)
    second = Vectors(list("acbd"), near)
    assert measure_drift(first, second, k=1).lost.tolist() == [1, 1, 1, 1]
    # a: b and d against c and d; d: c and a against b and a; b and c keep a and d
    assert measure_drift(first, second, k=2).lost.tolist() == [0.5, 0, 0, 0.5]
    assert measure_drift(first, first, k=1).lost.tolist() == [0, 0, 0, 0]


def test_drift_takes_the_most_frequent_common_words() -> None:
    vectors = Vectors(list("abcd"), gaussian(4, 3), counts=[1, 9, 5, 7])
    other = Vectors(list("dcax"), gaussian(4, 3, 2))
    assert measure_drift(vectors, other).keys == ["d", "c", "a"]
    assert measure_drift(vectors, other, top=2).keys == ["d", "c"]


def test_an_aligned_space_keeps_its_lengths_and_says_what_was_done() -> None:
    vectors, other, _ = planted()
    mapped = align(vectors, other).map.transform(vectors)
    np.testing.assert_allclose(mapped.norms, vectors.norms, rtol=1e-5)
    assert mapped.metadata["transforms"] == ["aligned"]


def test_zero_vectors_are_left_out() -> None:
    vectors = Vectors(["a", "b", "zero"], [[1, 0], [0, 1], [0, 0]])
    found = align(vectors, Vectors(["zero", "b", "a"], [[1, 1], [-1, 0], [0, 1]]))
    assert found.anchors == ["a", "b"]
    assert found.residual == pytest.approx(0, abs=1e-12)


def test_spaces_that_do_not_fit_say_why() -> None:
    vectors = Vectors(["a", "b"], np.eye(2))
    with pytest.raises(ConfigError, match="spaces of 2 and 3 dimensions cannot be turned"):
        align(vectors, Vectors(["a"], [[1, 2, 3]]))
    with pytest.raises(VocabularyError, match="share no word: the first has 'a', 'b', the second"):
        measure_drift(vectors, Vectors(["x", "y"], np.eye(2)))
    with pytest.raises(ConfigError, match="share one word"):
        measure_drift(vectors, Vectors(["a", "y"], np.eye(2)))
    with pytest.raises(VocabularyError, match="no vector for 'c'"):
        align(vectors, vectors, ["a", "c"])
    with pytest.raises(ConfigError, match="anchors is one string, 'ab'; give a list"):
        align(vectors, vectors, "ab")
    with pytest.raises(VocabularyError, match="there are no anchors"):
        align(vectors, vectors, [])
    with pytest.raises(ConfigError, match="every word to align by is a zero vector"):
        align(vectors, Vectors(["a", "b"], np.zeros((2, 2))))
    with pytest.raises(ConfigError, match=r"shapes \(2, 2\) and \(3, 2\) cannot be aligned"):
        procrustes(np.eye(2), np.ones((3, 2)))
    with pytest.raises(ConfigError, match="all vectors to align are zero or equal"):
        procrustes(np.ones((3, 2)), np.eye(3)[:, :2], center=True)

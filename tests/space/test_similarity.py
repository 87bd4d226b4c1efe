import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.space import similarity
from rowspace.space.similarity import METRICS, largest, nearest_rows, row_norms, unit_rows
from tests import naive_space


def random_matrix(n: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
def test_nearest_rows_are_those_of_the_slow_version(metric: str) -> None:
    matrix, queries = random_matrix(90, 7), random_matrix(5, 7, seed=1)
    rows, scores = nearest_rows(matrix, queries, 6, metric=metric)
    for query, found, values in zip(queries, rows, scores, strict=True):
        expected = naive_space.nearest(matrix.tolist(), query.tolist(), 6, metric)
        assert found.tolist() == [row for row, _ in expected]
        np.testing.assert_allclose(values, [value for _, value in expected], rtol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_nearest_rows_do_not_depend_on_the_blocks(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, queries = random_matrix(300, 5), random_matrix(40, 5, seed=1)
    exclude = np.arange(80).reshape(40, 2)
    whole = nearest_rows(matrix, queries, 20, metric=metric, exclude=exclude)
    monkeypatch.setattr(similarity, "_SCORES_AT_ONCE", 70)
    monkeypatch.setattr(similarity, "_VALUES_AT_ONCE", 64)
    monkeypatch.setattr(similarity, "_QUERIES_AT_ONCE", 7)
    blocked = nearest_rows(matrix, queries, 20, metric=metric, exclude=exclude)
    np.testing.assert_array_equal(whole[0], blocked[0])
    np.testing.assert_array_equal(whole[1], blocked[1])


@pytest.mark.parametrize("metric", METRICS)
def test_equal_scores_rank_by_row(metric: str) -> None:
    matrix = np.tile(random_matrix(1, 4), (50, 1))
    rows, _ = nearest_rows(matrix, matrix[:1], 30, metric=metric)
    assert rows[0].tolist() == list(range(30))


def test_excluded_rows_leave_minus_one_where_too_few_are_left() -> None:
    matrix = random_matrix(4, 3)
    rows, scores = nearest_rows(matrix, matrix[:1], 4, exclude=np.array([[0, 2]]))
    assert sorted(rows[0].tolist()) == [-1, -1, 1, 3]
    assert np.isnan(scores[0, 2:]).all()


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_a_rotation_keeps_cosine_and_euclidean_neighbours(seed: int, k: int) -> None:
    matrix = random_matrix(40, 6, seed)
    rotation = np.linalg.qr(np.random.default_rng(seed + 1).standard_normal((6, 6)))[0]
    turned = (matrix @ rotation).astype(np.float32)
    for metric in ("cosine", "euclidean"):
        before = nearest_rows(matrix, matrix[:3], k, metric=metric)
        after = nearest_rows(turned, turned[:3], k, metric=metric)
        np.testing.assert_allclose(before[1], after[1], atol=2e-6)


def test_euclidean_neighbours_survive_cancellation() -> None:
    """Two tight clusters far apart: |q|² - 2 q·r + |r|² in float32 is rounding only."""
    spread = random_matrix(400, 5)
    matrix = spread * np.float32(0.5)
    matrix[:200] += np.float32(2000.0)
    matrix[200:] -= np.float32(3000.0)
    rows, distances = nearest_rows(matrix, matrix[:9], 8, metric="euclidean")
    for query, (found, values) in enumerate(zip(rows, distances, strict=True)):
        expected = naive_space.nearest(matrix.tolist(), matrix[query].tolist(), 8, "euclidean")
        assert found.tolist() == [row for row, _ in expected]
        np.testing.assert_allclose(values, [value for _, value in expected], rtol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_rows_that_float32_cannot_tell_apart_are_ranked_by_float64(metric: str) -> None:
    matrix = (1.0 + 2.0**-22 * random_matrix(2000, 30)).astype(np.float32)
    rows, scores = nearest_rows(matrix, matrix[:3], 5, metric=metric)
    wide = matrix.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1) if metric == "cosine" else np.ones(2000)
    for query, (found, values) in enumerate(zip(rows, scores, strict=True)):
        expected = wide @ wide[query] / (lengths * lengths[query])
        np.testing.assert_allclose(values, np.sort(expected)[::-1][:5], rtol=4e-15)
        np.testing.assert_allclose(values, expected[found], rtol=4e-15)


def test_vectors_too_short_for_squares_in_float32_count_by_direction() -> None:
    matrix = np.array([[1e-30, 0], [0, 1e-30], [1, 1], [0, 0]], dtype=np.float32)
    np.testing.assert_allclose(row_norms(matrix), [1e-30, 1e-30, 2**0.5, 0])
    rows, scores = nearest_rows(matrix, matrix[:1], 2)
    assert rows.tolist() == [[0, 2]]
    np.testing.assert_allclose(scores, [[1.0, 0.5**0.5]])


def test_a_zero_vector_has_cosine_zero() -> None:
    matrix = np.array([[0, 0], [1, 0], [-1, 0]], dtype=np.float32)
    rows, scores = nearest_rows(matrix, matrix[1:2], 3)
    assert rows.tolist() == [[1, 0, 2]]
    assert scores.tolist() == [[1.0, 0.0, -1.0]]
    assert unit_rows(matrix[:1]).tolist() == [[0.0, 0.0]]


def test_norms_by_hand() -> None:
    assert row_norms(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist() == [5.0, 0.0]


def test_largest_is_stable_and_leaves_out_minus_infinity() -> None:
    scores = np.array([1.0, 3.0, -np.inf, 3.0, 2.0])
    assert largest(scores, 3).tolist() == [1, 3, 4]
    assert largest(scores, 9).tolist() == [1, 3, 4, 0]


def test_bad_arguments_say_what_to_give() -> None:
    matrix = random_matrix(3, 2)
    with pytest.raises(ConfigError, match="topn is 0, so nothing can be returned"):
        nearest_rows(matrix, matrix, 0)
    with pytest.raises(ConfigError, match="metric 'hamming' is unknown; give one of cosine"):
        nearest_rows(matrix, matrix, 1, metric="hamming")

"""The sketch finds what comparing all rows in float64 finds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.space import sketch, sketch_kernels, vectors
from rowspace.space.similarity import nearest_rows, unit_rows
from rowspace.space.sketch import MOST, find_candidates, make_sketch
from rowspace.space.vectors import Vectors

N = 4000
RNG = np.random.default_rng(11)


def gaussian(dim: int) -> NDArray[np.float32]:
    return RNG.standard_normal((N, dim)).astype(np.float32)


def near_ties(dim: int) -> NDArray[np.float32]:
    """All in one direction, but for the fifth digit."""
    return (1.0 + 1e-5 * RNG.standard_normal((N, dim))).astype(np.float32)


def duplicates(dim: int) -> NDArray[np.float32]:
    return gaussian(dim)[RNG.integers(0, 300, N)]


def few_directions(dim: int) -> NDArray[np.float32]:
    """More rows tie than a query keeps."""
    return gaussian(dim)[RNG.integers(0, 3, N)]


def all_sizes(dim: int) -> NDArray[np.float32]:
    """Lengths from 1e-30 to 1e16, and zeros."""
    matrix = gaussian(dim) * 10.0 ** RNG.integers(-30, 17, (N, 1))
    matrix[::5] = 0.0
    return matrix.astype(np.float32)


def spikes(dim: int) -> NDArray[np.float32]:
    """One large value a row: the others are rounded to nothing."""
    matrix = gaussian(dim)
    matrix[np.arange(N), RNG.integers(0, dim, N)] *= 1e4
    return matrix


MATRICES = [gaussian, near_ties, duplicates, few_directions, all_sizes, spikes]


def exact_cosines(
    matrix: NDArray[np.float32], query: NDArray[np.float32], exclude: NDArray[np.int64]
) -> NDArray[np.float64]:
    rows, wanted = matrix.astype(np.float64), query.astype(np.float64)
    lengths = np.sqrt((rows * rows).sum(axis=1) * (wanted @ wanted))
    cosines: NDArray[np.float64] = np.divide(
        rows @ wanted, lengths, out=np.zeros(len(rows)), where=lengths > 0
    )
    cosines[exclude[exclude >= 0]] = -np.inf
    return cosines


@pytest.fixture(params=["tiles", "rows"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many queries with either kernel."""
    if request.param == "rows":
        monkeypatch.setattr(sketch, "_FEW", 1000)
    elif not sketch_kernels.HAS_VNNI:
        pytest.skip("this processor has no AVX512-VNNI")
    monkeypatch.setattr(sketch, "n_cores", lambda: 3)


@pytest.mark.parametrize("make", MATRICES, ids=lambda make: make.__name__)
@pytest.mark.parametrize(("dim", "k"), [(3, 10), (37, 100), (150, 1)])
@pytest.mark.usefixtures("kernel")
def test_the_nearest_are_those_of_comparing_all_in_float64(
    make: Callable[[int], NDArray[np.float32]], dim: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketch, "_ROOM", 300)  # or no query would have to drop any
    matrix = make(dim)
    queries = np.vstack([matrix[RNG.integers(0, N, 6)], gaussian(dim)[:3]])
    exclude = RNG.integers(-1, N, (len(queries), 3))
    exclude[0] = -1
    rows, scores = nearest_rows(matrix, queries, k, exclude=exclude, sketch=make_sketch(matrix))
    for query, banned, found, values in zip(queries, exclude, rows, scores, strict=True):
        cosines = exact_cosines(matrix, query, banned)
        np.testing.assert_allclose(values, np.sort(cosines)[::-1][:k], rtol=0, atol=1e-12)
        np.testing.assert_allclose(values, cosines[found], rtol=0, atol=1e-12)
        assert len(set(found.tolist())) == k
        tied = np.diff(values) == 0
        assert (np.diff(found)[tied] > 0).all()
    without = nearest_rows(matrix, queries, k, exclude=exclude)
    np.testing.assert_array_equal(rows, without[0])
    np.testing.assert_array_equal(scores, without[1])


def test_the_bound_holds_for_every_row() -> None:
    for make in MATRICES:
        matrix, queries = make(50), unit_rows(gaussian(50)[:4])
        made, coded = make_sketch(matrix), sketch._encode(queries, 64)
        rows = made.scales[:, None] * (made.codes[:, :50].astype(np.float64) - 128)
        wanted = coded.steps[:, None] * coded.codes[:, :50].astype(np.float64)
        apart = np.abs(unit_rows(matrix) @ queries.T - rows @ wanted.T)
        assert (apart <= made.errors[:, None] * coded.slopes + coded.bases).all()
        assert (made.codes[:, 50:] == 128).all()


def test_queries_with_too_many_rows_near_are_left_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sketch, "_ROOM", 300)
    matrix = few_directions(20)
    assert find_candidates(make_sketch(matrix), unit_rows(matrix[:1]), 10) == [None]
    assert find_candidates(make_sketch(matrix), np.zeros((1, 20)), 10) == [None]
    found = find_candidates(make_sketch(gaussian(20)), unit_rows(matrix[:1]), 10)[0]
    assert found is not None
    assert 10 <= len(found) < 300


def test_many_queries_without_vnni_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch_kernels, "HAS_VNNI", False)
    made = make_sketch(gaussian(20))
    assert find_candidates(made, unit_rows(gaussian(20)[:9]), 10) == [None] * 9
    assert find_candidates(made, unit_rows(gaussian(20)[:1]), 10)[0] is not None


def test_more_rows_than_a_sketch_looks_for_are_found() -> None:
    matrix = gaussian(4)
    for k in (MOST - 1, MOST, N, 2 * N):
        exclude = np.array([[0]])
        found = nearest_rows(matrix, matrix[:1], k, exclude=exclude, sketch=make_sketch(matrix))
        expected = nearest_rows(matrix, matrix[:1], k, exclude=exclude)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n", [1, 5, 11, 12])
def test_few_rows_are_searched_too(n: int) -> None:
    matrix = gaussian(6)[:n]
    for m in (1, n, 40):
        rows, _ = nearest_rows(matrix, np.resize(matrix, (m, 6)), 3, sketch=make_sketch(matrix))
        assert (rows[:, 0] == np.arange(m) % n).all()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows that sketches were made of; 1000 are enough for one."""
    monkeypatch.setattr(sketch, "_LEAST_ROWS", 1000)
    monkeypatch.setattr(sketch, "_LEAST_VALUES", 1000)
    done: list[int] = []

    def make(matrix: NDArray[np.float32]) -> sketch.Sketch:
        done.append(len(matrix))
        return make_sketch(matrix)

    monkeypatch.setattr(vectors, "make_sketch", make)
    return done


def keyed(matrix: NDArray[np.float32]) -> Vectors:
    return Vectors([f"w{row}" for row in range(len(matrix))], matrix)


def test_vectors_make_a_sketch_at_the_second_query_or_for_a_batch(made: list[int]) -> None:
    matrix = gaussian(30)
    one, many, plain = keyed(matrix), keyed(matrix), keyed(matrix[:900])
    first = one.most_similar("w3")
    assert made == []
    assert one.most_similar("w3") == first
    one.most_similar("w4")
    assert made == [N]
    batch = many.most_similar_batch(["w3", "w4"])
    assert [key for key, _ in batch[0]] == [key for key, _ in first]
    assert made == [N, N]
    plain.most_similar_batch(["w3", "w4"])
    assert made == [N, N]


def test_the_first_keys_are_searched_with_the_sketch_of_all(made: list[int]) -> None:
    matrix = gaussian(30)
    large, small = keyed(matrix), keyed(matrix[:1200])
    assert large.most_similar_batch(["w3", "w4"], restrict_vocab=20) == keyed(
        matrix[:20]
    ).most_similar_batch(["w3", "w4"])
    assert made == []
    expected = small.most_similar_batch(["w3", "w4"])
    assert large.most_similar_batch(["w3", "w4"], restrict_vocab=1200) == expected
    assert made == [1200, N]


def test_other_metrics_and_scarce_memory_make_no_sketch(
    made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = keyed(gaussian(30))
    for metric in ("dot", "euclidean"):
        some.most_similar_batch(["w3", "w4"], metric=metric)
    monkeypatch.setattr(sketch, "available_memory", lambda: 2 * N * 32)
    found = some.most_similar_batch(["w3", "w4"])
    assert made == []
    monkeypatch.setattr(sketch, "available_memory", lambda: None)
    assert some.most_similar_batch(["w3", "w4"]) == found
    assert made == [N]

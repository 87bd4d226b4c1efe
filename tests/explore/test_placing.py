from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.explore.neighbors import Neighbors, near_each_other
from rowspace.explore.placing import (
    JITTER,
    NEAREST,
    REACH,
    SHARPNESS,
    choose_sample,
    median_gap,
    place_by_neighbors,
    places_among,
)
from rowspace.explore.unfinished import Unkept
from tests import naive_maps
from tests.explore.shown import blobs


def units(n: int, **settings: int) -> NDArray[np.float32]:
    matrix = blobs(n, **settings)[0]
    lengths: NDArray[np.float64] = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / lengths).astype(np.float32)


def test_places_are_those_of_a_plain_loop() -> None:
    random = np.random.default_rng(0)
    cosines = -np.sort(-random.uniform(-1, 1, (30, 6)), axis=1).astype(np.float32)
    places = random.standard_normal((30, 6, 2))
    for reach in (0.5, 2.0, 100.0):
        expected = naive_maps.placed(cosines.tolist(), places.tolist(), reach, SHARPNESS)
        assert places_among(cosines, places, reach) == pytest.approx(np.array(expected), abs=1e-5)


def test_a_neighbour_in_another_group_is_left_out() -> None:
    places = np.array([[[0.0, 0], [50, 50], [0, 2]]])
    (found,) = places_among(np.full((1, 3), 0.9, np.float32), places, 5.0)
    assert found.tolist() == [0.0, 1.0]


def test_fitted_points_stay_and_others_go_where_a_plain_loop_puts_them() -> None:
    everything = units(60)
    fitted = np.arange(0, 60, 2)
    places = np.random.default_rng(1).standard_normal((30, 2))
    found = place_by_neighbors(
        everything[fitted],
        places,
        fitted,
        lambda rows: everything[rows],
        60,
        3,
        Unkept({}),
        lambda share: None,
    )
    assert np.array_equal(found[fitted], places)
    gap = median_gap(places)
    rest = np.setdiff1d(np.arange(60), fitted)
    products = everything[rest].astype(np.float64) @ everything[fitted].T.astype(np.float64)
    near = np.argsort(-products, axis=1)[:, :NEAREST]
    cosines = np.take_along_axis(products, near, axis=1)
    expected = naive_maps.placed(cosines.tolist(), places[near].tolist(), REACH * gap, SHARPNESS)
    beside = (found[rest] - np.array(expected)) / (JITTER * gap)
    assert np.abs(beside).max() < 4 and 0.5 < beside.std() < 1.5


def test_a_sample_takes_its_share_of_each_group() -> None:
    groups = np.repeat([0, 1, 2], [600, 300, 100])
    chosen = choose_sample(1000, 100, groups, 0)
    assert np.bincount(groups[chosen]).tolist() == [60, 30, 10]
    assert np.array_equal(chosen, np.unique(chosen))
    assert not np.array_equal(chosen, choose_sample(1000, 100, groups, 1))
    assert choose_sample(5, 10, None, 0).tolist() == [0, 1, 2, 3, 4]
    assert len(np.unique(choose_sample(1000, 333, None, 0))) == 333


def test_neighbours_of_each_are_those_of_all_distances() -> None:
    matrix = units(50)
    rows, distances = near_each_other(matrix, 7)
    cosines = matrix.astype(np.float64) @ matrix.T.astype(np.float64)
    np.fill_diagonal(cosines, 2.0)
    assert np.array_equal(rows, np.argsort(-cosines, axis=1)[:, :7])
    assert (distances[:, 0] == 0).all()
    expected = 1 - np.take_along_axis(cosines, rows[:, 1:], axis=1)
    assert distances[:, 1:] == pytest.approx(expected, abs=1e-6)


def test_each_is_its_own_first_neighbour_among_equal_ones() -> None:
    rows, distances = near_each_other(np.full((20, 4), 0.5, np.float32), 5)
    assert np.array_equal(rows[:, 0], np.arange(20))
    assert all(len(set(row)) == 5 for row in rows.tolist())
    assert distances == pytest.approx(np.zeros((20, 5)), abs=1e-6)


def test_lists_find_most_of_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = units(12_000, n_groups=40)
    queries = units(300, n_groups=40)
    exact = Neighbors(matrix, 300).search(queries, 5)[1]
    monkeypatch.setattr("rowspace.explore.neighbors.COMPARED", 0)
    cosines, found = Neighbors(matrix, 300).search(queries, 5)
    pairs = zip(exact.tolist(), found.tolist(), strict=True)
    shared = [len({*one} & {*other}) for one, other in pairs]
    assert np.mean(shared) > 4.5
    assert (found >= 0).all() and np.isfinite(cosines).all()

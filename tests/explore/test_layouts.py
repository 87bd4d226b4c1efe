from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.explore import layouts
from rowspace.explore.frame import LINEAR, fit_in_square
from rowspace.explore.layouts import Layout, Method, make_layout, trustworthiness
from rowspace.explore.principal import principal_places
from tests.explore.shown import ArrayPoints, blobs


def layout(points: ArrayPoints, method: str, seed: int = 0) -> Layout:
    return make_layout(points, method, seed, None, lambda share, message: None)


def test_pca_is_that_of_a_singular_value_decomposition() -> None:
    matrix, _ = blobs(60, dim=7)
    points = ArrayPoints(matrix * np.linspace(0.1, 9, 60)[:, None])
    flat = principal_places(points, np.arange(60), lambda share: None)
    units = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)
    expected = left[:, :2] * values[:2]
    signs = np.sign((flat * expected).sum(axis=0))
    assert flat == pytest.approx(expected * signs, abs=1e-5)


def test_pca_is_the_same_whatever_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    points = ArrayPoints(blobs(50)[0])
    whole = layout(points, "pca").places
    monkeypatch.setattr("rowspace.explore.points.BLOCK", 5 * points.dim)
    assert layout(points, "pca").places == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_groups_of_points_stay_together(method: str) -> None:
    matrix, groups = blobs(80)
    made = layout(ArrayPoints(matrix), method)
    places = made.places.astype(np.float64)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).mean() > 0.95
    assert np.abs(places).max() <= 1.0
    assert made.record.n_fitted == 80 and made.record.parameters["metric"] == "cosine"
    assert set(made.record.versions) > {"rowspace", "numpy"}


@pytest.mark.parametrize("method", ["pca", "umap", "tsne"])
def test_length_does_not_matter_and_the_seed_decides(method: str) -> None:
    matrix, _ = blobs(40)
    one = layout(ArrayPoints(matrix), method).places
    again = layout(ArrayPoints(matrix * 4.0), method).places  # a power of two changes no bit
    assert np.array_equal(one, again)


def test_another_seed_is_another_map() -> None:
    points = ArrayPoints(blobs(40)[0])
    assert not np.allclose(layout(points, "umap").places, layout(points, "umap", 1).places)


def test_of_many_points_a_sample_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, groups = blobs(200)
    monkeypatch.setitem(layouts.METHODS, "umap", Method("UMAP", 60))
    made = layout(ArrayPoints(matrix), "umap")
    assert (made.record.n, made.record.n_fitted) == (200, 60)
    places = made.places.astype(np.float64)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).mean() > 0.95


def test_points_without_a_direction_are_at_the_lower_edge() -> None:
    matrix, _ = blobs(30)
    matrix[[4, 20]] = 0
    made = layout(ArrayPoints(matrix), "umap")
    assert made.places[[4, 20]].tolist() == [[0, -1], [0, -1]]
    assert made.record.n_empty == 2 and made.record.n_fitted == 28


@pytest.mark.parametrize("method", ["pca", "umap", "tsne"])
@pytest.mark.parametrize("n", [1, 2, 5, 16, 17])
def test_few_points_have_places_too(method: str, n: int) -> None:
    made = layout(ArrayPoints(blobs(n)[0]), method)
    assert made.places.shape == (n, 2) and np.isfinite(made.places).all()
    assert (made.record.trustworthiness is None) == (n < layouts.FEWEST)


@pytest.mark.parametrize("method", ["pca", "umap", "tsne"])
def test_equal_points_have_places_too(method: str) -> None:
    made = layout(ArrayPoints(np.ones((40, 3))), method)
    assert np.isfinite(made.places).all() and np.abs(made.places).max() <= 1


def test_nothing_but_zeros_has_places_too() -> None:
    made = layout(ArrayPoints(np.zeros((20, 3))), "umap")
    assert made.record.n_empty == 20 and (made.places == [0, -1]).all()


def test_trustworthiness_is_one_of_what_is_flat() -> None:
    angle = np.random.default_rng(1).uniform(0, 1, 40)
    flat = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rows = np.arange(40)
    assert trustworthiness(ArrayPoints(flat), rows, flat, 0) == 1.0
    mixed = np.random.default_rng(0).permutation(flat)
    measured = trustworthiness(ArrayPoints(flat), rows, mixed, 0)
    assert measured is not None and measured < 0.7


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ConfigError, match="layout 'som' is unknown; give one of umap, pca, tsne"):
        layout(ArrayPoints(blobs(5)[0]), "som")


def test_progress_rises_to_the_end() -> None:
    told: list[float] = []
    points = ArrayPoints(blobs(60)[0])
    make_layout(points, "umap", 0, None, lambda share, message: told.append(share))
    assert all(one <= other for one, other in itertools.pairwise(told))
    assert told[0] == 0.0 and 0.9 < told[-1] <= 1.0 and len(told) > 5


def test_a_frame_keeps_the_aspect_and_the_order_of_what_is_far() -> None:
    random = np.random.default_rng(0)
    places = random.uniform(-1, 1, (5000, 2)) * [30, 10]
    places[:3] = [[500, 0], [900, 1], [-700, 2]]
    drawn = fit_in_square(places)
    assert np.abs(drawn).max() <= 1.0
    inner = drawn[3:]
    spread = np.ptp(inner, axis=0)
    assert spread[0] == pytest.approx(2 * LINEAR, abs=0.02)
    assert spread[0] / spread[1] == pytest.approx(3.0, rel=0.02)
    assert LINEAR < drawn[0, 0] < drawn[1, 0] <= 1 and drawn[2, 0] >= -1


def test_a_frame_of_one_place_is_its_middle() -> None:
    assert fit_in_square(np.full((3, 2), 7.0)).tolist() == [[0, 0]] * 3
    assert fit_in_square(np.zeros((0, 2))).shape == (0, 2)


def test_what_makes_maps_is_loaded_when_one_is_made() -> None:
    code = (
        "import sys, rowspace.explore.routes\n"
        "heavy = {'umap', 'sklearn', 'torch', 'lancedb', 'faiss'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from rowspace.explore.colors import cluster_colors, field_colors
from rowspace.explore.map_clusters import Clusters


def test_numbers_are_shares_of_their_range() -> None:
    colors = field_colors(pa.array([1990, None, 2010, 2000]), "number")
    assert colors.legend == {"kind": "number", "low": 1990.0, "high": 2010.0, "log": False}
    assert colors.values.dtype == np.float32
    assert colors.values == pytest.approx([0, np.nan, 1, 0.5], nan_ok=True)


def test_skewed_numbers_follow_the_logarithm() -> None:
    counts = [1] * 50 + [10] * 30 + [100] * 15 + [10_000] * 5
    colors = field_colors(pa.array(counts), "number")
    assert colors.legend == {"kind": "number", "low": 1.0, "high": 10_000.0, "log": True}
    assert colors.values[[0, 50, 80, 99]] == pytest.approx([0, 0.25, 0.5, 1])


def test_numbers_that_reach_zero_follow_no_logarithm() -> None:
    assert field_colors(pa.array([0] + [1] * 50 + [9999]), "number").legend["log"] is False


@pytest.mark.parametrize("values", [[], [None, None], [float("nan"), float("inf")]])
def test_no_number_is_no_range(values: list[float | None]) -> None:
    colors = field_colors(pa.array(values, pa.float64()), "number")
    assert colors.legend == {"kind": "number", "low": None, "high": None, "log": False}
    assert np.isnan(colors.values).all() and len(colors.values) == len(values)


def test_one_number_is_in_the_middle() -> None:
    assert field_colors(pa.array([5, 5, None]), "number").values[:2].tolist() == [0.5, 0.5]


def test_categories_are_the_most_frequent_and_other() -> None:
    values = [None, *(f"v{i:02d}" for i in range(30) for _ in range(60 - i))]
    colors = field_colors(pa.array(values), "category")
    assert colors.legend["names"] == [*(f"v{i:02d}" for i in range(20)), "other"]
    assert colors.values.dtype == np.uint16
    assert colors.values[0] == 65535
    for value, code in zip(values[1:], colors.values[1:].tolist(), strict=True):
        assert value is not None and code == min(int(value[1:]), 20)
    assert colors.tobytes()[:2] == b"\xff\xff"


def test_few_categories_have_no_other_and_booleans_are_ones() -> None:
    colors = field_colors(pa.array([True, False, None, True]), "category")
    assert colors.legend == {"kind": "category", "names": ["true", "false"]}
    assert colors.values.tolist() == [0, 1, 65535, 0]
    assert field_colors(pa.array([], pa.string()), "category").legend["names"] == []


def test_dates_are_days() -> None:
    colors = field_colors(
        pa.array(["2020-01-11", "2020-01-01T10:00:00", None, "soon", "2020-01-21 x"]), "date"
    )
    days = [(datetime.date(2020, 1, day) - datetime.date(1970, 1, 1)).days for day in (1, 21)]
    assert [colors.legend["low"], colors.legend["high"]] == days
    assert colors.legend["dates"] == ["2020-01-01", "2020-01-21"]
    assert colors.values == pytest.approx([0.5, 0, np.nan, np.nan, 1], nan_ok=True)


def test_no_date_is_no_range() -> None:
    colors = field_colors(pa.array([None, "soon"], pa.string()), "date")
    assert colors.legend["dates"] == [None, None] and np.isnan(colors.values).all()


def test_groups_are_categories_of_either_level() -> None:
    codes = np.array([[0, 1], [1, 0], [65535, 65535]], np.uint16)
    clusters = Clusters(codes, (["a", "b"], ["c", "d"]), 0.5, 0)
    assert cluster_colors(clusters, 0).legend == {"kind": "category", "names": ["a", "b"]}
    assert cluster_colors(clusters, 1).values.tolist() == [1, 0, 65535]

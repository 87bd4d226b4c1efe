"""Plots of several curves: where they, their ticks and their names stand."""

from __future__ import annotations

import itertools

import pytest

from rowspace.space.plots import CURVES_BOX, Series, curves_plot, fine_log_ticks

TICKS = [(128.0, "128"), (512.0, "512"), (2048.0, "2,048")]
LEFT, TOP, RIGHT, BOTTOM = CURVES_BOX


@pytest.mark.parametrize(("low", "high"), [(30, 180), (1, 1), (100, 100), (0.3, 7), (19.9, 2001)])
def test_log_ticks_enclose_the_values(low: float, high: float) -> None:
    ticks = fine_log_ticks(low, high)
    assert len(ticks) >= 2
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert all(1 < b / a <= 2.51 for a, b in itertools.pairwise(ticks))


def test_curves_go_from_edge_to_edge_and_rise_upwards() -> None:
    plot = curves_plot(
        [Series("rope", [(128, 50), (512, 100), (2048, 200)], 0)],
        "t", "x", "y", x_ticks=TICKS, is_log=True,
    )  # fmt: skip
    xs, ys, said = zip(*plot.curves[0].points, strict=True)
    assert xs[0] == pytest.approx(LEFT)
    assert xs[1] == pytest.approx((LEFT + RIGHT) / 2)
    assert xs[-1] == pytest.approx(RIGHT)
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2])  # doubled twice, on a log axis
    assert ys[0] > ys[2]
    assert said[0] == "rope, 128: 50.000"


def test_names_do_not_lie_on_each_other_and_keep_the_order_of_the_ends() -> None:
    ends = [60.0, 61.0, 60.5, 200.0, 60.2, 199.0]
    plot = curves_plot(
        [Series(str(i), [(128, 50), (2048, end)], i) for i, end in enumerate(ends)],
        "t", "x", "y", x_ticks=TICKS,
    )  # fmt: skip
    heights = [curve.label[1] for curve in plot.curves]
    by_end = [heights[i] for i in sorted(range(len(ends)), key=lambda i: -ends[i])]
    assert all(b - a >= 15.9 for a, b in itertools.pairwise(by_end))
    assert all(TOP <= height <= BOTTOM for height in heights)
    assert {curve.label[0] for curve in plot.curves} == {RIGHT + 9}


def test_a_curve_that_stops_early_has_its_name_where_it_stops() -> None:
    plot = curves_plot(
        [Series("learned", [(128, 50)], 0), Series("rope", [(128, 50), (2048, 90)], 1)],
        "t", "x", "y", x_ticks=TICKS,
    )  # fmt: skip
    learned = plot.curves[0]
    assert learned.label[0] == pytest.approx(learned.points[0][0])
    assert learned.label[1] < learned.points[0][1]


def test_an_axis_of_layers_is_even_and_begins_at_zero() -> None:
    one = Series("a", [(0, 1.0), (1, 2.0), (2, 3.0)], 0)
    ticks = [(0, "0"), (1, "1"), (2, "2")]
    plot = curves_plot([one], "t", "x", "y", x_ticks=ticks, x_is_log=False)
    left, _, right, _ = CURVES_BOX
    assert [x for x, _, _ in plot.curves[0].points] == [left, (left + right) / 2, right]


def test_intervals_stand_around_their_values_and_within_the_axes() -> None:
    values = [(128, 50), (512, 60), (2048, 70)]
    one = Series("a", values, 0, spread=[(-500, 900), (55, 65), (68, 69)])
    curve = curves_plot([one], "t", "x", "y", x_ticks=TICKS).curves[0]
    assert curve.spread[0] == pytest.approx((LEFT, TOP, BOTTOM))
    x, high, low = curve.spread[1]
    assert x == pytest.approx(curve.points[1][0])
    assert curve.points[1][1] - high == pytest.approx(low - curve.points[1][1])
    assert high < low

"""Who is best and who is not clearly worse, on which tasks."""

from __future__ import annotations

import math

import pytest

from rowspace.evaluate.compare.bootstrap import difference
from rowspace.evaluate.compare.standing import behind, rank_kind, rank_task
from tests.evaluate.compare.made import comparison, entry, many


def test_a_task_is_ranked_by_its_score_and_differences_are_paired() -> None:
    ours, theirs = many(0.6), many(0.62)
    found = comparison(
        entry("good", {"retrieval/a": theirs}),
        entry("bad", {"retrieval/a": many(0.2)}),
        entry("near", {"retrieval/a": ours}),
    )
    ranking = rank_task(found, "retrieval/a")
    assert list(ranking.rows) == ["good", "near", "bad"]
    assert ranking.best == "good"
    assert [row.is_best for row in ranking.rows.values()] == [True, False, False]
    by_name = {one.name: one.outcomes["retrieval/a"] for one in found.entries}
    for name, row in ranking.rows.items():
        assert (row.value, row.low, row.high) == pytest.approx(
            (by_name[name].value, by_name[name].low, by_name[name].high), abs=1e-12
        )
    expected = difference(by_name["bad"].items, by_name["good"].items, seed=0)
    assert ranking.rows["bad"].behind == pytest.approx(expected, abs=1e-12)
    assert ranking.rows["bad"].is_clearly_worse
    assert not ranking.rows["good"].is_clearly_worse


def test_what_is_always_a_little_better_is_clearly_better() -> None:
    """Unpaired, both intervals overlap by far; item by item one is never worse."""
    worse = many(0.5)
    better = list(worse)
    for place in [i for i, value in enumerate(worse) if value == 0.0][:12]:
        better[place] = 1.0
    found = comparison(entry("w", {"retrieval/a": worse}), entry("b", {"retrieval/a": better}))
    rows = rank_task(found, "retrieval/a").rows
    assert rows["w"].high > rows["b"].low
    assert rows["w"].is_clearly_worse
    assert rows["w"].behind[0] == pytest.approx(-12 / 400)


def test_the_mean_of_tasks_has_the_interval_of_independent_errors() -> None:
    tasks = {"retrieval/a": many(0.6), "retrieval/b": many(0.3)}
    found = comparison(entry("one", tasks))
    ranking = rank_kind(found, "retrieval")
    assert ranking is not None
    row, scores = ranking.rows["one"], list(found.entries[0].outcomes.values())
    assert row.value == pytest.approx(0.45)
    below = [score.value - score.low for score in scores]
    above = [score.high - score.value for score in scores]
    assert row.value - row.low == pytest.approx(math.hypot(*below) / 2)
    assert row.high - row.value == pytest.approx(math.hypot(*above) / 2)
    # Of a share p of n items the standard error is the root of p(1-p)/n; 1.96 of them each way.
    errors = [1.96 * math.sqrt(p * (1 - p) / 400) for p in (0.6, 0.3)]
    assert row.half_width == pytest.approx(math.hypot(*errors) / 2, rel=0.08)


def test_means_are_of_the_tasks_that_all_have() -> None:
    found = comparison(
        entry("whole", {"retrieval/a": many(0.4), "retrieval/b": many(0.9), "sts/c": many(0.5)}),
        entry("part", {"retrieval/a": many(0.5)}),
        entry("none", {"sts/c": many(0.5)}),
    )
    ranking = rank_kind(found, "retrieval")
    assert ranking is not None
    assert ranking.tasks == ("retrieval/a",)
    assert list(ranking.rows) == ["part", "whole"]
    assert ranking.rows["whole"].value == pytest.approx(0.4)
    assert ranking.left_out == {"retrieval/b": ("part",)}
    alone = rank_kind(found, "retrieval", ["whole"])
    assert alone is not None
    assert alone.rows["whole"].value == pytest.approx(0.65)
    assert alone.left_out == {}
    assert rank_kind(found, "analogy") is None


def test_who_shares_no_task_is_set_apart() -> None:
    found = comparison(
        entry("one", {"retrieval/a": many(0.4), "retrieval/b": many(0.4)}),
        entry("two", {"retrieval/a": many(0.5), "retrieval/b": many(0.4)}),
        entry("other", {"retrieval/z": many(0.9)}),
    )
    ranking = rank_kind(found, "retrieval")
    assert ranking is not None
    assert ranking.apart == ("other",)
    assert list(ranking.rows) == ["two", "one"]
    assert ranking.left_out == {"retrieval/z": ("one", "two")}


def test_a_difference_is_drawn_once_and_kept() -> None:
    found = comparison(
        entry("one", {"retrieval/a": many(0.4)}), entry("two", {"retrieval/a": many(0.5)})
    )
    first = behind(found, "one", "two", ["retrieval/a"])
    key = "retrieval/a", "one", "two"
    assert list(found.differences) == [key]
    found.differences[key] = (9.0, 8.0, 10.0)
    assert behind(found, "one", "two", ["retrieval/a"]) == (9.0, 8.0, 10.0)
    assert first[0] == pytest.approx(-0.1)

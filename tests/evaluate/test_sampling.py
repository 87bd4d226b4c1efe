"""Parts that are the same whatever order the lines are in."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.evaluate.sampling import places_by_hash, stratified_rows

KEYS = [f"text {i}" for i in range(100)]
LABELS = ["a"] * 60 + ["b"] * 30 + ["c"] * 10


def test_a_part_has_its_share_of_each_label() -> None:
    rows = stratified_rows(KEYS, LABELS, 20)
    assert Counter(LABELS[row] for row in rows) == {"a": 12, "b": 6, "c": 2}
    assert (np.diff(rows) > 0).all()


def test_a_smaller_part_is_within_a_larger_one() -> None:
    small, large = (set(stratified_rows(KEYS, LABELS, n).tolist()) for n in (7, 30))
    assert (len(small), len(large)) == (7, 30)
    assert small < large


def test_the_order_of_the_lines_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(100)
    keys, labels = [KEYS[i] for i in order], [LABELS[i] for i in order]
    chosen = {KEYS[row] for row in stratified_rows(KEYS, LABELS, 20)}
    assert {keys[row] for row in stratified_rows(keys, labels, 20)} == chosen


def test_another_seed_takes_others() -> None:
    first, second = (set(stratified_rows(KEYS, LABELS, 20, seed).tolist()) for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("n", [None, 100, 500])
def test_all_are_taken_where_there_are_no_more(n: int | None) -> None:
    assert stratified_rows(KEYS, LABELS, n).tolist() == list(range(100))


def test_nothing_cannot_be_taken() -> None:
    with pytest.raises(ConfigError, match="a limit of 0 leaves nothing; give 1 or more"):
        stratified_rows(KEYS, LABELS, 0)


def test_places_are_even_within_a_label() -> None:
    places = places_by_hash(KEYS, LABELS, "salt")
    assert sorted(places[90:]) == pytest.approx([0.05 + 0.1 * i for i in range(10)])
    assert places.tolist() != places_by_hash(KEYS, LABELS, "other").tolist()

from __future__ import annotations

import math

import numpy as np
import pytest

from rowspace.search.index.recall import least_effort, recall_at_k, without


def test_recall_is_the_share_of_the_truth_that_is_found() -> None:
    truth = np.array([[1, 2, 3, 4], [5, 6, -1, -1], [-1, -1, -1, -1]])
    found = np.array([[4, 9, 1, -1], [5, 6, 7, 8], [1, 2, 3, 4]])
    assert recall_at_k(found, truth) == pytest.approx((2 / 4 + 2 / 2) / 2)
    assert math.isnan(recall_at_k(found[2:], truth[2:]))


@pytest.mark.parametrize(("target", "effort"), [(0.05, 1), (0.3, 4), (0.31, 8), (1.0, 16)])
def test_the_least_effort_that_is_enough_is_taken(target: float, effort: int) -> None:
    truth = np.arange(10)[None]
    reached = {1: 0.1, 2: 0.2, 4: 0.3, 8: 0.9, 16: 0.9}

    def search(effort: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        found = np.full((1, 10), -1)
        n = round(10 * reached[effort])
        found[0, :n] = np.arange(n)
        return found

    assert least_effort(search, truth, (1, 2, 4, 8, 16), target) == effort


def test_a_querys_own_passage_is_left_out() -> None:
    found = np.array([[3, 5, 7], [5, 3, 7], [5, 7, 9], [5, -1, -1], [-1, -1, -1]])
    own = np.array([3, 3, 3, -1, -1])
    assert without(found, own).tolist() == [[5, 7], [5, 7], [5, 7], [5, -1], [-1, -1]]

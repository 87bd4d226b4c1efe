from __future__ import annotations

import pytest

from rowspace.errors import ConfigError
from rowspace.search.fusion import reciprocal_rank_fusion


def test_scores_are_those_worked_by_hand() -> None:
    fused = reciprocal_rank_fusion([[1, 2, 3], [3, 1], [4]])
    assert [item for item, _ in fused] == [1, 3, 4, 2]
    assert [score for _, score in fused] == pytest.approx(
        [1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 61, 1 / 62]
    )


def test_weights_and_k_count() -> None:
    fused = dict(reciprocal_rank_fusion([[1], [2, 1]], weights=[2.0, 0.5], k=1))
    assert fused == {1: pytest.approx(2 / 2 + 0.5 / 3), 2: pytest.approx(0.5 / 2)}


def test_ties_go_to_the_better_rank_then_the_smaller_item() -> None:
    assert [item for item, _ in reciprocal_rank_fusion([[9, 8], [8, 9]])] == [8, 9]
    assert [item for item, _ in reciprocal_rank_fusion([[7], [5], [6]])] == [5, 6, 7]
    assert reciprocal_rank_fusion([[], []]) == []


def test_wrong_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 weights for 2 rankings"):
        reciprocal_rank_fusion([[1], [2]], weights=[1.0])
    with pytest.raises(ConfigError, match="k is -1"):
        reciprocal_rank_fusion([[1]], k=-1)

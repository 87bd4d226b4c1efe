"""What several workers' rows become, and where rounds end."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.static import averaging as module
from rowspace.static.averaging import (
    AveragingConfig,
    combine_rows,
    end_of_round,
    share_of_round,
)
from tests.naive_averaging import naive_combine


def test_rows_are_combined_as_the_oracle_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 7)
    generator = np.random.default_rng(1)
    before = generator.standard_normal((20, 6)).astype(np.float32)
    after = [before + generator.standard_normal((20, 6)).astype(np.float32) for _ in range(4)]
    after[1][3:9] = before[3:9]
    after[0][5:15] = before[5:15]
    combined = combine_rows(before, after)
    np.testing.assert_allclose(combined, naive_combine(before, after), atol=1e-5)
    assert combined.dtype == np.float32


def test_steps_the_same_way_count_once_and_others_add_up() -> None:
    before = np.array([[1, 1], [1, 1], [1, 1], [1, 1]], dtype=np.float32)
    one = before + np.array([[2, 0], [2, 0], [2, 0], [2, 0]], dtype=np.float32)
    other = before + np.array([[2, 0], [0, 3], [1, 3], [-2, 0]], dtype=np.float32)
    expected = [[3, 1], [3, 4], [3, 4], [3, 1]]
    np.testing.assert_array_equal(combine_rows(before, [one, other]), expected)


def test_a_row_that_one_worker_changed_is_that_workers_to_the_bit() -> None:
    generator = np.random.default_rng(2)
    before = generator.standard_normal((9, 5)).astype(np.float32)
    after = [before.copy() for _ in range(3)]
    for row in range(9):
        after[row % 3][row] = generator.standard_normal(5) * 1e-3
    expected = np.stack([after[row % 3][row] for row in range(9)])
    np.testing.assert_array_equal(combine_rows(before, after), expected)
    np.testing.assert_array_equal(combine_rows(before, after[:1]), after[0])
    np.testing.assert_array_equal(combine_rows(before, [before, before]), before)


@pytest.mark.parametrize(("n_pieces", "sync"), [(10, 3), (7, 7), (3, 16), (64, 1)])
def test_rounds_cover_each_epoch_wherever_a_run_goes_on(n_pieces: int, sync: int) -> None:
    ends = [0]
    while ends[-1] < 2 * n_pieces:
        ends.append(end_of_round(ends[-1], n_pieces, sync))
    assert n_pieces in ends and ends[-1] == 2 * n_pieces
    assert len(ends) - 1 == 2 * min(sync, n_pieces)
    for first, last in itertools.pairwise(ends):
        assert {end_of_round(place, n_pieces, sync) for place in range(first, last)} == {last}
        shares = [share_of_round(first, last, worker, 3) for worker in range(3)]
        assert sorted(piece for share in shares for piece in share) == list(range(first, last))


def test_sync_is_one_or_more() -> None:
    with pytest.raises(ConfigError, match="sync is 0; give 1 or more"):
        AveragingConfig(sync=0)

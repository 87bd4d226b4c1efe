"""Batches: every piece once, little padding, few shapes."""

from __future__ import annotations

import numpy as np
import pytest

from rowspace.sentence.batches import Batch, batches_of
from rowspace.sentence.reading import Pieces


def pieces(lengths: list[int]) -> Pieces:
    ids = [[10 * i + 1] * n for i, n in enumerate(lengths)]
    return Pieces(ids, np.arange(len(ids)), np.array(lengths), 0)


def drawn(n: int, longest: int, seed: int = 0) -> list[int]:
    return list(map(int, np.random.default_rng(seed).integers(1, longest + 1, n)))


@pytest.mark.parametrize("is_fixed", [False, True])
def test_every_piece_is_in_one_batch_and_filling_in_none(is_fixed: bool) -> None:
    lengths = [*drawn(300, 90), 3000, 0]
    given = pieces(lengths)
    seen: list[int] = []
    for batch in batches_of(given, ["mean"], n_tokens=256, is_fixed=is_fixed):
        for row, ids, mask in zip(batch.rows, batch.token_ids, batch.mask, strict=False):
            assert ids[mask].tolist() == given.ids[row]
            assert not ids[~mask].any()
            seen.append(int(row))
        filling = slice(len(batch.rows), None)
        assert (batch.mask[filling].sum(axis=1) == 1).all()
        assert batch.is_padded or batch.mask.all()
    assert sorted(seen) == [i for i, n in enumerate(lengths) if n]


def test_shapes_are_few_and_padding_is_rare() -> None:
    def run(seed: int) -> list[Batch]:
        return list(batches_of(pieces(drawn(1000, 512, seed)), ["mean"]))

    shapes = {batch.token_ids.shape for seed in range(20) for batch in run(seed)}
    assert len(shapes) < 150  # of 5,000 batches, whose longest texts have some 500 lengths
    batches = run(0)
    n_read = sum(batch.token_ids.size for batch in batches)
    assert n_read < 1.1 * sum(int(batch.mask.sum()) for batch in batches)
    for batch in batches_of(pieces([32] * 64), ["mean"]):
        assert batch.token_ids.shape == (64, 32)
        assert not batch.is_padded


def test_a_fixed_width_follows_from_a_pieces_own_length() -> None:
    def width_of(lengths: list[int]) -> int:
        for batch in batches_of(pieces(lengths), ["mean"], is_fixed=True):
            n_rows, width = batch.token_ids.shape
            assert n_rows in (1, 2, 4, 8)
            assert len(batch.rows) == n_rows
            assert batch.is_padded
            if 0 in batch.rows:
                return int(width)
        raise AssertionError

    assert width_of([20]) == width_of([20, 200]) == width_of([20, *drawn(90, 300)]) == 24
    assert [width_of([n]) for n in (1, 8, 9, 64, 65, 512)] == [8, 8, 16, 64, 72, 512]


def test_a_prompts_tokens_have_weight_in_a_texts_later_windows_alone() -> None:
    given = Pieces([[1, 2, 3], [4, 5], [6, 7, 8]], np.array([0, 0, 1]), np.array([3, 2, 3]), 0)
    (batch,) = batches_of(given, ["mean"], n_prompt=2)
    weights = {int(row): w[0].tolist() for row, w in zip(batch.rows, batch.weights, strict=False)}
    assert weights == {0: [0, 0, 1], 1: [1, 1, 0], 2: [0, 0, 1]}

"""fastText's kernel against a slow version and a finite difference of its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rowspace.static import subword_kernels
from rowspace.static.huffman import huffman_tree
from rowspace.static.sampling import keep_thresholds, noise_table
from tests.naive import Matrix, NaiveRandom, naive_loss, naive_tree_loss
from tests.naive_subwords import NaiveSubwordPiece

N_WORDS, N_ROWS, DIM = 8, 15, 10


def _padded(matrix: Matrix, n_more: int) -> Any:
    rows = np.zeros((len(matrix) + n_more, 16), dtype=np.float32)
    rows[: len(matrix), :DIM] = matrix
    return rows.ravel()


@pytest.mark.parametrize("is_cbow", [False, True])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize(
    ("n_negative", "n_shared", "n_centers"), [(1, 6, 8), (5, 30, 3), (5, 12, 1), (1, 0, 1)]
)
@pytest.mark.parametrize("frozen", [frozenset(), frozenset({0, 3, 9, 14})])
def test_a_piece_of_text_trains_as_the_slow_version_does(
    is_cbow: bool,
    corrected: bool,
    n_negative: int,
    n_shared: int,
    n_centers: int,
    frozen: frozenset[int],
) -> None:
    with_tree = n_shared == 0
    generator = np.random.default_rng(n_negative)
    # Each word has its own row and up to six n-grams of which one may occur twice.
    rows = [
        [word, *generator.integers(N_WORDS, N_ROWS, generator.integers(0, 7)).tolist()]
        for word in range(N_WORDS)
    ]
    ends = np.cumsum([0, *map(len, rows)])
    flat = np.array([row for word in rows for row in word], dtype=np.int32)
    counts = np.arange(20 + N_WORDS, 20, -1) ** 2
    w_in = generator.normal(0, 0.3, (N_ROWS, DIM)).astype(np.float32).astype(np.float64)
    w_out = generator.normal(0, 0.3, (N_WORDS, DIM)).astype(np.float32).astype(np.float64)
    tokens = generator.integers(-1, N_WORDS, 90).astype(np.int32)
    keep, noise, tree = (
        keep_thresholds(counts, 0.06),
        noise_table(counts, 0.5),
        huffman_tree(counts),
    )
    paths = [list(zip(*map(list, tree.path(word)), strict=True)) for word in range(N_WORDS)]
    fast_in, fast_out = _padded(w_in, 2), _padded(w_out, 1)
    is_frozen = np.isin(np.arange(N_ROWS), list(frozen)) if frozen else np.empty(0, np.bool_)
    before = fast_in, fast_out, 16, N_WORDS * 16, is_frozen, tokens, 10, 80, keep
    after = ends, flat, 3, True
    last = is_cbow, corrected, True, np.float32(0.05), np.array([7], dtype=np.uint64)
    if with_tree:
        loss, n_predictions = subword_kernels.train_subword_tree_piece(
            *before, tree.ends, tree.nodes, tree.labels, *after, *last
        )
    else:
        loss, n_predictions = subword_kernels.train_subword_piece(
            *before, noise, *after, n_negative, n_shared, n_centers, *last
        )
    naive = NaiveSubwordPiece(
        w_in.copy(), w_out.copy(), rows, keep.tolist(), noise.tolist(), 3, n_negative, n_shared,
        n_centers, subword_kernels.NEGATIVES_AT_ONCE, is_cbow, corrected, 0.05, NaiveRandom(7),
        paths if with_tree else None, frozen,
    )  # fmt: skip
    naive.train(tokens.tolist(), 10, 80)
    assert n_predictions == naive.n_predictions > 20
    assert loss == pytest.approx(naive.loss, rel=1e-4)
    after_in, after_out = fast_in.reshape(-1, 16), fast_out.reshape(-1, 16)
    np.testing.assert_allclose(after_in[:N_ROWS, :DIM], naive.w_in, atol=2e-4)
    np.testing.assert_allclose(after_out[:N_WORDS, :DIM], naive.w_out, atol=2e-4)
    assert not after_in[N_ROWS:].any() and not after_out[N_WORDS:].any()
    assert np.abs(naive.w_in - w_in).max() > 0.01


@pytest.mark.parametrize("with_tree", [False, True])
def test_the_slow_step_is_the_finite_difference_of_the_loss(with_tree: bool) -> None:
    generator = np.random.default_rng(0)
    w_in, w_out = generator.normal(0, 0.5, (6, 4)), generator.normal(0, 0.5, (5, 4))
    rows = [[0, 3, 5], [1], [2, 3], [0], [1]]
    path = [(0, 1), (2, 0), (3, 1)]

    def loss(w_in: Matrix, w_out: Matrix) -> float:
        hidden = np.mean([w_in[row] for row in rows[0]], axis=0)[None, :]
        if with_tree:
            return naive_tree_loss(hidden, w_out, [0], path)
        # Each word counts for 3 negatives; two are drawn, and one is word 1 and does not count.
        true = naive_loss(hidden, w_out, [0], [1]) + naive_loss(hidden, w_out, [0], [2])
        return true + 2 * 3 / 2 * naive_loss(hidden, -w_out, [0], [4])

    rate = 1e-6  # so small that it makes no difference that the center's mean moves meanwhile
    piece = NaiveSubwordPiece(
        w_in.copy(), w_out.copy(), rows, [], [], 1, 3, 2, 1, 2, not with_tree, True, rate,
        NaiveRandom(1), [path, path] if with_tree else None,
    )  # fmt: skip
    piece.step([([0], [1] if with_tree else [1, 2])], [] if with_tree else [4, 1])
    for before, after, place in [
        *((w_in, piece.w_in, (row, d)) for row in range(6) for d in range(4)),
        *((w_out, piece.w_out, (row, d)) for row in range(5) for d in range(4)),
    ]:
        moved = before.copy()
        moved[place] += 1e-6
        up = loss(moved, w_out) if before is w_in else loss(w_in, moved)
        moved[place] -= 2e-6
        down = loss(moved, w_out) if before is w_in else loss(w_in, moved)
        step = (after[place] - before[place]) / rate
        assert step == pytest.approx(-(up - down) / 2e-6, abs=1e-5)

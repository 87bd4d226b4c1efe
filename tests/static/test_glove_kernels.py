from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numba import njit

from rowspace.static import glove_kernels as kernels
from rowspace.static.run import aligned_zeros, random_state
from rowspace.static.simd import inverse_square_root, load, store
from tests.naive_glove import NaiveGloVe

X_MAX, ALPHA, LR = 10.0, 0.75, 0.3


@dataclass
class Setup:
    """The same model for the kernel and for the oracle, with some records."""

    naive: NaiveGloVe
    blocks: Any
    row: int
    dim: int
    records: Any

    def train(self, order: list[int], is_symmetric: bool, lr: float = LR) -> tuple[float, int]:
        loss, n_steps = kernels.train_records(
            self.blocks, self.row, self.dim, self.records, self.records.view(np.float32),
            np.array(order, dtype=np.uint32), is_symmetric, X_MAX, ALPHA, lr,
        )  # fmt: skip
        return loss, n_steps

    def record(self, number: int) -> tuple[int, int, float]:
        word, context, _ = self.records[3 * number : 3 * number + 3].tolist()
        return word, context, float(self.records.view(np.float32)[3 * number + 2])

    def learned(self) -> list[Any]:
        """The kernel's values and sums in the order of NaiveGloVe."""
        dim = self.dim
        words, word_sums, contexts, context_sums = (
            self.blocks.reshape(-1, 4, self.row).astype(np.float64).transpose(1, 0, 2)
        )
        return [
            words[:, :dim], contexts[:, :dim], words[:, dim], contexts[:, dim + 1],
            1 + word_sums[:, :dim], 1 + context_sums[:, :dim], 1 + word_sums[:, dim],
            1 + context_sums[:, dim + 1],
        ]  # fmt: skip

    def padding(self) -> Any:
        return self.blocks.reshape(-1, 4, self.row)[:, :, self.dim + 2 :]


def _setup(dim: int, n_words: int = 7, n_records: int = 60, seed: int = 0) -> Setup:
    generator = np.random.default_rng(seed)
    row = -(-(dim + 2) // 8) * 8
    blocks = aligned_zeros(n_words * 4 * row)
    view = blocks.reshape(n_words, 4, row)
    for part, one in ((0, dim + 1), (2, dim)):
        view[:, part, : dim + 2] = generator.normal(0, 0.8 / dim**0.5, (n_words, dim + 2))
        view[:, part, one] = 1
    wide = view.astype(np.float64)
    naive = NaiveGloVe(
        wide[:, 0, :dim].copy(), wide[:, 2, :dim].copy(), wide[:, 0, dim].copy(),
        wide[:, 2, dim + 1].copy(),
    )  # fmt: skip
    records = np.empty(3 * n_records, dtype=np.int32)
    records[0::3] = generator.integers(0, n_words, n_records)
    records[1::3] = generator.integers(0, n_words, n_records)
    records.view(np.float32)[2::3] = generator.exponential(2 * X_MAX / 3, n_records) + 0.05
    return Setup(naive, blocks, row, dim, records)


@pytest.mark.parametrize("is_symmetric", [True, False])
@pytest.mark.parametrize("dim", [1, 6, 7, 13, 22, 100])
def test_the_kernel_does_what_adagrad_does(dim: int, is_symmetric: bool) -> None:
    setup = _setup(dim)
    order = [int(k) for k in np.random.default_rng(1).permutation(60)] * 3
    expected_loss, expected_steps = 0.0, 0
    for number in order:
        word, context, count = setup.record(number)
        ways = {(word, context), (context, word)} if is_symmetric else {(word, context)}
        for i, j in sorted(ways, key=lambda way: way != (word, context)):
            expected_loss += setup.naive.loss({(i, j): count}, X_MAX, ALPHA)
            setup.naive.step(i, j, count, X_MAX, ALPHA, LR)
            expected_steps += 1
    loss, n_steps = setup.train(order, is_symmetric)
    assert n_steps == expected_steps
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    naive = [*setup.naive.parameters(), *setup.naive.sums]
    for found, expected in zip(setup.learned(), naive, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)
    assert not setup.padding().any()


@pytest.mark.parametrize("count", [0.3, 3.0, 10.0, 40.0])
def test_the_first_step_follows_the_numerical_gradient_of_the_loss(count: float) -> None:
    setup = _setup(6)
    setup.records[:2] = (2, 4)
    setup.records.view(np.float32)[2] = count
    naive = setup.naive

    def loss() -> float:
        return naive.loss({(2, 4): count}, X_MAX, ALPHA)

    gradients = []
    for values in naive.parameters():
        gradient = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            before = values[place]
            values[place] = before + 1e-5
            above = loss()
            values[place] = before - 1e-5
            gradient[place] = (above - loss()) / 2e-5
            values[place] = before
        gradients.append(gradient)
    assert all(gradient.any() for gradient in gradients)

    old_values = setup.learned()[:4]
    setup.train([0], is_symmetric=False, lr=1.0)  # the sums are 1, so the step is the gradient
    for old, new, gradient in zip(old_values, setup.learned()[:4], gradients, strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=2e-5, atol=2e-6)

    exact = [values.copy() for values in naive.parameters()]
    naive.step(2, 4, count, X_MAX, ALPHA, 1.0)
    for old, new, gradient in zip(exact, naive.parameters(), gradients, strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-8, atol=1e-8)


def test_a_count_beyond_x_max_weighs_one_and_a_small_one_little() -> None:
    losses = []
    for count in (X_MAX, 8 * X_MAX, X_MAX / 16):
        setup = _setup(4)
        setup.blocks.reshape(-1, 4, setup.row)[:, :, :4] = 0
        setup.blocks.reshape(-1, 4, setup.row)[:, 0, 4] = 0
        setup.blocks.reshape(-1, 4, setup.row)[:, 2, 5] = 0
        setup.records.view(np.float32)[2] = count
        losses.append(setup.train([0], is_symmetric=False)[0] / (0.5 * math.log(count) ** 2))
    assert losses == pytest.approx([1, 1, 1 / 8], rel=1e-5)


def test_small_steps_still_add_up_in_the_sums() -> None:
    setup = _setup(6)
    start = [values.copy() for values in setup.learned()]
    for _ in range(50):  # each adds some 1e-9 to 1, which float32 would lose
        setup.train(list(range(60)), is_symmetric=True, lr=2e-5)
    grown = setup.learned()[4] - start[4]
    assert 0 < grown.max() < 1e-4
    for _ in range(50):
        for number in range(60):
            word, context, count = setup.record(number)
            setup.naive.step(word, context, count, X_MAX, ALPHA, 2e-5)
            if word != context:
                setup.naive.step(context, word, count, X_MAX, ALPHA, 2e-5)
    np.testing.assert_allclose(grown, setup.naive.sums[0] - 1, rtol=1e-3)


@pytest.mark.parametrize(("n", "tile"), [(0, 3), (1, 3), (500, 1), (500, 7), (500, 40), (500, 99)])
def test_records_come_by_tiles_and_keep_their_order_inside(n: int, tile: int) -> None:
    setup = _setup(3, n_words=40, n_records=max(n, 1))
    records = setup.records[: 3 * n]
    order = np.full(n, 7, dtype=np.uint32)
    kernels.order_by_tiles(records, 40, tile, order, random_state(1, 2))
    assert sorted(order.tolist()) == list(range(n))
    tiles = [int(records[3 * k + 1]) // tile for k in order]
    changes = [t for k, t in enumerate(tiles) if k == 0 or t != tiles[k - 1]]
    assert len(changes) == len(set(changes))  # each tile once, all of it
    for t in changes:
        numbers = [int(k) for k, other in zip(order, tiles, strict=True) if other == t]
        assert numbers == sorted(numbers)


def test_every_tile_comes_first_about_as_often() -> None:
    records = _setup(3, n_words=6, n_records=60).records
    order = np.empty(60, dtype=np.uint32)
    first = []
    for number in range(3000):
        kernels.order_by_tiles(records, 6, 2, order, random_state(5, number))
        first.append(int(records[3 * int(order[0]) + 1]) // 2)
    shares = [first.count(t) / 3000 for t in range(3)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)


@njit
def _inverse_square_roots(values: Any, out: Any) -> None:
    for first in range(0, values.shape[0], 8):
        store(out, first, inverse_square_root(load(values, first)))


def test_the_inverse_square_root_is_within_its_error() -> None:
    values = np.exp(np.random.default_rng(0).uniform(-20, 40, 8000)).astype(np.float32)
    values[:8] = 1
    out = np.empty_like(values)
    _inverse_square_roots(values, out)
    exact = 1 / np.sqrt(values.astype(np.float64))
    assert np.abs(out / exact - 1).max() < 4e-7

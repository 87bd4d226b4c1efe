"""The compiled kernels against slow versions, formulas and finite differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray
from scipy.stats import chisquare

from rowspace.static import kernels
from rowspace.static.huffman import Tree, huffman_tree
from rowspace.static.sampling import keep_thresholds, noise_table
from rowspace.static.simd import load, store
from tests.naive import (
    Matrix,
    NaiveCbowPiece,
    NaivePiece,
    NaiveRandom,
    naive_alias_probabilities,
    naive_loss,
    naive_window_step,
)

KEEP_ALL = 2**32 - 1
NO_TREE = Tree(np.zeros(9, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), 0)


@dataclass
class Step:
    """What one call of `window_step` did."""

    loss: float
    w_in: Matrix
    w_out: Matrix


def _rows(matrix: NDArray[np.float32]) -> tuple[int, NDArray[np.float32]]:
    """The padded row's length, and the matrix as the kernels hold it, with its two more rows."""
    n, dim = matrix.shape
    row = -(-dim // 16) * 16
    padded = np.zeros((n + 2, row), dtype=np.float32)
    padded[:n, :dim] = matrix
    return row, padded.ravel()


def _matrix(rows: NDArray[np.float32], like: NDArray[np.float32]) -> Matrix:
    n, dim = like.shape
    padded = rows.reshape(n + 2, -1)
    assert not padded[n].any(), "the row of zeros was written"
    assert not padded[:, dim:].any(), "the padding was written"
    return padded[:n, :dim].astype(np.float64)


def _window_step(
    w_in: NDArray[np.float32],
    w_out: NDArray[np.float32],
    contexts: list[int],
    targets: list[int],
    lr: float,
    exact: bool = False,
) -> Step:
    """Calls the kernel with the scratch arrays that `train_piece` gives it.

    targets[0] is the center; a negative that equals it is dropped, one drawn twice counts twice.
    """
    n_words = len(w_in)
    row, rows_in = _rows(w_in)
    _, rows_out = _rows(w_out)
    missing = n_words * row
    n_targets = -(-len(targets) // 3) * 3
    max_pairs = -(-len(contexts) // 2) * 2 * n_targets
    merged = np.full(n_targets, missing)
    counts = np.zeros(n_targets, np.float32)
    seen: dict[int, int] = {}
    for t, word in enumerate(targets):
        if word not in seen:
            seen[word] = t
            merged[t] = word * row
            counts[t] = 1
        elif seen[word] > 0:
            counts[seen[word]] += 1
    is_plain = len(seen) == len(targets)
    offsets = np.empty(len(contexts) + 2, np.int64)
    offsets[: len(contexts)] = np.array(contexts) * row
    writes = offsets.copy()
    labels = np.zeros(max_pairs + 8, np.float32)
    labels[::n_targets] = 1
    weights = np.zeros(max_pairs + 8, np.float32)
    weights[:max_pairs] = np.tile(counts, max_pairs // n_targets)
    loss = kernels.window_step(
        rows_in, rows_out, row, offsets, writes, len(contexts), merged, n_targets, labels, weights,
        is_plain, missing, exact, np.float32(lr), np.empty(n_targets * row, np.float32),
        np.full(max_pairs + 8, np.nan, np.float32), np.full(max_pairs + 8, np.nan, np.float32),
    )  # fmt: skip
    return Step(loss, _matrix(rows_in, w_in), _matrix(rows_out, w_out))


def _matrices(n_words: int, dim: int, seed: int, scale: float = 0.7) -> Any:
    generator = np.random.default_rng(seed)
    return generator.normal(0, scale, (2, n_words, dim)).astype(np.float32)


@pytest.mark.parametrize("dim", [1, 7, 8, 15, 16, 17, 32, 40])
@pytest.mark.parametrize("n_contexts", [1, 2, 3, 10])
@pytest.mark.parametrize("exact", [False, True])
def test_a_window_step_is_the_gradient_step_of_the_paper(
    dim: int, n_contexts: int, exact: bool
) -> None:
    generator = np.random.default_rng(dim)
    w_in, w_out = _matrices(50, dim, seed=dim, scale=1 / math.sqrt(dim))
    contexts = generator.choice(50, n_contexts, replace=False).tolist()
    targets = generator.choice(50, 6, replace=False).tolist()
    _check_step(w_in, w_out, contexts, targets, exact)


@pytest.mark.parametrize("n_negative", range(1, 21))
def test_a_window_step_holds_for_every_number_of_negatives(n_negative: int) -> None:
    w_in, w_out = _matrices(40, 20, seed=n_negative, scale=0.3)
    generator = np.random.default_rng(n_negative)
    targets = generator.choice(40, n_negative + 1, replace=False).tolist()
    _check_step(w_in, w_out, [3, 1, 4, 15, 9], targets)


@pytest.mark.parametrize(
    ("contexts", "targets"),
    [
        ([1, 1], [0, 2, 3]),
        ([1, 2, 1], [0, 2, 3]),
        ([1, 1, 1, 1, 1], [0, 2, 3]),
        ([2, 1, 1, 2], [1, 2, 3]),
        ([1, 2], [0, 3, 3]),
        ([1, 2, 4], [0, 3, 3, 3, 2, 2]),
        ([1, 2, 4], [0, 0, 3]),
        ([1, 1, 2], [0, 0, 0]),
        ([0], [0, 3, 0, 3]),
    ],
)
def test_words_that_stand_twice_in_a_window_get_both_steps(
    contexts: list[int], targets: list[int]
) -> None:
    w_in, w_out = _matrices(6, 12, seed=len(contexts))
    _check_step(w_in, w_out, contexts, targets)


def _check_step(
    w_in: NDArray[np.float32],
    w_out: NDArray[np.float32],
    contexts: list[int],
    targets: list[int],
    exact: bool = False,
) -> None:
    x, y = w_in.astype(np.float64), w_out.astype(np.float64)
    for lr in (0.05, 1.0):
        step = _window_step(w_in, w_out, contexts, targets, lr, exact)
        new_in, new_out = naive_window_step(x, y, contexts, targets, lr)
        assert step.loss == pytest.approx(naive_loss(x, y, contexts, targets), rel=1e-5)
        np.testing.assert_allclose(step.w_in, new_in, atol=5e-6)
        np.testing.assert_allclose(step.w_out, new_out, atol=5e-6)


def test_a_step_is_the_finite_difference_of_the_loss() -> None:
    w_in, w_out = _matrices(6, 5, seed=3)
    contexts, targets = [1, 2, 2], [0, 3, 4, 4, 0, 5]
    step = _window_step(w_in, w_out, contexts, targets, lr=1.0, exact=True)
    matrices = w_in.astype(np.float64), w_out.astype(np.float64)
    for which, after in enumerate((step.w_in, step.w_out)):
        for at in np.ndindex(6, 5):
            losses = []
            for shift in (-1e-5, 1e-5):
                moved = [matrix.copy() for matrix in matrices]
                moved[which][at] += shift
                losses.append(naive_loss(moved[0], moved[1], contexts, targets))
            slope = (losses[1] - losses[0]) / 2e-5
            assert after[at] - matrices[which][at] == pytest.approx(-slope, abs=2e-6)


def test_confident_mistakes_still_train_and_cost_what_they_should() -> None:
    w_in = np.full((3, 4), 5, dtype=np.float32)
    w_out = np.array([[-5] * 4, [5] * 4, [0] * 4], dtype=np.float32)  # logits -100, 100 and 0
    step = _window_step(w_in, w_out, [2], [0, 1], lr=0.1)
    assert step.loss == pytest.approx(200)
    np.testing.assert_allclose(step.w_out[0] - w_out[0], 0.5, rtol=1e-4)
    np.testing.assert_allclose(step.w_out[1] - w_out[1], -0.5, rtol=1e-4)


@pytest.mark.parametrize("likelihood", [0.9, 0.5, 0.2, 0.1, 0.01, 2e-3, 5e-4])
def test_the_loss_of_many_unlikely_pairs_stays_finite(likelihood: float) -> None:
    n_contexts, n_targets = 10, 6
    logit = math.log(likelihood / (1 - likelihood))
    w_in = np.zeros((12, 1), dtype=np.float32)
    w_in[:] = 1
    w_out = np.full((12, 1), -logit, dtype=np.float32)
    w_out[0] = logit
    targets = list(range(n_targets))
    step = _window_step(w_in, w_out, list(range(n_contexts)), targets, lr=1e-3)
    assert step.loss == pytest.approx(-n_contexts * n_targets * math.log(likelihood), rel=1e-4)


def _sigmoids(x: Any, out: Any) -> None:
    for i in range(0, x.shape[0], 8):
        store(out, i, kernels.sigmoid8(load(x, i)))


def test_the_polynomial_sigmoid_is_within_its_error() -> None:
    x = np.linspace(-40, 40, 80_000).astype(np.float32)
    out = np.empty_like(x)
    compiled: Any = njit(_sigmoids)
    compiled(x, out)
    assert np.abs(out - 1 / (1 + np.exp(-x.astype(np.float64)))).max() < 2e-7
    assert out.min() >= 0 and out.max() <= 1


@pytest.mark.parametrize("x", [-1e4, -745, -100, -20, -1, -1e-9, 0, 1e-9, 1, 20, 100, 1e4])
def test_exact_sigmoid_and_softplus_hold_at_the_extremes(x: float) -> None:
    expected = 0.0 if x < -700 else 1 / (1 + math.exp(-x))
    assert kernels.sigmoid_exact(np.float32(x)) == pytest.approx(expected, rel=1e-6, abs=1e-38)
    softplus = max(x, 0) + math.log1p(math.exp(-abs(x)))
    assert kernels.softplus(np.float32(x)) == pytest.approx(softplus, rel=1e-6)


def test_random_numbers_are_those_of_xorshift64star() -> None:
    def draws(state: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            out[i] = kernels.next_random(state)

    compiled: Any = njit(draws)
    state, out = np.array([12345], dtype=np.uint64), np.empty(100, np.uint32)
    compiled(state, out)
    naive = NaiveRandom(12345)
    assert out.tolist() == [naive.next() for _ in range(100)]
    assert int(state[0]) == naive.state


def test_negatives_follow_the_counts_and_the_center_is_dropped() -> None:
    counts = np.array([1000, 500, 200, 90, 30, 10, 3, 1])
    n_words, dim, n_negative, n_draws, center = len(counts), 16, 5, 20_000, 1
    noise = noise_table(counts, 0.75)
    state = np.array([99], dtype=np.uint64)
    drawn = np.zeros(n_words)
    for _ in range(n_draws):
        targets, weights = np.empty(n_negative + 1, np.int64), np.empty(n_negative + 1, np.float32)
        is_plain = kernels.draw_targets(
            center, n_words, dim, noise, n_negative, targets, weights, state
        )
        assert (targets[0], weights[0]) == (center * dim, 1)
        present = weights[1:] > 0
        assert is_plain == bool((weights == 1).all())
        assert (targets[1:][~present] == n_words * dim).all()
        words = targets[1:][present] // dim
        assert center not in words and len(set(words.tolist())) == len(words)
        drawn[words] += weights[1:][present]
    drawn[center] = n_draws * n_negative - drawn.sum()
    expected = counts**0.75 / (counts**0.75).sum() * n_draws * n_negative
    assert chisquare(drawn, expected).pvalue > 0.01


@pytest.mark.parametrize("exponent", [0.0, 0.5, 0.75, 1.0, -0.5])
def test_the_alias_table_has_the_exact_probabilities(exponent: float) -> None:
    for counts in (np.array([7]), np.array([5, 5]), np.random.default_rng(0).zipf(1.3, 999)):
        counts = counts.clip(max=10**9)
        weights = counts.astype(np.float64) ** exponent
        probabilities = naive_alias_probabilities(noise_table(counts, exponent))
        np.testing.assert_allclose(probabilities, weights / weights.sum(), atol=1e-9)


def test_frequent_words_are_kept_at_the_rate_of_the_formula() -> None:
    counts = np.array([150_000, 30_000, 15_000, 4_000, 1_000])
    t = 0.01
    tokens = np.repeat(np.arange(5, dtype=np.int32), counts)
    np.random.default_rng(0).shuffle(tokens)
    n = len(tokens)
    kept, is_center, sentence = np.empty(n, np.int32), np.empty(n, np.bool_), np.empty(n, np.int64)
    state = np.array([7], dtype=np.uint64)
    n_kept = kernels.subsample(
        tokens, keep_thresholds(counts, t), 0, n, kept, is_center, sentence, state
    )
    for word, count in enumerate(counts.tolist()):
        f = count / n
        rate = min(1.0, math.sqrt(t / f) + t / f)
        spread = 4 * math.sqrt(rate * (1 - rate) / count)
        assert (kept[:n_kept] == word).sum() / count == pytest.approx(rate, abs=spread + 1e-12)


def test_no_word_is_thinned_out_when_subsampling_is_off() -> None:
    assert keep_thresholds(np.array([10**9, 1]), 0).tolist() == [KEEP_ALL, KEEP_ALL]


def test_subsampling_keeps_sentences_apart_and_marks_centers() -> None:
    tokens = np.array([0, 1, -1, 2, -1, -1, 0, 1, 2], dtype=np.int32)
    kept, is_center, sentence = np.empty(9, np.int32), np.empty(9, np.bool_), np.empty(9, np.int64)
    keep = np.array([KEEP_ALL] * 3, dtype=np.uint32)
    state = np.array([1], dtype=np.uint64)
    assert kernels.subsample(tokens, keep, 1, 7, kept, is_center, sentence, state) == 6
    assert kept[:6].tolist() == [0, 1, 2, 0, 1, 2]
    assert sentence[:6].tolist() == [2, 2, 3, 6, 6, 6]
    assert is_center[:6].tolist() == [False, True, True, True, False, False]


@pytest.mark.parametrize("is_cbow", [False, True])
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("n_negative", [1, 5, 8])
@pytest.mark.parametrize("window", [1, 3])
def test_a_piece_of_text_trains_as_the_slow_version_does(
    is_cbow: bool, dynamic: bool, n_negative: int, window: int
) -> None:
    _check_piece(is_cbow=is_cbow, dynamic=dynamic, n_negative=n_negative, window=window)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("exact", [True, False])
def test_cbow_divides_its_gradient_only_where_it_should(
    mean: bool, classic: bool, exact: bool
) -> None:
    _check_piece(is_cbow=True, cbow_mean=mean, cbow_classic=classic, exact=exact)


@pytest.mark.parametrize("is_cbow", [False, True])
@pytest.mark.parametrize("window", [1, 4])
def test_hierarchical_softmax_trains_as_the_slow_version_does(is_cbow: bool, window: int) -> None:
    _check_piece(is_cbow=is_cbow, window=window, with_tree=True)


@pytest.mark.parametrize("is_cbow", [False, True])
@pytest.mark.parametrize("with_tree", [False, True])
def test_frozen_rows_teach_and_do_not_move(is_cbow: bool, with_tree: bool) -> None:
    _check_piece(is_cbow=is_cbow, with_tree=with_tree, frozen=frozenset({1, 4, 7}))


def _check_piece(
    *,
    is_cbow: bool,
    cbow_mean: bool = True,
    cbow_classic: bool = False,
    dynamic: bool = True,
    exact: bool = False,
    n_negative: int = 4,
    window: int = 4,
    with_tree: bool = False,
    frozen: frozenset[int] = frozenset(),
) -> None:
    generator = np.random.default_rng(window)
    n_words, dim, lr = 8, 10, 0.1
    counts = np.arange(20, 20 + n_words) ** 2
    w_in, w_out = _matrices(n_words, dim, seed=window, scale=0.3)
    tokens = generator.integers(-1, n_words, 90).astype(np.int32)
    keep, noise = keep_thresholds(counts, 0.06), noise_table(counts, 0.75)
    tree = huffman_tree(-np.sort(-counts)) if with_tree else NO_TREE
    paths = [list(zip(*map(list, tree.path(word)), strict=True)) for word in range(n_words)]
    row, rows_in = _rows(w_in)
    _, rows_out = _rows(w_out)
    is_frozen = np.isin(np.arange(n_words), list(frozen)) if frozen else np.empty(0, np.bool_)
    common = (
        rows_in, rows_out, row, n_words * row, n_words * row, is_frozen, tokens, 10, 80, keep,
    )  # fmt: skip
    state = np.array([42], dtype=np.uint64)
    settings = cbow_mean, cbow_classic, exact, np.float32(lr), state
    if is_cbow and not with_tree:
        loss, n_predictions = kernels.train_cbow_piece(
            *common, noise, window, dynamic, n_negative, *settings
        )
    else:
        loss, n_predictions = kernels.train_piece(
            *common, noise[:0] if with_tree else noise, tree.ends, tree.nodes, tree.labels,
            window, dynamic, n_negative, is_cbow, *settings,
        )  # fmt: skip
    slow = NaiveCbowPiece if is_cbow and not with_tree else NaivePiece
    naive = slow(
        w_in.astype(np.float64), w_out.astype(np.float64), keep.tolist(), noise.tolist(),
        window, n_negative, dynamic, is_cbow, cbow_mean, cbow_classic, lr, NaiveRandom(42),
        paths if with_tree else None, frozen,
    )  # fmt: skip
    naive.train(tokens.tolist(), 10, 80)
    assert n_predictions == naive.n_predictions > 20
    assert loss == pytest.approx(naive.loss, rel=1e-4)
    np.testing.assert_allclose(_matrix(rows_in, w_in), naive.w_in, atol=1e-4)
    np.testing.assert_allclose(_matrix(rows_out, w_out), naive.w_out, atol=1e-4)
    assert np.abs(naive.w_in - w_in).max() > 0.01


def test_one_center_of_cbow_worked_by_hand() -> None:
    # Contexts 1 and 2, center 0, one negative 0 that is dropped: hidden = (1 + 3) / 2 = 2.
    w_in = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    w_out = np.array([[0.5], [0.0], [0.0]], dtype=np.float32)
    tokens = np.array([1, 0, 2], dtype=np.int32)
    noise = np.array([[KEEP_ALL, 0], [0, 0], [0, 0]], dtype=np.uint32)  # draws word 0
    keep = np.array([KEEP_ALL] * 3, dtype=np.uint32)
    error = 1 - 1 / (1 + math.exp(-1.0))
    for cbow_mean, cbow_classic, hidden, moved in [
        (True, False, 2, 0.5 * error / 2),
        (True, True, 2, 0.5 * error),
        (False, False, 4, 0.5 * (1 - 1 / (1 + math.exp(-2.0)))),
    ]:
        _, rows_in = _rows(w_in)
        row, rows_out = _rows(w_out)
        kernels.train_cbow_piece(
            rows_in, rows_out, row, 3 * row, 3 * row, np.empty(0, np.bool_), tokens, 1, 2, keep,
            noise, 2, False, 1, cbow_mean, cbow_classic, True, np.float32(1),
            np.array([5], dtype=np.uint64),
        )  # fmt: skip
        after = _matrix(rows_in, w_in)[:, 0]
        np.testing.assert_allclose(after, [0, 1 + moved, 3 + moved], atol=1e-6)
        change = hidden * (1 - 1 / (1 + math.exp(-hidden * 0.5)))
        np.testing.assert_allclose(_matrix(rows_out, w_out)[0, 0], 0.5 + change, atol=1e-6)

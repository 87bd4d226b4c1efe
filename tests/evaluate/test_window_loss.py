"""Losses in windows: every token once, each place its own, as one token after another tells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from rowspace.errors import EvaluationError
from rowspace.evaluate import window_loss
from rowspace.evaluate.window_loss import (
    PlaceLosses,
    Window,
    check_text,
    disjoint_windows,
    place_buckets,
    place_losses,
    sliding_windows,
)
from rowspace.transformer.model import LanguageModel
from tests.naive_windows import naive_place_losses, naive_sliding_loss

IDS = np.random.default_rng(3).integers(0, 11, size=43)
N = len(IDS) - 1


def small_model(position: str = "alibi") -> LanguageModel:
    torch.manual_seed(5)
    model = LanguageModel(
        vocab_size=11, dim=16, n_layers=2, n_heads=2, max_length=64, position=position, init_std=0.4
    )
    return model.eval()


def counted(windows: list[Window]) -> Counter[int]:
    """How often each token is told, by its number in the text."""
    return Counter(
        i + 1 for window in windows for i in range(window.start + window.n_skipped, window.stop)
    )


@pytest.mark.parametrize("length", [1, 4, 7, 42, 100])
def test_disjoint_windows_tell_every_token_once(length: int) -> None:
    windows = disjoint_windows(N, length)
    assert counted(windows) == Counter(range(1, N + 1))
    assert max(map(len, windows)) == min(length, N)


@pytest.mark.parametrize(("length", "stride"), [(8, 1), (8, 3), (8, 8), (42, 5), (100, 7)])
def test_sliding_windows_tell_every_token_once_from_a_nearly_full_window(
    length: int, stride: int
) -> None:
    windows = sliding_windows(N, length, stride)
    assert counted(windows) == Counter(range(1, N + 1))
    assert all(len(window) == min(length, N) for window in windows)
    for window in windows[1:]:
        assert window.n_skipped >= length - stride


@pytest.mark.parametrize("position", ["alibi", "rope", "none"])
@pytest.mark.parametrize("length", [6, 16, 64])
def test_losses_at_each_place_are_those_of_a_loop_over_tokens(position: str, length: int) -> None:
    model = small_model(position)
    found = place_losses(model, IDS, disjoint_windows(N, length))
    naive = naive_place_losses(model, IDS, N, length)[: len(found.totals)]
    assert found.counts.tolist() == [count for _, count in naive]
    np.testing.assert_allclose(found.totals, [total for total, _ in naive], rtol=1e-5)
    assert found.loss == pytest.approx(sum(total for total, _ in naive) / N, rel=1e-5)


@pytest.mark.parametrize("stride", [1, 3, 6])
def test_the_sliding_loss_is_that_of_a_loop_over_tokens(stride: int) -> None:
    model = small_model()
    found = place_losses(model, IDS, sliding_windows(N, 6, stride))
    assert int(found.counts.sum()) == N
    assert found.loss == pytest.approx(naive_sliding_loss(model, IDS, N, 6, stride), rel=1e-5)


def test_how_many_windows_are_read_at_once_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    together = place_losses(model, IDS, disjoint_windows(N, 5))
    monkeypatch.setattr(window_loss, "BATCH_TOKENS", 1)
    alone = place_losses(model, IDS, disjoint_windows(N, 5))
    np.testing.assert_allclose(together.totals, alone.totals, rtol=1e-5)
    assert together.counts.tolist() == alone.counts.tolist()


def test_perplexity_and_loss_between_places_by_hand() -> None:
    losses = PlaceLosses(np.array([4.0, 2.0, 3.0]), np.array([2, 2, 1]))
    assert losses.loss == pytest.approx(9 / 5)
    assert losses.perplexity == pytest.approx(np.exp(1.8))
    assert losses.between(0, 2) == pytest.approx(6 / 4)
    assert losses.between(2, 3) == pytest.approx(3.0)


@pytest.mark.parametrize("length", [1, 16, 17, 100, 128, 2048])
def test_buckets_go_through_all_places(length: int) -> None:
    buckets = place_buckets(length)
    assert [place for first, stop in buckets for place in range(first, stop)] == [*range(length)]


def test_a_text_without_one_whole_window_is_refused() -> None:
    check_text(129, 128)
    with pytest.raises(EvaluationError, match=r"has 128 tokens, and the longest window takes 129"):
        check_text(128, 128)

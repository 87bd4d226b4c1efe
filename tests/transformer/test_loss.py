"""The chunked loss against a loop, and against torch's own gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from rowspace.errors import VocabularyError
from rowspace.transformer.loss import linear_cross_entropy
from tests import naive_transformer as naive


def _inputs(n: int = 23, dim: int = 5, n_words: int = 11) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    weight = torch.randn(n_words, dim, generator=generator, dtype=torch.float64)
    bias = torch.randn(n_words, generator=generator, dtype=torch.float64)
    targets = torch.randint(n_words, (n,), generator=generator)
    targets[::4] = -100
    return hidden, weight, targets, bias


@pytest.mark.parametrize("chunk_tokens", [None, 1, 7, 100])
def test_loss_is_that_of_a_loop(chunk_tokens: int | None) -> None:
    hidden, weight, targets, bias = _inputs()
    loss = linear_cross_entropy(hidden, weight, targets, bias, chunk_tokens=chunk_tokens)
    expected = naive.cross_entropy(hidden.numpy(), weight.numpy(), targets.numpy(), bias.numpy())
    assert float(loss) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("chunk_tokens", [None, 1, 7, 100])
def test_gradients_are_torchs_own(chunk_tokens: int | None) -> None:
    hidden, weight, targets, bias = (x.float() if x.is_floating_point() else x for x in _inputs())
    leaves = [x.clone().requires_grad_() for x in (hidden, weight, bias)]
    expected = [x.clone().requires_grad_() for x in (hidden, weight, bias)]
    loss = linear_cross_entropy(leaves[0], leaves[1], targets, leaves[2], chunk_tokens=chunk_tokens)
    torch.autograd.backward(loss * 1.7)
    full = functional.linear(expected[0], expected[1], expected[2])
    torch.autograd.backward(functional.cross_entropy(full, targets) * 1.7)
    for ours, theirs in zip(leaves, expected, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_gradcheck_in_chunks() -> None:
    hidden, weight, targets, bias = _inputs(n=6, dim=3, n_words=4)
    leaves = [x.requires_grad_() for x in (hidden, weight, bias)]
    assert torch.autograd.gradcheck(
        lambda h, w, b: linear_cross_entropy(h, w, targets, b, chunk_tokens=2),
        leaves,
    )


def test_loss_of_nothing_to_predict_is_zero_with_zero_gradients() -> None:
    hidden, weight, targets, _ = _inputs()
    for chunk_tokens in (None, 4):
        leaf = weight.clone().requires_grad_()
        nothing = torch.full_like(targets, -100)
        loss = linear_cross_entropy(hidden, leaf, nothing, chunk_tokens=chunk_tokens)
        torch.autograd.backward(loss)
        assert float(loss.detach()) == 0.0
        assert leaf.grad is not None
        assert not leaf.grad.any()


def test_autocast_gives_the_loss_of_bfloat16_and_float32_gradients() -> None:
    hidden, weight, targets, _ = (x.float() if x.is_floating_point() else x for x in _inputs())
    weight.requires_grad_()
    exact = linear_cross_entropy(hidden, weight, targets)
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, targets, chunk_tokens=5)
    torch.autograd.backward(loss)
    assert float(loss.detach()) == pytest.approx(float(exact.detach()), rel=2e-2)
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


def test_evaluation_works_out_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, targets, _ = _inputs()
    weight.requires_grad_()
    seen: list[Any] = []
    real = torch.zeros_like

    def zeros_like(x: torch.Tensor, **settings: Any) -> torch.Tensor:
        seen.append(x.shape)
        return real(x, **settings)

    monkeypatch.setattr(torch, "zeros_like", zeros_like)
    with torch.no_grad():
        linear_cross_entropy(hidden, weight, targets, chunk_tokens=4)
    assert not seen  # no place for a gradient
    linear_cross_entropy(hidden, weight, targets, chunk_tokens=4)
    assert seen


def test_a_scaled_loss_in_float16_keeps_its_gradient() -> None:
    hidden, weight, targets, _ = (x.half() if x.is_floating_point() else x for x in _inputs())
    exact = [x.double().requires_grad_() for x in (hidden, weight)]
    torch.autograd.backward(linear_cross_entropy(exact[0], exact[1], targets))
    leaves = [x.clone().requires_grad_() for x in (hidden, weight)]
    loss = linear_cross_entropy(leaves[0], leaves[1], targets, chunk_tokens=5)
    torch.autograd.backward(loss * 2.0**14)
    for leaf, right in zip(leaves, exact, strict=True):
        assert leaf.grad is not None
        assert right.grad is not None
        difference = (leaf.grad.double() / 2.0**14 - right.grad).norm() / right.grad.norm()
        assert difference < 2e-3


@pytest.mark.parametrize(("wrong", "shown"), [(11, "11"), (-1, "-1")])
@pytest.mark.parametrize("chunk_tokens", [None, 4])
def test_a_target_that_is_no_token_is_named(
    wrong: int, shown: str, chunk_tokens: int | None
) -> None:
    hidden, weight, targets, _ = _inputs()
    targets[5] = wrong
    with pytest.raises(VocabularyError, match=f"target {shown} is no token .* of 11"):
        linear_cross_entropy(hidden, weight, targets, chunk_tokens=chunk_tokens)

"""Gradients by chunks, against those of one graph of everything."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.sentence.grad_cache import grad_cache
from rowspace.sentence.losses import info_nce

N, D = 12, 5


def loss(embeddings: Tensor) -> Tensor:
    """The first half are anchors, the other their positives."""
    return info_nce(*embeddings.chunk(2), symmetric=True)


def make_model(dropout: float) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(D, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, D))


def make_inputs() -> Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(1))


def gradients(model: nn.Module) -> list[Tensor]:
    found = [parameter.grad for parameter in model.parameters()]
    return [gradient for gradient in found if gradient is not None]


@pytest.mark.parametrize("sizes", [[12], [6, 6], [5, 5, 2], [1] * 12])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_are_those_of_one_graph(sizes: list[int], dropout: float) -> None:
    chunks = torch.split(make_inputs(), sizes)
    model = make_model(dropout)
    torch.manual_seed(11)
    whole = loss(torch.cat([model(chunk) for chunk in chunks]))
    torch.autograd.backward(whole)
    following = torch.rand(1)
    wanted = [gradient.clone() for gradient in gradients(model)]
    assert len(wanted) == 4
    model.zero_grad()
    torch.manual_seed(11)
    value = grad_cache(model, chunks, loss)
    torch.testing.assert_close(value, whole.detach())
    assert not value.requires_grad
    torch.testing.assert_close(gradients(model), wanted)
    assert torch.rand(1) == following  # random numbers go on as after one pass


def test_dropout_of_another_state_would_be_noticed() -> None:
    """The test above can tell: two passes differ where the state is not kept."""
    model, inputs = make_model(0.3), torch.ones(N, D)
    torch.manual_seed(11)
    assert not torch.equal(model(inputs), model(inputs))


def test_gradients_add_up_and_reach_the_parameters_of_the_loss() -> None:
    model, scale = make_model(0.0), nn.Parameter(torch.tensor(2.0))
    chunks = torch.split(make_inputs(), 4)
    grad_cache(model, chunks, lambda e: loss(e) * scale)
    once = [gradient.clone() for gradient in gradients(model)]
    assert scale.grad is not None
    value = loss(torch.cat([model(chunk) for chunk in chunks]))
    torch.testing.assert_close(scale.grad, value.detach())
    grad_cache(model, chunks, lambda e: loss(e) * scale)
    torch.testing.assert_close(gradients(model), [2 * gradient for gradient in once])


def test_an_autocast_around_it_does_not_lose_the_gradients() -> None:
    model = make_model(0.0)
    chunks = torch.split(make_inputs(), 4)
    with torch.autocast("cpu", torch.bfloat16):
        whole = loss(torch.cat([model(chunk) for chunk in chunks]).float())
        torch.autograd.backward(whole)
        wanted = [gradient.clone() for gradient in gradients(model)]
        model.zero_grad()
        torch.clear_autocast_cache()
        grad_cache(model, chunks, lambda e: loss(e.float()))
    assert len(gradients(model)) == 4
    torch.testing.assert_close(gradients(model), wanted, rtol=0.05, atol=0.01)


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(ConfigError, match="there is no chunk to embed"):
        grad_cache(make_model(0.0), [], loss)
    with pytest.raises(ConfigError, match="does not depend on the embeddings"):
        constant = torch.ones((), requires_grad=True)
        grad_cache(make_model(0.0), [torch.ones(2, D)] * 2, lambda e: constant)

import pytest
import torch
import torch.nn.functional as F

from rowspace.transformer.attention import Attention
from rowspace.transformer.mixing import mix_by_products, prefers_products

SHAPES = {"equal heads": (4, 4), "grouped": (4, 2), "multi-query": (4, 1)}


def inputs(n_heads: int, n_kv_heads: int, dtype: torch.dtype) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(2, heads, 6, 8, dtype=dtype, requires_grad=True)
        for heads in (n_heads, n_kv_heads, n_kv_heads)
    ]


def scores_of(kind: str) -> torch.Tensor | None:
    torch.manual_seed(2)
    if kind == "bool":
        return (torch.rand(2, 1, 6, 6) > 0.4) | torch.eye(6, dtype=torch.bool)
    if kind == "bias":
        return torch.randn(1, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    return None


@pytest.mark.parametrize("heads", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("kind", ["none", "causal", "bool", "bias"])
@pytest.mark.parametrize("scale", [None, 1.0])
def test_products_are_attention_and_so_are_their_gradients(
    heads: tuple[int, int], kind: str, scale: float | None
) -> None:
    (q, k, v), scores = inputs(*heads, torch.float64), scores_of(kind)
    wanted = [q, k, v, *([scores] if kind == "bias" and scores is not None else [])]
    causal = kind == "causal"
    ours = mix_by_products(q, k, v, scores, is_causal=causal, scale=scale)
    theirs = F.scaled_dot_product_attention(
        q, k, v, attn_mask=scores, is_causal=causal, scale=scale, enable_gqa=True
    )
    torch.testing.assert_close(ours, theirs)
    gradient = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, wanted, gradient),
        torch.autograd.grad(theirs, wanted, gradient),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_a_scale_of_nothing_looks_at_all_alike() -> None:
    q, k, v = inputs(4, 4, torch.float64)
    mixed = mix_by_products(q, k, v, None, scale=0.0)
    torch.testing.assert_close(mixed, v.mean(dim=2, keepdim=True).expand_as(v))


def test_gradients_are_those_of_finite_differences() -> None:
    tensors = inputs(4, 2, torch.float64)
    assert torch.autograd.gradcheck(
        lambda q, k, v: mix_by_products(q, k, v, None, is_causal=True), tensors
    )


@pytest.mark.parametrize("shape", [(0, 6), (2, 0)], ids=["no text", "no token"])
@pytest.mark.parametrize("kind", ["none", "causal", "bool", "bias"])
def test_nothing_is_mixed_as_anything_is(kind: str, shape: tuple[int, int]) -> None:
    B, T = shape
    q, k, v = (
        torch.zeros(B, heads, T, 8, dtype=torch.bfloat16, requires_grad=True) for heads in (4, 2, 2)
    )
    scores = {
        "bool": torch.ones(B, 1, T, T, dtype=torch.bool),
        "bias": torch.zeros(1, 4, T, T, requires_grad=True),
    }.get(kind)
    wanted = [q, k, v, *([scores] if kind == "bias" and scores is not None else [])]
    mixed = mix_by_products(q, k, v, scores, is_causal=kind == "causal")
    assert mixed.shape == q.shape
    for x, gradient in zip(wanted, torch.autograd.grad(mixed.sum(), wanted), strict=True):
        assert gradient.shape == x.shape
        assert not gradient.any()


def test_attention_in_bfloat16_is_near_that_in_float32() -> None:
    torch.manual_seed(3)
    attention = Attention(32, n_heads=4)
    x = torch.randn(2, 12, 32)
    exact = attention(x).detach()
    rounded = attention.to(torch.bfloat16)(x.bfloat16())
    torch.testing.assert_close(rounded.float(), exact, rtol=0.05, atol=0.02)


def test_products_are_for_training_in_bfloat16_and_for_what_fits() -> None:
    q = torch.zeros(1, 2, 8, 4, dtype=torch.bfloat16)
    assert prefers_products(q, q)
    assert not prefers_products(q.float(), q.float())
    with torch.no_grad():
        assert not prefers_products(q, q)
    long = torch.zeros(1, 1, 1, dtype=torch.bfloat16).expand(1, 1 << 15, 4)[None]
    assert not prefers_products(long, long)

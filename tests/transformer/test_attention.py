"""Attention against a loop over heads and tokens, and what must hold of any attention."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rowspace.errors import ConfigError
from rowspace.position import ALiBi, Position, RoPE
from rowspace.transformer.attention import Attention, LayerCache
from tests import naive_transformer as naive

DIM, HEADS = 12, 6


def _attention(**settings: Any) -> Attention:
    torch.manual_seed(1)
    return Attention(DIM, HEADS, **settings).double()


def _text(n_tokens: int = 9, seed: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, n_tokens, DIM, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("n_kv_heads", [6, 3, 2, 1])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("window", [None, 3, 100])
def test_attention_is_that_of_a_loop(n_kv_heads: int, causal: bool, window: int | None) -> None:
    attention = _attention(n_kv_heads=n_kv_heads, causal=causal, window=window, qkv_bias=True)
    x = _text()
    projected = attention.qkv(x)[0].detach().numpy()
    head = DIM // HEADS
    parts = [projected[:, :DIM]]
    parts += [projected[:, DIM : DIM + n_kv_heads * head], projected[:, DIM + n_kv_heads * head :]]
    queries, keys, values = (p.reshape(9, -1, head).transpose(1, 0, 2) for p in parts)
    mixed = naive.attention(queries, keys, values, causal=causal, window=window)
    expected = mixed @ attention.out.weight.detach().numpy().T
    torch.testing.assert_close(attention(x)[0], torch.from_numpy(expected))


def test_a_bias_is_added_to_scaled_scores() -> None:
    alibi = ALiBi(HEADS)
    attention = _attention(position=alibi)
    x = _text()
    projected = attention.qkv(x)[0].detach().numpy().reshape(9, 3, HEADS, DIM // HEADS)
    queries, keys, values = (projected[:, i].transpose(1, 0, 2) for i in range(3))
    steps = torch.arange(9)
    slopes = [2 ** (-8 * k / 4) for k in (1, 2, 3, 4)] + [2 ** (-8 * k / 8) for k in (1, 3)]
    bias = torch.stack([-slope * (steps[:, None] - steps).abs() for slope in slopes]).double()
    mixed = naive.attention(queries, keys, values, causal=True, bias=bias.numpy())
    expected = mixed @ attention.out.weight.detach().numpy().T
    torch.testing.assert_close(attention(x)[0], torch.from_numpy(expected), rtol=1e-6, atol=1e-6)


def test_attention_without_positions_is_equivariant_and_not_invariant() -> None:
    attention, x = _attention(causal=False), _text()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(attention(x[:, order]), attention(x)[:, order], rtol=0, atol=1e-14)
    assert not torch.allclose(attention(x[:, order]), attention(x))


def test_one_causal_layer_forgets_the_order_of_the_prefix_and_two_do_not() -> None:
    first, second = _attention(), _attention()
    torch.nn.init.normal_(second.qkv.weight)
    x = _text()
    order = [3, 1, 7, 0, 2, 6, 4, 5, 8]  # the last token stays
    torch.testing.assert_close(first(x[:, order])[:, -1], first(x)[:, -1], rtol=0, atol=1e-14)
    one, other = (second(x + first(x)), second(x[:, order] + first(x[:, order])))
    assert (one[:, -1] - other[:, -1]).abs().max() > 1e-4


def test_no_token_sees_a_later_one() -> None:
    attention = _attention(position=RoPE(DIM // HEADS))
    x = _text().requires_grad_()
    for t in range(9):
        (gradient,) = torch.autograd.grad(attention(x)[0, t].sum(), x)
        assert not gradient[0, t + 1 :].any()
        assert (gradient[0, : t + 1] != 0).any(dim=-1).all()


@pytest.mark.parametrize("position", [None, "rope", "alibi"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("causal", [True, False])
def test_padding_on_either_side_changes_nothing(
    position: str | None, side: str, causal: bool
) -> None:
    positions = {None: None, "rope": RoPE(DIM // HEADS), "alibi": ALiBi(HEADS)}
    attention = _attention(position=positions[position], causal=causal)
    x, noise = _text(6), _text(3, seed=8)
    padded = torch.cat([noise, x] if side == "left" else [x, noise], dim=1)
    real = slice(3, 9) if side == "left" else slice(0, 6)
    mask = torch.zeros(1, 9, dtype=torch.bool)
    mask[:, real] = True
    out = attention(padded, mask=mask)
    torch.testing.assert_close(out[:, real], attention(x), rtol=0, atol=1e-7)
    assert out.isfinite().all()  # padding sees itself


@pytest.mark.parametrize("steps", [[9], [4, 5], [1] * 9, [3, 1, 2, 3]])
@pytest.mark.parametrize("position", [None, "rope", "alibi"])
@pytest.mark.parametrize("window", [None, 4])
def test_a_cache_gives_what_the_full_pass_gives(
    steps: list[int], position: str | None, window: int | None
) -> None:
    positions = {None: None, "rope": RoPE(DIM // HEADS), "alibi": ALiBi(HEADS)}
    attention = _attention(position=positions[position], n_kv_heads=2, window=window)
    x, cache = _text(), LayerCache()
    parts = [attention(part, cache=cache) for part in torch.split(x, steps, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), attention(x), rtol=0, atol=1e-6)


def test_gradcheck() -> None:
    attention = _attention(position=RoPE(DIM // HEADS), n_kv_heads=2)
    assert torch.autograd.gradcheck(attention, [_text(4).requires_grad_()])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 10, "n_heads": 4}, "dim is 10, which 4 heads do not divide"),
        ({"dim": 12, "n_heads": 6, "n_kv_heads": 4}, "n_heads is 6 and n_kv_heads 4"),
        ({"dim": 12, "n_heads": 0}, "n_heads is 0"),
    ],
)
def test_heads_that_do_not_fit_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Attention(**settings)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (RoPE(4), "turns heads of 4, and these have 2"),
        (ALiBi(5), "a bias for 5 heads, and there are 6"),
    ],
)
def test_a_position_made_for_other_heads_is_refused(position: Position, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Attention(DIM, HEADS, position=position)


@pytest.mark.parametrize("kind", [torch.int64, torch.float32, torch.bool])
def test_a_mask_may_be_of_zeros_and_ones(kind: torch.dtype) -> None:
    attention, x = _attention(), _text()
    mask = (torch.arange(9) >= 3)[None]
    torch.testing.assert_close(attention(x, mask=mask.to(kind)), attention(x, mask=mask))


@pytest.mark.parametrize("shape", [(1, 8), (2, 9), (9,)])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"the mask has the shape .*; give \(1, 9\)"):
        _attention()(_text(), mask=torch.ones(shape, dtype=torch.bool))

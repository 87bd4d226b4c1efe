from __future__ import annotations

import functools
import subprocess
import sys
from typing import Any

import pytest
import torch

from rowspace import position
from rowspace.errors import ConfigError
from rowspace.position import POSITIONS, Linear, RelativeBias, RoPE, XPos, make_position
from rowspace.transformer.attention import Attention

make = functools.partial(make_position, dim=16, head_dim=8, n_heads=2, max_length=32)


@pytest.mark.parametrize("name", POSITIONS)
def test_every_kind_is_made_and_tells_two_orders_apart_or_is_none(name: str) -> None:
    made = make(name)
    x, q = torch.randn(1, 4, 16), torch.randn(1, 2, 4, 8)
    positions = torch.arange(4)
    placement = made.place(positions, positions, 4, torch.float32)
    changed = not torch.equal(made.embed(x, positions), x) or placement.bias is not None
    if placement.turn_queries is not None:
        assert placement.turn_queries(q).shape == q.shape
        changed = changed or not torch.equal(placement.turn_queries(q), q)
    assert changed == (name != "none")


def test_settings_reach_the_method() -> None:
    scaling = Linear(2.0)
    made = make("rope-interleaved", base=5e5, scaling=scaling, rotary_dim=4, precision="float32")
    assert isinstance(made, RoPE)
    assert (made.base, made.scaling, made.rotary_dim) == (5e5, scaling, 4)
    assert (made.layout, made.precision) == ("interleaved", "float32")
    encoder = make("t5", causal=False)
    assert isinstance(encoder, RelativeBias)
    assert encoder.bidirectional
    t5 = make("t5", n_buckets=16, max_distance=64)
    assert isinstance(t5, RelativeBias)
    assert (t5.n_buckets, t5.max_distance, t5.table.num_embeddings) == (16, 64, 16)
    xpos = make("xpos", scale_base=64.0, base=500.0)
    assert isinstance(xpos, XPos)
    assert (xpos.scale_base, xpos.base) == (64.0, 500.0)


def test_what_a_method_is_for_can_be_asked() -> None:
    for name in POSITIONS:
        made = make(name)
        assert made.head_dim == (8 if name in ("rope", "rope-interleaved", "xpos") else None)
        assert made.n_heads == (2 if name in ("alibi", "t5") else None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(0, 4), (2, 0), (0, 0)], ids=["no text", "no token", "nothing"])
@pytest.mark.parametrize("name", POSITIONS)
def test_nothing_is_placed_as_anything_is(
    name: str, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    B, T = shape
    made = make(name)
    x = torch.zeros(B, T, 16, dtype=dtype)
    for positions in (torch.arange(T), torch.zeros(B, T, dtype=torch.int64)):
        assert made.embed(x, positions).shape == x.shape
        placement = made.place(positions, positions, T, dtype)
        for turn in (placement.turn_queries, placement.turn_keys):
            q = torch.zeros(B, 2, T, 8, dtype=dtype, requires_grad=True)
            turned = q if turn is None else turn(q)
            assert turned.shape == q.shape
            (gradient,) = torch.autograd.grad(turned.sum(), q)
            assert gradient.shape == q.shape
        if placement.bias is not None:
            assert placement.bias.shape == (B if positions.dim() == 2 else 1, 2, T, T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(0, 4), (2, 0)], ids=["no text", "no token"])
@pytest.mark.parametrize("name", POSITIONS)
def test_attention_to_nothing_is_nothing(
    name: str, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    attention = Attention(16, 2, position=make(name)).to(dtype)
    x = torch.zeros(*shape, 16, dtype=dtype, requires_grad=True)
    mixed = attention(x)
    assert mixed.shape == x.shape
    (gradient,) = torch.autograd.grad(mixed.sum(), x)
    assert gradient.shape == x.shape


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="'rotary' is not known; known are: none, learned, sinus"):
        make("rotary")
    with pytest.raises(ConfigError, match="'alibi' has no rotary_dim and no scaling; its settings"):
        make("alibi", scaling=Linear(2.0), rotary_dim=4)
    assert make("alibi", scaling=None, rotary_dim=None).n_heads == 2


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("rope", {"bse": 1}, "'rope' has no bse; its settings are: base, scaling, rotary_dim, pre"),
        ("rope", {"bse": None}, "'rope' has no bse; its settings are"),
        ("none", {"bse": 1}, "'none' has no bse; its settings are: none; leave out what it does"),
        ("rope", {"n_buckets": 8}, "'rope' has no n_buckets; .* have, or take 't5'"),
        ("rope", {"scale_base": 8.0}, "'rope' has no scale_base; .* have, or take 'xpos'"),
        ("t5", {"base": 8.0}, "'t5' has no base; its settings are: n_buckets, max_distance"),
        ("rope", {"base": "1e4"}, "base is '1e4'; give a number"),
        ("rope", {"rotary_dim": 4.0}, r"rotary_dim is 4\.0; give a whole number"),
        ("t5", {"n_buckets": "32"}, "n_buckets is '32'; give a whole number"),
        ("rope", {"scaling": "linear"}, "scaling is 'linear'; give one of rowspace.position"),
        ("rope", {"base": float("inf")}, "base is inf; give a finite number above 1"),
        ("rope", {"base": float("nan")}, "base is nan; give a finite number above 1"),
        ("xpos", {"base": float("inf")}, "base is inf; give a finite number above 1"),
        ("xpos", {"scale_base": float("inf")}, "scale_base is inf; give a finite number above 0"),
        ("sinusoidal", {"base": float("inf")}, "base is inf; give a finite number above 0"),
        ("sinusoidal", {"base": float("nan")}, "base is nan; give a finite number above 0"),
    ],
)
def test_a_setting_that_is_not_the_methods_is_refused(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, **settings)


def test_every_public_name_has_a_docstring() -> None:
    for name in position.__all__:
        assert getattr(position, name).__doc__, name


def test_without_torch_the_extra_to_install_is_named() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from rowspace.errors import MissingExtraError\n"
        "try:\n    from rowspace.position import RoPE\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == (
        "rowspace.position needs torch, which is not installed; "
        "run: pip install 'rowspace[torch]'\n"
    )

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from rowspace.errors import ConfigError
from rowspace.position import (
    DynamicNTK,
    LongRoPE,
    Position,
    RoPE,
    Rotation,
    XPos,
    YaRN,
    rotation_kernels,
)
from rowspace.transformer.attention import view
from tests.naive_position import naive_frequencies, naive_turn, naive_zeta

LAYOUTS = ["half", "interleaved"]


def seeded(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=dtype)


def turns(
    position: Position, positions: Tensor, dtype: torch.dtype = torch.float64
) -> tuple[Rotation, Rotation]:
    placement = position.place(positions, positions, int(positions.max()) + 1, dtype)
    assert placement.turn_queries is not None
    assert placement.turn_keys is not None
    return placement.turn_queries, placement.turn_keys


ROTATIONS: list[Callable[[], Position]] = [
    lambda: RoPE(8),
    lambda: RoPE(8, layout="interleaved"),
    lambda: RoPE(8, rotary_dim=4),
    lambda: RoPE(8, rotary_dim=4, layout="interleaved"),
    lambda: RoPE(8, scaling=YaRN(4.0, 64)),
    lambda: XPos(8),
    lambda: XPos(8, layout="half", center=100),
]


@pytest.mark.parametrize("make", ROTATIONS)
def test_scores_depend_on_the_distance_alone(make: Callable[[], Position]) -> None:
    q, k = seeded(2, 3, 5, 8), seeded(2, 3, 5, 8).flip(0)
    scores = []
    for offset in (0, 1000):
        turn_q, turn_k = turns(make(), torch.arange(5) + offset)
        scores.append(turn_q(q) @ turn_k(k).transpose(-1, -2))
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-11, atol=1e-11)
    assert not torch.allclose(scores[0], q @ k.transpose(-1, -2))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rotary_dim", [6, 4])
def test_a_turn_is_what_complex_numbers_say(layout: str, rotary_dim: int) -> None:
    x = seeded(1, 2, 4, 6)
    positions = torch.tensor([0, 3, 77, 9000])
    turned = turns(RoPE(6, layout=layout, rotary_dim=rotary_dim), positions)[0](x)
    for head in range(2):
        for t, position in enumerate(positions.tolist()):
            frequencies = naive_frequencies(10_000.0, rotary_dim)
            right = naive_turn(x[0, head, t].tolist(), position, frequencies, layout)
            assert turned[0, head, t].tolist() == pytest.approx(right, abs=1e-11)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_xpos_is_what_its_formula_says(layout: str) -> None:
    x = seeded(1, 1, 3, 6)
    positions = torch.tensor([0, 5, 1300])
    turned = turns(XPos(6, layout=layout, center=7), positions)
    for sign, turn in zip((1, -1), turned, strict=True):
        for t, position in enumerate(positions.tolist()):
            scales = [zeta ** (sign * (position - 7) / 512) for zeta in naive_zeta(6)]
            frequencies = naive_frequencies(10_000.0, 6)
            right = naive_turn(x[0, 0, t].tolist(), position, frequencies, layout, scales)
            assert turn(x)[0, 0, t].tolist() == pytest.approx(right, rel=1e-10, abs=1e-11)


def test_xpos_fades_with_distance() -> None:
    turn_q, turn_k = turns(XPos(8), torch.arange(2000))
    ones = torch.ones(1, 1, 2000, 8, dtype=torch.float64)
    # With the turns taken out, by the size of each pair alone.
    size_q = turn_q(ones).view(1, 1, 2000, 4, 2).norm(dim=-1)
    size_k = turn_k(ones).view(1, 1, 2000, 4, 2).norm(dim=-1)
    from_last = (size_q[0, 0, -1] * size_k[0, 0]).sum(-1)
    assert (from_last.diff() > 0).all()


def test_xpos_refuses_what_float32_cannot_hold() -> None:
    xpos = XPos(8)
    limit = xpos.max_length
    assert limit is not None
    turn_q, turn_k = turns(xpos, torch.tensor([0, limit - 1]), torch.float32)
    x = torch.ones(1, 1, 2, 8)
    assert turn_q(x).isfinite().all()
    assert turn_k(x).isfinite().all()
    with pytest.raises(ConfigError, match=rf"{limit + 1} tokens is beyond xPos's {limit}"):
        turns(xpos, torch.tensor([limit]))
    with pytest.raises(ConfigError, match="center is 1000000"):
        XPos(8, center=1_000_000)
    with pytest.raises(ConfigError, match="scale_base is 0"):
        XPos(8, scale_base=0)


def test_layouts_are_one_another_after_permuting() -> None:
    x, positions = seeded(2, 2, 7, 8), torch.arange(7) + 5
    order = torch.arange(8).view(2, 4).T.flatten()  # 0 4 1 5 2 6 3 7: pairs side by side
    half = turns(RoPE(8), positions)[0](x)
    interleaved = turns(RoPE(8, layout="interleaved"), positions)[0](x[..., order])
    torch.testing.assert_close(interleaved, half[..., order], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(turns(RoPE(8, layout="interleaved"), positions)[0](x), half)


@pytest.mark.parametrize("make", ROTATIONS)
def test_gradients_are_those_of_finite_differences(make: Callable[[], Position]) -> None:
    x = seeded(1, 2, 3, 8).requires_grad_()
    for turn in turns(make(), torch.arange(3) + 20):
        assert torch.autograd.gradcheck(turn, x)
        assert torch.autograd.gradgradcheck(turn, x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_vectors_are_turned_in_float32_and_rounded_once(
    layout: str, dtype: torch.dtype
) -> None:
    x = seeded(2, 900, 4, 64, dtype=torch.float32).to(dtype).transpose(1, 2)  # more than a block
    rope, positions = RoPE(64, layout=layout, rotary_dim=32), torch.arange(900) + 5000
    narrow = turns(rope, positions, dtype)[0](x)
    assert narrow.dtype == dtype
    exact = turns(rope, positions)[0](x.double())
    # One ulp covers a value that float32 puts on the other side of the middle of two.
    torch.testing.assert_close(narrow.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_batched_positions_turn_each_text_by_its_own() -> None:
    x = seeded(2, 3, 4, 8)
    positions = torch.tensor([[0, 0, 0, 1], [5, 6, 7, 8]])  # the first padded on its left
    for rope in (RoPE(8), RoPE(8, layout="interleaved"), XPos(8)):
        together = turns(rope, positions)[0](x)
        for row in range(2):
            alone = turns(rope, positions[row])[0](x[row : row + 1])
            torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rotary_dim", [8, 4])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_kernel_reads_any_order_of_memory(
    dtype: torch.dtype, rotary_dim: int, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation_kernels, "SMALLEST_SHARE", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    fused = seeded(2, 5, 3, 4, 8, dtype=torch.float32).to(dtype)  # B, T, query-key-value, H, dim
    views = [
        fused[:, :, 1].transpose(1, 2),  # of a fused projection
        fused[:, :, 0].transpose(1, 2).contiguous(),
        fused[:, :, 2].permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1).transpose(1, 2)[:1],
        fused[:1, :, 1, :1].expand(2, 5, 4, 8).transpose(1, 2),  # keys shared by heads
        fused[:, :1, 1].transpose(1, 2).expand(2, 4, 5, 8),
    ]
    for positions in (torch.arange(5) + 50, torch.tensor([[0, 0, 1, 2, 3], [7, 8, 9, 10, 11]])):
        for x in views:
            rope = RoPE(8, rotary_dim=rotary_dim)
            at = positions[: x.shape[0]] if positions.dim() == 2 else positions
            turned, exact = turns(rope, at, dtype)[0](x), turns(rope, at)[0](x.double())
            eps = torch.finfo(dtype).eps
            torch.testing.assert_close(turned.double(), exact, rtol=eps, atol=1e-6)
            leaf = x.detach().clone().requires_grad_()
            back = torch.autograd.grad(turns(rope, at, dtype)[0](leaf), leaf, turned)[0]
            torch.testing.assert_close(back, x, rtol=4 * eps, atol=2 * eps)  # a turn and back


def test_the_kernel_keeps_what_is_not_a_number() -> None:
    values = [float("nan"), float("inf"), 0.0, -0.0, 1e38, 2.0]
    x = torch.tensor(values).repeat(1, 1, 1, 1).bfloat16()
    x.view(torch.int16)[..., 0] = 0x7FFF  # the NaN whose rounding would carry over
    rest = turns(RoPE(6, rotary_dim=2), torch.tensor([0]), torch.bfloat16)[0](x)
    assert rest[..., 0].isnan().all()
    assert torch.equal(rest[..., 2:], x[..., 2:])


def test_tables_of_other_tokens_are_not_read_beyond_their_end() -> None:
    turn = turns(RoPE(8), torch.arange(4), torch.float32)[0]
    with pytest.raises(RuntimeError, match="must match"):
        turn(torch.zeros(1, 1, 8, 8))
    with pytest.raises(RuntimeError, match="must match"):
        turns(RoPE(8), torch.zeros(2, 4, dtype=torch.int64), torch.float32)[0](
            torch.zeros(4, 1, 4, 8)
        )
    assert turn(torch.zeros(0, 2, 4, 8)).shape == (0, 2, 4, 8)


@pytest.mark.parametrize("is_compiling", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("make", ROTATIONS)
def test_vectors_of_another_head_dim_are_refused(
    make: Callable[[], Position],
    dtype: torch.dtype,
    is_compiling: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: is_compiling)
    for turn in turns(make(), torch.arange(4), dtype):
        for head_dim in (2, 6, 10, 16):
            with pytest.raises(
                ConfigError,
                match=f"for a head_dim of 8 was given vectors of {head_dim}; "
                f"make the position with head_dim {head_dim}, or give attention heads of 8",
            ):
                turn(torch.zeros(1, 2, 4, head_dim, dtype=dtype))
        assert turn(torch.zeros(1, 2, 4, 8, dtype=dtype)).shape == (1, 2, 4, 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("make", ROTATIONS)
def test_vectors_are_turned_wherever_they_lie(
    make: Callable[[], Position], dtype: torch.dtype
) -> None:
    wide = seeded(2, 3, 5, 17, dtype=torch.float32).to(dtype)
    deep = seeded(8, 2, 3, 5, dtype=torch.float32).to(dtype)
    views = [wide[..., :16:2], wide[..., 1:9], wide[..., :8], deep.permute(1, 2, 3, 0)]
    flat = wide.flatten()[1:241].view(2, 3, 5, 8)  # in order, from an odd address on
    for turn in turns(make(), torch.arange(5), dtype):
        for x in (*views, flat):
            found, right = turn(x), turn(x.clone(memory_format=torch.contiguous_format))
            torch.testing.assert_close(found, right, rtol=0, atol=0)


def bits(rope: RoPE, positions: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    cos, sin = rope.tables(positions, int(positions.max()) + 1, dtype)
    return torch.stack((cos, sin))


def test_tables_are_right_to_the_last_bit_of_float32_far_out() -> None:
    positions = torch.tensor([0, 1, 8191, 131_071])
    theta = torch.tensor(naive_frequencies(10_000.0, 64), dtype=torch.float64)
    angles = positions[:, None].double() * theta
    right = torch.stack((angles.cos(), angles.sin()))
    torch.testing.assert_close(bits(RoPE(64), positions).double(), right, rtol=0, atol=6e-8)
    in_float32 = bits(RoPE(64, precision="float32"), positions).double()
    assert (in_float32 - right).abs().max() > 1e-4  # what the default is there to avoid


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_casting_the_model_leaves_the_tables_as_they_are(precision: str) -> None:
    def model() -> RoPE:
        return RoPE(16, precision=precision)

    positions = torch.arange(4000, 4100)
    before = bits(model(), positions)
    assert torch.equal(bits(model().to(torch.bfloat16), positions), before)
    assert torch.equal(bits(model().half(), positions), before)
    assert torch.equal(bits(copy.deepcopy(model()), positions, torch.bfloat16), before)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(bits(model(), positions), before)


def test_a_model_built_on_the_meta_device_has_the_same_tables() -> None:
    positions = torch.arange(100)
    with torch.device("meta"):
        model = nn.ModuleDict({"rope": RoPE(16, scaling=YaRN(2.0, 64)), "linear": nn.Linear(2, 2)})
    model.to_empty(device="cpu")
    model.load_state_dict(nn.ModuleDict({"linear": nn.Linear(2, 2)}).state_dict())
    rope = model["rope"]
    assert isinstance(rope, RoPE)
    assert torch.equal(bits(rope, positions), bits(RoPE(16, scaling=YaRN(2.0, 64)), positions))
    assert not rope.state_dict()


def test_what_was_asked_before_changes_nothing() -> None:
    rope = RoPE(16)
    for positions in (torch.arange(8), torch.arange(1000, 1008), torch.arange(3)):
        for dtype in (torch.bfloat16, torch.float32, torch.float64, torch.float32):
            assert torch.equal(bits(rope, positions, dtype), bits(RoPE(16), positions, dtype))
    x = seeded(1, 1, 8, 16, dtype=torch.float32)
    turns(rope, torch.arange(8), torch.bfloat16)[0](x.bfloat16())
    after = turns(rope, torch.arange(8), torch.float32)[0](x)
    assert torch.equal(after, turns(RoPE(16), torch.arange(8), torch.float32)[0](x))


@pytest.mark.parametrize(
    "scaling", [DynamicNTK(2.0, 16), LongRoPE((1.0,) * 4, (1.0, 2.0, 3.0, 4.0), 16, factor=4.0)]
)
def test_a_text_that_grows_past_the_trained_length_turns_earlier_keys_anew(
    scaling: DynamicNTK | LongRoPE,
) -> None:
    rope, key = RoPE(8, scaling=scaling), seeded(1, 1, 17, 8)
    assert rope.turns_all_keys
    found = {}
    for length in (8, 17, 16, 40):  # there and back, over the border
        positions = torch.arange(17)
        placement = rope.place(positions[-1:], positions, length, torch.float64)
        assert placement.turn_keys is not None
        assert placement.turn_queries is not None
        found[length] = placement.turn_keys(key)
        assert torch.equal(placement.turn_queries(key[..., -1:, :]), found[length][..., -1:, :])
    assert torch.equal(found[8], found[16])
    assert not torch.allclose(found[16], found[17])
    assert not RoPE(8, scaling=YaRN(2.0, 16)).turns_all_keys


@pytest.mark.parametrize(
    "scaling", [DynamicNTK(2.0, 16), LongRoPE((1.0,) * 4, (1.0, 2.0, 3.0, 4.0), 16, factor=4.0)]
)
def test_queries_that_are_all_the_keys_are_turned_as_they_are(
    scaling: DynamicNTK | LongRoPE,
) -> None:
    rope, mask = RoPE(8, scaling=scaling), torch.tensor([[False, True, True], [True, True, True]])
    for padding in (None, mask):
        seen = view(
            rope, 3, causal=True, device=torch.device("cpu"), dtype=torch.float32, mask=padding
        )
        assert seen.placement.turn_keys is seen.placement.turn_queries
    ids = torch.arange(40)
    for queries, keys in ((ids[:3], ids[1:4]), (ids[:3], ids[:6:2]), (ids[:3], ids[:3] + 5)):
        placement = rope.place(queries, keys, 40, torch.float64)
        assert placement.turn_keys is not None
        right = rope.rotation(keys, 40, torch.float64)
        x = seeded(1, 1, 3, 8)
        assert torch.equal(placement.turn_keys(x), right(x))


HF_SCALINGS = [
    ({"rope_type": "default"}, None),
    ({"rope_type": "dynamic", "factor": 3.0}, DynamicNTK(3.0, 64)),
    (
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        YaRN(4.0, 64),
    ),
]


@pytest.mark.parametrize(("parameters", "scaling"), HF_SCALINGS)
def test_in_float32_it_does_what_transformers_does(
    parameters: dict[str, object], scaling: DynamicNTK | YaRN | None
) -> None:
    config = LlamaConfig(
        hidden_size=128,
        num_attention_heads=2,
        max_position_embeddings=64,
        rope_parameters={"rope_theta": 10_000.0, **parameters},
    )
    q, k = seeded(1, 2, 9000, 64, dtype=torch.float32), seeded(1, 2, 9000, 64, dtype=torch.float32)
    positions = torch.arange(9000)
    theirs = apply_rotary_pos_emb(q, k, *LlamaRotaryEmbedding(config)(q, positions[None]))
    rope = RoPE(64, scaling=scaling, precision="float32")
    ours = [turn(x) for turn, x in zip(turns(rope, positions, torch.float32), (q, k), strict=True)]
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=0, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("make", ROTATIONS)
def test_compiled_it_is_one_graph_and_the_same(make: Callable[[], Position]) -> None:
    position = make()

    def score(q: Tensor, k: Tensor, positions: Tensor) -> Tensor:
        placement = position.place(positions, positions, 6, q.dtype)
        assert placement.turn_queries is not None
        assert placement.turn_keys is not None
        return placement.turn_queries(q) @ placement.turn_keys(k).transpose(-1, -2)

    compiled = torch.compile(score, fullgraph=True, backend="aot_eager")
    q, k = seeded(1, 2, 6, 8, dtype=torch.float32), seeded(1, 2, 6, 8, dtype=torch.float32)
    gradients = []
    for run in (score, compiled):
        leaf = q.clone().requires_grad_()
        run(leaf, k, torch.arange(6)).sum().backward()  # type: ignore[no-untyped-call]
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("make", ROTATIONS)
def test_traced_it_turns_other_texts_too(make: Callable[[], Position]) -> None:
    position = make()

    def turn(x: Tensor, positions: Tensor) -> Tensor:
        placement = position.place(positions, positions, 6, x.dtype)
        assert placement.turn_queries is not None
        return placement.turn_queries(x)

    x, other = (seeded(1, 2, n, 8, dtype=torch.float32) for n in (6, 4))
    traced = torch.jit.trace(turn, (x, torch.arange(6)))  # type: ignore[no-untyped-call]
    places = torch.arange(4) + 3
    torch.testing.assert_close(traced(other, places), turn(other, places), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head_dim": 7}, "head_dim is 7, but values turn in pairs"),
        ({"head_dim": 8, "rotary_dim": 3}, "rotary_dim is 3; give an even number from 2 to"),
        ({"head_dim": 8, "rotary_dim": 10}, "rotary_dim is 10"),
        ({"head_dim": 8, "layout": "meta"}, "layout is 'meta'; give one of half, interleaved"),
        ({"head_dim": 8, "base": 1.0}, "base is 1.0"),
        ({"head_dim": 8, "base": float("inf")}, "base is inf; give a finite number above 1"),
        ({"head_dim": 8, "scaling": "yarn"}, "scaling is 'yarn'; give one of rowspace.position"),
        ({"head_dim": 8, "precision": "bf16"}, "precision is 'bf16'; give one of float64, float32"),
    ],
)
def test_what_cannot_turn_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RoPE(**arguments)  # type: ignore[arg-type]

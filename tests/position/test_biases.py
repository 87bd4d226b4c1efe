"""Positions that are added to scores: ALiBi and T5's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import T5Config
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

from rowspace.errors import ConfigError
from rowspace.position import ALiBi, Position, RelativeBias
from tests.naive_position import naive_slopes


def bias(
    position: Position, queries: Tensor, keys: Tensor, dtype: torch.dtype = torch.float32
) -> Tensor:
    found = position.place(queries, keys, int(keys.max()) + 1, dtype).bias
    assert found is not None
    return found


@pytest.mark.parametrize("n_heads", [1, 2, 6, 8, 12, 20])
def test_slopes_are_the_authors(n_heads: int) -> None:
    assert ALiBi(n_heads).slopes == pytest.approx(naive_slopes(n_heads), rel=1e-12)


@pytest.mark.parametrize("n_heads", [1, 8, 12, 20])
def test_alibi_is_blooms_but_for_a_constant_in_each_row(n_heads: int) -> None:
    positions = torch.arange(9)
    theirs = build_alibi_tensor(torch.ones(1, 9), n_heads, torch.float32)  # (n_heads, 1, T)
    ours = bias(ALiBi(n_heads), positions, positions)[0]
    last_row = ours[:, -1:]  # of the last query, who sees all
    torch.testing.assert_close(last_row - last_row[..., :1], theirs - theirs[..., :1])


def test_alibi_is_minus_slope_times_distance_on_both_sides() -> None:
    queries, keys = torch.tensor([[4, 5], [9, 10]]), torch.arange(12).expand(2, 12)
    found = bias(ALiBi(3), queries, keys)
    assert found.shape == (2, 3, 2, 12)
    for b in range(2):
        for head, slope in enumerate(naive_slopes(3)):
            for i in range(2):
                right = [-slope * abs(int(queries[b, i]) - j) for j in range(12)]
                assert found[b, head, i].tolist() == pytest.approx(right, rel=1e-6)


def test_alibi_in_bfloat16_still_tells_the_nearest_keys_apart() -> None:
    found = bias(ALiBi(8), torch.tensor([2047]), torch.arange(2048), torch.bfloat16)
    assert found.dtype == torch.bfloat16
    for head in range(8):
        assert len(set(found[0, head, 0, -16:].tolist())) == 16


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("n_buckets", "max_distance"), [(32, 128), (8, 20), (32, 1000)])
def test_t5_is_transformers_t5(bidirectional: bool, n_buckets: int, max_distance: int) -> None:
    config = T5Config(
        d_model=16,
        d_kv=4,
        num_heads=4,
        relative_attention_num_buckets=n_buckets,
        relative_attention_max_distance=max_distance,
        is_decoder=not bidirectional,
    )
    theirs = T5Attention(config, has_relative_attention_bias=True)
    ours = RelativeBias(4, n_buckets, max_distance, bidirectional)
    ours.table.load_state_dict(theirs.relative_attention_bias.state_dict())
    positions = torch.arange(700)
    with torch.no_grad():
        full = theirs.compute_bias(700, 700)
        assert torch.equal(bias(ours, positions, positions), full)
        step = bias(ours, positions[-3:], positions)  # with a cache
        assert torch.equal(step, full[:, :, -3:])


def test_t5_learns_through_its_bias() -> None:
    relative = RelativeBias(2)
    positions = torch.arange(4)
    bias(relative, positions, positions).sum().backward()  # type: ignore[no-untyped-call]
    gradient = relative.table.weight.grad
    assert gradient is not None
    # Causal: distance 0 and the six keys after a query share bucket 0; then 3, 2, 1 pairs.
    assert gradient[:5, 0].tolist() == [10.0, 3.0, 2.0, 1.0, 0.0]


def test_t5_buckets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_distance is 16, but the first 16 distances"):
        RelativeBias(2, 32, 16)
    with pytest.raises(ConfigError, match="n_buckets is 7; give an even number, 4 or more"):
        RelativeBias(2, 7, bidirectional=True)
    with pytest.raises(ConfigError, match="n_buckets is 1; give 2 or more"):
        RelativeBias(2, 1)


@pytest.mark.parametrize("kind", [ALiBi, RelativeBias])
def test_no_head_is_refused(kind: type[ALiBi] | type[RelativeBias]) -> None:
    with pytest.raises(ConfigError, match="n_heads is 0; give 1 or more"):
        kind(0)

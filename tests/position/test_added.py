"""Positions that are added to token vectors: learned and sinusoidal."""

from __future__ import annotations

import pytest
import torch

from rowspace.errors import ConfigError
from rowspace.position import Learned, NoPosition, Sinusoidal
from tests.naive_position import naive_fairseq_sinusoidal, naive_sinusoidal


def test_learned_adds_the_row_of_each_position() -> None:
    learned, x = Learned(10, 4), torch.randn(2, 3, 4)
    positions = torch.tensor([[0, 0, 1], [7, 8, 9]])
    added = learned.embed(x, positions)
    for row in range(2):
        for t in range(3):
            right = x[row, t] + learned.table.weight[positions[row, t]]
            assert torch.equal(added[row, t], right)
    assert learned.embed(x.bfloat16(), positions).dtype == torch.bfloat16


def test_learned_starts_as_bert_does() -> None:
    torch.manual_seed(0)
    weight = Learned(500, 100).table.weight.detach()
    assert float(weight.std()) == pytest.approx(0.02, rel=0.02)
    assert abs(float(weight.mean())) < 0.001


def test_a_position_beyond_the_table_says_what_to_do() -> None:
    learned, x = Learned(16, 4), torch.zeros(1, 2, 4)
    learned.embed(x, torch.tensor([14, 15]))
    with pytest.raises(ConfigError, match="position 16 is beyond the 16 learned positions; give a"):
        learned.embed(x, torch.tensor([15, 16]))
    with pytest.raises(ConfigError, match="position -1 is below 0"):
        learned.embed(x, torch.tensor([-1, 0]))
    with pytest.raises(ConfigError, match="max_length is 0"):
        Learned(0, 4)


def test_sinusoidal_is_the_papers() -> None:
    positions = torch.tensor([0, 1, 50, 4096])
    found = Sinusoidal(12).vectors(positions)
    for t, position in enumerate(positions.tolist()):
        assert found[t].tolist() == pytest.approx(naive_sinusoidal(position, 12), abs=1e-11)


def test_sinusoidal_has_fairseqs_layout_too() -> None:
    positions = torch.tensor([[0, 1], [50, 4096]])
    found = Sinusoidal(12, "concatenated").vectors(positions)
    for row, t in ((0, 0), (0, 1), (1, 0), (1, 1)):
        right = naive_fairseq_sinusoidal(int(positions[row, t]), 12)
        assert found[row, t].tolist() == pytest.approx(right, abs=1e-11)


def test_sinusoidal_is_worked_out_exactly_whatever_the_model_is_cast_to() -> None:
    positions, x = torch.arange(5000, 5008), torch.zeros(1, 8, 6, dtype=torch.bfloat16)
    right = torch.tensor([naive_sinusoidal(int(p), 6) for p in positions], dtype=torch.float64)
    added = Sinusoidal(6).to(torch.bfloat16).embed(x, positions)
    assert torch.equal(added[0], right.bfloat16())


def test_a_dim_without_pairs_is_refused() -> None:
    with pytest.raises(ConfigError, match="dim is 5, but interleaved sines and cosines"):
        Sinusoidal(5)
    with pytest.raises(ConfigError, match="dim is 2, but concatenated"):
        Sinusoidal(2, "concatenated")
    with pytest.raises(ConfigError, match="layout is 'x'; give one of interleaved, concatenated"):
        Sinusoidal(4, "x")


def test_no_position_tells_nothing() -> None:
    x, positions = torch.randn(1, 3, 4), torch.arange(3)
    assert NoPosition().embed(x, positions) is x
    placement = NoPosition().place(positions, positions, 3, torch.float32)
    assert (placement.turn_queries, placement.turn_keys, placement.bias) == (None, None, None)

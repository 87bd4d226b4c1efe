"""Sampling: the likeliest, the cut-off tails, padding, the end."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rowspace.errors import ConfigError
from rowspace.transformer.generation import draw, generate
from rowspace.transformer.model import LanguageModel


def _model() -> LanguageModel:
    torch.manual_seed(0)
    model = LanguageModel(vocab_size=20, dim=16, n_layers=2, n_heads=2, max_length=32)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_the_likeliest_tokens_are_those_of_full_passes() -> None:
    model, ids = _model(), torch.tensor([[3, 1, 4]])
    expected = ids
    for _ in range(8):
        expected = torch.cat([expected, model(expected)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(generate(model, ids, 8, temperature=0), expected)


def test_a_text_padded_on_the_left_goes_on_as_it_does_alone() -> None:
    model = _model()
    ids = torch.tensor([[0, 0, 3, 1], [5, 2, 6, 7]])
    mask = torch.tensor([[False, False, True, True], [True] * 4])
    together = generate(model, ids, 6, temperature=0, mask=mask)
    assert torch.equal(together[:1, 2:], generate(model, ids[:1, 2:], 6, temperature=0))
    assert torch.equal(together[1:], generate(model, ids[1:], 6, temperature=0))


def test_top_k_and_top_p_leave_the_tail_out() -> None:
    logits = torch.tensor([[0.5, 0.2, 0.15, 0.1, 0.05]]).log().repeat(5000, 1)
    generator = torch.Generator().manual_seed(0)
    for settings, left in (({"top_k": 2}, 2), ({"top_p": 0.7}, 2), ({"top_p": 0.71}, 3)):
        drawn = draw(logits, generator=generator, **settings)
        assert set(drawn.flatten().tolist()) == set(range(left))
    shares = torch.bincount(draw(logits, generator=generator).flatten(), minlength=5) / 5000
    torch.testing.assert_close(shares, logits[0].exp(), rtol=0, atol=0.03)


def test_a_temperature_flattens() -> None:
    logits = torch.tensor([[0.8, 0.2]]).log().repeat(5000, 1)
    drawn = draw(logits, temperature=2.0, generator=torch.Generator().manual_seed(0))
    # the square roots: .894 and .447, so two in three
    assert float((drawn == 0).float().mean()) == pytest.approx(2 / 3, abs=0.03)


def test_a_seed_makes_the_text_reproducible() -> None:
    model, ids = _model(), torch.tensor([[3]])
    texts = [
        generate(model, ids, 10, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])


def test_a_text_that_ended_stays_ended_and_training_goes_on_after() -> None:
    model, ids = _model().train(), torch.tensor([[3, 1, 4]])
    end_id = int(generate(model, ids, 1, temperature=0)[0, -1])
    text = generate(model, ids, 8, temperature=0, end_id=end_id)
    assert text.shape == (1, 4)
    assert model.training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"n_new": -1}, "n_new is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": 1e-40}, "temperature is 1e-40"),
        ({"token_ids": torch.zeros(1, 0, dtype=torch.int64)}, r"the shape \(1, 0\)"),
        ({"token_ids": torch.zeros(3, dtype=torch.int64)}, r"the shape \(3,\)"),
        (
            {"token_ids": torch.zeros(1, 2, dtype=torch.int64), "mask": torch.tensor([[1, 0]])},
            "a text ends in padding; pad texts on the left",
        ),
    ],
)
def test_settings_that_cannot_work_are_named(settings: dict[str, Any], message: str) -> None:
    arguments = {"token_ids": torch.tensor([[1]]), "n_new": 2, **settings}
    with pytest.raises(ConfigError, match=message):
        generate(_model(), **arguments)


def test_a_text_longer_than_the_positions_is_refused_before_it_begins() -> None:
    model = LanguageModel(
        vocab_size=9, dim=8, n_layers=1, n_heads=1, max_length=6, position="learned"
    )
    ids = torch.zeros(1, 4, dtype=torch.int64)
    with pytest.raises(ConfigError, match="more than the 6 positions of the model; give n_new=2"):
        generate(model, ids, 3)
    assert model.training
    assert generate(model, ids, 2).shape == (1, 6)

"""LoRA against a dense layer whose weight is W + alpha/rank · B A, and a finite difference."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from rowspace.errors import ConfigError, FormatError  # noqa: E402
from rowspace.transformer.lora import (  # noqa: E402
    LoRALinear,
    add_lora,
    count_trained,
    load_lora,
    lora_state,
    merge_lora,
)
from rowspace.transformer.model import LanguageModel  # noqa: E402

IDS = torch.tensor([[1, 5, 2, 8, 3, 3], [4, 6, 7, 0, 1, 2]])


def _model(**settings: Any) -> LanguageModel:
    torch.manual_seed(3)
    size: dict[str, Any] = {"vocab_size": 9, "dim": 16, "n_layers": 2, "n_heads": 4}
    return LanguageModel(**size, n_kv_heads=2, hidden_dim=24, max_length=8, **settings)


def _learned(model: LanguageModel) -> LanguageModel:
    """Adapters of numbers that are not 0."""
    torch.manual_seed(4)
    for tensor in lora_state(model).values():
        tensor.copy_(0.3 * torch.randn_like(tensor))
    return model


def test_nothing_changes_at_the_start() -> None:
    model = _model().eval()
    before = model(IDS)
    add_lora(model)
    assert torch.equal(model(IDS), before)


def test_each_part_of_a_joined_matrix_has_a_pair_of_its_own() -> None:
    torch.manual_seed(0)
    plain = torch.nn.Linear(5, 9).double()
    adapted = LoRALinear(plain, rank=2, alpha=6.0, dropout=0.0, widths=(4, 3, 2))
    torch.nn.init.normal_(adapted.lora_b)
    x = torch.randn(7, 5, dtype=torch.float64)
    parts, first_row = [], 0
    for i, n_rows in enumerate((4, 3, 2)):
        a = adapted.lora_a[2 * i : 2 * i + 2]
        b = adapted.lora_b[first_row : first_row + n_rows]
        parts.append(x @ a.T @ b.T * (6.0 / 2))
        first_row += n_rows
    expected = x @ plain.weight.T + plain.bias + torch.cat(parts, dim=1)
    torch.testing.assert_close(adapted(x), expected)


def test_only_adapters_get_a_gradient_and_it_is_that_of_the_loss() -> None:
    model = _model().double()
    add_lora(model, rank=3, dropout=0.0)
    _learned(model)
    model.loss(IDS[:, :-1], IDS[:, 1:]).backward()  # type: ignore[no-untyped-call]
    learning = {name for name, p in model.named_parameters() if p.grad is not None}
    assert learning == set(lora_state(model))
    for name, parameter in model.named_parameters():
        if name not in learning:
            continue
        assert parameter.grad is not None
        place = int(parameter.grad.abs().argmax())
        number = parameter.data.view(-1)
        losses = []
        for step in (1e-6, -2e-6):
            number[place] += step
            losses.append(model.loss(IDS[:, :-1], IDS[:, 1:]).item())
        number[place] += 1e-6
        slope = (losses[0] - losses[1]) / 2e-6
        assert slope == pytest.approx(float(parameter.grad.view(-1)[place]), rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"bias": True}, {"activation": "gelu"}], ids=str)
def test_merged_is_as_unmerged(settings: dict[str, Any]) -> None:
    model = _model(**settings).eval()
    plain = model(IDS)
    names = list(model.state_dict())
    add_lora(model, rank=3)
    expected = _learned(model)(IDS).detach()
    assert not torch.allclose(expected, plain, atol=1e-2)
    merge_lora(model)
    torch.testing.assert_close(model(IDS), expected, rtol=0, atol=1e-5)
    assert list(model.state_dict()) == names
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(isinstance(part, LoRALinear) for part in model.modules())
    merge_lora(model)
    torch.testing.assert_close(model(IDS), expected, rtol=0, atol=1e-5)


def test_dropout_is_of_the_adapters_alone_and_in_training() -> None:
    model = _model()
    plain = model.eval()(IDS)
    add_lora(model, dropout=0.5)
    assert torch.equal(model.train()(IDS), plain)  # B is 0
    _learned(model)
    assert not torch.equal(model(IDS), model(IDS))
    model.eval()
    assert torch.equal(model(IDS), model(IDS))


def test_counts_are_rank_times_both_widths() -> None:
    model = _model()
    n_before = count_trained(model)
    assert n_before.n_trained == n_before.n_parameters == sum(p.numel() for p in model.parameters())
    add_lora(model, rank=3)
    # q 16→16, k and v 16→8 each, out 16→16, gate and value 16→24 each, down 24→16.
    a_layer = 3 * ((16 + 16) + 2 * (16 + 8) + (16 + 16) + 2 * (16 + 24) + (24 + 16))
    counted = count_trained(model)
    assert counted.n_trained == 2 * a_layer
    assert counted.n_parameters == n_before.n_parameters + 2 * a_layer
    assert counted.share == counted.n_trained / counted.n_parameters


def test_the_state_is_of_adapters_alone_and_comes_back() -> None:
    model = _model().eval()
    add_lora(model, rank=3, targets=("qkv",))
    state = {name: tensor.clone() for name, tensor in lora_state(_learned(model)).items()}
    assert set(state) == {
        f"transformer.blocks.{i}.attention.qkv.lora_{letter}" for i in (0, 1) for letter in "ab"
    }
    other = _model().eval()
    add_lora(other, rank=3, targets=("qkv",))
    load_lora(other, state)
    assert torch.equal(other(IDS), model(IDS))
    of_other_rank = _model()
    add_lora(of_other_rank, rank=2, targets=("qkv",))
    with pytest.raises(FormatError, match="of another shape"):
        load_lora(of_other_rank, state)


def test_a_model_of_transformers_has_targets_of_other_names() -> None:
    pytest.importorskip("transformers")
    from transformers import AutoModel, LlamaConfig

    config = LlamaConfig(
        vocab_size=9, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    model = AutoModel.from_config(config)
    add_lora(model, rank=2, targets=("q_proj", "down_proj"))
    assert len(lora_state(model)) == 4
    with torch.no_grad():
        before = model(IDS % 9).last_hidden_state
        merge_lora(model)
        assert torch.equal(model(IDS % 9).last_hidden_state, before)


def test_frozen_rows_do_not_mind_a_table_that_stays() -> None:
    model = _model(is_tied=False)
    model.transformer.embeddings.token.freeze([1])
    add_lora(model)
    model.loss(IDS[:, :-1], IDS[:, 1:]).backward()  # type: ignore[no-untyped-call]
    assert model.transformer.embeddings.token.weight.grad is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank is 0; give 1 or more"),
        ({"alpha": 0.0}, "alpha is 0.0; give more than 0"),
        ({"dropout": 1.0}, "dropout is 1.0; give 0 or more"),
        ({"targets": ("q_proj",)}, "no linear layer is called q_proj; there are down, out, qkv"),
    ],
)
def test_what_cannot_be_is_told(settings: dict[str, Any], message: str) -> None:
    model = _model()
    with pytest.raises(ConfigError, match=message):
        add_lora(model, **settings)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_second_time_is_refused() -> None:
    model = _model()
    add_lora(model)
    with pytest.raises(ConfigError, match="has adapters already"):
        add_lora(model)

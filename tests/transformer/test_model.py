"""The models: causal leaks, caches, padding, tying, counts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from rowspace.errors import ConfigError, RowspaceError, VocabularyError
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.model import Encoder, LanguageModel

POSITIONS = ["none", "learned", "sinusoidal", "rope", "rope-interleaved", "xpos", "alibi", "t5"]
N = 12


def _model(position: str = "rope", **settings: Any) -> LanguageModel:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 31, "dim": 24, "n_layers": 2, "n_heads": 3}
    model = LanguageModel(**{**sizes, "max_length": 32, "position": position, **settings})
    for parameter in model.parameters():  # large enough that a difference shows
        torch.nn.init.normal_(parameter, std=0.3)
    return model.double().eval()


def _ids(n: int = N, batch: int = 2) -> torch.Tensor:
    return torch.randint(31, (batch, n), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("position", POSITIONS)
def test_a_later_token_changes_no_earlier_logit(position: str) -> None:
    model, ids = _model(position), _ids()
    changed = ids.clone()
    changed[:, 7] = (ids[:, 7] + 1) % 31
    before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :7], after[:, :7], rtol=0, atol=1e-12)
    assert (before[:, 7:] - after[:, 7:]).abs().amax(dim=-1).min() > 1e-9


@pytest.mark.parametrize("position", POSITIONS)
def test_left_padding_equals_no_padding(position: str) -> None:
    model, ids = _model(position), _ids(batch=1)
    padded = torch.cat([torch.zeros(1, 5, dtype=torch.int64), ids], dim=1)
    mask = torch.arange(N + 5)[None] >= 5
    torch.testing.assert_close(model(padded, mask=mask)[:, 5:], model(ids), rtol=0, atol=1e-6)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("is_padded", [False, True])
def test_a_cache_gives_what_the_full_pass_gives(position: str, is_padded: bool) -> None:
    model, ids = _model(position), _ids()
    mask = torch.ones(2, N, dtype=torch.bool)
    mask[1, :3] = not is_padded
    cache, parts, start = model.new_cache(), [], 0
    for n in (5, 1, 1, 3, 2):
        parts.append(model(ids[:, start : start + n], mask=mask[:, start : start + n], cache=cache))
        start += n
    full = model(ids, mask=mask)
    torch.testing.assert_close(torch.cat(parts, 1)[mask], full[mask], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "scaling",
    [
        {"rope_type": "dynamic", "factor": 4.0, "original_max_position_embeddings": 6},
        {
            "rope_type": "longrope",
            "factor": 4.0,
            "original_max_position_embeddings": 6,
            "short_factor": [1.0, 1.0, 1.0, 1.0],
            "long_factor": [1.0, 2.0, 3.0, 4.0],
        },
    ],
)
def test_a_cache_gives_the_full_pass_across_a_scaling_switch(scaling: dict[str, Any]) -> None:
    model, ids = _model(position_settings={"scaling": scaling}, max_length=6), _ids()
    plain = _model()
    cache = model.new_cache()
    for n in range(1, N + 1):  # the switch is at 6
        last = model(ids[:, n - 1 : n], cache=cache)[:, -1]
        torch.testing.assert_close(last, model(ids[:, :n])[:, -1], rtol=0, atol=1e-6)
    assert (last - plain(ids)[:, -1]).abs().max() > 1e-3  # it did switch


def test_the_gradient_of_a_tied_matrix_is_the_sum_of_its_parts() -> None:
    tied, loose = _model(), _model(is_tied=False)
    loose.load_state_dict(tied.state_dict())
    ids = _ids()
    for model in (tied, loose):
        torch.autograd.backward(model.loss(ids[:, :-1], ids[:, 1:]))
    parts = (loose.transformer.embeddings.token.weight.grad, loose.head.weight.grad)
    assert parts[0] is not None
    assert parts[1] is not None
    unused = [i for i in range(31) if i not in set(ids[:, :-1].flatten().tolist())]
    assert unused
    assert not parts[0][unused].any()  # a row that is not read gets nothing by the lookup
    assert parts[1][unused].any(dim=1).all()  # and something as a word that was not said
    torch.testing.assert_close(
        tied.transformer.embeddings.token.weight.grad, parts[0] + parts[1], rtol=1e-9, atol=1e-12
    )


def test_the_first_loss_is_that_of_a_guess() -> None:
    torch.manual_seed(0)
    model = LanguageModel(vocab_size=1000, dim=64, n_layers=2, n_heads=4, max_length=32)
    ids = torch.randint(1000, (8, 32))
    loss = float(model.loss(ids[:, :-1], ids[:, 1:]).detach())
    assert loss == pytest.approx(math.log(1000), abs=0.1)


def test_an_encoder_sees_both_sides_and_its_loss_counts_hidden_tokens_alone() -> None:
    torch.manual_seed(0)
    settings = TransformerConfig(
        vocab_size=31,
        dim=24,
        n_layers=2,
        n_heads=3,
        max_length=32,
        position="learned",
        norm="layer",
        norm_order="post",
        activation="gelu",
        bias=True,
        embedding_norm=True,
        n_token_types=2,
    )
    model, ids = Encoder(settings).double().eval(), _ids()
    changed = ids.clone()
    changed[:, 7] = (ids[:, 7] + 1) % 31
    assert (model(ids) - model(changed)).abs().amax(dim=-1).min() > 0
    targets = torch.full_like(ids, -100)
    targets[0, 3], targets[1, 9] = 4, 8
    log_shares = model(ids).log_softmax(dim=-1)
    expected = -(log_shares[0, 3, 4] + log_shares[1, 9, 8]) / 2
    torch.testing.assert_close(model.loss(ids, targets).double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 0}, "dim is 0; give a whole number, 1 or more"),
        ({"dim": 32.0}, "dim is 32.0; give a whole number"),
        ({"window": 0}, "window is 0"),
        ({"head_dim": 0}, "head_dim is 0"),
        ({"n_kv_heads": 0}, "n_kv_heads is 0"),
        ({"hidden_dim": -4}, "hidden_dim is -4"),
        ({"norm_eps": -1.0}, "norm_eps is -1.0; give 0 or more"),
        ({"init_std": float("nan")}, "init_std is nan; give 0 or more"),
        ({"position_settings": None}, "position_settings are None"),
        ({"sparse": True}, "sparse is True and is_tied too"),
        ({"config": TransformerConfig(vocab_size=3)}, "a config is given and vocab_size"),
        ({"dropout": 1.0}, "dropout is 1.0; give 0 or more, less than 1"),
        ({"norm": "batch"}, "norm is 'batch'; give one of layer, rms"),
        ({"activation": "tanh"}, "activation is 'tanh'; give one of gelu"),
        ({"norm_order": "both"}, "norm_order is 'both'; give pre or post"),
        ({"position": "rotary"}, "rotary"),
        ({"dim": 16}, "dim is 16, which 3 heads do not divide"),
        ({"dim": 15}, "head_dim is 5, but values turn in pairs"),
    ],
)
def test_settings_that_cannot_work_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LanguageModel(**{"vocab_size": 31, "dim": 24, "n_heads": 3, "n_layers": 1, **settings})


def test_a_text_beyond_a_learned_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="32"):
        _model("learned")(torch.zeros(1, 33, dtype=torch.int64))


def test_settings_come_back_from_their_dict() -> None:
    config = TransformerConfig(vocab_size=7, position_settings={"base": 500.0})
    assert TransformerConfig.from_dict(config.as_dict()) == config
    with pytest.raises(ConfigError, match="unknown settings depth"):
        TransformerConfig.from_dict({"vocab_size": 7, "depth": 3})


def test_rows_that_no_token_has_are_neither_scored_nor_taught() -> None:
    model, ids = _model(row_multiple=8), _ids()
    assert model.transformer.embeddings.token.n_rows == 32
    assert model(ids).shape[-1] == 31
    torch.autograd.backward(model.loss(ids[:, :-1], ids[:, 1:]))
    gradient = model.head.weight.grad
    assert gradient is not None
    assert not gradient[31:].any()
    assert gradient[:31].any(dim=1).all()


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_window_counts_words_and_not_padding(position: str, side: str) -> None:
    model, ids = _model(position, window=4), _ids(batch=1)
    padding = torch.zeros(1, 5, dtype=torch.int64)
    prompt = ids[:, :7]
    padded = torch.cat([padding, prompt] if side == "left" else [prompt, padding], dim=1)
    is_word = torch.arange(12)[None] >= 5 if side == "left" else torch.arange(12)[None] < 7
    cache = model.new_cache()
    first = model(padded, mask=is_word, cache=cache)[is_word]
    rest = [model(ids[:, t : t + 1], cache=cache)[0] for t in range(7, N)]
    torch.testing.assert_close(torch.cat([first, *rest]), model(ids)[0], rtol=0, atol=1e-6)


def test_a_pass_that_fails_leaves_the_cache_as_it_was() -> None:
    model, ids = _model("learned"), _ids(batch=1)
    cache = model.new_cache()
    model(ids[:, :6], cache=cache)
    for wrong in (torch.tensor([[31]]), torch.zeros(1, 40, dtype=torch.int64)):
        with pytest.raises(RowspaceError):
            model(wrong, cache=cache)
    rest = model(ids[:, 6:], cache=cache)
    torch.testing.assert_close(rest, model(ids)[:, 6:], rtol=0, atol=1e-9)


def test_ids_of_another_kind_are_named() -> None:
    model = _model()
    with pytest.raises(VocabularyError, match=r"token ids are torch\.float32; give them as"):
        model(torch.zeros(1, 3))
    with pytest.raises(ConfigError, match=r"token ids have the shape \(3,\); give \(texts, tokens"):
        model(torch.zeros(3, dtype=torch.int64))
    with pytest.raises(VocabularyError, match="token id 31 is outside a vocabulary of 31"):
        model(torch.tensor([[31]]))


def test_an_encoder_refuses_targets_that_are_no_token() -> None:
    model = Encoder(vocab_size=31, dim=24, n_layers=1, n_heads=3)
    with pytest.raises(VocabularyError, match="target -1 is no token"):
        model.loss(_ids(), torch.full_like(_ids(), -1))


def test_a_scale_of_attention_reaches_the_layers() -> None:
    usual, same = _model(), _model(attention_scale=8**-0.5)
    torch.testing.assert_close(usual(_ids()), same(_ids()))
    assert not torch.allclose(usual(_ids()), _model(attention_scale=1.0)(_ids()))


def test_sinusoidal_positions_start_no_louder_than_tokens() -> None:
    torch.manual_seed(0)
    model = LanguageModel(
        vocab_size=500, dim=64, n_layers=1, n_heads=2, max_length=32, position="sinusoidal"
    )
    embeddings = model.transformer.embeddings
    tokens = embeddings.token(torch.arange(500)[None])
    waves = embeddings.position.embed(torch.zeros(1, 32, 64), torch.arange(32))
    assert float((waves.square().mean() / tokens.square().mean()).detach()) == pytest.approx(
        1.0, abs=0.05
    )


@pytest.mark.parametrize("kind", [LanguageModel, Encoder])
def test_only_the_layers_asked_for_are_gone_through(kind: Any) -> None:
    torch.manual_seed(0)
    model = kind(vocab_size=31, dim=24, n_layers=3, n_heads=3, max_length=32).eval().transformer
    run: list[int] = []
    for i, block in enumerate(model.blocks):
        block.register_forward_hook(lambda *_, i=i: run.append(i))
    whole = model.layer_outputs(_ids())
    assert len(whole) == 4
    torch.testing.assert_close(whole[-1], model(_ids()), rtol=0, atol=0)
    for n in range(4):
        run.clear()
        outputs = model.layer_outputs(_ids(), n_layers=n)
        assert run == list(range(n))
        for output, expected in zip(outputs, whole[: n + 1], strict=True):
            torch.testing.assert_close(output, expected, rtol=0, atol=0)

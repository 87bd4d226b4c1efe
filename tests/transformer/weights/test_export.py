"""Folders written for the `transformers` library: what it says of them, and reading them back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rowspace.errors import ConfigError  # noqa: E402
from rowspace.transformer.bidirectional import make_bidirectional  # noqa: E402
from rowspace.transformer.model import Encoder, LanguageModel, Transformer  # noqa: E402
from rowspace.transformer.vocabulary import extend_vocabulary  # noqa: E402
from rowspace.transformer.weights import (  # noqa: E402
    load_pretrained,
    load_transformer,
    write_transformer,
)
from tests.transformer import foreign as theirs  # noqa: E402
from tests.transformer.weights.test_parity import LLAMAS, OTHERS  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

    from tests.transformer.foreign import Make

FOREIGN = LLAMAS | OTHERS
SMALL: dict[str, Any] = {
    "vocab_size": theirs.VOCAB,
    "dim": 48,
    "n_layers": 2,
    "n_heads": 4,
    "max_length": 64,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
DYNAMIC = {**YARN, "rope_type": "dynamic"}
OURS: dict[str, dict[str, Any]] = {
    "the default": {},
    "not tied": {"is_tied": False},
    "groups": {"n_kv_heads": 2},
    "wide heads": {"head_dim": 20, "hidden_dim": 56},
    "all biases": {"bias": True},
    "attention's biases": {"qkv_bias": True, "out_bias": True},
    "biases of queries": {"qkv_bias": True},
    "a window": {"window": 7},
    "padding": {"padding_id": 3},
    "padded rows": {"row_multiple": 64},
    "neighbors": {"position": "rope-interleaved", "n_kv_heads": 2, "qkv_bias": True},
    "another base": {"position_settings": {"base": 5e5}},
    "linear": {"position_settings": {"scaling": {"rope_type": "linear", "factor": 4.0}}},
    "yarn": {"position_settings": {"scaling": YARN}},
    "dynamic": {"position_settings": {"scaling": DYNAMIC}},
    "ntk": {"position_settings": {"scaling": {"rope_type": "ntk", "factor": 4.0}}},
    "gpt2": {"position": "learned", "norm": "layer", "activation": "gelu-tanh", "bias": True},
    "gpt2 of relu": {"position": "learned", "norm": "layer", "activation": "relu", "bias": True},
}


def _random(model: Any) -> Any:
    torch.manual_seed(5)
    theirs.randomise(model)
    return model.eval()


def _close(ours: Tensor, expected: Tensor) -> None:
    assert 0.3 < expected.std() < 3  # or the tolerance would mean nothing
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-5)


def _states_of_theirs(folder: Path, ids: Tensor, **inputs: Tensor) -> Tensor:
    model, report = transformers.AutoModel.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    missing = {name for name in report["missing_keys"] if not name.startswith("pooler.")}
    assert not missing
    assert all(name.startswith(("cls.", "lm_head.")) for name in report["unexpected_keys"])
    with torch.no_grad():
        states: Tensor = model.eval()(ids, **inputs).last_hidden_state
    return states


@pytest.mark.parametrize(("kind", "settings"), FOREIGN.values(), ids=FOREIGN)
def test_what_was_read_is_written_tensor_by_tensor(
    foreign: Make, tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    from safetensors.torch import load_file

    folder = foreign(kind, **settings)
    config = json.loads((folder / "config.json").read_text())
    write_transformer(load_pretrained(folder), tmp_path, foreign=config)
    before, after = (load_file(path / "model.safetensors") for path in (folder, tmp_path))
    spare = {"cls.predictions.bias"} if settings.get("tie_word_embeddings") is False else set()
    assert set(after) == set(before) - spare
    for name, tensor in after.items():
        assert torch.equal(tensor, before[name]), name
    assert json.loads((tmp_path / "config.json").read_text()) == config


@pytest.mark.parametrize("kind", theirs.KINDS)
def test_without_a_head_it_is_the_bare_model_of_theirs(
    foreign: Make, tmp_path: Path, kind: str
) -> None:
    settings = {"pad_token_id": 0} if kind == "phi3" else {}
    folder, ids = foreign(kind, **settings), theirs.text(40, 2)
    config = json.loads((folder / "config.json").read_text())
    write_transformer(load_transformer(folder), tmp_path, foreign=config)
    expected = _states_of_theirs(folder, ids)
    _close(_states_of_theirs(tmp_path, ids), expected)
    _close(load_transformer(tmp_path)(ids).detach(), expected)


@pytest.mark.parametrize("settings", OURS.values(), ids=OURS)
def test_a_language_model_of_ours_is_one_of_theirs(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    model = _random(LanguageModel(**{**SMALL, **settings}))
    write_transformer(model, tmp_path)
    ids = theirs.text(64, 2)
    expected = model(ids).detach()
    _close(theirs.logits(tmp_path, ids), expected)
    _close(load_pretrained(tmp_path)(ids).detach(), expected)
    _close(_states_of_theirs(tmp_path, ids), model.transformer(ids).detach())


@pytest.mark.parametrize("scaling", [YARN, DYNAMIC], ids=["yarn", "dynamic"])
def test_a_stretched_model_is_theirs_beyond_its_length(
    tmp_path: Path, scaling: dict[str, Any]
) -> None:
    model = _random(LanguageModel(**SMALL, position_settings={"scaling": scaling}))
    write_transformer(model, tmp_path)
    ids = theirs.text(200, 2)
    _close(theirs.logits(tmp_path, ids), model(ids).detach())


@pytest.mark.parametrize("settings", [{}, {"window": 7}, {"bias": True}], ids=str)
def test_a_masked_encoder_of_ours_is_a_llama_that_sees_all(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    encoder = _random(Encoder(**SMALL, **settings))
    write_transformer(encoder, tmp_path)
    ids, mask = theirs.text(40, 2), torch.ones(2, 40, dtype=torch.bool)
    mask[1, 29:] = False
    expected = encoder.transformer(ids, mask=mask).detach()
    assert json.loads((tmp_path / "config.json").read_text())["is_causal"] is False
    _close(_states_of_theirs(tmp_path, ids, attention_mask=mask.long())[mask], expected[mask])
    again = load_transformer(tmp_path)
    assert not again.causal
    _close(again(ids, mask=mask).detach()[mask], expected[mask])


def test_a_bidirectional_language_model_keeps_its_head(tmp_path: Path) -> None:
    model = _random(LanguageModel(**SMALL))
    ids = theirs.text(30, 2)
    causal = model(ids).detach()
    make_bidirectional(model)
    expected = model(ids).detach()
    assert not torch.allclose(causal, expected, atol=0.1)
    write_transformer(model, tmp_path)
    _close(theirs.logits(tmp_path, ids), expected)
    again = load_pretrained(tmp_path)
    assert isinstance(again, LanguageModel)
    _close(again(ids).detach(), expected)


def test_rows_that_were_added_or_frozen_are_written(foreign: Make, tmp_path: Path) -> None:
    folder, ids = foreign("llama"), theirs.text(20)
    model = load_pretrained(folder)
    extend_vocabulary(model, 3)
    model.transformer.embeddings.token.freeze([1, 2])
    ids[0, 5] = theirs.VOCAB + 2
    config = json.loads((folder / "config.json").read_text())
    write_transformer(model, tmp_path, foreign=config)
    _close(theirs.logits(tmp_path, ids), model(ids).detach())


def test_numbers_of_sixteen_bits(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = _random(LanguageModel(**SMALL))
    write_transformer(model, tmp_path, dtype=torch.bfloat16)
    tensors = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    loaded = transformers.AutoModel.from_pretrained(tmp_path)
    assert loaded.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"position": "alibi"}, "its position is alibi, .* a llama, has rope"),
        ({"activation": "gelu"}, "its activation is gelu"),
        ({"norm_order": "post"}, "its norm_order is post"),
        ({"attention_scale": 1.0}, "its attention_scale is 1.0"),
        ({"window": 5, "bias": True}, "its bias is True, .* a mistral"),
        ({"out_bias": True}, "its has_out_bias is True"),
        ({"norm": "layer", "position": "rope", "bias": True}, "its position is rope, .* a gpt2"),
        ({"position_settings": {"rotary_dim": 6}}, "RoPE's rotary_dim is 6, and as a llama 12"),
    ],
)
def test_a_model_without_a_form_is_refused_with_the_reason(
    tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    model = LanguageModel(**{**SMALL, **settings})
    with pytest.raises(ConfigError, match=reason) as caught:
        write_transformer(model, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_config_of_another_model_is_refused(foreign: Make, tmp_path: Path) -> None:
    config = json.loads((foreign("gpt2") / "config.json").read_text())
    model = Transformer(LanguageModel(**SMALL).config, causal=True)
    with pytest.raises(ConfigError, match="has no form"):
        write_transformer(model, tmp_path, foreign=config)


def test_is_causal_that_is_no_truth_is_told(copied: Make) -> None:
    from rowspace.errors import FormatError

    folder = copied("llama")
    theirs.edit_config(folder, lambda config: config.update(is_causal="no"))
    with pytest.raises(FormatError, match="is_causal is 'no'; give true or false"):
        load_transformer(folder)

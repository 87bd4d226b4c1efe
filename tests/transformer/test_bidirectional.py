"""Causal models made to see all, against `transformers` under `is_causal=False`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rowspace.errors import ConfigError  # noqa: E402
from rowspace.transformer.attention import Attention  # noqa: E402
from rowspace.transformer.bidirectional import (  # noqa: E402
    make_bidirectional,
    make_foreign_bidirectional,
)
from rowspace.transformer.hidden_states import load_foreign  # noqa: E402
from rowspace.transformer.model import LanguageModel, Transformer  # noqa: E402
from rowspace.transformer.weights import load_transformer, save_model  # noqa: E402
from tests.transformer import foreign as theirs  # noqa: E402
from tests.transformer.small_encoders import write_encoder  # noqa: E402

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "mistral": ("mistral", {"sliding_window": 7}),
    "qwen2": ("qwen2", {}),
    "qwen2 with a window": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 0},
    ),
    "phi3": ("phi3", {"pad_token_id": 0}),
    "gpt2": ("gpt2", {}),
}
each_kind = pytest.mark.parametrize(("kind", "settings"), KINDS.values(), ids=KINDS)


def _causal(folder: Path, kind: str, settings: dict[str, Any]) -> Transformer:
    return load_transformer(theirs.write(folder, kind, **settings))


@each_kind
@pytest.mark.parametrize("n_texts", [1, 3])
def test_another_last_token_moves_the_first_state(
    tmp_path: Path, kind: str, settings: dict[str, Any], n_texts: int
) -> None:
    model = _causal(tmp_path, kind, settings)
    ids = theirs.text(6, n_texts)
    other = ids.clone()
    other[:, -1] = (ids[:, -1] + 1) % theirs.VOCAB
    with torch.no_grad():
        assert torch.equal(model(ids)[:, 0], model(other)[:, 0])
        make_bidirectional(model)
        moved = (model(ids)[:, 0] - model(other)[:, 0]).abs().amax(dim=1)
    assert (moved > 1e-3).all()


@each_kind
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(
    tmp_path: Path, kind: str, settings: dict[str, Any], side: str
) -> None:
    model = _causal(tmp_path, kind, settings)
    make_bidirectional(model)
    ids = theirs.text(20, 2)
    first = ids[:1, :13] if side == "right" else ids[:1, 7:]
    mask = torch.ones(2, 20, dtype=torch.bool)
    is_word = slice(0, 13) if side == "right" else slice(7, 20)
    mask[0] = False
    mask[0, is_word] = True
    with torch.no_grad():
        alone, padded = model(first)[0], model(ids, mask=mask)[0, is_word]
    torch.testing.assert_close(padded, alone, rtol=0, atol=1e-5)


@each_kind
def test_states_are_theirs_where_is_causal_is_false(
    tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    model = _causal(tmp_path, kind, settings)
    make_bidirectional(model)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    config.is_causal = False
    other = transformers.AutoModel.from_pretrained(tmp_path, config=config).eval()
    ids, mask = theirs.text(40, 3), torch.ones(3, 40, dtype=torch.bool)
    mask[1, 31:] = mask[2, 5:] = False
    with torch.no_grad():
        for n_texts in (1, 3):
            theirs_say = other(ids[:n_texts], attention_mask=mask[:n_texts].long())
            ours = model(ids[:n_texts], mask=mask[:n_texts])
            real = mask[:n_texts]
            torch.testing.assert_close(
                ours[real], theirs_say.last_hidden_state[real], rtol=0, atol=1e-5
            )


def test_a_config_that_says_so_is_read_so(tmp_path: Path) -> None:
    folder = theirs.write(tmp_path, "mistral", sliding_window=7)
    turned = load_transformer(folder)
    make_bidirectional(turned)
    theirs.edit_config(folder, lambda config: config.update(is_causal=False))
    read = load_transformer(folder)
    assert not read.causal
    layers = [part for part in read.modules() if isinstance(part, Attention)]
    assert [(layer.causal, layer.window) for layer in layers] == [(False, 8)] * 2
    ids = theirs.text(30)
    with torch.no_grad():
        assert torch.equal(read(ids), turned(ids))


def test_a_second_time_changes_nothing() -> None:
    model = LanguageModel(vocab_size=9, dim=16, n_layers=1, n_heads=2, window=4)
    make_bidirectional(model)
    make_bidirectional(model)
    assert model.config.window == model.transformer.config.window == 5
    (layer,) = (part for part in model.modules() if isinstance(part, Attention))
    assert layer.window == 5


def test_our_own_folder_which_cannot_say_so_is_refused(tmp_path: Path) -> None:
    model = LanguageModel(vocab_size=9, dim=16, n_layers=1, n_heads=2)
    make_bidirectional(model)
    with pytest.raises(
        ConfigError, match=r"made bidirectional, .* write it with write_transformer"
    ):
        save_model(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("position", ["t5", "xpos"])
def test_a_position_of_one_side_is_refused(position: str) -> None:
    model = LanguageModel(vocab_size=9, dim=16, n_layers=1, n_heads=2, position=position)
    with pytest.raises(ConfigError, match=f"position is '{position}'.* earlier tokens"):
        make_bidirectional(model)
    assert model.transformer.causal


@pytest.mark.parametrize("kind", ["qwen3", "gpt_neox"])
def test_a_model_that_transformers_runs_sees_all(tmp_path: Path, kind: str) -> None:
    states = load_foreign(write_encoder(tmp_path, kind), torch.float32)
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    other = torch.tensor([[5, 6, 7, 8, 10]])
    with torch.no_grad():
        before = [states.read(x, None, [2])[0][0, 0] for x in (ids, other)]
        assert torch.equal(*before)
        make_foreign_bidirectional(states.model)
        after = [states.read(x, None, [2])[0][0, 0] for x in (ids, other)]
    assert not torch.allclose(*after, atol=1e-3)
    states.model.save_pretrained(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["is_causal"] is False


def test_one_that_stays_causal_is_refused() -> None:
    config = transformers.MambaConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, state_size=4
    )
    model = transformers.AutoModel.from_config(config)
    with pytest.raises(ConfigError, match="reads a mamba model from left to right"):
        make_foreign_bidirectional(model)
    assert getattr(model.config, "is_causal", None) is None

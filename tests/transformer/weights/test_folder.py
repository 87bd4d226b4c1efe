"""Our own folders: written whole, read back bit for bit; and folders that are not what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from rowspace.errors import ConfigError, FormatError  # noqa: E402
from rowspace.transformer.config import TransformerConfig  # noqa: E402
from rowspace.transformer.model import Encoder, LanguageModel  # noqa: E402
from rowspace.transformer.weights import (  # noqa: E402
    config_from,
    load_model,
    load_pretrained,
    save_model,
)

if TYPE_CHECKING:
    from torch import Tensor

    from tests.transformer.foreign import Make

CONFIG, TENSORS = "config.json", "model.safetensors"
YARN = {"scaling": {"rope_type": "yarn", "factor": 4.0}, "base": 5000.0}
MODELS: dict[str, dict[str, Any]] = {
    "rope": {"position_settings": YARN},
    "learned": {"position": "learned", "padding_id": 0, "row_multiple": 16},
    "t5": {"position": "t5", "is_tied": False},
    "alibi": {"position": "alibi", "n_kv_heads": 1, "bias": True, "out_bias": False},
    "sinusoidal": {"position": "sinusoidal", "norm": "layer", "n_token_types": 2},
    "xpos": {"position": "xpos", "window": 5},
}
Tensors = dict[str, Any]


def _config(**settings: Any) -> TransformerConfig:
    small = {"vocab_size": 41, "dim": 16, "n_layers": 2, "n_heads": 2, "max_length": 32}
    return TransformerConfig(**{**small, **settings})


def _changed(**settings: Any) -> dict[str, Any]:
    return {"config": _config().as_dict() | settings}


def _ids() -> Tensor:
    ids: Tensor = torch.randint(0, 41, (2, 20), generator=torch.Generator().manual_seed(5))
    return ids


def _edit(folder: Path, change: Callable[[Tensors], Any]) -> None:
    tensors = load_file(folder / TENSORS)
    change(tensors)
    save_file(tensors, folder / TENSORS)


@pytest.mark.parametrize("kind", [LanguageModel, Encoder])
@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
def test_a_saved_model_comes_back_bit_for_bit(
    tmp_path: Path, kind: type[LanguageModel] | type[Encoder], settings: dict[str, Any]
) -> None:
    model = kind(_config(**settings)).eval()
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert type(again) is kind
    assert again.config == model.config
    with torch.no_grad():
        assert torch.equal(again(_ids()), model(_ids()))
    assert sum(p.numel() for p in again.parameters()) == sum(p.numel() for p in model.parameters())


def test_a_tied_head_is_stored_once(tmp_path: Path) -> None:
    save_model(LanguageModel(_config()), tmp_path / "tied")
    save_model(LanguageModel(_config(is_tied=False)), tmp_path / "apart")
    tied, apart = (set(load_file(tmp_path / name / TENSORS)) for name in ("tied", "apart"))
    assert apart - tied == {"head.weight"}


def test_a_model_that_was_read_can_be_trained(tmp_path: Path) -> None:
    save_model(LanguageModel(_config()), tmp_path / "model")
    model, ids = load_model(tmp_path / "model"), _ids()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(5):
        loss = model.loss(ids[:, :-1], ids[:, 1:])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert model.head.weight is model.transformer.embeddings.token.weight


def test_frozen_rows_stay_frozen(tmp_path: Path) -> None:
    model = LanguageModel(_config())
    model.transformer.embeddings.token.freeze([3, 5])
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.transformer.embeddings.token.frozen_ids.tolist() == [3, 5]


def test_another_tokenizer_in_the_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_model(LanguageModel(_config()), folder)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "notes").mkdir()
    (folder / "notes" / "run.txt").write_text("fine")
    save_model(Encoder(_config()), folder)
    assert isinstance(load_model(folder), Encoder)
    assert (folder / "tokenizer.json").read_text() == "{}"
    assert (folder / "notes" / "run.txt").read_text() == "fine"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, old = tmp_path / "model", LanguageModel(_config()).eval()
    save_model(old, folder)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("rowspace.transformer.weights.folder.save_file", fail)
    with pytest.raises(OSError, match="no space"):
        save_model(LanguageModel(_config()), folder)
    with torch.no_grad():
        assert torch.equal(load_model(folder)(_ids()), old(_ids()))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_is_cast_as_it_is_read(tmp_path: Path) -> None:
    save_model(LanguageModel(_config()).to(torch.bfloat16), tmp_path / "half")
    assert load_file(tmp_path / "half" / TENSORS)["transformer.norm.weight"].dtype == torch.bfloat16
    assert {p.dtype for p in load_model(tmp_path / "half").parameters()} == {torch.float32}
    kept = load_model(tmp_path / "half", dtype=torch.bfloat16)
    assert {p.dtype for p in kept.parameters()} == {torch.bfloat16}


def test_a_hugging_face_folder_is_read_too(foreign: Make) -> None:
    folder = foreign("gpt2")
    with torch.no_grad():
        assert torch.equal(load_model(folder)(_ids()), load_pretrained(folder)(_ids()))


def test_a_foreign_model_can_be_saved_as_ours(foreign: Make, tmp_path: Path) -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}
    model, ids = load_pretrained(foreign("llama", rope_parameters=rope)), _ids().repeat(1, 6)
    save_model(model, tmp_path / "ours")
    with torch.no_grad():
        assert torch.equal(load_model(tmp_path / "ours")(ids), model(ids))


def test_what_reads_hugging_face_alone_says_what_reads_ours(tmp_path: Path) -> None:
    save_model(LanguageModel(_config()), tmp_path / "model")
    with pytest.raises(FormatError, match="folder that save_model wrote; load_model reads it"):
        load_pretrained(tmp_path / "model")


def test_a_scaling_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    from rowspace.position import Linear

    model = LanguageModel(_config(position_settings={"scaling": Linear(2.0)}))
    with pytest.raises(ConfigError, match=r"scaling is Linear.*give it as a config\.json does"):
        save_model(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(ConfigError, match="model' is a file; give a folder"):
        save_model(LanguageModel(_config()), tmp_path / "model")


def test_without_torch_the_extra_is_named() -> None:
    code = "import sys; sys.modules['torch'] = None; import rowspace.transformer.weights"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtraError" in done.stderr.splitlines()[-1]
    assert "pip install 'rowspace[torch]'" in done.stderr


# Folders that are not what they say


def _longer_norm(tensors: Tensors) -> None:
    tensors["transformer.norm.weight"] = torch.zeros(17)


def _without_norm(tensors: Tensors) -> None:
    del tensors["transformer.norm.weight"]


def _more_layers(tensors: Tensors) -> None:
    tensors["transformer.blocks.2.attention.out.weight"] = torch.zeros(16, 16)
    tensors["transformer.blocks.2.attention.out.bias"] = torch.zeros(16)


def _whole_numbers(tensors: Tensors) -> None:
    tensors["transformer.norm.weight"] = torch.zeros(16, dtype=torch.int8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _longer_norm,
            r"'transformer.norm.weight' has shape \(17,\).*wants \(16,\); .*another",
        ),
        (_without_norm, r"'transformer.norm.weight' of shape \(16,\) is missing; .*another shape"),
        (
            _more_layers,
            r"'transformer.blocks.2\S* of shape .* \(and 1 more\) has no place",
        ),
        (_whole_numbers, r"'transformer.norm.weight' is of int8, and only floats are read; give"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    tmp_path: Path, change: Callable[[Tensors], None], message: str
) -> None:
    save_model(LanguageModel(_config()), tmp_path / "model")
    _edit(tmp_path / "model", change)
    with pytest.raises(FormatError, match=message):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rowspace": 99}, "written in format 99, and this Rowspace reads up to 1; update"),
        ({"kind": "seq2seq"}, "its kind is 'seq2seq', and a model is of kind lm or mlm"),
        ({"config": None}, "with a config; give a folder that save_model wrote"),
        ({"config": {"vocab_size": 41, "colour": "red"}}, "unknown settings colour"),
        ({"config": {"dim": 16}}, "vocab_size"),
        (
            _changed(position_settings={"colour": 1}),
            "position 'rope' has no colour; its settings are",
        ),
        (_changed(position_settings=None), "position_settings is None; give settings by name"),
        (_changed(position_settings=[1]), r"position_settings is \[1\]; give settings by name"),
        (_changed(hidden_dim=-3), "hidden_dim is -3; give a whole number, 1 or more"),
        (_changed(dim=1e3), r"dim is 1000\.0; give a whole number"),
        (_changed(dim=10**12), "no model can be made of its settings .*overflow"),
        (_changed(dim=True), "dim is True; give a whole number"),
        (_changed(is_tied="no"), "is_tied is 'no'; give true or false"),
        (_changed(dropout="a"), "dropout is 'a'; give a number"),
        (_changed(position="nowhere"), "position 'nowhere' is not known"),
    ],
)
def test_a_config_that_cannot_be_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    save_model(LanguageModel(_config()), tmp_path / "model")
    path = tmp_path / "model" / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FormatError, match=message) as caught:
        load_model(tmp_path / "model")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": "32"}, "hidden_size is '32'; give a whole number"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0; give 1 or more"),
        ({"rope_scaling": "linear"}, "rope_scaling is 'linear'; give settings by name"),
        ({"rope_scaling": [1]}, r"rope_scaling is \[1\]; give settings by name"),
        ({"rope_theta": "x"}, "rope_theta is 'x'; give a number"),
        ({"pad_token_id": "a"}, "pad_token_id is 'a'; give a whole number"),
        ({"rms_norm_eps": "a"}, "norm_eps is 'a'; give a number"),
        ({"intermediate_size": -1}, "intermediate_size is -1; give 1 or more"),
        ({"num_key_value_heads": 3}, "n_heads is 4 and n_kv_heads 3"),
        ({"num_key_value_heads": "2"}, "num_key_value_heads is '2'; give a whole number"),
        ({"hidden_act": "gelu"}, "has hidden_act 'gelu', and only 'silu' is read"),
    ],
)
def test_a_foreign_config_that_cannot_be_is_named(
    copied: Make, change: dict[str, Any], message: str
) -> None:
    from tests.transformer.foreign import edit_config

    folder = copied("llama")
    edit_config(folder, lambda config: config.update({"rope_parameters": None} | change))
    with pytest.raises(FormatError, match=message) as caught:
        load_pretrained(folder)
    assert str(caught.value).startswith(f"{folder / CONFIG}: ")
    assert "\n" not in str(caught.value)


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    for load in (load_model, load_pretrained):
        with pytest.raises(FormatError, match="file is a file; give the folder of a transformer"):
            load(tmp_path / "file")


def test_a_folder_without_safetensors_says_what_it_wants(copied: Make) -> None:
    folder = copied("gpt2")
    (folder / TENSORS).unlink()
    with pytest.raises(FormatError, match=r"holds no model\.safetensors; give the folder"):
        load_model(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(FormatError, match=r"pytorch_model\.bin is a pickle.*not read; convert it"):
        load_model(folder)
    (folder / CONFIG).unlink()
    with pytest.raises(FormatError, match=r"config\.json is missing"):
        load_model(folder)


def test_files_that_are_damaged_are_named(copied: Make) -> None:
    folder = copied("gpt2")
    (folder / TENSORS).write_bytes((folder / TENSORS).read_bytes()[:1000])
    with pytest.raises(FormatError, match=r"model\.safetensors is damaged .*copy or download"):
        load_model(folder)
    (folder / CONFIG).write_text("{")
    with pytest.raises(FormatError, match=r"config\.json is not JSON"):
        load_model(folder)
    (folder / CONFIG).write_text("[]")
    with pytest.raises(FormatError, match=r"config\.json holds no JSON object"):
        load_model(folder)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({}, "has no 'weight_map'"),
        ({"wte.weight": "elsewhere.safetensors"}, "elsewhere.safetensors is missing, which"),
        ({"wte.weight": "../outside.safetensors"}, "outside.safetensors is missing, which"),
        ({"lost.weight": "part.safetensors"}, "part.safetensors does not hold 'lost.weight'"),
    ],
)
def test_shards_that_are_not_there_are_named(
    copied: Make, weight_map: dict[str, str], message: str
) -> None:
    folder = copied("gpt2")
    (folder.parent / "outside.safetensors").write_bytes((folder / TENSORS).read_bytes())
    (folder / TENSORS).rename(folder / "part.safetensors")
    (folder / f"{TENSORS}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(FormatError, match=message):
        load_model(folder)


def test_grouped_heads_of_another_number_are_named_with_both_shapes(copied: Make) -> None:
    from tests.transformer.foreign import edit_config

    folder = copied("llama")
    edit_config(folder, lambda config: config.update(num_key_value_heads=1))
    with pytest.raises(
        FormatError,
        match=r"'model\.layers\.0\.self_attn\.k_proj\.weight' has shape \(24, 48\).*\(12, 48\)",
    ):
        load_model(folder)


_MISTRAL = {"model_type": "mistral", "vocab_size": 9, "hidden_size": 8, "intermediate_size": 8}
_MISTRAL |= {"num_attention_heads": 2, "num_hidden_layers": 4, "max_position_embeddings": 8}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "t5"}, "model_type 't5', and only llama, mistral, qwen2, phi3, gpt2, bert"),
        ({"model_type": None}, "model_type None"),
        ({"quantization_config": {"bits": 4}}, "mistral model is quantized"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu', and only 'silu' is read"),
        ({"vocab_size": None}, "mistral model has no 'vocab_size'; download it again"),
        (
            {"layer_types": ["full_attention", "sliding_attention"]},
            "window in some layers and not in others",
        ),
        (
            {"model_type": "qwen2", "use_sliding_window": True, "max_window_layers": 2},
            "window in some layers and not in others",
        ),
        ({"model_type": "gpt2", "scale_attn_weights": False}, "scale_attn_weights False"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "'relative_key'"),
        ({"model_type": "bert", "is_decoder": True}, "is_decoder True, and only False"),
    ],
)
def test_what_is_not_read_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        config_from(_MISTRAL | change)


@pytest.mark.parametrize(("padding_id", "expected"), [(-1, None), (9, None), (3, 3), (None, None)])
def test_a_padding_id_outside_the_vocabulary_is_none(
    padding_id: int | None, expected: int | None
) -> None:
    assert config_from(_MISTRAL | {"pad_token_id": padding_id}).padding_id == expected


def test_a_window_of_qwen2_counts_only_where_it_is_used() -> None:
    qwen2 = _MISTRAL | {"model_type": "qwen2", "sliding_window": 5}
    assert config_from(qwen2).window is None
    assert config_from(qwen2 | {"use_sliding_window": True}).window is None  # none of 4 layers
    used = {"use_sliding_window": True, "max_window_layers": 0}
    assert config_from(qwen2 | used).window == 5

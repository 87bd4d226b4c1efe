"""Models read from Hugging Face folders against the `transformers` library, logit by logit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from rowspace.transformer.model import Encoder, LanguageModel  # noqa: E402
from rowspace.transformer.weights import load_pretrained, load_transformer  # noqa: E402
from tests.transformer import foreign as theirs  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

    from tests.transformer.foreign import Make

TOLERANCE = 1e-5
LLAMAS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama of all biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama with attention's biases alone": ("llama", {"attention_bias": True}),
    "llama with the MLP's biases alone": ("llama", {"mlp_bias": True}),
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "llama without groups": ("llama", {"num_key_value_heads": 4}),
    "multi-query llama": ("llama", {"num_key_value_heads": 1}),
    "llama of wide heads": ("llama", {"head_dim": 20}),
    "llama of another base": ("llama", {"rope_theta": 5e5, "rms_norm_eps": 1e-3}),
    "mistral": ("mistral", {"sliding_window": 7}),
    "mistral that sees all": ("mistral", {"sliding_window": None}),
    "qwen2": ("qwen2", {}),
    "qwen2, tied": ("qwen2", {"tie_word_embeddings": True}),
    "qwen2 with a window": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 0},
    ),
    "phi3": ("phi3", {"pad_token_id": 0}),
    "phi3 with a window": ("phi3", {"pad_token_id": 0, "sliding_window": 9}),
    "phi3, partly turned": ("phi3", {"pad_token_id": 0, "partial_rotary_factor": 0.5}),
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {}),
    "gpt2 of another width": ("gpt2", {"n_inner": 56, "activation_function": "relu"}),
    "gpt2, not tied": ("gpt2", {"tie_word_embeddings": False}),
    "bert": ("bert", {}),
    "bert of another activation": ("bert", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3}),
    "bert, not tied": ("bert", {"tie_word_embeddings": False}),
}


def _ours(folder: Path, token_ids: Tensor, **inputs: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = load_pretrained(folder)(token_ids, **inputs)
    return logits


def _close(ours: Tensor, expected: Tensor) -> None:
    assert 0.3 < expected.std() < 3  # or the tolerance would mean nothing
    torch.testing.assert_close(ours, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("kind", "settings"), LLAMAS.values(), ids=LLAMAS)
def test_logits_are_theirs_far_beyond_the_trained_length(
    foreign: Make, kind: str, settings: dict[str, Any]
) -> None:
    folder, ids = foreign(kind, **settings), theirs.text(512, 2)
    _close(_ours(folder, ids), theirs.logits(folder, ids))


@pytest.mark.parametrize(("kind", "settings"), OTHERS.values(), ids=OTHERS)
def test_logits_are_theirs_up_to_the_last_learned_position(
    foreign: Make, kind: str, settings: dict[str, Any]
) -> None:
    folder, ids = foreign(kind, **settings), theirs.text(theirs.TRAINED, 2)
    _close(_ours(folder, ids), theirs.logits(folder, ids))


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "gpt2"])
def test_padding_on_the_left_changes_no_word(foreign: Make, kind: str) -> None:
    folder = foreign(kind, **({"sliding_window": 7} if kind == "mistral" else {}))
    ids, mask = theirs.text(60, 3), torch.ones(3, 60, dtype=torch.bool)
    mask[1, :13] = mask[2, :59] = False
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    expected = theirs.logits(folder, ids, attention_mask=mask.long(), position_ids=positions)
    _close(_ours(folder, ids, mask=mask)[mask], expected[mask])


def test_bert_reads_padding_and_two_texts(foreign: Make) -> None:
    folder, ids = foreign("bert"), theirs.text(40, 2)
    mask, types = torch.ones(2, 40, dtype=torch.bool), torch.zeros(2, 40, dtype=torch.long)
    mask[1, 31:], types[:, 12:] = False, 1
    expected = theirs.logits(folder, ids, attention_mask=mask.long(), token_type_ids=types)
    _close(_ours(folder, ids, mask=mask, token_types=types)[mask], expected[mask])


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_causal_model_is_a_language_model_in_evaluation(foreign: Make, kind: str) -> None:
    model = load_pretrained(foreign(kind))
    assert isinstance(model, LanguageModel)
    assert not model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert isinstance(load_pretrained(foreign("bert")), Encoder)


def test_a_tied_head_is_one_parameter_with_the_embedding(foreign: Make) -> None:
    tied = load_pretrained(foreign("gpt2"))
    assert tied.head.weight is tied.transformer.embeddings.token.weight
    apart = load_pretrained(foreign("llama"))
    assert apart.head.weight is not apart.transformer.embeddings.token.weight


def test_shards_are_one_model(foreign: Make, tmp_path: Path) -> None:
    import transformers

    whole, ids = foreign("llama"), theirs.text(20)
    model = transformers.AutoModelForCausalLM.from_pretrained(whole)
    model.save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert torch.equal(_ours(tmp_path, ids), _ours(whole, ids))


def test_weights_of_sixteen_bits_are_read_as_thirty_two(foreign: Make, tmp_path: Path) -> None:
    import transformers

    ids = theirs.text(20)
    model = transformers.AutoModelForCausalLM.from_pretrained(foreign("qwen2")).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    _close(_ours(tmp_path, ids), theirs.logits(tmp_path, ids))
    kept = load_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in kept.parameters()} == {torch.bfloat16}
    assert kept(ids).dtype == torch.bfloat16


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
def test_a_transformer_is_read_without_its_head(foreign: Make, tmp_path: Path, kind: str) -> None:
    import transformers

    ids = theirs.text(30)
    bare = transformers.AutoModel.from_pretrained(foreign(kind)).eval()
    bare.save_pretrained(tmp_path)  # its names have no prefix
    with torch.no_grad():
        expected = bare(ids).last_hidden_state
        for folder in (tmp_path, foreign(kind)):
            _close(load_transformer(folder)(ids), expected)


def test_names_of_a_file_converted_from_tensorflow_are_read(copied: Make) -> None:
    from safetensors.torch import load_file, save_file

    folder, ids = copied("bert"), theirs.text(20)
    expected = _ours(folder, ids)
    tensors = load_file(folder / "model.safetensors")
    old = {
        name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): tensor
        for name, tensor in tensors.items()
    }
    assert old.keys() != tensors.keys()
    old["bert.embeddings.position_ids"] = torch.arange(theirs.TRAINED)[None]
    old["bert.pooler.dense.weight"] = torch.zeros(48, 48)
    old["cls.seq_relationship.bias"] = torch.zeros(2)
    save_file(old, folder / "model.safetensors")
    assert torch.equal(_ours(folder, ids), expected)


def test_a_gpt2_of_bare_names_with_old_masks_is_a_language_model(copied: Make) -> None:
    from safetensors.torch import load_file, save_file

    folder, ids = copied("gpt2"), theirs.text(20)
    expected = _ours(folder, ids)
    tensors = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    bare["h.0.attn.bias"] = torch.ones(1, 1, theirs.TRAINED, theirs.TRAINED).tril()
    bare["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(bare, folder / "model.safetensors")
    assert torch.equal(_ours(folder, ids), expected)


def test_a_folder_without_a_head_says_what_reads_it(foreign: Make, tmp_path: Path) -> None:
    import transformers

    from rowspace.errors import FormatError

    shutil.copy(foreign("bert") / "config.json", tmp_path)
    transformers.AutoModel.from_pretrained(foreign("bert")).save_pretrained(tmp_path)
    with pytest.raises(FormatError, match=r"cls\.predictions\S* is missing.*load_transformer"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "BertForSequenceClassification",
        "BertForTokenClassification",
        "BertForQuestionAnswering",
        "LlamaForSequenceClassification",
        "GPT2ForSequenceClassification",
    ],
)
def test_a_model_with_the_head_of_another_task_is_read_without_it(
    tmp_path: Path, name: str
) -> None:
    import transformers

    from rowspace.errors import FormatError

    config_class, _, usual = theirs.KINDS[name.split("For")[0].lower()]
    torch.manual_seed(0)
    model = getattr(transformers, name)(config_class(**{**usual, "pad_token_id": 0})).eval()
    model.save_pretrained(tmp_path)
    ids = theirs.text(20)
    with torch.no_grad():
        expected = model(ids, output_hidden_states=True).hidden_states[-1]
        _close(load_transformer(tmp_path)(ids), expected)
    with pytest.raises(FormatError, match=r"head of another task.*load_transformer reads the rest"):
        load_pretrained(tmp_path)

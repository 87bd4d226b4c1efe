"""What is loaded and what is refused, with one clear line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from rowspace.errors import ConfigError, FormatError  # noqa: E402
from rowspace.transformer.hidden_states import ForeignStates, OurStates  # noqa: E402
from rowspace.transformer.load_encoder import load_encoder  # noqa: E402
from rowspace.transformer.model_folder import HUB_SECONDS, folder_of  # noqa: E402
from rowspace.transformer.objectives import HiddenTokens, NextToken  # noqa: E402
from rowspace.transformer.pretrain import LanguageModelTrainer  # noqa: E402
from rowspace.transformer.weights import load_pretrained, save_model  # noqa: E402
from tests.transformer import foreign  # noqa: E402
from tests.transformer.small_encoders import TEXTS, write_encoder  # noqa: E402

TENSORS = "model.safetensors"


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        kind: write_encoder(tmp_path_factory.mktemp(kind), kind)
        for kind in ("bert", "gpt2", "roberta", "distilbert")
    }


@pytest.fixture
def copied(written: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    def copied(kind: str) -> Path:
        return Path(shutil.copytree(written[kind], tmp_path / kind))

    return copied


def refuses(folder: Path | str, message: str, error: type[Exception] = FormatError) -> None:
    with pytest.raises(error, match=message) as raised:
        load_encoder(folder)
    assert "\n" not in str(raised.value)


def edit_tensors(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    tensors = load_file(folder / TENSORS)
    change(tensors)
    save_file(tensors, folder / TENSORS, metadata={"format": "pt"})


# --- What is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_halves_give_nearly_the_same_vectors_in_float32(
    kind: str, dtype: str, written: dict[str, Path]
) -> None:
    exact = load_encoder(written[kind]).contextual(TEXTS).vectors
    found = load_encoder(written[kind], dtype=dtype).contextual(TEXTS).vectors
    assert found.dtype == np.float32
    assert not np.array_equal(found, exact)
    cosines = (found * exact).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosines.min() > 0.999


def test_the_fingerprint_tells_what_changes_vectors(
    copied: Callable[[str], Path], written: dict[str, Path]
) -> None:
    folder = copied("bert")
    same = load_encoder(folder).fingerprint
    assert same == load_encoder(written["bert"]).fingerprint
    others = [
        load_encoder(folder, max_length=9).fingerprint,
        load_encoder(folder, dtype="bfloat16").fingerprint,
    ]
    edit_tensors(folder, lambda tensors: tensors["bert.embeddings.LayerNorm.bias"].add_(1))
    others.append(load_encoder(folder).fingerprint)
    assert len({same, *others}) == 4


def test_a_folder_with_a_pickle_beside_it_reads_the_safetensors(
    copied: Callable[[str], Path], written: dict[str, Path]
) -> None:
    folder = copied("bert")
    (folder / "pytorch_model.bin").write_bytes(b"no pickle")
    found = load_encoder(folder).encode(TEXTS)
    np.testing.assert_array_equal(found, load_encoder(written["bert"]).encode(TEXTS))


@pytest.mark.parametrize("name", ["classifier.weight", "linear.weight", "score.weight"])
def test_the_head_of_another_task_is_left(
    name: str, copied: Callable[[str], Path], written: dict[str, Path]
) -> None:
    folder = copied("bert")
    edit_tensors(folder, lambda tensors: tensors.update({name: torch.ones(3, 48)}))
    encoder = load_encoder(folder)
    assert isinstance(encoder.states, OurStates)
    expected = load_encoder(written["bert"]).encode(TEXTS)
    np.testing.assert_array_equal(encoder.encode(TEXTS), expected)


def test_what_our_modules_have_not_is_run_by_transformers(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path, "gpt2", scale_attn_by_inverse_layer_idx=True)
    encoder = load_encoder(folder)
    assert isinstance(encoder.states, ForeignStates)
    ids = encoder.tokenizer.encode(TEXTS[0])
    model = transformers.GPT2Model.from_pretrained(folder).eval()
    expected = model(torch.tensor([ids])).last_hidden_state[0].detach().numpy()
    np.testing.assert_allclose(encoder.token_states(TEXTS[:1])[0], expected, rtol=0, atol=1e-4)


def test_an_older_tokenizer_is_read_through_transformers(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocab, key=vocab.__getitem__)) + "\n")
    expected = load_encoder(folder).encode(TEXTS)
    (folder / "tokenizer.json").unlink()
    np.testing.assert_allclose(load_encoder(folder).encode(TEXTS), expected, atol=1e-6)


# --- What we trained -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokenizer", "end"), [("wordpiece", "[SEP]"), ("bpe", "[SEP]"), ("characters", "[SEP]")]
)
def test_a_masked_model_of_ours_reads_a_text_as_in_its_training(
    tokenizer: str, end: str, tmp_path: Path
) -> None:
    encoder, pretrained = trained(tmp_path, tokenizer, HiddenTokens())
    (states,) = encoder.token_states(["a river bank"])
    own = pretrained.tokenizer.encode("a river bank")
    end_id = pretrained.tokenizer.special_tokens[end]
    assert end_id == pretrained.tokenizer.end_id
    ids = torch.tensor([[end_id, *own, end_id]])
    expected = pretrained.model.transformer(ids)[0].detach().numpy()
    np.testing.assert_allclose(states, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("tokenizer", ["bpe", "characters"])
def test_a_language_model_of_ours_reads_a_text_after_the_end_of_another(
    tokenizer: str, tmp_path: Path
) -> None:
    encoder, pretrained = trained(tmp_path, tokenizer, NextToken())
    found = encoder.contextual(["a river bank"], "bank", subword_pooling="last")
    ids = [pretrained.tokenizer.special_tokens["<|endoftext|>"]]
    ids += pretrained.tokenizer.encode("a river bank")
    expected = pretrained.model.transformer(torch.tensor([ids]))[0, -1].detach().numpy()
    np.testing.assert_allclose(found.vectors[0], expected, rtol=0, atol=1e-5)


def trained(folder: Path, tokenizer: str, objective: Any) -> Any:
    text = folder / "text.txt"
    text.write_text("a river bank in spring\nthe other bank, a loan\n" * 100)
    trainer = LanguageModelTrainer(
        objective=objective, tokenizer=tokenizer, vocab_size=280, dim=16, n_layers=2, n_heads=2,
        max_length=16, steps=3, batch_size=2, held_out=0.0, n_threads=1, precision="float32",
    )  # fmt: skip
    pretrained = trainer.fit(text, folder / "model")
    encoder = load_encoder(folder / "model")
    assert isinstance(encoder.states, OurStates)
    assert (encoder.dim, encoder.n_layers, encoder.max_length) == (16, 2, 16)
    return encoder, pretrained


def test_a_model_that_was_only_saved_by_us_keeps_its_special_tokens(
    written: dict[str, Path], tmp_path: Path
) -> None:
    save_model(load_pretrained(written["bert"]), tmp_path / "saved")
    shutil.copy(written["bert"] / "tokenizer.json", tmp_path / "saved")
    found = load_encoder(tmp_path / "saved").encode(TEXTS)
    expected = load_encoder(written["bert"]).encode(TEXTS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


# --- Files that are not what they should be ------------------------------------------------------


def test_paths_that_lead_to_no_folder_say_so(tmp_path: Path) -> None:
    refuses(tmp_path / "none", r"there is no folder .*none; check the path")
    refuses("./none", r"there is no folder none; check the path")
    (tmp_path / "file").write_text("")
    refuses(tmp_path / "file", r"file is a file; give the folder of a transformer")
    refuses(tmp_path, r"config\.json is missing; give the folder of a transformer")


def test_weights_that_cannot_be_read_say_so(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    whole = (folder / TENSORS).read_bytes()
    (folder / TENSORS).write_bytes(whole[: len(whole) // 2])
    refuses(folder, r"model\.safetensors is damaged .*copy or download it again")
    (folder / TENSORS).unlink()
    refuses(folder, r"holds no model\.safetensors; give the folder of a transformer")
    (folder / "pytorch_model.bin").write_bytes(b"")
    refuses(folder, r"pytorch_model\.bin is a pickle, which may run any code, so it is not read")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("bert", "bert.encoder.layer.1.output.dense.weight"),
        ("roberta", "encoder.layer.1.output.dense.weight"),
        ("distilbert", "transformer.layer.0.ffn.lin1.bias"),
    ],
)
def test_a_tensor_that_is_missing_or_of_another_shape_is_named(
    kind: str, name: str, copied: Callable[[str], Path]
) -> None:
    folder = copied(kind)
    edit_tensors(folder, lambda tensors: tensors.update({name: torch.ones(3)}))
    refuses(folder, name.removeprefix("bert.").replace(".", r"\."))
    edit_tensors(folder, lambda tensors: tensors.pop(name))
    refuses(folder, name.removeprefix("bert.").replace(".", r"\."))


def test_a_tensor_within_the_layers_that_no_one_knows_is_named(
    copied: Callable[[str], Path],
) -> None:
    folder = copied("bert")
    name = "bert.encoder.layer.0.attention.self.query.lora_A.weight"
    edit_tensors(folder, lambda tensors: tensors.update({name: torch.ones(3)}))
    refuses(folder, r"lora_A")


def test_an_unknown_architecture_says_so(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    foreign.edit_config(folder, lambda config: config.update(model_type="brain"))
    refuses(folder, r"the model_type 'brain' is none that transformers [\d.]+ knows; give a model")
    foreign.edit_config(folder, lambda config: config.pop("model_type"))
    refuses(folder, "the model_type None is none that")
    (folder / "config.json").write_text("[1")
    refuses(folder, r"config\.json is not JSON")


@pytest.mark.parametrize("model_type", ["brain", "roberta"])
def test_code_that_comes_with_a_model_is_never_run(
    model_type: str, copied: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied("roberta")
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()\nclass A: pass\n"
    (folder / "modeling_a.py").write_text(code)
    auto_map = dict.fromkeys(("AutoConfig", "AutoModel", "AutoTokenizer"), "modeling_a.A")
    foreign.edit_config(
        folder, lambda config: config.update(model_type=model_type, auto_map=auto_map)
    )
    tokenizer = {"auto_map": {"AutoTokenizer": ["modeling_a.A", None]}, "tokenizer_class": "A"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    if model_type == "brain":
        refuses(folder, "it brings code of its own, which is never run")
    else:
        load_encoder(folder).encode(["a"])
    (folder / "tokenizer.json").unlink()
    refuses(folder, r"has no tokenizer\.json, ")
    assert not mark.exists()


def test_models_that_are_no_stack_of_layers_say_so(
    tmp_path: Path, written: dict[str, Path]
) -> None:
    t5 = transformers.T5Config(vocab_size=90, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    images = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        image_size=8, patch_size=4,
    )  # fmt: skip
    for name, config in {"t5": t5, "vit": images}.items():
        folder = tmp_path / name
        transformers.AutoModel.from_config(config).save_pretrained(folder)
        shutil.copy(written["bert"] / "tokenizer.json", folder)
    refuses(tmp_path / "t5", "a t5 model encodes and decodes, and only single stacks of layers")
    refuses(tmp_path / "vit", "a vit model is no single stack of layers that reads text; give a")


def test_adapters_and_quantized_models_say_what_they_are(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    refuses(
        adapter, r"holds an adapter \(adapter_config\.json\) and not the model it changes; merge"
    )
    folder = copied("bert")
    setting = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    foreign.edit_config(folder, lambda config: config.update(setting))
    refuses(folder, r"is quantized \(gptq\), and only floats are read; give the checkpoint before")


def test_tokenizers_that_will_not_do_say_so(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    (folder / "tokenizer.json").unlink()
    refuses(folder, r"has no tokenizer\.json, nor the files of another tokenizer; copy the tok")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    refuses(folder, "its CanineTokenizer cannot tell where in a text a token stands; give a model")
    other = copied("gpt2")
    shutil.copy(other / "tokenizer.json", folder)
    refuses(folder, r"the tokenizer has 300 tokens and the model's table 90 rows; give the tok")
    (folder / "tokenizer.json").write_text("{")
    refuses(folder, r"the tokenizer .*tokenizer\.json cannot be read .*; get it again")


def test_settings_that_cannot_be_say_so(written: dict[str, Path]) -> None:
    with pytest.raises(
        ConfigError, match="dtype is 'int8'; give one of float32, bfloat16, float16"
    ):
        load_encoder(written["bert"], dtype="int8")
    with pytest.raises(
        ConfigError, match=r"device is 'tpu', which torch cannot use here .* give cpu"
    ):
        load_encoder(written["bert"], device="tpu")


# --- The hub -------------------------------------------------------------------------------------


def test_offline_a_name_that_is_not_in_the_cache_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    refuses(
        "no/model", r"no folder 'no/model', nor .* in the hub's cache, and HF_HUB_OFFLINE is set"
    )


def test_a_hub_that_does_not_answer_is_waited_for_briefly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    asked: list[Any] = []

    class Api:
        def model_info(self, name: str, timeout: float) -> None:
            asked.append((name, timeout))
            raise TimeoutError("timed out")

    monkeypatch.setattr(hub, "HfApi", Api)
    refuses("no/model", r"no folder 'no/model', and the hub gives no model .* \(timed out\); check")
    assert asked == [("no/model", HUB_SECONDS)]


@pytest.mark.parametrize("owner", ["", "sentence-transformers/"])
def test_a_bare_name_of_the_hub_may_be_one_of_sentence_transformers(
    owner: str, monkeypatch: pytest.MonkeyPatch, written: dict[str, Path]
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    errors = pytest.importorskip("huggingface_hub.errors")
    httpx = pytest.importorskip("httpx")

    class Api:
        def model_info(self, name: str, timeout: float) -> None:
            if name != f"{owner}bert":
                answer = httpx.Response(401, request=httpx.Request("GET", "https://hub.test"))
                raise errors.RepositoryNotFoundError("no such model", response=answer)

    def download(name: str, local_files_only: bool = False, **_: Any) -> str:
        if local_files_only:
            raise FileNotFoundError(name)
        assert name == f"{owner}bert"
        return str(written["bert"])

    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "HfApi", Api)
    monkeypatch.setattr(hub, "snapshot_download", download)
    assert folder_of("bert") == written["bert"]
    refuses("another-bert", r"the hub gives no model of that name \(no such model\); check")
    refuses("their/bert", r"the hub gives no model of that name \(no such model\); check")


def test_a_model_in_the_cache_is_read_without_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: dict[str, Path]
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    home = tmp_path / "models--our--bert"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("1" * 40)
    snapshot = home / "snapshots" / ("1" * 40)
    snapshot.mkdir(parents=True)
    shutil.copy(written["bert"] / "tokenizer.json", snapshot)
    refuses("our/bert", "nor a model of that name in the hub's cache")  # it has a part of it
    shutil.copytree(written["bert"], snapshot, dirs_exist_ok=True)
    found = load_encoder("our/bert").encode(TEXTS)
    np.testing.assert_array_equal(found, load_encoder(written["bert"]).encode(TEXTS))


# --- Packages that are missing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "kind"), [("torch", "bert"), ("transformers", "roberta"), ("tokenizers", "bert")]
)
def test_a_missing_package_says_what_to_install(
    package: str, kind: str, written: dict[str, Path]
) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import rowspace\n"
        "try:\n"
        f"    rowspace.load_encoder({str(written[kind])!r}, runtime='torch')\n"
        "except rowspace.errors.MissingExtraError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert package in done.stdout
    assert "pip install 'rowspace[torch]'" in done.stdout


def test_a_bert_needs_no_transformers(written: dict[str, Path]) -> None:
    program = (
        "import sys; sys.modules['transformers'] = None\n"
        "import rowspace\n"
        f"encoder = rowspace.load_encoder({str(written['bert'])!r}, runtime='torch')\n"
        "print(encoder.encode(['a bank']).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, 48)"

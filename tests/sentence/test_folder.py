"""Folders of sentence-transformers: both layouts, and what is damaged or of another kind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sentence_transformers")

from rowspace.errors import ConfigError, FormatError  # noqa: E402
from rowspace.sentence import SentenceModel, load_encoder  # noqa: E402
from rowspace.sentence.folder import (  # noqa: E402
    SentenceConfig,
    check_is_free,
    read_config,
    read_modules,
)
from tests.sentence.folders import (  # noqa: E402
    MIXED,
    theirs,
    write_sentence_folder,
    write_transformer,
)
from tests.transformer.small_encoders import TEXTS  # noqa: E402

TRUNCATED = pytest.mark.filterwarnings("ignore:.*longer than 64 tokens")
PROMPTS = {"query": "the bank: ", "document": ""}


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the newer layout, with all there can be."""
    return write_sentence_folder(
        tmp_path_factory.mktemp("newer") / "new",
        poolings=("mean", "lasttoken"),
        include_prompt=False,
        dense=torch.nn.Tanh(),
        normalize=True,
        prompts=PROMPTS,
        truncate_dim=12,
        similarity_fn_name="dot",
    )


@pytest.fixture(scope="module")
def older(newer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, in the older layout, that we write."""
    folder = tmp_path_factory.mktemp("older") / "old"
    load_encoder(newer, runtime="torch").save(folder)
    return folder


@pytest.fixture
def copied(older: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(older, tmp_path / "copy"))


def refuses(folder: Path, message: str) -> None:
    with pytest.raises(FormatError, match=message) as raised:
        load_encoder(folder, runtime="torch")
    assert "\n" not in str(raised.value)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


@TRUNCATED
def test_both_layouts_give_the_same_vectors_here_and_there(newer: Path, older: Path) -> None:
    expected = theirs(newer, MIXED, prompt_name="query", truncate_dim=12)
    assert expected.shape == (len(MIXED), 12)
    for folder in (newer, older):
        encoder = load_encoder(folder, runtime="torch", dtype="float32")
        # theirs cuts after the last module: a vector that was cut has no unit length
        found = encoder.encode_query(MIXED, truncate_dim=20)[:, :12]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        again = theirs(folder, MIXED, prompt_name="query", truncate_dim=12)
        np.testing.assert_allclose(again, expected, rtol=0, atol=1e-6)
        assert encoder.prompts == PROMPTS
        assert (encoder.dim, encoder.max_length, encoder.config.similarity) == (12, 64, "dot")


def test_the_older_layout_has_the_keys_that_servers_read(older: Path) -> None:
    kinds = [line["type"] for line in json.loads((older / "modules.json").read_text())]
    assert kinds == [
        f"sentence_transformers.models.{kind}"
        for kind in ("Transformer", "Pooling", "Dense", "Normalize")
    ]
    pooling = json.loads((older / "1_Pooling" / "config.json").read_text())
    assert pooling == {
        "word_embedding_dimension": 48,
        "pooling_mode_cls_token": False,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_mean_sqrt_len_tokens": False,
        "pooling_mode_weightedmean_tokens": False,
        "pooling_mode_lasttoken": True,
        "include_prompt": False,
    }
    length = json.loads((older / "sentence_bert_config.json").read_text())
    assert length == {"max_seq_length": 64, "do_lower_case": False}
    assert (older / "tokenizer_config.json").exists()


def test_poolings_keep_another_order_than_the_older_keys_have(tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "new", poolings=("lasttoken", "mean", "cls"))
    expected = theirs(folder, TEXTS)
    load_encoder(folder, runtime="torch").save(tmp_path / "old")
    found = load_encoder(tmp_path / "old", runtime="torch", dtype="float32").encode(TEXTS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(theirs(tmp_path / "old", TEXTS), expected, rtol=0, atol=1e-6)


def test_a_folder_is_written_over_itself(copied: Path) -> None:
    encoder = load_encoder(copied, runtime="torch", truncate_dim=5)
    before = encoder.encode_query(TEXTS)
    encoder.save(copied)
    again = load_encoder(copied, runtime="torch")
    assert again.dim == 5
    np.testing.assert_array_equal(again.encode_query(TEXTS), before)
    (copied.parent / "file").write_text("")
    with pytest.raises(ConfigError, match="file is a file; give a folder"):
        encoder.save(copied.parent / "file")


@TRUNCATED
def test_a_bare_transformer_is_averaged(tmp_path: Path) -> None:
    folder = write_transformer(tmp_path / "bare", "bert")
    encoder = load_encoder(folder, runtime="torch", dtype="float32")
    assert (encoder.config.poolings, encoder.config.normalize) == (("mean",), False)
    np.testing.assert_allclose(encoder.encode(MIXED), theirs(folder, MIXED), rtol=0, atol=1e-5)


def test_the_shortest_length_that_is_said_counts(tmp_path: Path) -> None:
    folder = write_transformer(tmp_path / "bare", "bert")
    edit(folder / "config.json", lambda content: content.update(max_length=20))  # of generation
    assert load_encoder(folder, runtime="torch").max_length == 64
    edit(folder / "tokenizer_config.json", lambda content: content.update(model_max_length=32))
    assert load_encoder(folder, runtime="torch").max_length == 32
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    assert load_encoder(folder, runtime="torch").max_length == 16
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 512}')
    assert load_encoder(folder, runtime="torch").max_length == 64
    assert load_encoder(folder, runtime="torch", max_length=40).max_length == 40


# --- What is damaged -----------------------------------------------------------------------------

MISSING = ("1_Pooling", "2_Dense", "2_Dense/model.safetensors", "2_Dense/config.json")


@pytest.mark.parametrize("name", [*MISSING, "1_Pooling/config.json", "config.json"])
def test_what_is_missing_is_named(name: str, copied: Path) -> None:
    path = copied / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    refuses(copied, f"{name} is missing")


def test_an_empty_folder_may_be_missing(copied: Path) -> None:
    before = load_encoder(copied, runtime="torch").encode_query(TEXTS)
    (copied / "3_Normalize").rmdir()  # as archives leave it out
    np.testing.assert_array_equal(load_encoder(copied, runtime="torch").encode_query(TEXTS), before)


@pytest.mark.parametrize(
    "name",
    ["modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "2_Dense/config.json"],
)
@pytest.mark.parametrize("content", ['{"a": ', "[1, 2", '"text"'])
def test_damaged_json_is_named(name: str, content: str, copied: Path) -> None:
    (copied / name).write_text(content)
    refuses(copied, name)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("modules.json", lambda c: [c[0]], "no Pooling follows the Transformer"),
        ("modules.json", lambda c: c[1:], "there has to be one that reads text, and first"),
        ("modules.json", lambda c: [c[0], c[1], c[3] | {"idx": 2}, c[2] | {"idx": 3}], "Dense fol"),
        ("modules.json", lambda c: [*c, {"type": "a.LSTM", "path": ""}], "the module LSTM is not"),
        ("modules.json", lambda c: [{"type": "a"}], "does not list modules"),
        ("modules.json", lambda c: {"a": 1}, "does not list modules"),
        (
            "1_Pooling/config.json",
            lambda c: {"pooling_mode": "median"},
            "pooling 'median' is not read",
        ),
        (
            "2_Dense/config.json",
            lambda c: c | {"activation_function": "torch.nn.GELU"},
            "the activation torch.nn.GELU is not read",
        ),
        ("2_Dense/config.json", lambda c: c | {"use_residual": True}, "residual is not read"),
        (
            "2_Dense/config.json",
            lambda c: c | {"module_input_name": "token_embeddings"},
            "the layer changes token_embeddings",
        ),
        (
            "2_Dense/config.json",
            lambda c: c | {"out_features": 7},
            r"linear.weight has the shape \(20, 96\), and config.json wants \(7, 96\)",
        ),
        ("2_Dense/config.json", lambda c: c | {"bias": False}, "linear.bias has the shape"),
        (
            "sentence_bert_config.json",
            lambda c: {"max_seq_length": "many"},
            "max_seq_length is 'many', where a whole number has to be",
        ),
        (
            "config_sentence_transformers.json",
            lambda c: {"prompts": ["query: "]},
            r"prompts is \['query: '\], where a list of names and values has to be",
        ),
        (
            "config_sentence_transformers.json",
            lambda c: {"prompts": {"query": 3}},
            "query is 3, where a text has to be",
        ),
        (
            "config_sentence_transformers.json",
            lambda c: {"default_prompt_name": "passage"},
            "the default prompt is 'passage', and the prompts are none",
        ),
    ],
)
def test_what_cannot_be_is_refused(name: str, change: Any, message: str, copied: Path) -> None:
    edit(copied / name, change)
    refuses(copied, message)


def test_damaged_tensors_are_named(copied: Path) -> None:
    path = copied / "2_Dense" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    refuses(copied, r"2_Dense/model.safetensors is damaged")


def test_damaged_ranges_are_named(copied: Path) -> None:
    (copied / "int8_ranges.json").write_text('{"low": [1, 2], "high": [3]}')
    refuses(copied, "int8_ranges.json holds no ranges")


def test_a_tokenizer_of_another_model_is_refused(copied: Path, tmp_path: Path) -> None:
    other = write_transformer(tmp_path / "other", "llama")
    shutil.copy(other / "tokenizer.json", copied)
    refuses(copied, r"the tokenizer has \d+ tokens and the model's table \d+ rows")
    with pytest.raises(FormatError, match=r"the tokenizer has \d+ tokens and the model's table"):
        SentenceModel.load(copied)  # nor is it trained


def test_settings_come_back_as_they_were_written(older: Path) -> None:
    config = read_config(older, read_modules(older))
    assert isinstance(config, SentenceConfig)
    assert config.poolings == ("mean", "lasttoken")
    assert (config.include_prompt, config.normalize, config.truncate_dim) == (False, True, 12)
    assert [layer.activation for layer in config.dense] == ["tanh"]


def test_a_folder_of_other_files_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds other files, which would be lost"):
        check_is_free(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        check_is_free(tmp_path / "file")
    (tmp_path / "modules.json").write_text("[]")
    check_is_free(tmp_path)
    check_is_free(tmp_path / "new")

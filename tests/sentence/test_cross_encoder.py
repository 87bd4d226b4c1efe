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
import sentence_transformers
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from rowspace.errors import ConfigError, CorpusError, FormatError
from rowspace.sentence.cross_encoder import CrossEncoder, load_cross_encoder
from tests.sentence.small_cross_encoders import KINDS, PAIRS, PASSAGES, write_cross_encoder
from tests.transformer.foreign import edit_config

# Texts too long are among the pairs on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:.*pairs (is|are) longer than")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture
def folder(bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert, tmp_path / "model"))


def _theirs(folder: Path, **settings: Any) -> NDArray[np.float32]:
    model = sentence_transformers.CrossEncoder(str(folder), device="cpu", **settings)
    found: NDArray[np.float32] = model.predict(PAIRS)
    return found


def _exact(folder: Path, **settings: Any) -> CrossEncoder:
    return load_cross_encoder(folder, runtime="torch", dtype="float32", **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_sentence_transformers(kind: str, tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "model", kind)
    encoder = _exact(folder, activation="identity")
    found, expected = encoder.predict(PAIRS), _theirs(folder, activation_fn=torch.nn.Identity())
    assert found.shape == (len(PAIRS),)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.01  # they differ, so that a wrong one shows
    assert encoder.n_truncated > 0


def test_openvino_gives_the_same_scores_and_keeps_its_graph(folder: Path) -> None:
    encoder = load_cross_encoder(folder, runtime="openvino", dtype="float32")
    assert encoder.runtime.name == "openvino float32"
    np.testing.assert_allclose(encoder.predict(PAIRS), _theirs(folder), rtol=0, atol=1e-5)
    assert encoder.fingerprint == _exact(folder).fingerprint
    graph = folder / "rowspace-openvino-scores" / "model.xml"
    before = graph.stat().st_mtime_ns
    load_cross_encoder(folder, runtime="openvino")
    assert graph.stat().st_mtime_ns == before


def test_an_exported_cross_encoder_needs_no_torch(folder: Path) -> None:
    load_cross_encoder(folder, runtime="openvino")
    program = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "import rowspace\n"
        f"encoder = rowspace.load_cross_encoder({str(folder)!r}, dtype='float32')\n"
        "print(encoder.predict([('muddy bank', 'the river bank')])[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    expected = _exact(folder).predict([("muddy bank", "the river bank")])[0]
    assert float(done.stdout) == pytest.approx(float(expected), abs=1e-5)


def test_what_sentence_transformers_saved_is_read(folder: Path, tmp_path: Path) -> None:
    for activation in (torch.nn.Identity(), torch.nn.Sigmoid()):
        saved = tmp_path / type(activation).__name__
        model = sentence_transformers.CrossEncoder(
            str(folder), device="cpu", activation_fn=activation, max_length=24
        )
        model.save_pretrained(str(saved))
        encoder = _exact(saved)
        assert encoder.max_length == 24
        assert encoder.config.activation == type(activation).__name__.lower()
        np.testing.assert_allclose(encoder.predict(PAIRS), _theirs(saved), rtol=0, atol=1e-5)


def test_lower_casing_that_the_folder_asks_for_is_done(tmp_path: Path) -> None:
    bare = write_cross_encoder(tmp_path / "bare", "roberta")
    folder = tmp_path / "model"
    model = sentence_transformers.CrossEncoder(str(bare), device="cpu", max_length=40)
    model.save_pretrained(str(folder))
    path = folder / "sentence_bert_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_lower_case": True}))
    found = _exact(folder).predict(PAIRS)
    np.testing.assert_allclose(found, _theirs(folder), rtol=0, atol=1e-5)
    assert np.abs(found - _exact(bare, max_length=40).predict(PAIRS)).max() > 1e-3


@pytest.mark.parametrize("old", [False, True])
def test_the_activation_is_read_from_config_json(folder: Path, old: bool) -> None:
    def change(config: dict[str, Any]) -> None:
        if old:
            name = "torch.nn.modules.linear.Identity"
            config["sbert_ce_default_activation_function"] = name
        else:
            config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}

    edit_config(folder, change)
    np.testing.assert_allclose(_exact(folder).predict(PAIRS), _theirs(folder), rtol=0, atol=1e-5)
    assert _exact(folder).config.activation == "identity"


def test_a_text_of_a_megabyte_scores_as_its_beginning_does(bert: Path) -> None:
    encoder = _exact(bert)
    texts = ["the river bank " * 100_000, "the river bank " * 100, "x" * 500_000]
    long, short, unbroken = encoder.predict([("muddy", text) for text in texts])
    assert long == pytest.approx(short, abs=1e-6)
    assert np.isfinite(unbroken)
    both = encoder.predict([(texts[0], texts[0]), (texts[1], texts[1])])
    assert both[0] == pytest.approx(both[1], abs=1e-6)


def test_pairs_that_are_cut_are_counted_and_said(bert: Path) -> None:
    encoder = _exact(bert)
    with pytest.warns(UserWarning, match="1 of 2 pairs is longer than 64 tokens, and the rest"):
        encoder.predict([("muddy", "the river " * 60), ("muddy", "bank")])
    assert encoder.n_truncated == 1


def test_many_chunks_keep_the_order_of_their_pairs(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _exact(bert).predict(PAIRS)
    monkeypatch.setattr("rowspace.sentence.cross_encoder.PAIRS_AT_ONCE", 5)
    np.testing.assert_allclose(_exact(bert).predict(iter(PAIRS)), whole, rtol=0, atol=1e-6)


def test_no_pairs_have_no_scores(bert: Path) -> None:
    encoder = _exact(bert)
    assert encoder.predict([]).shape == (0,)
    assert encoder.predict([]).dtype == np.float32
    assert encoder.rank("bank", []) == []


def test_rank_is_by_score_and_a_text_that_is_there_twice_keeps_its_order(bert: Path) -> None:
    texts = [*PASSAGES, *PASSAGES[:3]]
    encoder = _exact(bert)
    model = sentence_transformers.CrossEncoder(str(bert), device="cpu")
    expected = [hit["score"] for hit in model.rank("muddy bank", texts)]
    found = encoder.rank("muddy bank", texts)
    np.testing.assert_allclose([score for _, score in found], expected, rtol=0, atol=1e-5)
    scores = encoder.predict([("muddy bank", text) for text in texts])
    assert [i for i, _ in found] == sorted(range(len(texts)), key=lambda i: (-scores[i], i))
    assert encoder.rank("muddy bank", texts, top_k=2) == found[:2]
    with pytest.raises(ConfigError, match="top_k is 0; give 1 or more"):
        encoder.rank("bank", texts, top_k=0)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("a", "b"), "ab"], r"pair 1 is 'ab'; give \(query, text\)"),
        ([("a", "b", "c")], r"pair 0 is \('a', 'b', 'c'\); give \(query, text\)"),
        ([None], "pair 0 is None"),
        ([("a", "b"), ("a", None)], "text 1 is None, which is no text"),
        ([("a", "\ud800")], "text 0 has half a surrogate pair"),
    ],
)
def test_what_is_no_pair_is_named(bert: Path, pairs: Any, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        _exact(bert).predict(pairs)


def test_the_fingerprint_follows_what_scores_depend_on(folder: Path) -> None:
    first = _exact(folder)
    assert first.fingerprint == _exact(folder).fingerprint
    assert first.fingerprint != _exact(folder, activation="identity").fingerprint
    assert first.fingerprint != _exact(folder, max_length=20).fingerprint
    _change_weights(folder, lambda tensor: tensor * 1.5)
    assert first.fingerprint != _exact(folder).fingerprint


def _change_weights(folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    path = folder / "model.safetensors"
    tensors = {name: change(tensor) for name, tensor in load_file(path).items()}
    save_file(tensors, path, {"format": "pt"})


def _config(folder: Path, **changes: Any) -> None:
    edit_config(folder, lambda config: config.update(changes))


def _drop(folder: Path, name: str) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors, path, {"format": "pt"})


def _pickled(folder: Path) -> None:
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _without_tokenizer(folder: Path) -> None:
    for path in [*folder.glob("tokenizer*"), *folder.glob("vocab*")]:
        path.unlink()


def _modules(folder: Path, *kinds: str) -> None:
    lines = [{"idx": i, "path": "", "type": f"x.{kind}"} for i, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(lines))


def _settings(folder: Path, **settings: Any) -> None:
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: _config(f, id2label={"0": "a", "1": "b", "2": "c"}), "has 3 labels, and a rera"),
        (lambda f: _config(f, id2label=None), "has 2 labels, and a reranker has one"),
        (lambda f: _config(f, architectures=["BertModel"]), "the architecture is BertModel, which"),
        (lambda f: _config(f, architectures=None), "the architecture is none, which gives pairs"),
        (lambda f: _config(f, model_type="gpt2"), "the model_type 'gpt2' is not read as a cross-e"),
        (lambda f: _drop(f, "classifier.weight"), "the tensor classifier.weight is missing or of"),
        (lambda f: _drop(f, "bert.pooler.dense.bias"), "the tensor bert.pooler.dense.bias is miss"),
        (lambda f: _change_weights(f, lambda t: t * float("nan")), "not finite"),
        (_pickled, "pickle"),
        (_without_tokenizer, "has no tokenizer.json"),
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
        (
            lambda f: _modules(f, "Transformer", "LogitScore"),
            "the modules are Transformer, Lo",
        ),
        (
            lambda f: _settings(f, activation_fn="torch.nn.ReLU"),
            "'torch.nn.ReLU' is not read",
        ),
        (
            lambda f: _settings(f, activation_fn="x.Sigmoid"),
            "the activation 'x.Sigmoid' is not",
        ),
        (
            lambda f: _settings(f, default_prompt_name="query", prompts={"query": "q: "}),
            "texts are read after the prompt 'q: ', which is not supported",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_says_why_in_one_line(
    folder: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(folder)
    with pytest.raises((FormatError, CorpusError), match=message) as caught:
        _exact(folder).predict([("a", "b")])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "int8"}, "dtype is 'int8', which cross-encoders are not run in"),
        ({"dtype": "float8"}, "dtype is 'float8'; give one of"),
        ({"runtime": "tea"}, "runtime is 'tea'; give one of"),
        ({"activation": "relu"}, "activation is 'relu'; give one of sigmoid, identity"),
        ({"max_length": 4}, "max_length is 4, and 3 special tokens leave no room for two texts"),
        ({"max_length": 65}, "max_length is 65, and the model was made for 64 tokens"),
        ({"threads": 0}, "threads is 0; give 1 or more"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    bert: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_cross_encoder(bert, **settings)


def test_one_thread_gives_the_same_scores(bert: Path) -> None:
    found = _exact(bert, threads=1).predict(PAIRS)
    np.testing.assert_allclose(found, _theirs(bert), rtol=0, atol=1e-5)

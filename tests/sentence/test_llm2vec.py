"""A decoder through the steps of LLM2Vec, small: what each leaves, and how a run goes on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rowspace.errors import ConfigError, CorpusError, FormatError  # noqa: E402
from rowspace.sentence import llm2vec as steps  # noqa: E402
from rowspace.sentence import load_encoder  # noqa: E402
from rowspace.sentence.finetune import SentenceTrainer  # noqa: E402
from rowspace.sentence.llm2vec import llm2vec  # noqa: E402
from rowspace.sentence.llm2vec_config import LLM2VecConfig  # noqa: E402
from rowspace.text.corpus import Corpus  # noqa: E402
from rowspace.transformer.load_encoder import load_states  # noqa: E402
from rowspace.transformer.model import Encoder, LanguageModel  # noqa: E402
from rowspace.transformer.model_folder import RECORD  # noqa: E402
from rowspace.transformer.tokenizer import SubwordTokenizer  # noqa: E402
from rowspace.transformer.weights import load_model, load_transformer, save_model  # noqa: E402

TEXTS = ["A river bank in spring.", "She robbed the bank; no money at all.", "東京"]
SMALL = LLM2VecConfig(
    mntp_steps=3, mntp_batch_size=2, mntp_length=30, mntp_learning_rate=1e-2, rank=2, held_out=0.0,
    contrastive_steps=2, contrastive_batch_size=4, contrastive_length=12,
    contrastive_learning_rate=1e-2, precision="float32", n_threads=1,
)  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    words = ["the", "bank", "of", "a", "river", "was", "muddy", "and", "she", "ran", "clerk"]
    draw = np.random.default_rng(3)
    lines = [" ".join(draw.choice(words, 9)) + f" {n}." for n in range(60)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join([*TEXTS, "_", *lines]))
    return path


@pytest.fixture
def model(tmp_path: Path, corpus: Path) -> Path:
    """As `rowspace train lm` leaves it, but for what it learned."""
    return _write(LanguageModel, tmp_path / "model", corpus)


def _write(kind: Any, folder: Path, corpus: Path, **settings: Any) -> Path:
    tokenizer = SubwordTokenizer.train(Corpus(corpus), "bpe", vocab_size=300)
    torch.manual_seed(2)
    size = {"vocab_size": tokenizer.vocab_size, "dim": 16, "n_layers": 2, "n_heads": 2}
    made = kind(**size, max_length=32, init_std=0.3, **settings)
    save_model(made, folder)
    tokenizer.save(folder)
    (folder / RECORD).write_text("{}")
    return folder


def _weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_each_step_leaves_an_embedder_that_sees_all(
    model: Path, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = llm2vec(model, corpus, out, SMALL)
    assert report.out == out / "contrastive"
    assert report.steps == ("bidirectional", "mntp", "contrastive")
    assert report.done_before == ()
    assert report.mntp is not None
    assert report.mntp.n_steps == 3
    assert {path.name for path in out.iterdir()} == {
        "bidirectional", "mntp", "mntp.json", "contrastive", "settings.json",
    }  # fmt: skip
    before = load_model(model).transformer
    ids = torch.tensor([[0, 5, 6, 7, 8]])
    with torch.no_grad():
        for step in report.steps:
            transformer = load_transformer(out / step)
            first = [transformer(x)[0, 0] for x in (ids, ids + torch.tensor([0, 0, 0, 0, 1]))]
            assert not torch.allclose(*first, atol=1e-4)
    bare = load_transformer(out / "bidirectional").state_dict()
    assert all(torch.equal(bare[name], tensor) for name, tensor in before.state_dict().items())
    assert len({_weights(out / step) for step in report.steps}) == 3


def test_sentence_transformers_gives_the_same_vectors(
    model: Path, corpus: Path, tmp_path: Path
) -> None:
    peer = pytest.importorskip("sentence_transformers")
    report = llm2vec(model, corpus, tmp_path / "out", SMALL)
    ours = load_encoder(report.out, runtime="torch")
    theirs = peer.SentenceTransformer(str(report.out), device="cpu")
    texts = [*TEXTS, "the bank " * 40]  # longer than the model reads, and than it was trained on
    with pytest.warns(UserWarning, match="1 of 4 text"):
        found = ours.encode(texts)
    np.testing.assert_allclose(found, theirs.encode(texts), rtol=0, atol=1e-5)
    assert ours.max_length == theirs.max_seq_length == 30
    ids = theirs.tokenizer(["a bank"])["input_ids"][0]
    assert ids[0] == ids[-1] == theirs.tokenizer.eos_token_id


@pytest.mark.parametrize("position", ["rope", "rope-interleaved", "learned"])
def test_openvino_runs_what_sees_all(corpus: Path, tmp_path: Path, position: str) -> None:
    pytest.importorskip("openvino")
    settings: dict[str, Any] = {"position": position}
    if position == "learned":
        settings |= {"norm": "layer", "activation": "gelu-tanh", "bias": True}
    folder = _write(LanguageModel, tmp_path / "lm", corpus, **settings)
    config = dataclasses.replace(SMALL, mntp_steps=0, contrastive="none")
    out = llm2vec(folder, corpus, tmp_path / "out", config).out
    texts = [*TEXTS, "the muddy river bank"]
    expected = load_encoder(out, runtime="torch").encode(texts)
    found = load_encoder(out, runtime="openvino", dtype="float32").encode(texts)
    assert 0.1 < expected.std() < 10
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("step", ["mntp", "contrastive"])
def test_a_run_that_stopped_goes_on_and_does_nothing_twice(
    model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    llm2vec(model, corpus, whole, SMALL)

    def stop(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if step == "mntp":
            patched.setattr(steps, "train_mntp", stop)
        else:
            patched.setattr(SentenceTrainer, "fit", stop)
        llm2vec(model, corpus, out, SMALL)
    done = {path.name: path.stat().st_ino for path in out.iterdir() if path.name in steps.STEPS}
    with pytest.raises(ConfigError, match="exists; add --resume"):
        llm2vec(model, corpus, out, SMALL)
    report = llm2vec(model, corpus, out, SMALL, resume=True)
    assert report.done_before == steps.STEPS[: steps.STEPS.index(step)]
    assert all((out / name).stat().st_ino == inode for name, inode in done.items())
    for name in steps.STEPS:
        assert _weights(out / name) == _weights(whole / name), name
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}
    again = llm2vec(model, corpus, out, SMALL, resume=True)
    assert again.done_before == again.steps == steps.STEPS
    assert again.mntp is None


def test_pairs_make_the_last_step_supervised(model: Path, corpus: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"muddy {n}\tthe bank of river {n}\n" for n in range(8)))
    config = dataclasses.replace(SMALL, contrastive="supervised", contrastive_steps=None, epochs=2)
    report = llm2vec(model, corpus, tmp_path / "out", config, pairs=[pairs])
    assert load_encoder(report.out, runtime="torch").encode("muddy 1").shape == (16,)
    assert _weights(report.out) != _weights(tmp_path / "out" / "mntp")


def test_steps_can_be_left_out(model: Path, corpus: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, mntp_steps=0, contrastive="none")
    report = llm2vec(model, corpus, tmp_path / "out", config)
    assert report.steps == ("bidirectional",)
    assert report.out == tmp_path / "out" / "bidirectional"


def test_a_llama_stays_one(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tests.transformer.small_encoders import write_encoder

    folder = write_encoder(tmp_path / "llama", "llama", num_key_value_heads=2)
    before = json.loads((folder / "config.json").read_text())
    with pytest.raises(ConfigError, match="no token '_' and no mask token"):
        llm2vec(folder, corpus, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()
    config = dataclasses.replace(SMALL, mask_token="bank")
    report = llm2vec(folder, corpus, tmp_path / "out", config)
    after = json.loads((report.out / "config.json").read_text())
    assert after.pop("is_causal") is False
    assert after.pop("architectures") == ["LlamaModel"]
    assert after == {name: value for name, value in before.items() if name != "architectures"}


def test_a_model_that_transformers_runs_is_made_bidirectional_alone(
    corpus: Path, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    from tests.transformer.small_encoders import write_encoder

    folder = write_encoder(tmp_path / "qwen3", "qwen3")
    with pytest.raises(FormatError, match=r"a qwen3 model is run by .* give 0 for mntp_steps"):
        llm2vec(folder, corpus, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()
    config = dataclasses.replace(SMALL, mntp_steps=0, contrastive="none")
    report = llm2vec(folder, corpus, tmp_path / "out", config)
    assert json.loads((report.out / "config.json").read_text())["is_causal"] is False
    states = load_states(report.out)
    with torch.no_grad():
        first = [states.read(torch.tensor([[5, 6, n]]), None, [2])[0][0, 0] for n in (7, 8)]
    assert not torch.allclose(*first, atol=1e-3)


def test_a_run_of_other_settings_is_not_gone_on_with(
    model: Path, corpus: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(SMALL, mntp_steps=0, contrastive="none")
    llm2vec(model, corpus, tmp_path / "out", config)
    other = dataclasses.replace(config, seed=5)
    with pytest.raises(ConfigError, match="holds a run of another model, corpus or with other"):
        llm2vec(model, corpus, tmp_path / "out", other, resume=True)
    threads = dataclasses.replace(config, n_threads=2)
    assert llm2vec(model, corpus, tmp_path / "out", threads, resume=True).done_before
    shutil.rmtree(model)
    _write(LanguageModel, model, tmp_path / "text.txt")
    with (model / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    with pytest.raises(ConfigError, match="holds a run of another model"):
        llm2vec(model, corpus, tmp_path / "out", config, resume=True)


def test_one_that_sees_all_already_is_refused(corpus: Path, tmp_path: Path) -> None:
    folder = _write(Encoder, tmp_path / "mlm", corpus)
    with pytest.raises(ConfigError, match="sees all of a text already"):
        llm2vec(folder, corpus, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "pairs", "message"),
    [
        ({"contrastive": "supervised"}, [], "supervised, and no pairs are given"),
        ({}, ["pairs.tsv"], "pairs are given, and contrastive is 'simcse'"),
    ],
)
def test_pairs_and_the_last_step_have_to_fit(
    model: Path, corpus: Path, tmp_path: Path, settings: Any, pairs: list[str], message: str
) -> None:
    config = dataclasses.replace(SMALL, **settings)
    with pytest.raises(ConfigError, match=message):
        llm2vec(model, corpus, tmp_path / "out", config, pairs=pairs)
    assert not (tmp_path / "out").exists()


def test_sentences_are_drawn_from_all_over_and_stand_with_themselves(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("Too short.\n" + "\n".join(f"this is sentence number {n}" for n in range(500)))
    pairs = list(steps._twins(Corpus(path), 100, seed=4))
    assert len(pairs) == len({pair.anchor for pair in pairs}) == 100
    assert all(pair.anchor == pair.positive for pair in pairs)
    numbers = [int(pair.anchor.split()[-1]) for pair in pairs]
    assert 200 < np.mean(numbers) < 300  # 250 ± 14
    assert 120 < np.std(numbers) < 170  # 144 for all alike
    assert len(list(steps._twins(Corpus(path), 1000, seed=4))) == 500
    (tmp_path / "few.txt").write_text("one two\nthree")
    with pytest.raises(CorpusError, match="no sentence of the corpus has 4 words"):
        list(steps._twins(Corpus(tmp_path / "few.txt"), 10, seed=1))


def test_the_defaults_are_those_of_the_paper() -> None:
    simcse, supervised = LLM2VecConfig(), LLM2VecConfig(contrastive="supervised")
    mntp = simcse.mntp
    assert (mntp.steps, mntp.batch_size, mntp.max_length, mntp.mask_share) == (1000, 32, 512, 0.2)
    assert (mntp.rank, mntp.alpha, mntp.mask_token) == (16, 32.0, "_")
    first, second = simcse.finetune, supervised.finetune
    assert (first.steps, first.batch_size, simcse.longest) == (1000, 128, 128)
    assert (first.learning_rate, first.dropout, first.scale) == (3e-5, 0.3, 20.0)
    assert (second.steps, second.epochs, second.batch_size) == (None, 3.0, 64)
    assert (second.learning_rate, second.dropout, second.lora_rank) == (2e-4, None, 16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contrastive": "mocha"}, "contrastive is 'mocha'; give one of simcse"),
        ({"mntp_steps": -1}, "mntp_steps is -1"),
        ({"rank": -1}, "rank is -1"),
        ({"mask_share": 1.0}, r"mask_share is 1\.0"),
        ({"scale": 0.0}, r"scale is 0\.0"),
    ],
)
def test_settings_that_cannot_be_are_told(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LLM2VecConfig(**settings)

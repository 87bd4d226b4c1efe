from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import model2vec
import numpy as np
import pytest
import sentence_transformers

import rowspace as rs
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.kinds import is_transformer
from rowspace.space import growing
from rowspace.static.sif import SIFEncoder
from rowspace.text import chunks
from rowspace.text.corpus import Corpus
from rowspace.transformer.extraction import open_extraction
from rowspace.transformer.load_encoder import load_encoder
from tests.program import RunMain
from tests.sentence import small_static
from tests.sentence.small_folders import write_sentence_encoder
from tests.transformer.small_encoders import SENTENCES, write_encoder, write_lines


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("model") / "bert", "bert")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(SENTENCES) + "\n")
    return path


def test_each_line_gets_a_vector_that_can_be_loaded(
    model: Path, text: Path, run_main: RunMain
) -> None:
    out = text.with_name("text.npy")
    ran = run_main("encode", model, text, "--out", out, "--dtype", "float32", "--json")
    told = json.loads(ran.out)
    assert (told["texts"], told["dim"], told["truncated"], told["empty"]) == (4, 48, 0, 0)
    assert told["texts_per_second"] > 0
    vectors = rs.load(out)
    assert vectors.index_to_key == [f"text.txt:{n}" for n in range(1, 5)]
    wanted = load_encoder(model).encode(SENTENCES)
    assert np.abs(vectors.matrix - wanted).max() < 1e-5
    assert {path.name for path in text.parent.iterdir()} == {
        "text.txt", "text.npy", "text.keys.txt"
    }  # fmt: skip
    assert "exists" in run_main("encode", model, text, "--out", out).error()


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    model: Path, tmp_path: Path, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 1000)
    monkeypatch.setattr(growing, "SAVE_SECONDS", 0.0)
    lines = write_lines(tmp_path / "text.txt")
    ran = run_main("encode", model, lines, "--out", tmp_path / "whole.npy")
    assert ran.err.count("\n") == 1
    assert "24 of 120 texts are longer than the model reads" in ran.err
    whole, calls = SentenceEncoder.encode, 0

    def stopping(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return whole(*arguments, **named)

    out = tmp_path / "out.npy"
    with monkeypatch.context() as patch:
        patch.setattr(SentenceEncoder, "encode", stopping)
        ran = run_main("encode", model, lines, "--out", out)
    assert (ran.code, ran.err) == (
        130, "rowspace: interrupted; add --resume to go on where it stopped\n"
    )  # fmt: skip
    assert not out.exists()
    assert run_main("encode", model, lines, "--out", out, "--resume").code == 0
    for name in ("npy", "keys.txt"):
        written = (tmp_path / f"out.{name}").read_bytes()
        assert written == (tmp_path / f"whole.{name}").read_bytes()


def test_words_get_vectors_where_they_occur(model: Path, text: Path, run_main: RunMain) -> None:
    out = text.with_name("bank.out")
    ran = run_main(
        "encode", model, text, "--words", "bank,River", "--out", out, "--layers", "-2,-1",
        "--mix", "concat", "--pooling", "first", "--store", "float16", "--json",
    )  # fmt: skip
    told = json.loads(ran.out)
    assert told["words"] == {"bank": 5, "river": 2}
    assert (told["rows"], told["texts"], told["read"], told["lost"]) == (7, 4, 3, 0)
    found = open_extraction(out)
    assert found.vectors.shape == (7, 96)
    assert found.vectors.dtype == np.float16
    ran = run_main("encode", model, text, "--every-word", "--out", text.with_name("all"))
    assert "numbers, of 20 words in 4 of 4 texts" in ran.out, ran


def test_stdin_is_read(model: Path, tmp_path: Path, run_main: RunMain) -> None:
    ran = run_main("encode", model, "-", "--out", tmp_path / "a.npy", stdin=b"a bank\na river\n")
    assert ran.code == 0, ran
    assert rs.load(tmp_path / "a.npy").index_to_key == ["stdin:1", "stdin:2"]


def test_word_vectors_give_weighted_averages(text: Path, run_main: RunMain) -> None:
    rows = np.random.default_rng(2).standard_normal((3, 8)).astype(np.float32)
    vectors = rs.Vectors(["the", "bank", "river"], rows)
    vectors.save(text.with_name("w.vec"))
    out = text.with_name("text.npy")
    assert run_main("encode", text.with_name("w.vec"), text, "--out", out).code == 0
    texts = [document.text for document in Corpus(text, "lines")]
    wanted = SIFEncoder.from_vectors(vectors, texts).encode(texts)
    assert np.abs(np.load(out) - wanted).max() < 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.bin"], "ends in .npy"),
        (["--out", "a.npy", "--words", "a", "--every-word"], "not both"),
        (["--out", "a.npy", "--layers", "1"], "--layers is for --words or --every-word"),
        (["--out", "a.npy", "--pooling", "last"], "--pooling is for --words or --every-word"),
        (["--out", "a", "--words", ","], "there are no words"),
        (["--out", "a", "--words", "bank", "--layers", "7"], "there is no layer 7"),
        (["--out", "a", "--words", "bank", "--layers", "x"], "which is no number"),
        (["--out", "a", "--words", "bank", "--layers", "--1"], "--layers has '--1', which is no"),
        (["--out", "a", "--words", "bank", "--mix", "0.5"], "there are 2 layers"),
        (["--out", "a", "--words", "zebra"], "none of the wanted words"),
    ],
)
def test_what_cannot_be_is_one_line(
    model: Path,
    text: Path,
    run_main: RunMain,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(text.parent)
    if "--mix" in arguments:
        arguments = [*arguments, "--layers", "0,1"]
    assert message in run_main("encode", model, text, *arguments).error()
    assert [path.name for path in text.parent.iterdir()] == ["text.txt"]


def test_word_vectors_have_no_occurrences(text: Path, run_main: RunMain) -> None:
    rs.Vectors(["a"], np.ones((1, 4), np.float32)).save(text.with_name("w.vec"))
    ran = run_main(
        "encode", text.with_name("w.vec"), text, "--words", "a", "--out", text.with_name("b")
    )
    assert "the same in every text; give a transformer" in ran.error()


def write_model2vec(folder: Path, vectors: rs.Vectors) -> Path:
    """A folder with the files and names of model2vec's `save_pretrained`."""
    folder.mkdir()
    vectors.save(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    return folder


def test_what_a_folder_holds_is_told_by_its_config(
    model: Path, text: Path, tmp_path: Path, run_main: RunMain
) -> None:
    vectors = rs.Vectors(["the", "bank"], np.eye(2, 4, dtype=np.float32))
    static = write_model2vec(tmp_path / "static", vectors)
    vectors.save(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text('{"model_type": "bert"}')
    assert is_transformer(str(model))
    for folder in (static, tmp_path / "saved", tmp_path / "nothing", tmp_path):
        assert not is_transformer(str(folder))
    ran = run_main("encode", static, text, "--words", "bank", "--out", tmp_path / "a")
    assert "static is no transformer, and word vectors are the same" in ran.error()
    assert run_main("encode", static, text, "--out", tmp_path / "a.npy").code == 0
    assert np.load(tmp_path / "a.npy").shape == (4, 4)
    assert "is a transformer" not in run_main("geometry", static, "--clusters", "none").err
    missing = tmp_path / "w.vec"
    ran = run_main("encode", missing, text, "--out", tmp_path / "b.npy")
    assert f"there is no path {missing}" in ran.error()


def test_speed_is_of_the_run_that_is_told(
    model: Path, tmp_path: Path, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that finds nothing left to read has read no texts, in however short a time."""
    monkeypatch.setattr(growing, "SAVE_SECONDS", 0.0)
    text, out = tmp_path / "text.txt", tmp_path / "out"
    text.write_text("a bank\nthe bank\n")
    with monkeypatch.context() as patch:
        patch.setattr(growing.GrowingFiles, "finish", interrupt)
        ran = run_main("encode", model, text, "--every-word", "--out", out)
    assert ran.code == 130
    ran = run_main("encode", model, text, "--every-word", "--out", out, "--resume", "--json")
    told = json.loads(ran.out)
    assert (told["texts"], told["texts_per_second"]) == (2, 0)


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_repeated_ids_get_a_number_and_are_told(
    model: Path, tmp_path: Path, run_main: RunMain
) -> None:
    path = tmp_path / "a.jsonl"
    ids = ["a", "b", "a", "a#2", "a"]
    path.write_text("".join(json.dumps({"_id": i, "text": "a bank"}) + "\n" for i in ids))
    ran = run_main("encode", model, path, "--out", tmp_path / "a.npy")
    assert "warning: 3 of 5 documents have the id of one before" in ran.err
    assert rs.load(tmp_path / "a.npy").index_to_key == ["a", "b", "a#2", "a#2#2", "a#3"]


# --- Sentence encoders ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that reads queries and documents with different prompts."""
    return write_sentence_encoder(tmp_path_factory.mktemp("model") / "asking")


@pytest.mark.parametrize(
    ("arguments", "before"),
    [
        (["--as", "query"], "a river: "),
        (["--as", "document"], "the bank: "),
        (["--prompt-name", "query"], "a river: "),
        (["--prompt", "muddy "], "muddy "),
        (["--prompt", ""], ""),
    ],
)
def test_a_prompt_is_read_before_each_text(
    asking: Path, text: Path, run_main: RunMain, arguments: list[str], before: str
) -> None:
    out = text.with_name("text.npy")
    ran = run_main("encode", asking, text, "--out", out, "--dtype", "float32", *arguments)
    assert (ran.code, ran.err) == (0, "")
    peer = sentence_transformers.SentenceTransformer(str(asking), device="cpu")
    wanted = peer.encode([before + sentence for sentence in SENTENCES], prompt="")
    assert np.abs(np.load(out) - wanted).max() < 1e-5


def test_a_model_with_two_prompts_wants_to_be_told(
    asking: Path, text: Path, run_main: RunMain
) -> None:
    ran = run_main("encode", asking, text, "--out", text.with_name("a.npy"))
    assert "reads queries with the prompt 'a river: ' and documents with" in ran.error()
    assert not text.with_name("a.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as", "query", "--prompt", "a"], "give --as, --prompt-name or --prompt, one of"),
        (["--prompt-name", "title"], "there is no prompt 'title'; the model has 'query', 'docu"),
        (["--as", "query", "--precision", "int8"], "the model has no ranges for it"),
        (["--as", "query", "--truncate-dim", "49"], "truncate_dim is 49, and vectors have 48"),
        (["--words", "bank", "--as", "query"], "--as is for vectors of whole texts"),
        (["--words", "bank", "--truncate-dim", "3"], "--truncate-dim is for vectors of whole"),
        (["--words", "bank", "--precision", "binary"], "vectors of words are written as float32"),
    ],
)
def test_what_a_sentence_encoder_cannot_do_is_one_line(
    asking: Path, text: Path, run_main: RunMain, arguments: list[str], message: str
) -> None:
    ran = run_main("encode", asking, text, "--out", text.with_name("a.npy"), *arguments)
    assert message in ran.error()
    assert [path.name for path in text.parent.iterdir()] == ["text.txt"]


def test_word_vectors_read_no_prompt(text: Path, run_main: RunMain) -> None:
    rs.Vectors(["a"], np.ones((1, 4), np.float32)).save(text.with_name("w.vec"))
    out = text.with_name("b.npy")
    ran = run_main("encode", text.with_name("w.vec"), text, "--out", out, "--as", "query")
    assert "--as is for encoders, and these are word vectors" in ran.error()


def test_vectors_are_written_in_fewer_bits(asking: Path, text: Path, run_main: RunMain) -> None:
    written = {}
    for precision in ("float32", "float16", "ubinary"):
        out = text.with_name(f"{precision}.npy")
        ran = run_main(
            "encode", asking, text, "--as", "document", "--precision", precision, "--out", out,
            "--truncate-dim", "16",
        )  # fmt: skip
        assert ran.code == 0, ran
        written[precision] = np.load(out)
    assert written["float16"].dtype == np.float16
    assert np.abs(written["float16"] - written["float32"]).max() < 1e-3
    assert np.abs(np.linalg.norm(written["float32"], axis=1) - 1).max() < 1e-6
    assert written["ubinary"].tolist() == np.packbits(written["float32"] > 0, axis=1).tolist()


def test_ranges_of_int8_are_the_models_own(
    asking: Path, tmp_path: Path, text: Path, run_main: RunMain
) -> None:
    encoder = rs.load_encoder(asking, dtype="float32")
    encoder.fit_ranges(SENTENCES, prompt="")
    encoder.save(tmp_path / "ranged")
    out = tmp_path / "a.npy"
    ran = run_main(
        "encode", tmp_path / "ranged", text, "--prompt", "", "--precision", "int8", "--out", out,
        "--dtype", "float32",
    )  # fmt: skip
    assert ran.code == 0, ran
    assert np.load(out).dtype == np.int8
    assert (np.load(out).min(axis=0) == -128).all()
    assert (np.load(out).max(axis=0) >= 126).all()


@pytest.mark.parametrize("choice", ["warn", "error", "chunk"])
def test_longer_texts_are_cut_refused_or_read_in_windows(
    asking: Path, tmp_path: Path, run_main: RunMain, choice: str
) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "a.npy"
    text.write_text("a bank\n" + "the river bank " * 60 + "\n")
    ran = run_main(
        "encode", asking, text, "--as", "query", "--on-truncate", choice, "--out", out
    )  # fmt: skip
    if choice == "error":
        assert "text.txt:2 is longer than the 64 tokens that the model reads" in ran.error()
        return
    assert ran.code == 0
    assert ran.err.count("1 of 2 texts are longer than the model reads") == (choice == "warn")
    assert ran.err.count("\n") == (choice == "warn")


def test_a_run_goes_on_with_the_same_prompt_only(
    asking: Path, text: Path, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = text.with_name("a.npy")
    arguments = ("encode", asking, text, "--out", out)
    with monkeypatch.context() as patch:
        patch.setattr(growing.GrowingFiles, "finish", interrupt)
        assert run_main(*arguments, "--as", "query").code == 130
    assert "settings" in run_main(*arguments, "--as", "document", "--resume").error()
    assert run_main(*arguments, "--as", "query", "--resume").code == 0


def test_a_static_embedder_encodes_texts(tmp_path: Path, text: Path, run_main: RunMain) -> None:
    vectors = model2vec.StaticModel(small_static.table(), small_static.tokenizer())
    vectors.save_pretrained(tmp_path / "static")
    out = tmp_path / "a.npy"
    text.write_text("The cat sat on the mat.\ndogs running\n")
    ran = run_main("encode", tmp_path / "static", text, "--out", out)
    assert (ran.code, ran.err) == (0, "")
    wanted = vectors.encode(["The cat sat on the mat.", "dogs running"])
    assert np.abs(np.load(out) - wanted).max() < 1e-6

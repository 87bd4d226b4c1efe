from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError, CorpusError, FormatError, RowspaceError, VocabularyError
from rowspace.space import growing
from rowspace.text import chunks
from rowspace.text.corpus import Corpus
from rowspace.transformer import extraction
from rowspace.transformer.contextual import ContextualEncoder, batches_of
from rowspace.transformer.extraction import extract, open_extraction
from rowspace.transformer.load_encoder import load_encoder
from rowspace.transformer.windows import Window
from tests.transformer.small_encoders import SENTENCES, write_encoder, write_lines

QUIET = pytest.mark.filterwarnings("ignore:.*the rest was not read")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ContextualEncoder:
    return load_encoder(write_encoder(tmp_path_factory.mktemp("model") / "bert", "bert"))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Chunks of some texts, in pieces of a few, and each chunk saved."""
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 500)
    monkeypatch.setattr(extraction, "_PIECE_BYTES", 48 * 4 * 7)
    monkeypatch.setattr(growing, "SAVE_SECONDS", 0.0)
    yield


def lines(path: Path) -> Corpus:
    return Corpus(path, "lines")


def sentences(folder: Path) -> Corpus:
    path = folder / "sentences.txt"
    path.write_text("\n".join(SENTENCES) + "\n")
    return lines(path)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def interrupt(monkeypatch: pytest.MonkeyPatch, encoder: ContextualEncoder, n: int) -> None:
    """Ctrl-C in the n-th call of the encoder."""
    whole, calls = encoder.vectors_at, 0

    def stopping(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == n:
            raise KeyboardInterrupt
        return whole(*arguments, **named)

    monkeypatch.setattr(encoder, "vectors_at", stopping)


def test_rows_are_the_vectors_of_each_word_in_its_text(
    tmp_path: Path, encoder: ContextualEncoder
) -> None:
    found = extract(encoder, sentences(tmp_path), tmp_path / "out", ["river bank", "bank"])
    places = [
        (number, match.start(), match.end(), word)
        for word in ("river bank", "bank")
        for number, text in enumerate(SENTENCES)
        for match in re.finditer(word, text, re.IGNORECASE)
    ]
    wanted = sorted(places)
    got = [
        (text_id, *span, found.words[word_id])
        for text_id, span, word_id in zip(
            found.text_ids.tolist(), found.spans.tolist(), found.word_ids.tolist(), strict=True
        )
    ]
    assert sorted(got) == wanted
    for row, (number, start, end, _) in enumerate(got):
        alone = encoder.contextual([SENTENCES[number]], spans=[(start, end)]).vectors[0]
        assert np.abs(found.vectors[row] - alone).max() < 1e-5
    assert found.rows_of("River  Bank").tolist() == [i for i, g in enumerate(got) if g[3] != "bank"]


@QUIET
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("mix", ["mean", "concat", "none", [0.25, 0.75]])
def test_every_word_of_many_chunks_is_what_the_encoder_says_of_all_at_once(
    tmp_path: Path, encoder: ContextualEncoder, mix: Any
) -> None:
    corpus = lines(write_lines(tmp_path / "text.txt", 40))
    texts = [document.text for document in corpus]
    found = extract(encoder, corpus, tmp_path / "out", layers=[0, 2], mix=mix)
    at_once = encoder.contextual(texts, layers=[0, 2], mix=mix)
    assert found.vectors.shape == at_once.vectors.shape
    assert np.abs(found.vectors - at_once.vectors).max() < 1e-5
    assert np.array_equal(found.text_ids, at_once.text_ids)
    assert np.array_equal(found.spans, at_once.spans)
    for text_id, (start, end), word_id in zip(
        found.text_ids, found.spans, found.word_ids, strict=True
    ):
        assert found.words[word_id] == texts[text_id][start:end].lower()
    assert found.report.n_truncated == at_once.n_truncated > 0
    n_words = sum(len(re.findall(r"\w+", text)) for text in texts)
    assert found.report.n_lost == n_words - len(at_once)


@QUIET
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("words", [["bank", "the river"], None])
@pytest.mark.parametrize("stop", [1, 2, 9])
def test_a_run_that_was_stopped_ends_with_the_same_bytes(
    tmp_path: Path,
    encoder: ContextualEncoder,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str] | None,
    stop: int,
) -> None:
    corpus = lines(write_lines(tmp_path / "text.txt"))
    extract(encoder, corpus, tmp_path / "whole", words, limit=30)
    with monkeypatch.context() as patch:
        interrupt(patch, encoder, stop)
        with pytest.raises(KeyboardInterrupt, match="add --resume"):
            extract(encoder, corpus, tmp_path / "out", words, limit=30)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="did not finish; add --resume"):
        extract(encoder, corpus, tmp_path / "out", words, limit=30)
    with pytest.raises(ConfigError, match="limit was 30, not 31"):
        extract(encoder, corpus, tmp_path / "out", words, limit=31, resume=True)
    extract(encoder, corpus, tmp_path / "out", words, limit=30, resume=True)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert not (tmp_path / "out.training").exists()


@QUIET
@pytest.mark.usefixtures("small_chunks")
def test_what_was_written_after_the_last_save_is_written_anew(
    tmp_path: Path, encoder: ContextualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = lines(write_lines(tmp_path / "text.txt"))
    extract(encoder, corpus, tmp_path / "whole", ["bank"])
    with monkeypatch.context() as patch:
        interrupt(patch, encoder, 9)
        with pytest.raises(KeyboardInterrupt):
            extract(encoder, corpus, tmp_path / "out", ["bank"])
    for name in ("vectors.npy", "spans.npy"):
        with (tmp_path / "out.training" / name).open("ab") as file:
            file.write(b"half a row")
    extract(encoder, corpus, tmp_path / "out", ["bank"], resume=True)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


@QUIET
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("step", range(4))
def test_a_kill_at_any_step_of_the_end_mixes_no_runs(
    tmp_path: Path, encoder: ContextualEncoder, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Before and between the removals of what a run went by, and the naming of the folder."""
    corpus = lines(write_lines(tmp_path / "text.txt", 20))
    extract(encoder, corpus, tmp_path / "whole", ["bank"])
    steps = 0

    def killing(whole: Any) -> Any:
        def step_of(path: Path, *arguments: Any, **named: Any) -> Any:
            nonlocal steps
            if path.name in ("settings.json", "files.json", "progress.json", "out.training"):
                if steps == step:
                    raise SystemExit
                steps += 1
            return whole(path, *arguments, **named)

        return step_of

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killing(Path.unlink))
        patch.setattr(Path, "rename", killing(Path.rename))
        with pytest.raises(SystemExit):
            extract(encoder, corpus, tmp_path / "out", ["bank"])
    if not (tmp_path / "out").exists():
        with pytest.raises(ConfigError, match="with other settings"):
            extract(encoder, corpus, tmp_path / "out", ["dog"], resume=True)
        extract(encoder, corpus, tmp_path / "out", ["bank"], resume=True)
    whole, found = files_of(tmp_path / "whole"), files_of(tmp_path / "out")
    assert {name: found[name] for name in whole} == whole
    assert open_extraction(tmp_path / "out").words == ["bank"]


@QUIET
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("on_truncate", ["chunk", "warn"])
def test_a_long_text_goes_through_in_shares(
    tmp_path: Path, encoder: ContextualEncoder, monkeypatch: pytest.MonkeyPatch, on_truncate: str
) -> None:
    text = " ".join(f"{sentence} {i}." for i, sentence in enumerate(SENTENCES * 10))
    path = tmp_path / "long.txt"
    path.write_text("a bank\n" + text + "\nthe dog\n")
    whole, sizes = encoder.vectors_at, []

    def noted(texts: Any, occurrences: Any, **named: Any) -> Any:
        sizes.append(len(occurrences))
        return whole(texts, occurrences, **named)

    monkeypatch.setattr(encoder, "vectors_at", noted)
    found = extract(encoder, lines(path), tmp_path / "out", on_truncate=on_truncate)
    assert max(sizes) <= 4 * 7
    texts = path.read_text().splitlines()
    at_once = encoder.contextual(texts, on_truncate=on_truncate)
    assert np.array_equal(found.text_ids, at_once.text_ids)
    assert np.array_equal(found.spans, at_once.spans)
    assert np.abs(found.vectors - at_once.vectors).max() < 1e-5
    assert (found.report.n_read, found.report.n_truncated) == (3, int(on_truncate == "warn"))


def test_numbers_that_are_none_name_the_layer(
    tmp_path: Path, encoder: ContextualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoder.vectors_at

    def broken(*arguments: Any, **named: Any) -> Any:
        kept, found = whole(*arguments, **named)
        found.vectors[1, 3] = np.nan
        return kept, found

    monkeypatch.setattr(encoder, "vectors_at", broken)
    with pytest.raises(ConfigError, match=r"the model's layer 1 gave a vector \(row 1\) with nan"):
        extract(encoder, sentences(tmp_path), tmp_path / "out", ["bank"], layers=1)


def test_arrays_are_mapped_and_can_be_halved(tmp_path: Path, encoder: ContextualEncoder) -> None:
    corpus = sentences(tmp_path)
    extract(encoder, corpus, tmp_path / "whole", ["bank"])
    half = extract(encoder, corpus, tmp_path / "half", ["bank"], dtype="float16")
    whole = open_extraction(tmp_path / "whole")
    assert isinstance(whole.vectors, np.memmap)
    assert [str(found.vectors.dtype) for found in (whole, half)] == ["float32", "float16"]
    assert np.array_equal(half.vectors, whole.vectors.astype(np.float16))
    assert whole.config["encoder"] == encoder.fingerprint
    assert whole.config["words"] == ["bank"]


def test_a_word_is_taken_so_many_times(tmp_path: Path, encoder: ContextualEncoder) -> None:
    corpus = sentences(tmp_path)
    every = extract(encoder, corpus, tmp_path / "every")
    two = extract(encoder, corpus, tmp_path / "two", limit=2)
    for word in every.words:
        assert np.array_equal(two.spans[two.rows_of(word)], every.spans[every.rows_of(word)][:2])


def test_empty_texts_are_counted_and_keep_their_number(
    tmp_path: Path, encoder: ContextualEncoder
) -> None:
    path = tmp_path / "a.jsonl"
    texts = ["a bank", " ", "", "the bank"]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    found = extract(encoder, path, tmp_path / "out", ["bank"])
    assert found.text_ids.tolist() == [0, 3]
    assert (found.report.n_empty, found.report.n_texts, found.report.n_rows) == (2, 2, 2)


@pytest.mark.usefixtures("small_chunks")
def test_cut_texts_are_told_once(tmp_path: Path, encoder: ContextualEncoder) -> None:
    path = tmp_path / "long.txt"
    path.write_text(("the dog ran " * 50 + "to the bank\n") * 5)
    with pytest.warns(UserWarning, match="5 of the 5 texts") as told:
        found = extract(encoder, lines(path), tmp_path / "cut", ["dog", "bank"])
    assert len(told) == 1
    assert found.report.n_truncated == 5
    assert found.report.n_lost == 5 * 51 - len(found)
    assert len(found.rows_of("bank")) == 0
    read = extract(encoder, lines(path), tmp_path / "read", ["dog", "bank"], on_truncate="chunk")
    assert (read.report.n_truncated, len(read)) == (0, 5 * 51)
    with pytest.raises(CorpusError, match=r"text long\.txt:1 has \d+ tokens, and the model reads"):
        extract(encoder, lines(path), tmp_path / "none", ["dog"], on_truncate="error")
    assert not (tmp_path / "none.training").exists()


@pytest.mark.parametrize(
    ("words", "settings", "error", "message"),
    [
        ([], {}, ConfigError, "there are no words"),
        ([" "], {}, ConfigError, "a word is empty"),
        ("bank", {}, ConfigError, "words is one string"),
        (["bank"], {"limit": 0}, ConfigError, "limit is 0"),
        (["bank"], {"layers": 9}, ConfigError, "there is no layer 9"),
        (["bank"], {"mix": "sum"}, ConfigError, "mix is 'sum'"),
        (["bank"], {"subword_pooling": "max"}, ConfigError, "subword_pooling is 'max'"),
        (["bank"], {"on_truncate": "cut"}, ConfigError, "on_truncate is 'cut'"),
        (["bank"], {"dtype": "int8"}, ConfigError, "dtype is 'int8'"),
        (["zebra"], {}, VocabularyError, "none of the wanted words could be read in 4 texts"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(
    tmp_path: Path,
    encoder: ContextualEncoder,
    words: Any,
    settings: dict[str, Any],
    error: type[RowspaceError],
    message: str,
) -> None:
    corpus = sentences(tmp_path)
    with pytest.raises(error, match=message) as raised:
        extract(encoder, corpus, tmp_path / "out", words, **settings)
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["sentences.txt"]


def test_a_text_of_nothing_is_an_error(tmp_path: Path, encoder: ContextualEncoder) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("\n\n")
    with pytest.raises(CorpusError, match="there is no text to read"):
        extract(encoder, lines(path), tmp_path / "out")


def test_batches_take_every_window_once_with_little_padding() -> None:
    lengths = np.random.default_rng(4).integers(0, 150, size=500).tolist()
    windows = [Window(i, 0, n, 0, np.zeros(n, np.int64)) for i, n in enumerate(lengths)]
    batches = [[len(window.ids) for window in batch] for batch in batches_of(windows, 2048)]
    assert sorted(n for batch in batches for n in batch) == sorted(lengths)
    padded = [len(batch) * max(batch) for batch in batches]
    assert max(padded) <= 2048
    assert sum(padded) < 1.1 * sum(lengths)
    assert len(batches) <= sum(lengths) / 512 + 1
    assert [len(batch) for batch in batches_of(windows, 1)].count(1) >= 490


def test_an_unknown_word_has_no_rows(tmp_path: Path, encoder: ContextualEncoder) -> None:
    found = extract(encoder, sentences(tmp_path), tmp_path / "out", ["bank"])
    with pytest.raises(VocabularyError, match="'river' is none of the 1 that were extracted"):
        found.rows_of("river")


@pytest.mark.parametrize("damage", ["words.json", "vectors.npy", "spans.npy"])
def test_a_damaged_folder_is_said(tmp_path: Path, encoder: ContextualEncoder, damage: str) -> None:
    extract(encoder, sentences(tmp_path), tmp_path / "out", ["bank"])
    path = tmp_path / "out" / damage
    path.write_bytes(path.read_bytes()[:-10] if damage.endswith(".npy") else b"[")
    with pytest.raises(FormatError, match="holds no whole extraction"):
        open_extraction(tmp_path / "out")

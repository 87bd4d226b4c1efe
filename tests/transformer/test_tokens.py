from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError, CorpusError, FormatError, VocabularyError
from rowspace.text.corpus import Corpus
from rowspace.transformer import tokens
from rowspace.transformer.documents import parts_of
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.tokens import TokenFile, load_tokens, prepare_tokens, write_tokens
from tests.data import shared_data

ANIMALS = ["the cat sat on the mat", "a dog ran after the cat", "naïve owls hoot 👍 at night"]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two hundred short documents, all different."""
    path = tmp_path / "animals.txt"
    path.write_text("".join(f"{ANIMALS[i % 3]} {i} times\n" for i in range(200)))
    return Corpus(path, "lines")


@pytest.fixture
def tokenizer(corpus: Corpus) -> SubwordTokenizer:
    return SubwordTokenizer.train(corpus, vocab_size=300)


def texts_of(file: TokenFile, tokenizer: SubwordTokenizer) -> list[str]:
    """The documents in a file."""
    assert tokenizer.end_id is not None
    text = tokenizer.decode(file.open())
    return text.removesuffix("<|endoftext|>").split("<|endoftext|>") if text else []


def test_each_document_ends_with_the_end_token(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    file = write_tokens(corpus, tokenizer, tmp_path / "all.ids")
    wanted = [
        token_id
        for document in corpus
        for token_id in [*tokenizer.encode(document.text), tokenizer.end_id]
    ]
    assert file.open().tolist() == wanted
    assert file.open().dtype == np.uint16
    assert file.n_tokens == len(wanted)
    assert file.n_documents == 200
    texts = [document.text for document in corpus]
    assert file.n_bytes == len("".join(texts).encode())
    assert file.n_words == sum(len(text.split()) for text in texts)
    assert file.tokenizer == tokenizer.fingerprint


def test_counts_are_how_often_each_token_occurs(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_BLOCK_IDS", 100)
    file = write_tokens(corpus, tokenizer, tmp_path / "all.ids")
    ids = file.open().tolist()
    counts = file.counts()
    assert counts.shape == (tokenizer.vocab_size,)
    assert counts.tolist() == [ids.count(token_id) for token_id in range(tokenizer.vocab_size)]
    assert counts[tokenizer.end_id] == 200


def test_a_long_text_has_the_same_ids_in_pieces(tmp_path: Path) -> None:
    path = shared_data("lm", "wikitext2.valid.txt")
    tokenizer = SubwordTokenizer.load(shared_data("tokenizer", "gpt2"))
    file = write_tokens(Corpus(path), tokenizer, tmp_path / "wiki.ids")
    (document,) = Corpus(path)
    assert file.open().tolist() == [*tokenizer.encode_documents([document.text])[0], 50256]
    assert file.n_words == len(document.text.split())
    assert file.n_bytes == len(document.text.encode())


def test_a_large_vocabulary_takes_four_bytes_an_id(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(["[UNK]", *map(str, range(70_000))]))
    (tmp_path / "text.txt").write_text("69999 5")
    tokenizer = SubwordTokenizer.load(tmp_path / "vocab.txt")
    file = write_tokens(Corpus(tmp_path / "text.txt"), tokenizer, tmp_path / "all.ids")
    assert file.open().dtype == np.uint32
    assert file.open().tolist() == [70_000, 6]


def test_losses_are_told_per_byte_and_per_word() -> None:
    # 40 tokens of ln 2 nats are 40 bits: over 80 bytes 0.5; over 10 words 4 each, 2⁴ = 16
    file = TokenFile(Path("x"), 40, 1, 80, 10, 256, "")
    assert file.bits_per_byte(math.log(2)) == pytest.approx(0.5)
    assert file.word_perplexity(math.log(2)) == pytest.approx(16)


# What is held out


def test_held_out_documents_are_not_trained_on(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    train, held_out = prepare_tokens(corpus, tokenizer, tmp_path / "tokens", 0.2)
    trained, other = texts_of(train, tokenizer), texts_of(held_out, tokenizer)
    assert not set(trained) & set(other)
    assert sorted(trained + other) == sorted(document.text for document in corpus)
    assert (train.n_documents, held_out.n_documents) == (len(trained), len(other))
    assert 0.1 < held_out.n_bytes / (train.n_bytes + held_out.n_bytes) < 0.3
    for file, texts in ((train, trained), (held_out, other)):
        assert file.n_bytes == len("".join(texts).encode())
        assert file.n_words == sum(len(text.split()) for text in texts)
    described = json.loads((tmp_path / "tokens" / "tokens.json").read_text())
    assert described["held_out_is"] == "documents"


def test_held_out_documents_lie_all_over_the_corpus(tmp_path: Path) -> None:
    for i in range(60):
        (tmp_path / f"{i:02d}.txt").write_text(f"document {i} " + "word " * 400)
    tokenizer = SubwordTokenizer.train(Corpus(tmp_path), vocab_size=300)
    _, held_out = prepare_tokens(Corpus(tmp_path), tokenizer, tmp_path / "tokens", 0.05)
    numbers = [int(text.split()[1]) for text in texts_of(held_out, tokenizer)]
    assert numbers == [9, 29, 49]  # of each twenty, the one by which half a document is owed


def test_of_a_single_document_the_end_is_held_out(tmp_path: Path) -> None:
    path = shared_data("lm", "tinyshakespeare.txt")
    tokenizer = SubwordTokenizer.train(Corpus(path), "characters")
    train, held_out = prepare_tokens(Corpus(path), tokenizer, tmp_path, 0.1)
    text = path.read_text()
    assert tokenizer.decode([*train.open(), *held_out.open()]) == text + "<|endoftext|>"
    assert held_out.n_bytes == pytest.approx(0.1 * len(text), abs=1500)
    assert (train.n_documents, held_out.n_documents) == (1, 0)
    assert train.n_bytes + held_out.n_bytes == len(text)
    assert train.n_words + held_out.n_words == len(text.split())
    assert json.loads((tmp_path / "tokens.json").read_text())["held_out_is"] == "end"


@pytest.mark.parametrize("documents", ["file", "lines"])
def test_every_tokenizer_has_the_same_text_held_out(documents: str, tmp_path: Path) -> None:
    corpus = Corpus(shared_data("lm", "wikitext2.valid.txt"), documents)
    sizes = set()
    for name in ("gpt2", "bert-base-uncased-vocab.txt"):
        tokenizer = SubwordTokenizer.load(shared_data("tokenizer", name))
        files = prepare_tokens(corpus, tokenizer, tmp_path / name)
        sizes.add(tuple((file.n_bytes, file.n_words, file.n_documents) for file in files))
    assert len(sizes) == 1


def test_nothing_is_held_out_where_nothing_is_asked_for(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    train, held_out = prepare_tokens(corpus, tokenizer, tmp_path / "tokens", 0)
    assert (train.n_documents, held_out.n_documents) == (200, 0)
    assert len(held_out.open()) == held_out.n_tokens == 0
    assert held_out.counts().sum() == 0


def test_a_share_that_cannot_be_is_refused(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"held_out is 0.6; give a share from 0 \(none\) to 0.5"):
        prepare_tokens(corpus, tokenizer, tmp_path, 0.6)
    (tmp_path / "short.txt").write_text("so short")
    with pytest.raises(CorpusError, match="the text is one piece of 8 bytes, which leaves nothing"):
        prepare_tokens(Corpus(tmp_path / "short.txt"), tokenizer, tmp_path)


# What a document is


def test_a_file_in_parts_is_one_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowspace.text.corpus.PART_BYTES", 10)
    (tmp_path / "a.txt").write_text("one two\nthree four\nfive\n")
    (tmp_path / "b.txt").write_text("six\n")
    parts = list(parts_of(Corpus(tmp_path)))
    assert len(parts) > 3
    assert "".join(part.text for part in parts) == "one two\nthree four\nfive\nsix\n"
    assert [part.text for part in parts if part.starts][1] == "six\n"
    assert sum(part.starts for part in parts) == sum(part.ends for part in parts) == 2


def test_a_title_in_the_text_is_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "blocks.txt").write_text("Cats\nsit.\n\nDogs\nrun.\n")
    blocks = parts_of(Corpus(tmp_path / "blocks.txt", "blocks"))
    assert [part.text for part in blocks] == ["Cats\nsit.", "Dogs\nrun."]
    (tmp_path / "a.jsonl").write_text('{"title": "Cats", "text": "sit."}\n{"text": "Dogs run."}\n')
    lines = list(parts_of(Corpus(tmp_path / "a.jsonl")))
    assert [part.text for part in lines] == ["Cats\nsit.", "Dogs run."]
    assert all(part.starts and part.ends for part in lines)
    (file,) = parts_of(Corpus(tmp_path / "blocks.txt"))
    assert file.text.startswith("Cats\nsit.")  # the name of a file is no title


# The files


def test_what_has_not_changed_is_used_again(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    folder = tmp_path / "tokens"
    first = prepare_tokens(corpus, tokenizer, folder, 0.2)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(before) == {"train.ids", "held_out.ids", "tokens.json"}
    assert prepare_tokens(corpus, tokenizer, folder, 0.2) == first == load_tokens(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_what_has_changed_is_made_anew(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    folder = tmp_path / "tokens"
    train, _ = prepare_tokens(corpus, tokenizer, folder, 0.2)
    smaller, _ = prepare_tokens(corpus, tokenizer, folder, 0.4)
    assert smaller.n_tokens < train.n_tokens
    other = SubwordTokenizer.train(corpus, "characters")
    assert prepare_tokens(corpus, other, folder, 0.4)[0].tokenizer == other.fingerprint
    with (tmp_path / "animals.txt").open("a") as file:
        file.write("a new line\n")
    longer = prepare_tokens(corpus, other, folder, 0.4)
    assert sum(file.n_documents for file in longer) == 201


@pytest.mark.parametrize("damage", ["cut", "gone", "no json"])
def test_what_is_damaged_is_made_anew(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path, damage: str
) -> None:
    first = prepare_tokens(corpus, tokenizer, tmp_path / "tokens")
    ids = first[0].open().copy()
    if damage == "cut":
        os.truncate(first[0].path, 10)
        message = "train.ids has 10 bytes and not"
    elif damage == "gone":
        first[0].path.unlink()
        message = "train.ids is not there"
    else:
        (tmp_path / "tokens" / "tokens.json").write_text("{}")
        message = "tokens.json is damaged"
    with pytest.raises(FormatError, match=message):
        load_tokens(tmp_path / "tokens")
    assert prepare_tokens(corpus, tokenizer, tmp_path / "tokens") == first
    assert np.array_equal(first[0].open(), ids)


def test_a_run_that_was_stopped_leaves_no_tokens_and_the_next_makes_them(
    corpus: Corpus,
    tokenizer: SubwordTokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "_BATCH_CHUNKS", 10)
    wanted = prepare_tokens(corpus, tokenizer, tmp_path / "whole")[0].open().tolist()
    folder = tmp_path / "tokens"
    original = SubwordTokenizer.encode_documents
    calls: Iterator[int] = iter(range(100))

    def stopping(self: SubwordTokenizer, texts: Any) -> list[list[int]]:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return original(self, texts)

    with monkeypatch.context() as patch:
        patch.setattr(SubwordTokenizer, "encode_documents", stopping)
        with pytest.raises(KeyboardInterrupt):
            prepare_tokens(corpus, tokenizer, folder)
    assert list(folder.iterdir()) == []
    (folder / ".train.ids.partial").write_bytes(b"what a killed run left")
    train, _ = prepare_tokens(corpus, tokenizer, folder)
    assert train.open().tolist() == wanted
    assert not (folder / ".train.ids.partial").exists()


def test_tokens_in_use_stay_as_they_are_when_others_are_made(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    ids = prepare_tokens(corpus, tokenizer, tmp_path / "tokens", 0.2)[0].open()
    before = ids.tolist()
    prepare_tokens(corpus, tokenizer, tmp_path / "tokens", 0.4)
    assert ids.tolist() == before


def test_an_empty_corpus_has_no_tokens(tokenizer: SubwordTokenizer, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(CorpusError, match="the corpus has no text in it; give some"):
        write_tokens(Corpus(tmp_path / "empty.txt"), tokenizer, tmp_path / "all.ids")


def test_a_character_that_is_unknown_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc")
    (tmp_path / "b.txt").write_text("abcd")
    tokenizer = SubwordTokenizer.train(Corpus(tmp_path / "a.txt"), "characters")
    with pytest.raises(VocabularyError, match="the character 'd' is not among the 4 tokens"):
        write_tokens(Corpus(tmp_path / "b.txt"), tokenizer, tmp_path / "all.ids")


def test_tokens_that_were_never_made_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"there is no .*tokens.json; make the tokens first"):
        load_tokens(tmp_path)

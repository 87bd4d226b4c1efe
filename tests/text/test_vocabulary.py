from __future__ import annotations

import functools
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from gensim.models import Word2Vec as GensimWord2Vec
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError, CorpusError, FormatError, VocabularyError
from rowspace.text import corpus as corpus_module
from rowspace.text import vocabulary as vocabulary_module
from rowspace.text.corpus import Corpus
from rowspace.text.streams import read_blocks
from rowspace.text.tokenizer import fold_table
from rowspace.text.vocabulary import (
    SENTENCE_END,
    TokenIds,
    Vocabulary,
    VocabularyConfig,
    load_scan,
    save_scan,
    scan_corpus,
    scan_sequences,
)
from rowspace.text.wordtable import WordTable
from tests.naive import naive_clean, naive_words

ALPHABET = (
    "aabbZé9_ -'.\t\n\n\rİßΣ東京か\u3099\u1100\u1161\u0301\u0345\ufeff😀𝒳𠀀\u2028\x85\u3000\u212b"
)
TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from(ALPHABET), st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    ),
    max_size=80,
)
EVERY_WORD = VocabularyConfig(min_count=1)
EVERY_TOKEN = VocabularyConfig(min_count=1, tokenizer="whitespace")


def _scan(
    *texts: str | bytes, config: VocabularyConfig = EVERY_WORD, n_threads: int = 1
) -> tuple[Vocabulary, list[list[str]]]:
    """The vocabulary of files with these texts, and the sentences that the ids spell."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / f"{i}.txt" for i in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        vocabulary, ids = scan_corpus(Corpus(paths), folder, config, n_threads)
        return vocabulary, _sentences(vocabulary, ids)


def _sentences(vocabulary: Vocabulary, ids: TokenIds) -> list[list[str]]:
    sentences: list[list[str]] = [[]]
    for token_id in ids.open():
        if token_id == SENTENCE_END:
            sentences.append([])
        else:
            sentences[-1].append(vocabulary.words[token_id])
    assert sentences.pop() == []  # the last one is ended too
    return sentences


def _small_blocks(monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    def read(file: object, _: int = 0) -> Iterator[bytes]:
        return read_blocks(file, block_bytes)  # type: ignore[arg-type]

    monkeypatch.setattr(corpus_module, "read_blocks", read)


def _check(texts: Sequence[str], tokenizer: str, n_threads: int) -> None:
    split = naive_words if tokenizer == "words" else str.split
    lines = [line for text in texts for line in naive_clean(text).split("\n")]
    expected = [line for line in map(split, lines) if line]
    counts = Counter(word for line in expected for word in line)
    config = VocabularyConfig(min_count=1, tokenizer=tokenizer)
    if not counts:
        with pytest.raises(CorpusError, match="the corpus has no word in it; give some text"):
            _scan(*texts, config=config, n_threads=n_threads)
        return
    vocabulary, sentences = _scan(*texts, config=config, n_threads=n_threads)
    assert dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)) == counts
    assert vocabulary.words == sorted(counts, key=lambda word: (-counts[word], word.encode()))
    assert (vocabulary.n_tokens, vocabulary.n_distinct) == (counts.total(), len(counts))
    assert sentences == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(1, 3))
def test_the_scan_counts_the_words_of_each_line(texts: list[str], n_threads: int) -> None:
    _check(texts, "words", n_threads)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(1, 3))
def test_the_scan_counts_what_stands_between_spaces(texts: list[str], n_threads: int) -> None:
    _check(texts, "whitespace", n_threads)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["a", "bé", "東", "e\u0301f", "LONG_word"]), max_size=5)),
    st.integers(20, 60),
    st.integers(1, 4),
    st.sampled_from(["\n", "\r\n"]),
)
def test_small_blocks_and_many_threads_give_the_same_scan(
    lines: list[list[str]], block_bytes: int, n_threads: int, line_end: str
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        _small_blocks(monkeypatch, block_bytes)
        text = line_end.join(" ".join(line) for line in lines)
        _check([text, text], "words", n_threads)
        _check([text, text], "whitespace", n_threads)


def test_a_file_ends_its_sentence_even_without_a_line_end() -> None:
    assert _scan("a b", "c d")[1] == [["a", "b"], ["c", "d"]]


def test_a_byte_order_mark_is_not_part_of_a_word() -> None:
    assert _scan("\ufeffthe cat", config=EVERY_TOKEN)[1] == [["the", "cat"]]


def test_sentence_ends_survive_the_rewriting_of_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a b c\nrare a\nb\nscarce\nc c\n" * 2
    text = text.replace("rare", "once", 1).replace("scarce", "ever", 1)
    config = VocabularyConfig(min_count=2)
    expected = [["a", "b", "c"], ["a"], ["b"], ["c", "c"]] * 2
    for n_ids in range(1, 9):
        monkeypatch.setattr(vocabulary_module, "_REMAP_IDS", n_ids)
        assert _scan(text, config=config)[1] == expected


def test_tables_grow_for_many_words_and_for_long_ones() -> None:
    names = [f"word{i}" for i in range(70_000)]
    long = ["x" * 900_000 + "y", "z" * 700_000, "x" * 900_000 + "w"]
    text = " ".join([*names, *long, *names[::3]]) + "\n"
    for n_threads in (1, 2):
        vocabulary, sentences = _scan(text, config=EVERY_TOKEN, n_threads=n_threads)
        assert vocabulary.n_distinct == 70_003
        assert set(vocabulary.words[: len(names[::3])]) == set(names[::3])
        assert vocabulary.counts.tolist() == [2] * len(names[::3]) + [1] * (
            70_003 - len(names[::3])
        )
        assert sentences == [text.split()]


def test_merging_tables_adds_counts_and_maps_words() -> None:
    first, second = (WordTable(fold_table("words"), n_slots=4, n_bytes=16) for _ in range(2))
    first.scan(np.frombuffer(b"one two two\nthree", dtype=np.uint8))
    second.scan(np.frombuffer("four two\none 東 four five six seven".encode(), dtype=np.uint8))
    mapping = first.merge(second)
    names = first.words(np.arange(first.n_words))
    counts = {name.decode(): int(n) for name, n in zip(names, first.counts, strict=False)}
    assert counts == {
        "one": 2,
        "two": 3,
        "three": 1,
        "four": 2,
        "five": 1,
        "six": 1,
        "seven": 1,
        "東": 1,
    }
    assert first.words(mapping.astype(np.int64)) == second.words(np.arange(second.n_words))


def test_words_that_share_their_last_bytes_and_length_are_different() -> None:
    words = ["a_same_tail", "b_same_tail", "ab_same_tail", "same_tail", "_same_tail"]
    vocabulary, _ = _scan(" ".join(words))
    assert vocabulary.words == sorted(words, key=str.encode)


def test_counts_are_those_of_gensim(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    lines = [
        [f"wörd{int(i)}" for i in generator.zipf(1.5, size=12).clip(max=400)] for _ in range(300)
    ]
    theirs = GensimWord2Vec(min_count=3, vector_size=1)
    theirs.build_vocab(lines)
    ours, _ = _scan(
        "\n".join(map(" ".join, lines)),
        config=VocabularyConfig(min_count=3, tokenizer="whitespace"),
        n_threads=2,
    )
    assert dict(zip(ours.words, ours.counts.tolist(), strict=True)) == {
        word: theirs.wv.get_vecattr(word, "count") for word in theirs.wv.index_to_key
    }


def test_rare_words_are_left_out_but_counted() -> None:
    vocabulary, sentences = _scan("a a a b b c\nc\nd a", config=VocabularyConfig(min_count=2))
    assert vocabulary.words == ["a", "b", "c"]
    assert vocabulary.counts.tolist() == [4, 2, 2]
    assert (vocabulary.n_tokens, vocabulary.n_distinct) == (9, 4)
    assert sentences == [["a", "a", "a", "b", "b", "c"], ["c"], ["a"]]


def test_max_words_keeps_the_most_frequent_and_among_equals_the_first_by_bytes() -> None:
    text = "z z é é b b a"
    assert _scan(text, config=VocabularyConfig(min_count=1, max_words=2))[0].words == ["b", "z"]


def test_keep_word_sees_words_and_counts_and_leaves_words_out() -> None:
    seen: dict[str, int] = {}

    def keep(word: str, count: int) -> bool:
        seen[word] = count
        return word != "the"

    config = VocabularyConfig(min_count=2, max_words=2, keep_word=keep)
    vocabulary, sentences = _scan("the the the Mat mat cat cat cat rare hat hat", config=config)
    assert seen == {"the": 3, "mat": 2, "cat": 3, "hat": 2}
    assert vocabulary.words == ["cat", "hat"]
    assert sentences == [["cat", "cat", "cat", "hat", "hat"]]


def test_a_corpus_with_no_frequent_word_says_how_many_tokens_it_has() -> None:
    with pytest.raises(VocabularyError, match="no word occurs 5 times in 1,200 tokens; lower min"):
        _scan(" ".join(f"w{i}" for i in range(1200)), config=VocabularyConfig())


@given(data=st.binary(max_size=40), before=st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_the_byte_that_is_not_utf8_is_named_exactly(data: bytes, before: int) -> None:
    text = b"ab \n" * before + data.replace(b"\0", b"x") + b" end"
    try:
        text.decode()
    except UnicodeDecodeError as error:
        message = rf"0.txt is not utf-8 at byte {error.start:,} \(0x{text[error.start]:02x}\); give"
        with pytest.MonkeyPatch.context() as monkeypatch:
            _small_blocks(monkeypatch, 64)
            with pytest.raises(CorpusError, match=message):
                _scan(text)
    else:
        _check([text.decode()], "words", 1)


@pytest.mark.parametrize("composed", ["", "e\u0301 "])
def test_the_byte_that_is_not_utf8_is_found_in_a_later_block(
    monkeypatch: pytest.MonkeyPatch, composed: str
) -> None:
    _small_blocks(monkeypatch, 1000)
    text = b"ok \xc3\xa9 " * 2000 + composed.encode() + b"\xff" + b" word" * 500
    message = rf"0.txt is not utf-8 at byte {text.index(0xFF):,} \(0xff\).*--errors replace"
    for n_threads in (1, 3):
        with pytest.raises(CorpusError, match=message):
            _scan(text, n_threads=n_threads)


def test_a_zero_byte_makes_a_file_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    _small_blocks(monkeypatch, 100)
    with pytest.raises(CorpusError, match=r"0.txt is a binary file \(a zero byte at 2,500\)"):
        _scan(b"word " * 500 + b"\0")


def test_a_failed_scan_leaves_no_file_and_no_thread(tmp_path: Path) -> None:
    n_threads = threading.active_count()
    (tmp_path / "a.txt").write_bytes(b"a b c \xff")
    with pytest.raises(CorpusError):
        scan_corpus(Corpus(tmp_path / "a.txt"), tmp_path, EVERY_WORD, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert threading.active_count() == n_threads


def test_jsonl_titles_and_texts_are_scanned(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"title": "Big Cats", "text": "One lion.\\nTwo e\\u0301."}\n{"text": "three", "x": "no"}\n'
    )
    found = _sentences(*scan_corpus(Corpus(tmp_path), tmp_path, EVERY_WORD))
    assert found == [
        ["big", "cats"],
        ["one", "lion"],
        ["two", "é"],
        ["three"],
    ]


def test_other_encodings_are_scanned_as_text(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16", "UTF_8"):
        (tmp_path / "a.txt").write_bytes("Café\nÉté".encode(encoding))
        corpus = Corpus(tmp_path / "a.txt", encoding=encoding)
        assert _sentences(*scan_corpus(corpus, tmp_path, EVERY_WORD)) == [["café"], ["été"]]


def test_replaced_bytes_separate_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\xfftwo")
    corpus = Corpus(tmp_path / "a.txt", errors="replace")
    assert _sentences(*scan_corpus(corpus, tmp_path, EVERY_WORD)) == [["one", "two"]]


@given(st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1))
@settings(max_examples=50, deadline=None)
def test_sequences_of_items_give_back_their_names(sequences: list[list[int]]) -> None:
    counts = Counter(str(item) for sequence in sequences for item in sequence)
    with tempfile.TemporaryDirectory() as name:
        scan = functools.partial(scan_sequences, iter(sequences), Path(name), EVERY_WORD)
        if not counts:
            with pytest.raises(CorpusError, match="the corpus has no word in it"):
                scan()
            return
        vocabulary, ids = scan()
        assert dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)) == counts
        assert _sentences(vocabulary, ids) == [list(map(str, s)) for s in sequences if s]


def test_a_string_is_no_sequence_and_items_must_differ_in_name(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="a sequence is the string 'a b c'; give lists of items"):
        scan_sequences(["a b c"], tmp_path, EVERY_WORD)
    with pytest.raises(CorpusError, match="has half a character; give whole ones"):
        scan_sequences([["a", "\ud800"]], tmp_path, EVERY_WORD)
    with pytest.raises(CorpusError, match="two different items have the same str"):
        scan_sequences([[1, "1"]], tmp_path, EVERY_WORD)


def test_a_saved_scan_comes_back(tmp_path: Path) -> None:
    vocabulary, ids = scan_sequences([["é", "b", "é"], ["\udc80"]], tmp_path, EVERY_WORD)
    save_scan(tmp_path / "vocabulary.json", vocabulary, ids)
    loaded, loaded_ids = load_scan(tmp_path / "vocabulary.json")
    assert (loaded.words, loaded.counts.tolist()) == (vocabulary.words, vocabulary.counts.tolist())
    assert (loaded.n_tokens, loaded.n_distinct) == (4, 3)
    np.testing.assert_array_equal(loaded_ids.open(), ids.open())


def test_a_damaged_scan_says_what_to_remove(tmp_path: Path) -> None:
    save_scan(tmp_path / "v.json", *scan_sequences([["a", "b"]], tmp_path, EVERY_WORD))
    (tmp_path / "ids.i32").write_bytes(b"1234")
    with pytest.raises(FormatError, match=r"ids.i32 is cut short; remove .* to start anew"):
        load_scan(tmp_path / "v.json")
    for damaged in ("{", "[]", "{}", ""):
        (tmp_path / "v.json").write_text(damaged)
        with pytest.raises(FormatError, match=r"is damaged \(.*\); remove it to start anew"):
            load_scan(tmp_path / "v.json")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"min_count": 0}, "min_count is 0; give 1 or more"),
        ({"max_words": 0}, "max_words is 0; give 1 or more"),
        ({"tokenizer": "bpe"}, "tokenizer is 'bpe'; give one of words, whitespace"),
    ],
)
def test_a_vocabulary_setting_that_cannot_work_is_named(
    setting: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        VocabularyConfig(**setting)  # type: ignore[arg-type]

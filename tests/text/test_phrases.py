"""Phrases against a slow version and gensim's."""

from __future__ import annotations

import io
import json
import lzma
import re
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS
from gensim.models.phrases import Phrases as GensimPhrases
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError, FormatError
from rowspace.text import pairs as pairs_module
from rowspace.text import phrases as phrases_module
from rowspace.text.corpus import Corpus
from rowspace.text.pairs import PairCounts, PairKeys
from rowspace.text.phrases import (
    ENGLISH_CONNECTORS,
    Phrase,
    Phrases,
    PhrasesConfig,
    connectors_of,
    join_phrases,
    write_text,
)
from rowspace.text.vocabulary import (
    SENTENCE_END,
    TokenIds,
    Vocabulary,
    VocabularyConfig,
    scan_corpus,
    scan_sequences,
)
from tests.naive_phrases import naive_find, naive_join

BOOKS = Path(__file__).resolve().parents[2] / "examples" / "gutenberg" / "books.txt.xz"
EVERY_WORD = VocabularyConfig(min_count=1)
SENTENCES = st.lists(st.lists(st.sampled_from("abcdofxy"), max_size=12), min_size=1, max_size=12)


def _sentences(vocabulary: Vocabulary, ids: TokenIds) -> list[list[str]]:
    """What the ids spell."""
    sentences: list[list[str]] = [[]]
    for token_id in ids.open().tolist():
        if token_id == SENTENCE_END:
            sentences.append([])
        else:
            sentences[-1].append(vocabulary.words[token_id])
    return [sentence for sentence in sentences if sentence]


def _join(
    sentences: Sequence[Sequence[str]],
    config: PhrasesConfig,
    words: VocabularyConfig = EVERY_WORD,
    n_threads: int = 1,
) -> tuple[Vocabulary, list[list[str]], Phrases]:
    with tempfile.TemporaryDirectory() as name:
        scanned = scan_sequences(sentences, Path(name), words, keep_rare=True)
        vocabulary, ids, phrases = join_phrases(*scanned, config, words, n_threads)
        return vocabulary, _sentences(vocabulary, ids), phrases


@settings(max_examples=150, deadline=None)
@given(
    sentences=SENTENCES,
    score=st.sampled_from(["original", "word2phrase", "npmi"]),
    threshold=st.sampled_from([0.01, 0.2, 0.5, 1.0]),
    min_count=st.integers(1, 3),
    connectors=st.sampled_from([(), ("o",), ("o", "f"), ("f", "o", "x")]),
    passes=st.integers(1, 3),
    min_word_count=st.integers(1, 3),
    block_ids=st.integers(1, 20),
    n_threads=st.integers(1, 3),
)
def test_phrases_are_found_and_joined_as_the_slow_version_does(
    sentences: list[list[str]], score: str, threshold: float, min_count: int,
    connectors: tuple[str, ...], passes: int, min_word_count: int, block_ids: int, n_threads: int,
) -> None:  # fmt: skip
    words = Counter(word for sentence in sentences for word in sentence)
    if not any(count >= min_word_count for count in words.values()):
        return
    # A rare connector is a rare word, and no more a connector.
    connectors = tuple(word for word in connectors if words[word] >= min_word_count)
    # A joined word that is too rare loses its name, so that a later pass may make it again.
    passes = passes if min_word_count == 1 else 1
    config = PhrasesConfig(
        passes=passes, score=score, threshold=threshold, min_count=min_count, connectors=connectors
    )
    expected: list[list[str]] = sentences
    found = []
    for _ in range(passes):
        found.append(
            naive_find(
                expected, score=score, threshold=threshold, min_count=min_count,
                connectors=connectors, min_word_count=min_word_count,
            )
        )  # fmt: skip
        expected = [naive_join(sentence, found[-1], connectors) for sentence in expected]
    counts = Counter(word for sentence in expected for word in sentence)
    kept = {word: count for word, count in counts.items() if count >= min_word_count}
    if not kept:
        return
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(pairs_module, "_BLOCK_IDS", block_ids)
        monkeypatch.setattr(pairs_module, "_PART_BITS", (1, 3))
        monkeypatch.setattr(phrases_module, "_BLOCK_IDS", block_ids)
        vocabulary, joined, phrases = _join(
            sentences, config, VocabularyConfig(min_count=min_word_count), n_threads
        )
    for ours, theirs in zip(phrases.passes, found, strict=False):
        assert {phrase.parts: phrase.count for phrase in ours} == {
            parts: count for parts, (count, _) in theirs.items()
        }
        for phrase in ours:
            assert phrase.score == pytest.approx(theirs[phrase.parts][1], rel=1e-9)
        assert [phrase.score for phrase in ours] == sorted([p.score for p in ours], reverse=True)
    assert not any(found[len(phrases.passes) :])  # none is left out, once one finds nothing
    assert dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)) == kept
    assert (vocabulary.n_tokens, vocabulary.n_distinct) == (counts.total(), len(counts))
    expected = [[word for word in sentence if word in kept] for sentence in expected]
    assert joined == [sentence for sentence in expected if sentence]


@pytest.fixture(scope="module")
def book_lines() -> list[list[str]]:
    with lzma.open(BOOKS, "rt", encoding="utf-8") as file:
        lines = [re.findall(r"[^\W_]+", line.lower()) for line in file.read().split("\n")]
    return [line for line in lines if line][:3_000]


@pytest.mark.parametrize("connectors", [(), ENGLISH_CONNECTORS])
@pytest.mark.parametrize(("score", "threshold"), [("original", 10.0), ("npmi", 0.4)])
def test_phrases_of_books_are_those_of_gensim(
    book_lines: list[list[str]], connectors: tuple[str, ...], score: str, threshold: float
) -> None:
    config = PhrasesConfig(score=score, threshold=threshold, connectors=connectors, passes=2)
    _, joined, phrases = _join(book_lines, config, n_threads=2)
    expected: dict[str, float] = {}
    lines = book_lines
    # Their keys are joined texts; with another sign in the second pass, a+b_c is not a_b+c.
    for delimiter in "_+":
        theirs = GensimPhrases(
            lines, min_count=5, threshold=threshold, delimiter=delimiter,
            scoring="default" if score == "original" else score,
            connector_words=frozenset(connectors),
        )  # fmt: skip
        expected |= theirs.find_phrases(lines)
        lines = [theirs[line] for line in lines]
    assert joined == [[word.replace("+", "_") for word in line] for line in lines]
    assert len(expected) > 100 and any("+" in phrase for phrase in expected)
    ours = [
        {sign.join(phrase.parts): phrase.score for phrase in found}
        for sign, found in zip("_+", phrases.passes, strict=True)
    ]
    for name, value in expected.items():
        assert ours["+" in name][name] == pytest.approx(value, rel=1e-9)
    assert [phrases.apply(line) for line in book_lines] == joined


def test_the_english_connectors_are_those_of_gensim() -> None:
    assert set(ENGLISH_CONNECTORS) == ENGLISH_CONNECTOR_WORDS
    assert connectors_of("english") == ENGLISH_CONNECTORS
    assert connectors_of("von der") == ("von", "der")


def test_both_scores_worked_by_hand() -> None:
    # 20 words; a 5 times, b 4 times, ab 3 times; pairs ab, ba, ax, ya: with a b x y 8 types.
    sentences = [["a", "b"], ["a", "b"], ["a", "b", "a", "x"], ["b"], ["y", "a"], ["x"]]
    sentences += [["y"], ["x"], ["y"], ["x"], ["y"], ["x"], ["y"], ["x"]]
    assert sum(map(len, sentences)) == 20
    for score, expected in [
        ("original", (3 - 1) / (5 * 4) * 8),
        ("word2phrase", (3 - 1) / (5 * 4) * 20),
        ("npmi", np.log((3 / 20) / (5 / 20 * 4 / 20)) / -np.log(3 / 20)),
    ]:
        config = PhrasesConfig(score=score, threshold=0.3, min_count=1)
        found = {phrase.parts: phrase.score for phrase in _join(sentences, config)[2]}
        assert found["a", "b"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("sentence", "joined"),
    [
        ("a b c", "a_b c"),  # b c is a phrase too, but b is taken
        ("a a b", "a_a b"),
        ("a a a", "a_a a"),
        ("a a a a", "a_a a_a"),
        ("b of c", "b_of_c"),
        ("of b of", "of b of"),
        ("b of the c", "b of the c"),
        ("a b of c", "a_b of c"),
        ("b of a b", "b of a_b"),
        ("", ""),
    ],
)
def test_overlapping_phrases_are_joined_from_the_left(sentence: str, joined: str) -> None:
    found = [Phrase(tuple(parts.split()), 9, 9.0) for parts in ("a b", "b c", "a a", "b of c")]
    phrases = Phrases([found], PhrasesConfig(connectors=("of", "the")))
    assert phrases.apply(sentence.split()) == joined.split()


def test_a_sentence_end_and_a_rare_word_part_neighbours() -> None:
    sentences = [["a"], ["b"]] * 9 + [["a", f"rare{i}", "b"] for i in range(9)]
    config = PhrasesConfig(threshold=1e-9, min_count=1)
    _, joined, phrases = _join(sentences, config, VocabularyConfig(min_count=2))
    assert len(phrases) == 0
    assert joined == [["a"], ["b"]] * 9 + [["a", "b"]] * 9


def test_three_words_take_two_passes() -> None:
    sentences = [["new", "york", "times"], ["new", "york", "is"], ["times", "change"]] * 10
    sentences += [["new", "york", "times"]] * 40
    one, two = (
        _join(sentences, PhrasesConfig(threshold=0.05, passes=passes))[0].words for passes in (1, 2)
    )
    assert "new_york" in one and "new_york_times" not in one
    assert "new_york_times" in two


def test_text_that_spells_a_phrase_is_that_phrase() -> None:
    sentences = [["new", "york", "x"]] * 9 + [["new_york"]] * 5
    vocabulary, joined, _ = _join(sentences, PhrasesConfig(threshold=0.1, min_count=6))
    counts = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    assert counts == {"new_york": 14, "x": 9}
    assert joined == [["new_york", "x"]] * 9 + [["new_york"]] * 5


def test_many_threads_and_a_text_file_find_the_same(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    lines = [[f"w{i}" for i in generator.zipf(1.4, 20).clip(max=60)] for _ in range(2000)]
    (tmp_path / "a.txt").write_text("\n".join(map(" ".join, lines)))
    config = PhrasesConfig(score="npmi", threshold=0.05, min_count=2)
    words = VocabularyConfig(min_count=2)
    expected = _join(lines, config, words)
    assert len(expected[2]) > 20
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(pairs_module, "_BLOCK_IDS", 1000)
        for n_threads in (1, 3):
            corpus = Corpus(tmp_path / "a.txt")
            scanned = scan_corpus(corpus, tmp_path, words, n_threads, keep_rare=True)
            vocabulary, ids, phrases = join_phrases(*scanned, config, words, n_threads)
            assert list(phrases) == list(expected[2])
            assert vocabulary.words == expected[0].words
            assert _sentences(vocabulary, ids) == expected[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "ids.i32"]


def test_memory_does_not_follow_the_number_of_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs_module, "_BLOCK_IDS", 1 << 14)

    def peak(n: int) -> tuple[int, int]:
        ids = np.random.default_rng(0).integers(0, 4000, n).astype(np.int32)
        ids.tofile(tmp_path / "ids.i32")
        del ids
        tracemalloc.start()
        try:
            with PairCounts(TokenIds(tmp_path / "ids.i32", n), PairKeys(4000, [])) as counted:
                different = sum(counted.map_parts(lambda keys, _: len(keys)))
            return different, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1 << 14)  # compiles
    few, small = peak(1 << 15)
    many, large = peak(1 << 20)
    assert few > 30_000 and many > 25 * few
    assert large < 1.5 * small < 8 * many  # bytes; they alone would take 8 a pair


def test_joined_text_is_written_a_sentence_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = [["é", "b", "c"], ["b"], ["c", "\udcff", "b"]]
    vocabulary, ids = scan_sequences(sentences, tmp_path, EVERY_WORD)
    for block_ids in range(1, 12):
        monkeypatch.setattr(phrases_module, "_BLOCK_IDS", block_ids)
        file = io.BytesIO()
        write_text(vocabulary, ids, file)
        assert file.getvalue() == "é b c\nb\nc ".encode() + b"\xff b\n"


def test_saved_phrases_come_back_and_join_new_text(tmp_path: Path) -> None:
    lines = [["the", "bank", "of", "america"], ["a", "bank"], ["north", "america"]] * 20
    config = PhrasesConfig(threshold=0.05, connectors=ENGLISH_CONNECTORS, passes=2)
    phrases = _join(lines, config)[2]
    phrases.save(tmp_path / "phrases.json")
    loaded = Phrases.load(tmp_path / "phrases.json")
    assert loaded.record() == phrases.record()
    new = ["from", "the", "bank", "of", "america", "of", "unheard", "america", "bank"]
    expected = ["from", "the", "bank_of_america", "of", "unheard", "america", "bank"]
    assert loaded.apply(new) == expected
    vocabulary, ids = scan_sequences([new, new], tmp_path, EVERY_WORD)
    assert _sentences(*loaded.join(vocabulary, ids, EVERY_WORD)) == [expected] * 2


def test_what_are_no_phrases_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    with pytest.raises(FormatError, match=r"there is no file .*p\.json; check the path"):
        Phrases.load(path)
    record: dict[str, Any] = Phrases([], PhrasesConfig()).record()
    for damaged in ("{", "[]", "{}", "null", json.dumps(record | {"passes": [[{"parts": 3}]]})):
        path.write_text(damaged)
        with pytest.raises(FormatError, match=r"p\.json: "):
            Phrases.load(path)
    path.write_text(json.dumps(record | {"format": 99}))
    with pytest.raises(FormatError, match="in format 99, and this Rowspace reads up to 1; update"):
        Phrases.load(path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"passes": 0}, "phrase passes are 0; give 1 or more"),
        ({"score": "pmi"}, "phrase score is 'pmi'; give one of original, word2phrase, npmi"),
        ({"min_count": 0}, "phrase min_count is 0; give 1 or more"),
        ({"threshold": 0.0}, r"phrase threshold is 0\.0; give a number above 0"),
        ({"threshold": float("nan")}, "phrase threshold is nan; give a number above 0"),
        ({"threshold": 10.0, "score": "npmi"}, r"phrase threshold is 10\.0; give -1 to 1"),
    ],
)
def test_a_phrase_setting_that_cannot_work_is_named(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PhrasesConfig(**setting)


def test_keys_hold_pairs_and_their_connectors_until_there_is_no_room() -> None:
    pairs = PairKeys(1_000_000, list(range(17)))
    assert pairs.most_between == 5
    rows = [[500_000, 999_999], [17, 0, 16, 3, 999_999], [999_999, *range(12, 17), 17]]
    keys = [pairs.encode(row) for row in rows]
    assert pairs.decode(np.array(keys, np.uint64)) == rows
    assert pairs.encode([17, 1, 2, 3, 4, 5, 6, 18]) is None
    with pytest.raises(ConfigError, match="256 connectors are too many; give up to 255"):
        PairKeys(1000, list(range(256)))

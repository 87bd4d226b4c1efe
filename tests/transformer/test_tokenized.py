"""Tokens find their words, whatever the tokenizer does to a text on the way."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers")

from rowspace.transformer.occurrences import find_word
from rowspace.transformer.tokenized import Tokenized
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.transformer.small_encoders import make_tokenizer

BLANK = ("", " ", "\n", " \n ")
KINDS = ("wordpiece", "bytes", "metaspace", "unigram")
PLACES = [
    ("bank", "bank"),
    ("bank of a river", "bank"),
    ("a river bank", "bank"),
    ("  the   bank\t ", "bank"),
    ("the bank's hedges", "bank"),
    ("She robbed the BANK.", "bank"),
    ("a bank-holiday", "bank"),
    ("is naïve café here", "naïve"),
    ("nai\u0308ve cafe\u0301", "cafe\u0301"),
    ("nai\u0308ve cafe\u0301 bank", "bank"),
    ("東京 tower", "京"),
    ("a 🎉 bank 🎉", "🎉"),
    ("🎉", "🎉"),
    ("שלום bank", "שלום"),
    ("שלום bank", "bank"),
    ("the\u200b bank\ufeff", "bank"),
    ("all the\n other banks", "the other"),
]


@functools.cache
def tokenizer_of(kind: str) -> SubwordTokenizer:
    return SubwordTokenizer(make_tokenizer(kind))


def _bare(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.lower())
    return "".join(c for c in letters if not unicodedata.combining(c) and not c.isspace())


FOLDS: dict[str, Callable[[str], str]] = {
    "wordpiece": _bare,
    "unigram": lambda text: _as_spelled(unicodedata.normalize("NFKC", text)),
}


def _as_spelled(text: str) -> str:
    return "".join(text.replace("<unk>", " ").split())  # the line break, to Unigram


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("text", "word"), PLACES)
def test_a_words_tokens_spell_it_and_all_are_needed(kind: str, text: str, word: str) -> None:
    tokenizer, fold = tokenizer_of(kind), FOLDS.get(kind, _as_spelled)
    (tokenized,) = tokenizer.read([text])
    for start, end in find_word(text, word):
        first, after = tokenized.tokens_of(start, end)
        assert first < after

        def spelled(first: int, after: int) -> str:
            decoded = tokenizer.decode(tokenized.ids[first:after]).replace("▁", " ")
            return fold(decoded.replace("##", ""))

        wanted = fold(text[start:end])
        assert wanted in spelled(first, after)
        assert wanted not in spelled(first + 1, after)
        assert wanted not in spelled(first, after - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_special_tokens_are_those_of_encode(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    texts = [*(text for text, _ in PLACES), *BLANK]
    for text, tokenized in zip(texts, tokenizer.read(texts), strict=True):
        ids = [*tokenized.before, *tokenized.ids.tolist(), *tokenized.after]
        assert ids == tokenizer.encode(text, add_special_tokens=True)
        assert tokenized.ids.tolist() == tokenizer.encode(text)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_stand_in_order(kind: str) -> None:
    for tokenized in tokenizer_of(kind).read([*(text for text, _ in PLACES), *BLANK]):
        assert (tokenized.starts[1:] >= tokenized.starts[:-1]).all()
        assert (tokenized.ends[1:] >= tokenized.ends[:-1]).all()
        assert (tokenized.starts <= tokenized.ends).all()


def test_a_space_put_before_a_text_is_no_part_of_its_first_word() -> None:
    tokenizer = tokenizer_of("metaspace")
    alone, later = tokenizer.read(["🎉", "x 🎉"])
    in_text, literal = later.tokens_of(2, 3), tokenizer.read(["▁x"])[0]
    first, after = alone.tokens_of(0, 1)
    assert alone.ids[first:after].tolist() == later.ids[in_text[0] : in_text[1]].tolist()
    assert literal.tokens_of(0, 1)[1] > 0


def _whole(tokenizer: SubwordTokenizer, text: str) -> Tokenized:
    """A text in one piece."""
    return Tokenized.of(text, tokenizer._ordinary.encode(text))


def _fields(tokenized: Tokenized) -> tuple[object, ...]:
    arrays = (tokenized.ids, tokenized.starts, tokenized.ends)
    return *(array.tolist() for array in arrays), tokenized.before, tokenized.after


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab1.,'▁ \n\té🎉東\u0301\u200b"), max_size=60), max_size=4))
@pytest.mark.parametrize("kind", KINDS)
def test_texts_read_in_pieces_are_as_if_read_whole(kind: str, texts: list[str]) -> None:
    tokenizer = tokenizer_of(kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rowspace.transformer.tokenizer.CHUNK_CHARACTERS", 4)
        found, beginnings = tokenizer.read(texts), tokenizer.read(texts, 3)
    for text, tokenized, beginning in zip(texts, found, beginnings, strict=True):
        whole = _whole(tokenizer, text)
        assert _fields(tokenized) == _fields(whole)
        n = len(beginning)
        assert n > 3 or n == len(whole)
        assert beginning.ids.tolist() == whole.ids[:n].tolist()
        assert beginning.starts.tolist() == whole.starts[:n].tolist()
        assert beginning.ends.tolist() == whole.ends[:n].tolist()
        if n:
            assert (beginning.before, beginning.after) == (whole.before, whole.after)


@pytest.mark.parametrize("kind", ["wordpiece", "bytes"])
def test_the_library_gets_no_long_piece_and_no_more_than_is_wanted(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, text = tokenizer_of(kind), "all the other banks, " * 1000
    lengths: list[int] = []
    original = tokenizer._read_pieces

    def noted(pieces: list[str]) -> list[Tokenized]:
        lengths.append(sum(map(len, pieces)))
        return original(pieces)

    monkeypatch.setattr(tokenizer, "_read_pieces", noted)
    (whole,) = tokenizer.read([text])
    assert max(lengths) < 1100
    assert sum(lengths) == len(text)
    assert _fields(whole) == _fields(_whole(tokenizer, text))
    lengths.clear()
    (beginning,) = tokenizer.read([text], 20)
    assert len(lengths) == 1
    assert 20 < len(beginning) < len(whole)


def test_the_name_of_a_special_token_is_text() -> None:
    tokenizer = tokenizer_of("wordpiece")
    (tokenized,) = tokenizer.read(["a [MASK] bank"])
    assert tokenizer.mask_id not in tokenized.ids
    first, after = tokenized.tokens_of(9, 13)
    assert "".join(tokenizer.decode(tokenized.ids[first:after]).split()).replace("##", "") == "bank"

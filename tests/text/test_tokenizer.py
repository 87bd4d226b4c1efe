from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.text.normalize import normalize
from rowspace.text.tokenizer import (
    CODE_POINT,
    IS_HAN,
    MAY_COMPOSE,
    fold_table,
    spanned_words,
    word_spans,
    words,
)
from tests.naive import naive_clean, naive_words

TRICKY = (
    "aZ9_ -'.,\t\n\réÉİıßΣςﬁǅ東京丽か\u3099"
    "가\u1100\u1161\u0301\u0345\u0327\ufeff😀❤\ufe0f𝒳𠀀𪘀\u212b\u2126"
)


@given(
    st.text(alphabet=st.one_of(st.sampled_from(TRICKY), st.characters(exclude_categories=["Cs"])))
)
def test_words_are_runs_of_letters_marks_digits_and_connectors(text: str) -> None:
    assert words(text) == naive_words(text)


def test_every_character_is_judged_by_its_category() -> None:
    for first in range(0, sys.maxunicode + 1, 256):
        if not 0xD800 <= first <= 0xDFFF:
            text = "".join(f"a{chr(first + i)}b " for i in range(256))
            assert words(text) == naive_words(text), f"in U+{first:04X} and the 255 after it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("don't stop_it", ["don", "t", "stop_it"]),
        ("cafe\u0301", ["caf\u00e9"]),
        ("İstanbul ΟΔΟΣ", ["istanbul", "οδοσ"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("東京tower", ["東", "京", "tower"]),
        ("3.14 x²", ["3", "14", "x²"]),
        ("\ufefffirst", ["first"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words_of_examples_worked_by_hand(text: str, expected: list[str]) -> None:
    assert words(text) == expected


TEXTS = st.text(alphabet=st.one_of(st.sampled_from(TRICKY + "\0"), st.characters()))


@settings(deadline=None)  # the first makes the table
@given(TEXTS)
def test_spans_of_words_are_where_the_words_stand(text: str) -> None:
    text = unicodedata.normalize("NFC", text)  # which joins what was a word with what was none
    spans = word_spans(text)
    edges = [place for span in spans for place in span]
    assert edges == sorted(edges)
    assert [words(text[start:end]) for start, end in spans] == [[word] for word in words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The café's 東京!", ["The", "café", "s", "東", "京"]),
        ("cafe\u0301 x", ["cafe\u0301", "x"]),
        ("\ufeffone\r\ntwo\0three fo\ufeffur", ["one", "two\0three", "fo\ufeffur"]),
        ("a\ud800b", ["a", "b"]),
        ("\0", []),
        ("", []),
    ],
)
def test_spans_count_characters_as_they_were_written(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in word_spans(text)] == expected


@given(TEXTS)
def test_normalized_text_is_nfc_with_unix_line_ends(text: str) -> None:
    assert normalize(text) == naive_clean(text)


@pytest.mark.parametrize("tokenizer", ["words", "whitespace"])
def test_folding_twice_is_folding_once(tokenizer: str) -> None:
    table = fold_table(tokenizer)
    folded = (table & CODE_POINT)[(table & CODE_POINT) != 0]
    np.testing.assert_array_equal(table[folded] & CODE_POINT, folded)
    np.testing.assert_array_equal(table[folded] & IS_HAN, table[(table & CODE_POINT) != 0] & IS_HAN)


@pytest.mark.parametrize("tokenizer", ["words", "whitespace"])
def test_what_may_compose_and_is_no_letter_never_survives_normalisation(tokenizer: str) -> None:
    table = fold_table(tokenizer)
    for code_point in np.flatnonzero((table & MAY_COMPOSE != 0) & (table & CODE_POINT == 0)):
        character = chr(code_point)
        assert normalize(character) != character


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_with_no_marked_character_is_normal_already(text: str) -> None:
    table = fold_table("words")
    if not any(table[ord(character)] & MAY_COMPOSE for character in text):
        assert unicodedata.is_normalized("NFC", text)


@given(
    st.text(alphabet=st.one_of(st.sampled_from(TRICKY), st.characters(exclude_categories=["Cs"])))
)
@settings(deadline=None)  # the table is made at first use
def test_words_with_their_places_are_the_words(text: str) -> None:
    text = normalize(text)
    found = spanned_words(text)
    assert [word for word, _ in found] == words(text)
    for word, (start, end) in found:
        assert words(text[start:end]) == [word]

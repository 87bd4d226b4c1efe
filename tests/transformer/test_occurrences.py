from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError, CorpusError, RowspaceError, VocabularyError
from rowspace.text.tokenizer import word_spans, words
from rowspace.transformer.occurrences import find_word, occurrences_of


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("bank", "bank", ["bank"]),
        ("The bank, a BANK; Bank's bankers in-bank", "bank", ["bank", "BANK", "Bank", "bank"]),
        ("embank bank_note 3bank", "bank", []),
        ("New\n  York, new york, New Yorkers", "New York", ["New\n  York", "new york"]),
        ("cafe\u0301 caf\u00e9 cafe", "caf\u00e9", ["cafe\u0301", "caf\u00e9"]),
        ("cafe\u0301 caf\u00e9 cafe", "cafe", ["cafe"]),
        ("東京タワー", "京", ["京"]),
        ("東京", "東京", ["東京"]),
        ("שלום, עולם", "עולם", ["עולם"]),
        ("C++ and c++", "C++", ["C++", "c++"]),
        ("a 🎉 b", "🎉", ["🎉"]),
        ("in\u200bbank", "bank", ["bank"]),  # a zero-width space ends a word
        ("xna na na", "na na", ["na na"]),
        ("a a a", "a a", ["a a"]),
        ("half \ud83d bank", "bank", ["bank"]),
    ],
)
def test_a_word_is_found_where_it_stands_by_itself(
    text: str, word: str, expected: list[str]
) -> None:
    assert [text[start:end] for start, end in find_word(text, word)] == expected


@settings(deadline=None)  # the first makes the table
@given(
    st.lists(st.sampled_from(["bank", "Bank", "bankx", "xbank", "-", ",", " ", "東"]), max_size=12)
)
def test_a_word_is_found_as_often_as_it_is_among_the_words(parts: list[str]) -> None:
    text = "".join(parts)
    assert len(find_word(text, "bank")) == words(text).count("bank")


@settings(deadline=None)  # the first makes the table
@given(st.lists(st.sampled_from(["na", "x", " ", ","]), max_size=12))
def test_a_phrase_is_found_from_left_to_right(parts: list[str]) -> None:
    text = "".join(parts)
    expected = [match.span() for match in re.finditer(r"\bna\s+na\b", text)]
    assert find_word(text, "na na") == expected


def test_one_word_for_all_texts_or_one_for_each() -> None:
    texts = ["a bank, a bank", "the bank"]
    found = occurrences_of(texts, "bank")
    assert found.text_ids.tolist() == [0, 0, 1]
    assert found.spans.tolist() == [[2, 6], [10, 14], [4, 8]]
    each = occurrences_of(texts, ["a", "the"])
    assert each.spans.tolist() == [[0, 1], [8, 9], [0, 3]]


def test_without_words_every_word_is_taken() -> None:
    texts = ["A river-bank.", "東京 !"]
    found = occurrences_of(texts)
    assert found.spans.tolist() == [list(span) for text in texts for span in word_spans(text)]
    assert found.text_ids.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "spans",
    [
        [(2, 6), (0, 3)],
        [[(2, 6)], [(0, 3)]],
        np.array([[2, 6], [0, 3]]),
        [np.array([[2, 6]]), (np.int64(0), np.int64(3))],
    ],
)
def test_spans_are_one_of_each_text_or_several(spans: Any) -> None:
    found = occurrences_of(["a bank", "the"], spans=spans)
    assert found.spans.tolist() == [[2, 6], [0, 3]]
    assert len(found) == 2


def test_spans_keep_their_order_and_a_text_may_have_none() -> None:
    found = occurrences_of(["a bank", "the"], spans=[[(2, 6), (0, 1)], []])
    assert found.spans.tolist() == [[2, 6], [0, 1]]
    assert occurrences_of([], "bank").spans.shape == (0, 2)


@pytest.mark.parametrize(
    ("texts", "more", "error", "message"),
    [
        ("a bank", {}, ConfigError, "texts is one string; give a list of them"),
        (5, {}, ConfigError, "texts is 5; give a list"),
        (["a"], {"spans": 5}, ConfigError, "spans is 5; give a list"),
        (["a"], {"words": 5}, ConfigError, "words is 5; give a list"),
        (["a", None], {}, ConfigError, "text 1 is None; give strings"),
        (["a", " \n"], {}, CorpusError, "text 1 is empty, so no word stands in it; leave it out"),
        (["a"], {"words": "a", "spans": [(0, 1)]}, ConfigError, "give words or spans, not both"),
        (["a"], {"words": ["a", "b"]}, ConfigError, "there are 2 words and 1 texts; give one for"),
        (["a"], {"spans": []}, ConfigError, "there are 0 spans and 1 texts"),
        (["a"], {"words": " "}, ConfigError, "the word is empty; give one"),
        (["a x", "y"], {"words": "x"}, VocabularyError, "'x' does not occur in text 1, 'y'; give"),
        (
            ["a x"],
            {"spans": [(2, 4)]},
            ConfigError,
            "span 2:4 is not in text 0, 'a x', which has 3",
        ),
        (["a x"], {"spans": [(2, 2)]}, ConfigError, "the span 2:2 is not in text 0"),
        (["a x"], {"spans": [(-1, 2)]}, ConfigError, "the span -1:2 is not in text 0"),
        (["a x"], {"spans": [(0, 1, 2)]}, ConfigError, "the spans of text 0 are .* give pairs"),
        (["a x"], {"spans": [2]}, ConfigError, "the spans of text 0 are 2; give pairs"),
        (["a x"], {"spans": [(0.5, 1.5)]}, ConfigError, "the spans of text 0 are .* give pairs"),
    ],
)
def test_what_cannot_be_says_so(
    texts: Any, more: dict[str, Any], error: type[RowspaceError], message: str
) -> None:
    with pytest.raises(error, match=message):
        occurrences_of(texts, **more)


def test_a_long_text_is_shown_short() -> None:
    with pytest.raises(VocabularyError, match=r"text 0, '(long ){11}long…'; give") as raised:
        occurrences_of(["long " * 100], "bank")
    assert "\n" not in str(raised.value)

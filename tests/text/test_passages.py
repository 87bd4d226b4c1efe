from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError
from rowspace.text.corpus import Document
from rowspace.text.passages import Passage, read_sentences, split_passages, split_sentences

ALPHABET = "aaB. .! \n\n\t。？”)(\"'Mr1é東\u3000\x1c\u2028…»"


def _document(text: str, title: str = "") -> Document:
    return Document("id", title, text, "a.txt", {"year": 1999})


def _passages(text: str, max_words: int = 120) -> list[str]:
    return [passage.text for passage in split_passages(_document(text), max_words)]


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(alphabet=ALPHABET, max_size=200),
        st.lists(st.sampled_from(["Mr. ", "e.g. ", "A. ", "End. ", "x" * 40, "\n\n", "so "])).map(
            "".join
        ),
        st.text(),
    ),
    st.integers(1, 12),
)
@example("a" * 25 + " b", 1)
def test_passages_are_slices_of_the_document_in_order_and_lose_no_character(
    text: str, max_words: int
) -> None:
    end = 0
    for passage in _passages(text, max_words):
        start = text.index(passage, end)
        assert text[end:start].strip() == ""
        end = start + len(passage)
        assert passage == passage.strip() != ""
        assert len(passage.split()) <= max_words
        assert len(passage) <= max_words * 12
    assert text[end:].strip() == ""


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=ALPHABET, max_size=200))
def test_sentences_lose_no_character(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Ng met Mrs. J. R. Li. They left.", ["Dr. Ng met Mrs. J. R. Li.", "They left."]),
        ("Use e.g. Rust. See Fig. 3 etc. here.", ["Use e.g. Rust.", "See Fig. 3 etc. here."]),
        ("It costs 3.50 at example.com today.", ["It costs 3.50 at example.com today."]),
        ('He said "Stop." She did not.', ['He said "Stop."', "She did not."]),
        ("(See above.) (And below.)", ["(See above.)", "(And below.)"]),
        ("Wait… What?", ["Wait…", "What?"]),
        ("今日は。「元気？」はい", ["今日は。", "「元気？」", "はい"]),
        ("A heading\nThe text. More", ["A heading", "The text.", "More"]),
        ("no capital. follows here", ["no capital. follows here"]),
        ("It was 1999. 2000 came.", ["It was 1999.", "2000 came."]),
        ("  \n ", []),
        ("", []),
    ],
)  # fmt: skip
def test_sentences_of_examples_worked_by_hand(text: str, sentences: list[str]) -> None:
    assert list(split_sentences(text)) == sentences


def test_sentences_are_joined_while_they_fit() -> None:
    text = "One two three. Four five. Six seven eight nine. Ten."
    assert _passages(text, 5) == ["One two three. Four five.", "Six seven eight nine. Ten."]
    assert _passages(text, 4) == ["One two three.", "Four five.", "Six seven eight nine.", "Ten."]


def test_a_sentence_too_long_is_cut_between_words() -> None:
    assert _passages("a b c d e f g", 3) == ["a b c", "d e f", "g"]


def test_a_blank_line_ends_a_passage_that_is_half_full() -> None:
    assert _passages("a b c.\n\nd.", 6) == ["a b c.", "d."]
    assert _passages("a b.\n\nd.", 6) == ["a b.\n\nd."]


def test_a_word_without_end_is_cut_between_characters() -> None:
    passages = _passages("x" * 1_000_000 + " y", 10)
    assert {len(passage) for passage in passages[:-1]} == {120}
    assert "".join(passages) == "x" * 1_000_000 + " y"


def test_long_runs_of_one_separator_take_no_quadratic_time() -> None:
    for run in (" ", "\t", "\n", ".", "'", "。", " \n", ". ", '."'):
        text = "A." + run * (200_000 // len(run)) + "B"
        assert "".join("".join(_passages(text)).split()) == "".join(text.split())


def test_a_passage_carries_what_is_known_of_its_document() -> None:
    assert list(split_passages(_document("One.\nTwo.", "T"), 1)) == [
        Passage("id", 0, "T", "One.", "a.txt", {"year": 1999}),
        Passage("id", 1, "T", "Two.", "a.txt", {"year": 1999}),
    ]


def test_an_empty_document_has_no_passage_unless_it_has_a_title() -> None:
    assert _passages("") == _passages(" \n\n ") == []
    assert [(p.title, p.text) for p in split_passages(_document(" \n", "A title"))] == [
        ("A title", "")
    ]


def test_passages_of_no_words_are_an_error() -> None:
    with pytest.raises(ConfigError, match="max_words is 0, so no passage can hold a word; give 1"):
        _passages("text", 0)


def test_sentences_of_documents_come_one_by_one() -> None:
    documents = [Document("a", "Title", "One. Two.", "a"), Document("b", "", "Three\nfour", "b")]
    assert list(read_sentences(documents)) == ["One.", "Two.", "Three", "four"]

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowspace.errors import ConfigError, CorpusError, VocabularyError
from rowspace.transformer.senses.collect import collect
from rowspace.transformer.senses.examples import Example, read_examples
from rowspace.transformer.senses.excerpt import cut_around
from rowspace.transformer.senses.surroundings import is_inflection, log_odds, typical, words_around

# --- collect -------------------------------------------------------------------------------------


def test_a_sentence_counts_once_and_each_occurrence_in_it() -> None:
    found = collect(["A bank.", "No.", "A bank.", "Bank or bank?"], "bank")
    assert found.sentences == ["A bank.", "Bank or bank?", "Bank or bank?"]
    assert found.spans == [(2, 6), (0, 4), (8, 12)]
    assert (found.n_occurrences, found.n_sentences, found.n_repeated) == (3, 4, 1)


def test_every_occurrence_is_as_likely_in_a_sample() -> None:
    text = [f"bank {letter}" for letter in "abcdefghij"]
    counts: Counter[str] = Counter()
    for seed in range(2000):
        found = collect(text, "bank", most=3, seed=seed)
        assert found.sentences == sorted(found.sentences)
        assert found.n_occurrences == 10
        counts.update(found.sentences)
    # 600 expected, with a standard deviation of 20.5.
    assert all(abs(count - 600) < 90 for count in counts.values())


def test_a_stream_without_the_word_is_named() -> None:
    with pytest.raises(VocabularyError, match=r"'bnak' does not occur in the 2 sent.*'bank' does"):
        collect(["A bank.", "Two."], "bnak")
    with pytest.raises(VocabularyError, match="in the one sentence that were read; give another"):
        collect(["x y"], "bank")
    with pytest.raises(CorpusError, match="no sentence to read"):
        collect([], "bank")
    with pytest.raises(ConfigError, match="one string"):
        collect("A bank.", "bank")
    with pytest.raises(ConfigError, match="max_occurrences is 0"):
        collect(["A bank."], "bank", most=0)


# --- what surrounds a sense ----------------------------------------------------------------------


def test_log_odds_are_those_of_the_paper() -> None:
    counts = np.array([[4, 1, 7], [2, 6, 3], [0, 1, 5]], dtype=float)
    found = log_odds(counts)
    prior = [0.1 * sum(counts[:, w]) for w in range(3)]
    for group in range(3):
        own = counts[group]
        others = counts.sum(axis=0) - own
        for w in range(3):  # equation 16, then 20 and 22
            first = (own[w] + prior[w]) / (sum(own) + sum(prior) - own[w] - prior[w])
            second = (others[w] + prior[w]) / (sum(others) + sum(prior) - others[w] - prior[w])
            variance = 1 / (own[w] + prior[w]) + 1 / (others[w] + prior[w])
            expected = (math.log(first) - math.log(second)) / math.sqrt(variance)
            assert found[group, w] == pytest.approx(expected)
    assert not log_odds(counts[:1]).any()


def test_words_around_leave_out_the_word_and_what_is_in_many_sentences() -> None:
    text = [f"the banks {word} gave loans" for word in "abcdef"]
    text += [f"the bank {word}{word} has no more" for word in "ghijklmnopqrstuvwx"]
    groups = np.array([0] * 6 + [1] * 18)
    assert words_around(text, groups, 2, "bank") == [[], []]  # "gave" is in a quarter of them
    text += [f"the bank {word}{word} too" for word in "ghijklmnopqrstuvwx"]
    groups = np.array([0] * 6 + [1] * 36)
    first, second = words_around(text, groups, 2, "bank")
    assert {word for word, _ in first} == {"gave", "loans"}
    assert second == []


def test_typical_rows_are_near_and_differ() -> None:
    center = np.array([1.0, 0, 0])
    rows = np.array([[1, 0.1, 0], [1, 0.11, 0], [1, -0.2, 0], [0, 1, 0], [-1, 0, 0]])
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert typical(units, center, 1).tolist() == [0]
    assert typical(units, center, 2, variety=0).tolist() == [0, 1]
    assert typical(units, center, 2).tolist() == [0, 2]
    assert sorted(typical(units, center, 9).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("word", "other", "expected"),
    [
        ("bank", "Banks", True),
        ("banks", "bank", True),
        ("bank", "banking", True),
        ("bank", "band", False),
        ("bank", "bankruptcy", False),
        ("city", "cities", True),
        ("make", "making", True),
        ("java", "javascript", False),
        ("go", "gone", False),
        ("New York", "york", True),
    ],
)
def test_inflections_are_told_by_spelling(word: str, other: str, expected: bool) -> None:
    assert is_inflection(other, word) == expected


# --- examples ------------------------------------------------------------------------------------


def test_examples_are_read_with_and_without_an_index(tmp_path: Path) -> None:
    path = tmp_path / "examples.tsv"
    path.write_text("sense\tsentence\nriver\tThe Bank of a stream.\n\nmoney\t2\ta big bank lends\n")
    assert read_examples(path, "bank") == [
        Example("river", "The Bank of a stream.", (4, 8)),
        Example("money", "a big bank lends", (6, 10)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("river\tno such word\n", r"e.tsv:1: 'bank' does not occur in 'no such word'"),
        ("river\ta bank\nriver a bank\n", "e.tsv:2 is not sense TAB sentence"),
        ("river\t\n", "e.tsv:1 is not sense TAB sentence"),
        ("river\t2\ta bank\n", "the index '2' is no token of 'a bank', which has 2; give 0 to 1"),
        ("river\tx\ta bank\n", "the index 'x' is no token"),
        ("sense\tsentence\n", "has no example"),
        ("", "has no example"),
    ],
)
def test_examples_that_cannot_be_read_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "e.tsv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_examples(path, "bank")


# --- excerpts ------------------------------------------------------------------------------------


@given(st.text("abc  ", max_size=60), st.text("abc  ", max_size=60), st.integers(8, 80))
def test_an_excerpt_fits_and_shows_the_word(before: str, after: str, width: int) -> None:
    cut = cut_around(before + "WORD" + after, (len(before), len(before) + 4), width)
    assert cut.word == "WORD"
    assert len(cut.before) + 4 + len(cut.after) <= width
    assert " ".join(before.split()).endswith(cut.before.strip(" …"))
    assert " ".join(after.split()).startswith(cut.after.strip(" …"))


def test_a_sentence_that_fits_is_whole() -> None:
    cut = cut_around("by the\n bank, now", (8, 12), 40)
    assert (cut.before, cut.word, cut.after) == ("by the ", "bank", ", now")

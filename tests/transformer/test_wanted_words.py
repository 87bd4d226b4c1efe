"""Phrases found by their first words, against a search of every text for every phrase."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from rowspace.transformer import wanted_words
from rowspace.transformer.occurrences import find_word, places_of
from rowspace.transformer.wanted_words import WantedWords

PARTS = ["bank", "Bank", "river", "'s", "-", "+", "c", "東京", "東", "cafe\u0301", "ΟΔΟΣ", "x"]


def random_text(draw: random.Random, n: int) -> str:
    return "".join(draw.choice(PARTS) + draw.choice(["", " ", "  "]) for _ in range(n)).strip()


def test_all_places_of_all_phrases_are_found() -> None:
    draw = random.Random(3)
    words = list(dict.fromkeys(random_text(draw, draw.choice([1, 2, 3])) for _ in range(300)))
    wanted = WantedWords(words)
    n_found = 0
    for _ in range(60):
        text = random_text(draw, 30)
        found = [(one.start, one.end, wanted.words[one.word_id]) for one in wanted.find(text)]
        assert found == sorted((*s, word) for word in wanted.words for s in find_word(text, word))
        n_found += len(found)
    assert n_found > 1000


def test_a_phrase_is_compiled_once_and_searched_for_where_its_first_word_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More phrases than any cache of patterns has room for, and texts that have few of them."""
    searched: list[str] = []
    n_compiled = 0
    compiled = re.compile

    def counted(*arguments: Any) -> Any:
        nonlocal n_compiled
        n_compiled += 1
        return compiled(*arguments)

    def noted(pattern: re.Pattern[str], text: str) -> Any:
        searched.append(text)
        return places_of(pattern, text)

    monkeypatch.setattr(re, "compile", counted)
    monkeypatch.setattr(wanted_words, "places_of", noted)
    wanted = WantedWords([f"word{i} bank" for i in range(1200)])
    texts = ["a word7 bank", "no such thing", "Word8 river, word9  Bank"]
    found = [[wanted.words[one.word_id] for one in wanted.find(text)] for text in texts * 2]
    assert found == [["word7 bank"], [], ["word9 bank"]] * 2
    assert n_compiled == 1200
    assert searched == [texts[0], texts[2], texts[2]] * 2

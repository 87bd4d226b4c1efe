"""The words whose occurrences are wanted, found in one text after the other: some words, or all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rowspace.errors import ConfigError
from rowspace.text.normalize import normalize
from rowspace.text.tokenizer import word_spans
from rowspace.transformer.occurrences import places_of, word_pattern


class Found(NamedTuple):
    """A word in a text."""

    start: int
    end: int
    word_id: int


class _Phrase(NamedTuple):
    """What is no single word, and what finds it."""

    words: str
    pattern: re.Pattern[str]


class WantedWords:
    """Finds words, in whatever case, until each was found often enough.

    Parameters
    ----------
    words : sequence of str or None
        Words or phrases; None for every word, numbered as they come.
    limit : int, optional
        Times that a word is taken, the first ones; None for all.

    Raises
    ------
    ConfigError
        If there is no word, one is empty, or the limit is below 1.
    """

    def __init__(self, words: Sequence[str] | None, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ConfigError(f"limit is {limit}; give 1 or more")
        if isinstance(words, str):
            raise ConfigError("words is one string; give a list of them")
        if words is not None and not all(map(str.strip, words)):
            raise ConfigError("a word is empty; give words that have letters")
        if words is not None and not words:
            raise ConfigError("there are no words; give one or more, or None for every word")
        self.takes_all, self.limit = words is None, limit
        self.words = list(dict.fromkeys(map(fold_word, words or [])))
        self.n_found = [0] * len(self.words)
        """Times that each was taken."""
        self._ids = {word: i for i, word in enumerate(self.words)}
        self._phrases: dict[str, list[_Phrase]] = {}
        """By their first word: a text without it need not be searched for them."""
        for phrase in [] if words is None else self.words:
            if not _is_one_word(phrase):
                found = _Phrase(phrase, word_pattern(phrase))
                self._phrases.setdefault(_first_word(phrase), []).append(found)

    def go_on(self, words: list[str], n_found: list[int]) -> None:
        """Begin where an earlier run was."""
        self.words, self.n_found = list(words), list(n_found)
        self._ids = {word: i for i, word in enumerate(words)}

    def find(self, text: str) -> list[Found]:
        """The wanted words of a text, as they stand in it."""
        found, words = [], {""}
        for start, end in word_spans(text):
            word = fold_word(text[start:end])
            words.add(word.casefold())
            word_id = self._id_of(word)
            if word_id is not None:
                found.append(Found(start, end, word_id))
        for first in self._phrases.keys() & words:
            for phrase in self._phrases[first]:
                word_id = self._ids[phrase.words]
                found += [Found(*span, word_id) for span in places_of(phrase.pattern, text)]
        return [one for one in sorted(found) if self._take(one.word_id)]

    def _id_of(self, word: str) -> int | None:
        if self.takes_all and word not in self._ids:
            self._ids[word] = len(self.words)
            self.words.append(word)
            self.n_found.append(0)
        return self._ids.get(word)

    def _take(self, word_id: int) -> bool:
        if self.limit is not None and self.n_found[word_id] >= self.limit:
            return False
        self.n_found[word_id] += 1
        return True


def fold_word(word: str) -> str:
    """A word as it is looked up: in lower case, with single spaces."""
    return " ".join(normalize(word).lower().split())


def _first_word(phrase: str) -> str:
    """In the form in which all spellings are alike that a pattern takes for the same; or none."""
    return next((fold_word(phrase[slice(*span)]).casefold() for span in word_spans(phrase)), "")


def _is_one_word(word: str) -> bool:
    return word_spans(word) == [(0, len(word))]

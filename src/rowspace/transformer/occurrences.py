"""Where words occur in texts: given by name, by place, or all of them."""

from __future__ import annotations

import functools
import operator
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, VocabularyError
from rowspace.text.tokenizer import CODE_POINT, IS_HAN, fold_table, word_spans

T = TypeVar("T")
Span = tuple[int, int]
"""The first character of a word in its text, and the one after its last."""


@dataclass(frozen=True)
class Occurrences:
    """Places in texts, text by text."""

    text_ids: NDArray[np.int64]
    """(n,) the number of the text, from 0; never falling."""
    spans: NDArray[np.int64]
    """(n, 2) characters of the text: the first, and the one after the last."""

    def __len__(self) -> int:
        return len(self.text_ids)

    @classmethod
    def of(cls, spans: Iterable[Iterable[Span]]) -> Occurrences:
        """From the spans of each text."""
        rows = [(i, *span) for i, of_text in enumerate(spans) for span in of_text]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1:])


def occurrences_of(
    texts: Iterable[str],
    words: str | Iterable[str] | None = None,
    spans: Iterable[Span] | Iterable[Sequence[Span]] | None = None,
) -> Occurrences:
    """Find words in texts.

    Parameters
    ----------
    texts : iterable of str
    words : str or iterable of str, optional
        One word (or phrase) for all texts, or one for each. Each time it occurs counts, in
        whatever case, if it is no part of a longer word.
    spans : iterable, optional
        Of each text one span, or several, as characters: the first, and the one after the last.
        Without words and spans, every word is taken.

    Raises
    ------
    ConfigError
        If there are both words and spans, not as many as texts, or a span is not in its text.
    VocabularyError
        If a word does not occur in its text.
    CorpusError
        If a text is empty.
    """
    texts = listed("texts", texts)
    _check_texts(texts)
    if words is not None and spans is not None:
        raise ConfigError("give words or spans, not both")
    if spans is not None:
        of_texts = listed("spans", spans)
        _check_count("spans", len(of_texts), len(texts))
        return Occurrences.of(map(_checked, range(len(texts)), texts, of_texts))
    if words is None:
        return Occurrences.of(map(word_spans, texts))
    each = [words] * len(texts) if isinstance(words, str) else listed("words", words)
    _check_count("words", len(each), len(texts))
    return Occurrences.of(map(_found, range(len(texts)), texts, each))


def listed(what: str, values: Iterable[T]) -> list[T]:
    """What was given of all texts, as a list.

    Raises
    ------
    ConfigError
        If it is one string, or nothing to go through.
    """
    if isinstance(values, str):
        raise ConfigError(f"{what} is one string; give a list of them")
    try:
        return list(values)
    except TypeError as error:
        raise ConfigError(f"{what} is {values!r}; give a list, with an item a text") from error


def find_word(text: str, word: str) -> list[Span]:
    """Where a word or phrase stands in a text, in whatever case, not inside a longer word.

    Examples
    --------
    >>> find_word("The bank, a Bank of England; bankers", "bank")
    [(4, 8), (12, 16)]
    """
    return places_of(_cached_pattern(word), text)


def places_of(pattern: re.Pattern[str], text: str) -> list[Span]:
    """As `find_word`, of a word that `word_pattern` made a pattern of."""
    found, place = [], 0
    while match := pattern.search(text, place):
        start, end = match.span()
        if _joins(text, start) or _joins(text, end):
            place = start + 1  # a phrase may begin within what was none
        else:
            found.append((start, end))
            place = end
    return found


def word_pattern(word: str) -> re.Pattern[str]:
    """What finds a word wherever its letters stand, composed or not."""
    spellings = dict.fromkeys(unicodedata.normalize(form, word) for form in ("NFC", "NFD"))
    pattern = "|".join(r"\s+".join(map(re.escape, spelling.split())) for spelling in spellings)
    if not pattern:
        raise ConfigError("the word is empty; give one")
    return re.compile(pattern, re.IGNORECASE)


_cached_pattern = functools.lru_cache(maxsize=64)(word_pattern)


def _joins(text: str, place: int) -> bool:
    """Whether the characters before and at `place` are of one word."""
    if not 0 < place < len(text):
        return False
    before, after = (int(fold_table()[ord(character)]) for character in text[place - 1 : place + 1])
    is_word = bool(before & int(CODE_POINT)) and bool(after & int(CODE_POINT))
    return is_word and not (before | after) & int(IS_HAN)


def _found(number: int, text: str, word: str) -> list[Span]:
    spans = find_word(text, word)
    if not spans:
        raise VocabularyError(
            f"the word {word!r} does not occur in text {number}, {shown(text)}; give one that "
            "does, or its spans"
        )
    return spans


def _checked(number: int, text: str, spans: Any) -> list[Span]:
    try:
        is_one = len(spans) > 0 and isinstance(spans[0], int | np.integer)
        pairs = [spans] if is_one else spans
        of_text = [(operator.index(start), operator.index(end)) for start, end in pairs]
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"the spans of text {number} are {spans!r}; give pairs of numbers: a word's first "
            "character and the one after its last"
        ) from error
    for start, end in of_text:
        if not 0 <= start < end <= len(text):
            raise ConfigError(
                f"the span {start}:{end} is not in text {number}, {shown(text)}, which has "
                f"{len(text):,} characters; give its first character and the one after its last"
            )
    return of_text


def _check_texts(texts: Sequence[str]) -> None:
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ConfigError(f"text {number} is {text!r}; give strings")
        if not text.strip():
            raise CorpusError(f"text {number} is empty, so no word stands in it; leave it out")


def _check_count(what: str, n_given: int, n_texts: int) -> None:
    if n_given != n_texts:
        raise ConfigError(f"there are {n_given:,} {what} and {n_texts:,} texts; give one for each")


def shown(text: str, most: int = 60) -> str:
    """A text for a message: in quotes and short."""
    line = " ".join(text.split())
    return repr(line if len(line) <= most else line[: most - 1] + "…")

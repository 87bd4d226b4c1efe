"""The words of a text as its index has them, and where they stand: for highlighting alone.

Lance gives its words to nobody, so they are cut anew: in English or no language at the boundaries
of Unicode's Standard Annex 29, as ICU does, else at each character that is no letter or digit. They
are lower-cased, stemmed (Porter's Snowball, https://snowballstem.org), then stop words are left out
and accents stripped, in the index's order. What ICU's dictionaries cut, Chinese, Japanese and Thai,
is here compared by pairs of characters.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from rowspace.search.lexical import stop_words

Span = tuple[int, int]
"""First character, and the one after the last."""

_NO_SPACES = (  # blocks of scripts that are written without spaces
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
# Each character's class: a letter, 0 digit, _ underscore, c of a script without spaces,
# ' joins letters or digits, ; joins digits.
_WORD = re.compile(r"(?:[a0_]|(?<=a)'(?=a)|(?<=0)[';](?=0))+|c+")
_SIMPLE_WORD = re.compile(r"[a0]+|c+")
_UNFOLDED = {
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "ł": "l",
    "ı": "i",
}
# Snowball 3 gave the name to another algorithm than the index's.
_ALGORITHMS = {"dutch": ("dutch_porter", "dutch")}


class WordFinder:
    """Finds the words of texts in one language; for one thread, as its stemmer is."""

    def __init__(self, language: str | None) -> None:
        self._pattern = _WORD if language in (None, "english") else _SIMPLE_WORD
        self._stop_words = stop_words(language)
        self._stemmer = None if language is None else _stemmer(language)
        self._folded: dict[str, str | None] = {}

    def words(self, text: str) -> Iterator[tuple[str, Span]]:
        """Each word of a text as the index has it, and where it stands.

        Of a script without spaces, each pair of characters that stand together, or one alone.
        """
        for match in self._pattern.finditer(text.translate(_CLASSES)):
            start, end = match.span()
            if text[start : start + 1].translate(_CLASSES) == "c":
                for first in range(start, max(start + 1, end - 1)):
                    last = min(first + 2, end)
                    yield text[first:last], (first, last)
            elif (word := self._fold(text[start:end])) is not None:
                yield word, (start, end)

    def _fold(self, word: str) -> str | None:
        if word not in self._folded:
            self._folded[word] = self._folded_anew(word)
        return self._folded[word]

    def _folded_anew(self, word: str) -> str | None:
        word = unicodedata.normalize("NFC", word).lower()
        if self._stemmer is not None:
            word = self._stemmer.stemWord(word.replace("’", "'"))
        return None if word in self._stop_words else strip_accents(word)


def strip_accents(word: str) -> str:
    """`word` with Latin letters as in ASCII; other scripts stay as they are."""
    return word if word.isascii() else "".join(map(_strip, word))


@functools.cache
def _strip(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character)
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    return plain if plain and plain.isascii() else _UNFOLDED.get(character, character)


def _stemmer(language: str) -> Any:
    import snowballstemmer

    there = snowballstemmer.algorithms()
    names = [name for name in _ALGORITHMS.get(language, (language,)) if name in there]
    return snowballstemmer.stemmer(names[0]) if names else None


class _Classes(dict[int, str]):
    """For str.translate: each code point's class, worked out when first met."""

    def __missing__(self, code_point: int) -> str:
        self[code_point] = found = _class_of(code_point)
        return found


def _class_of(code_point: int) -> str:
    character = chr(code_point)
    category = unicodedata.category(character)
    if any(first <= code_point <= last for first, last in _NO_SPACES):
        return "c" if category[0] in "LMN" else " "
    if category[0] in "LM":
        return "a"
    if category[0] == "N":
        return "0"
    if character == "_":
        return "_"
    return "'" if character in "'’.·" else ";" if character in ",;" else " "


_CLASSES = _Classes()

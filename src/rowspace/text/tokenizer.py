"""Words: the runs of letters, marks, digits and underscores of a text, in lower case.

This is `\\w` of Unicode Technical Standard 18, so that combining marks stay in their word; each
Han character is a word by itself, as in BERT, since Chinese and Japanese write no spaces.
One table decides, for this module and for the compiled scan alike.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
from numpy.typing import NDArray

from rowspace.text.normalize import normalize

TOKENIZERS = ("words", "whitespace")
_BYTE_ORDER_MARK = 0xFEFF
_LAST_LETTER = 0x40000  # the planes above hold only tags and private use
CODE_POINT = np.uint32(0x1FFFFF)
IS_HAN = np.uint32(1 << 30)
MAY_COMPOSE = np.uint32(1 << 31)

_WORD_CATEGORIES = frozenset(
    ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc"]
)
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)  # marks, but of a symbol: the heart in red
_HAN_BLOCKS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2FA1F),
    (0x30000, 0x323AF),
)


class _WordCharacters(dict[int, str]):
    """For str.translate: each code point's place in a word, worked out when first met."""

    def __missing__(self, code_point: int) -> str:
        folded = _fold(code_point)
        self[code_point] = text = " " if folded is None else folded
        return text


def _fold(code_point: int) -> str | None:
    """The character in lower case, with spaces around a Han one; None for what is not in a word."""
    character = chr(code_point)
    if code_point >= _LAST_LETTER or code_point in _VARIATION_SELECTORS:
        return None
    if unicodedata.category(character) not in _WORD_CATEGORIES:
        return None
    if _is_han(code_point):
        return f" {character} "
    return character.lower()[0]  # only U+0130 has a longer one: i and a dot above


def _is_han(code_point: int) -> bool:
    return any(first <= code_point <= last for first, last in _HAN_BLOCKS)


_CHARACTERS = _WordCharacters()


def words(text: str) -> list[str]:
    """The words of `text`, in order.

    Examples
    --------
    >>> words("The café's 3.5 km, 東京!")
    ['the', 'café', 's', '3', '5', 'km', '東', '京']
    """
    return normalize(text).translate(_CHARACTERS).split()


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each word of `text` stands: its first character, and the one after its last.

    Examples
    --------
    >>> word_spans("The café's 東京!")
    [(0, 3), (4, 8), (9, 10), (11, 12), (12, 13)]
    """
    folded, places = _folded(text)
    return _spans(folded, places)


def spanned_words(text: str) -> list[tuple[str, tuple[int, int]]]:
    """Each word of `text`, spelled as `words` does, and where it stands.

    Examples
    --------
    >>> spanned_words("The café's")
    [('the', (0, 3)), ('café', (4, 8)), ('s', (9, 10))]
    """
    folded, places = _folded(text)
    letters = (folded & CODE_POINT).tobytes().decode("utf-32-le", "surrogatepass")
    kept = _spans(folded, np.arange(len(folded)))
    spans = _spans(folded, places)
    return [
        (normalize(letters[start:end]), span)
        for (start, end), span in zip(kept, spans, strict=True)
    ]


def _folded(text: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """What `fold_table` has for each character that `normalize` keeps, and where that stands."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    places = np.flatnonzero((codes != 0) & (codes != _BYTE_ORDER_MARK))
    return fold_table()[codes[places]], places


def _spans(folded: NDArray[np.uint32], places: NDArray[np.int64]) -> list[tuple[int, int]]:
    is_word, is_han = folded & CODE_POINT != 0, folded & IS_HAN != 0
    goes_on = np.zeros(len(folded) + 1, dtype=np.bool_)  # with the word of the character before
    goes_on[1:-1] = is_word[1:] & is_word[:-1] & ~is_han[1:] & ~is_han[:-1]
    starts = places[is_word & ~goes_on[:-1]]
    ends = places[is_word & ~goes_on[1:]] + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


@functools.cache
def fold_table(tokenizer: str = "words") -> NDArray[np.uint32]:
    """What the compiled scan does with each code point.

    Parameters
    ----------
    tokenizer : {"words", "whitespace"}

    Returns
    -------
    (0x110000,) uint32 array
        0 for a separator, else the code point that stands for it, with the flags IS_HAN, and
        MAY_COMPOSE where NFC may change a text that has this character.
    """
    table = _letters() if tokenizer == "words" else _non_spaces()
    table[list(_may_compose())] |= MAY_COMPOSE
    return table


def _letters() -> NDArray[np.uint32]:
    table = np.zeros(0x110000, dtype=np.uint32)
    for code_point in range(_LAST_LETTER):
        folded = _fold(code_point)
        if folded is not None:
            table[code_point] = ord(folded.strip())
            if len(folded) > 1:
                table[code_point] |= IS_HAN
    return table


def _non_spaces() -> NDArray[np.uint32]:
    table = np.arange(0x110000, dtype=np.uint32)
    table[[0, *(code_point for code_point in range(0x3001) if chr(code_point).isspace())]] = 0
    return table


def _may_compose() -> set[int]:
    """Code points whose NFC quick check is not Yes: reordered, replaced or composed; and U+FEFF."""
    found = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))  # Hangul vowels and tails
    found.add(_BYTE_ORDER_MARK)  # `normalize` takes it out
    for code_point in range(0x300, _LAST_LETTER):
        character = chr(code_point)
        if unicodedata.combining(character) or unicodedata.normalize("NFC", character) != character:
            found.add(code_point)
        decomposition = unicodedata.decomposition(character).split()
        if len(decomposition) == 2 and not decomposition[0].startswith("<"):
            found.add(int(decomposition[1], 16))
    return found

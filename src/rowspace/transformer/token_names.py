"""Tokens as people read them: spaces visible, pieces of a character as its bytes."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from rowspace.transformer.tokenizer import SubwordTokenizer

_BROKEN = "\ufffd"


def token_names(tokenizer: SubwordTokenizer, ids: Iterable[int]) -> list[str]:
    """Tokens as they stand in a text, with their spaces visible."""
    names = []
    for token_id in map(int, ids):
        name = tokenizer.decode([token_id])
        if _BROKEN in name or not name:  # a part of a character
            name = tokenizer.tokens[token_id]
        names.append(visible(name))
    return names


def visible(text: str) -> str:
    """A text whose spaces, tabs and line ends can be seen."""
    return text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥").replace("\r", "␍")


def bytes_of(token: str) -> bytes | None:
    """The bytes that a token of byte-level BPE stands for; None where it is no such token.

    Radford et al. (2019): each byte has a printable character of its own, so that a vocabulary of
    bytes can be written as text.

    Examples
    --------
    >>> bytes_of("Ġthe"), bytes_of("ðŁĺ")
    (b' the', b'\\xf0\\x9f\\x98')
    """
    table = _byte_table()
    found = [table.get(character) for character in token]
    return None if None in found else bytes(byte for byte in found if byte is not None)


@functools.cache
def _byte_table() -> dict[str, int]:
    """The byte of each character: itself where it is printable, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + place): byte for place, byte in enumerate(others)}

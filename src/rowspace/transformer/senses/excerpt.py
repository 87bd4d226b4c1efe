"""A sentence cut around a word, so that it fits a line."""

from __future__ import annotations

from dataclasses import dataclass

from rowspace.transformer.occurrences import Span

_CUT = "…"


@dataclass(frozen=True)
class Excerpt:
    """A word and what stands before and after it, on one line."""

    before: str
    word: str
    after: str


def cut_around(sentence: str, span: Span, width: int) -> Excerpt:
    """Keep about `width` characters, as many on either side of the word as there are.

    Examples
    --------
    >>> cut_around("He sat by the bank of the river and read.", (14, 18), 20)
    Excerpt(before='…by the ', word='bank', after=' of the…')
    """
    start, end = span
    before, word, after = (
        _one_line(part) for part in (sentence[:start], sentence[start:end], sentence[end:])
    )
    room = max(0, width - len(word))
    if len(before) + len(after) > room:
        left = min(len(before), max(room // 2, room - len(after)))
        right = min(len(after), room - left)
        before = _last(before, left)
        after = _last(after[::-1], right)[::-1]
    return Excerpt(before, word, after)


def _one_line(text: str) -> str:
    """Each run of white space as one space."""
    line = " ".join(text.split())
    return (
        (" " if text[:1].isspace() else "") + line + (" " if line and text[-1:].isspace() else "")
    )


def _last(text: str, n: int) -> str:
    """The end of a text in `n` characters, cut between words where that loses little."""
    if len(text) <= n:
        return text
    kept = text[len(text) - n + 1 :] if n > 1 else ""
    space = kept.find(" ")
    if text[len(text) - n] != " " and 0 <= space < min(12, len(kept) - 1):
        kept = kept[space:]
    return _CUT + kept.lstrip() if kept.strip() else _CUT

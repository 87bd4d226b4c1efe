"""A document as its paragraphs, each with the heading above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rowspace.text.corpus import Document
from rowspace.text.passages import split_passages

_BLANK = re.compile(r"\n[ \t]*\n")
_MOST_WORDS_OF_HEADING = 8
_INSIDE_A_SENTENCE = re.compile(r"[.,:;!?]\s|\s[-–—]\s")
_ENDS_A_SENTENCE = (".", "!", "?", "…", ":", ";", ",", "。", "！", "？", '."', ".”", ")")


@dataclass(frozen=True)
class Paragraph:
    """A run of whole sentences, all of one paragraph of the text."""

    text: str
    heading: str
    """The heading right above, if there is one."""
    is_marked: bool = False
    """Whether the heading is marked as such (`#`), and not only a short line."""


def paragraphs_of(document: Document, min_words: int, max_words: int) -> list[Paragraph]:
    """The paragraphs of a document; long ones in pieces, short ones left out.

    A paragraph stands between blank lines; in a text without any, on a line. A heading is marked
    with `#`, or is a short line between blank lines that begins with a capital.
    """
    found: list[Paragraph] = []
    heading, is_marked = "", False
    has_blank_lines = _has_blank_lines(document.text)
    for block in _blocks(document.text):
        if _is_heading(block, has_blank_lines=has_blank_lines):
            heading, is_marked = " ".join(block.strip("#=* \t").split()), block.startswith("#")
            continue
        whole = Document("", "", " ".join(block.split()), "")
        for passage in split_passages(whole, max_words):
            if len(passage.text.split()) >= min_words:
                found.append(Paragraph(passage.text, heading, is_marked))
                heading = ""
    return found


def _blocks(text: str) -> Iterator[str]:
    blocks = _BLANK.split(text) if _has_blank_lines(text) else text.split("\n")
    return (block.strip() for block in blocks if block.strip())


def _has_blank_lines(text: str) -> bool:
    return _BLANK.search(text.strip()) is not None


def _is_heading(block: str, *, has_blank_lines: bool) -> bool:
    if block.startswith("#") and "\n" not in block:
        return True
    if not has_blank_lines or "\n" in block or not block[0].isupper():
        return False
    is_short = len(block.split()) <= _MOST_WORDS_OF_HEADING
    is_broken = _INSIDE_A_SENTENCE.search(block) is not None
    return is_short and not is_broken and not block.endswith(_ENDS_A_SENTENCE)

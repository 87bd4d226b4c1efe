"""Documents into passages: runs of whole sentences of at most `max_words` words.

A passage is a slice of its document, so nothing is lost or changed but white space between
passages. A sentence that is too long by itself is cut between words, a word without end between
characters; no document is too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rowspace.errors import ConfigError
from rowspace.text.corpus import Document

MAX_WORD_CHARS = 12
"""A passage has at most this many characters a word, which bounds text without spaces."""

# A sentence ends at . ! ? and what closes it, before a space and what may open the next one;
# at a CJK full stop; and at a line's end.
_BOUNDARY = re.compile(
    r"(?<=[.!?…])[\"'”’»)\]]*[ \t]+(?=[\"'“‘«(\[]*[^\W_a-z])"
    r"|(?<=[。！？])[”’」』）]*"
    r"|(?<![ \t])[ \t]*\n\s*"  # looks at a run of spaces once, from its start
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“])(?:[A-Z]|[A-Z]\.[A-Z]|Mr|Mrs|Ms|Dr|Prof|Gen|Col|Capt|Lt|Sgt|Rep|Sen|Gov|St|Mt|"
    r"Jr|Sr|No|Nos|Vol|Fig|Figs|Eq|pp?|vs|cf|ca|approx|e\.g|i\.e|etc|al|Inc|Ltd|Co|Corp|Jan|Feb|"
    r"Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.$"
)


@dataclass(frozen=True)
class Passage:
    """A piece of a document that is searched and shown as one."""

    document_id: str
    position: int
    """Its place in the document, from 0."""
    title: str
    text: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)


def split_passages(document: Document, max_words: int = 120) -> Iterator[Passage]:
    """Cut a document into passages of whole sentences.

    Parameters
    ----------
    document : Document
    max_words : int
        The most words (runs of non-space) in one passage.

    Raises
    ------
    ConfigError
        If `max_words` is under 1.
    """
    if max_words < 1:
        raise ConfigError(
            f"max_words is {max_words}, so no passage can hold a word; give 1 or more"
        )
    spans = list(_pack(document.text, max_words))
    if not spans and document.title.strip():
        spans = [(0, 0)]  # a title alone can be found too
    for position, (start, end) in enumerate(spans):
        yield Passage(
            document.document_id,
            position,
            document.title,
            document.text[start:end],
            document.source,
            document.metadata,
        )


def split_sentences(text: str) -> Iterator[str]:
    """The sentences of `text`, stripped; a line's end also ends a sentence."""
    for start, end in sentence_spans(text):
        yield text[start:end]


def read_sentences(documents: Iterable[Document]) -> Iterator[str]:
    """The sentences of all documents, one at a time; titles are none."""
    for document in documents:
        yield from split_sentences(document.text)


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence, without the white space around it."""
    start = 0
    for match in _BOUNDARY.finditer(text):
        end = match.start() + len(match.group().rstrip())
        is_line_end = "\n" in match.group()
        if not is_line_end and _ABBREVIATION.search(text[max(start, end - 8) : end]):
            continue
        if stripped := text[start:end].strip():
            first = text.index(stripped[0], start)
            yield first, first + len(stripped)
        start = match.end()
    if stripped := text[start:].strip():
        first = text.index(stripped[0], start)
        yield first, first + len(stripped)


def _pack(text: str, max_words: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each passage: sentences joined while they fit."""
    start = end = n_words = 0
    for first, last, n in _pieces(text, max_words):
        too_long = last - start > max_words * MAX_WORD_CHARS
        if n_words and (
            n_words + n > max_words or too_long or _new_part(text, end, first, n_words, max_words)
        ):
            yield start, end
            n_words = 0
        if n_words == 0:
            start = first
        end = last
        n_words += n
    if n_words:
        yield start, end


def _new_part(text: str, end: int, first: int, n_words: int, max_words: int) -> bool:
    """Whether a blank line ends a passage that is already half full."""
    return 2 * n_words >= max_words and text.count("\n", end, first) > 1


def _pieces(text: str, max_words: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, words) of each sentence, those too long for a passage cut between words."""
    max_chars = max_words * MAX_WORD_CHARS
    for start, end in sentence_spans(text):
        n_words = len(text[start:end].split())
        if n_words <= max_words and end - start <= max_chars:
            yield start, end, n_words
        else:
            yield from _cut(text, start, end, max_words, max_chars)


def _cut(
    text: str, start: int, end: int, max_words: int, max_chars: int
) -> Iterator[tuple[int, int, int]]:
    first, last, n_words = start, start, 0
    for word_start, word_end in _words(text, start, end, max_chars):
        if n_words and (n_words == max_words or word_end - first > max_chars):
            yield first, last, n_words
            n_words = 0
        if n_words == 0:
            first = word_start
        last = word_end
        n_words += 1
    if n_words:
        yield first, last, n_words


def _words(text: str, start: int, end: int, max_chars: int) -> Iterator[tuple[int, int]]:
    for match in re.compile(r"\S+").finditer(text, start, end):
        for piece in range(match.start(), match.end(), max_chars):
            yield piece, min(piece + max_chars, match.end())

"""The text of a corpus as a language model reads it: whole documents, in parts if they are long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rowspace.text.corpus import Corpus, Document


@dataclass(frozen=True)
class Part:
    """A document, or some of one."""

    text: str
    starts: bool
    """Whether a document begins with it."""
    ends: bool
    """Whether one ends with it."""


def parts_of(corpus: Corpus) -> Iterator[Part]:
    """The documents of a corpus; a file of more than some megabytes comes in several parts."""
    previous, starts = None, True
    for document in corpus:
        goes_on = previous is not None and _goes_on(document, corpus)
        if previous is not None:
            yield Part(corpus.text_of(previous), starts, not goes_on)
        previous, starts = document, not goes_on
    if previous is not None:
        yield Part(corpus.text_of(previous), starts, True)


def _goes_on(document: Document, corpus: Corpus) -> bool:
    return corpus.is_whole_file(document) and document.document_id != document.source

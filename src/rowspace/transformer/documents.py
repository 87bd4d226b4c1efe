"""The text of a corpus as a language model reads it: whole documents, in parts if they are long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rowspace.text.corpus import JSONL_SUFFIXES, Corpus, Document
from rowspace.text.streams import COMPRESSED, bare_suffix


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
            yield Part(_text_of(previous, corpus), starts, not goes_on)
        previous, starts = document, not goes_on
    if previous is not None:
        yield Part(_text_of(previous, corpus), starts, True)


def total_bytes(corpus: Corpus) -> int | None:
    """Bytes of the text; None where a file is packed or there are none."""
    sizes = corpus.sizes()
    if not sizes or any(Path(name).suffix in COMPRESSED for name in sizes):
        return None
    return sum(sizes.values())


def _is_file(document: Document, corpus: Corpus) -> bool:
    is_jsonl = bare_suffix(Path(document.source)) in JSONL_SUFFIXES
    return corpus.documents == "file" and not is_jsonl


def _goes_on(document: Document, corpus: Corpus) -> bool:
    return _is_file(document, corpus) and document.document_id != document.source


def _text_of(document: Document, corpus: Corpus) -> str:
    """With its title, where that stands in the text and is not a file's name."""
    if _is_file(document, corpus) or not document.title:
        return document.text
    return f"{document.title}\n{document.text}"

"""A corpus in chunks of texts, as many at once as are worth a batch, however long it is.

Chunks begin anew at each section of the corpus, so that those of a section are the same wherever
they are made: an encoder's vectors may differ in the last bits by what they are computed with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from rowspace.text.corpus import Corpus, Document
from rowspace.text.sections import Section, sections_of

CHUNK_CHARACTERS = 1 << 17


@dataclass
class Chunk:
    """Texts that stand together in a corpus, but for the empty ones."""

    texts: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Of each text, its place among the documents, from 0."""
    document_ids: list[str] = field(default_factory=list)
    n_empty: int = 0
    after: int = 0
    """Number of the document after the chunk's last."""
    n_bytes: int = 0
    """Of its texts in UTF-8."""


def chunks_of(corpus: Corpus, first: int = 0) -> Iterator[Chunk]:
    """The documents of a corpus from the `first` on, with which a chunk begins.

    A chunk is at its end when it has `CHUNK_CHARACTERS`, or its section is, so that the chunks
    from `first` on are the same whether those before were read now or earlier.
    """
    numbers = count()
    for section in sections_of(corpus):
        numbered = zip(corpus.documents_in(section), numbers, strict=False)
        yield from _chunks(corpus, ((d, number) for d, number in numbered if number >= first))


def chunks_in(corpus: Corpus, section: Section) -> Iterator[Chunk]:
    """The same chunks, of one section; its documents are numbered from 0."""
    return _chunks(corpus, zip(corpus.documents_in(section), count(), strict=False))


def _chunks(corpus: Corpus, documents: Iterator[tuple[Document, int]]) -> Iterator[Chunk]:
    chunk, so_far = Chunk(), 0
    for document, number in documents:
        text = corpus.text_of(document)
        chunk.after = number + 1
        chunk.n_bytes += len(text.encode("utf-8", "surrogatepass")) + 1
        if not text.strip():
            chunk.n_empty += 1
            continue
        chunk.texts.append(text)
        chunk.numbers.append(number)
        chunk.document_ids.append(document.document_id)
        so_far += len(text)
        if so_far >= CHUNK_CHARACTERS:
            yield chunk
            chunk, so_far = Chunk(), 0
    if chunk.after:
        yield chunk

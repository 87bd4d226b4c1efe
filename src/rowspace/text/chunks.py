"""A corpus in chunks of texts, as many at once as are worth a batch, however long it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rowspace.text.corpus import Corpus

CHUNK_CHARACTERS = 1 << 17


@dataclass
class Chunk:
    """Texts that stand together in a corpus, but for the empty ones."""

    texts: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Of each text, its place among the corpus's documents, from 0."""
    document_ids: list[str] = field(default_factory=list)
    n_empty: int = 0
    after: int = 0
    """Number of the document after the chunk's last."""
    n_bytes: int = 0
    """Of its texts in UTF-8."""


def chunks_of(
    corpus: Corpus, first: int = 0, n_characters: int = CHUNK_CHARACTERS
) -> Iterator[Chunk]:
    """The documents of a corpus from the `first` on.

    A chunk is at its end when it has `n_characters`, so that the chunks from `first` on are the
    same whether those before were read now or earlier.
    """
    chunk, so_far = Chunk(), 0
    for number, document in enumerate(corpus):
        if number < first:
            continue
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
        if so_far >= n_characters:
            yield chunk
            chunk, so_far = Chunk(), 0
    if chunk.after:
        yield chunk

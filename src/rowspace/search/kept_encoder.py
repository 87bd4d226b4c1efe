"""A space's own copy of a sentence encoder: it opens wherever the space is moved to."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.files import fsync_tree
from rowspace.progress import track
from rowspace.search.reading import Reading, batch_sizes, shard_passages
from rowspace.search.store import content
from rowspace.sentence.encoder import SentenceEncoder, TransformerEmbedding
from rowspace.sentence.exports import EXPORT, exported
from rowspace.sentence.folder import read_modules
from rowspace.sentence.kinds import told_of_the_name
from rowspace.sentence.loading import load_encoder
from rowspace.sentence.runtime_openvino import OpenVinoRuntime
from rowspace.space.encoder import encode_documents
from rowspace.space.growing import GrowingFiles, Rows
from rowspace.text.corpus import Corpus
from rowspace.text.passages import Passage
from rowspace.text.sections import Section

VECTORS = "vectors"


def keep(model: str, folder: Path) -> SentenceEncoder:
    """Write a model's folder to `folder`, and read it from there.

    Parameters
    ----------
    model : str
        A folder, or a name on the Hugging Face hub.
    folder : Path
        Holds the whole model then, and its export for OpenVINO where it has one.

    Raises
    ------
    ConfigError
        If it is in a form that cannot be written anew, or would not give the same vectors; or it
        does not say which of its prompts is that of queries.
    FormatError
        If there is no such model.
    """
    with told_of_the_name(model):
        encoder = load_encoder(model)
    return keep_encoder(encoder, folder, model)


def keep_encoder(encoder: SentenceEncoder, folder: Path, model: str) -> SentenceEncoder:
    """As `keep`, of an encoder that is loaded; `model` names it in messages."""
    describe(encoder)  # raises where no prompt is said to be that of queries
    encoder.save(folder)
    _copy_export(encoder, folder)
    fsync_tree(folder)
    kept = load_encoder(folder)
    if kept.fingerprint != encoder.fingerprint:
        raise ConfigError(
            f"the copy of {model} in {folder} would not give the same vectors, so no space can be "
            "made with it; save it with sentence-transformers, and give that folder"
        )
    return kept


def describe(encoder: SentenceEncoder) -> dict[str, Any]:
    """What a reader wants to know of an encoder, short."""
    of_documents = encoder.config.prompts.document
    of_queries = encoder.config.prompts.query
    told = {
        "max_length": encoder.max_length,
        "query_prompt": of_queries or None,
        "document_prompt": of_documents or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def encode_passages(
    encoder: SentenceEncoder, passages: Iterator[Passage], sections: Sequence[int], folder: Path
) -> tuple[NDArray[np.float32], int]:
    """Vectors of all passages, in a file that grows; goes on where an earlier call stopped.

    Parameters
    ----------
    encoder : SentenceEncoder
    passages : iterator of Passage
        All of them, those that an earlier call encoded too.
    sections : sequence of int
        How many each section of the corpus has.
    folder : Path
        Made here.

    Returns
    -------
    ((n_passages, dim) float32 array, int)
        Mapped from the file; and how many passages were not read to their end.
    """
    folder.mkdir(exist_ok=True)
    arrays = {VECTORS: Rows("float32", (encoder.dim,))}
    with track("encoding", sum(sections)) as tracker, GrowingFiles(folder, arrays) as files:
        state = files.state or {"passages": 0, "truncated": 0}
        n_before, n_seen = state["passages"], 0
        tracker.set(n_before)
        for size in batch_sizes(sections):
            batch = list(islice(passages, size))
            n_seen += size
            if n_seen <= n_before:
                continue
            vectors, n_truncated = encode_batch(encoder, batch)
            files.append(VECTORS, vectors, "the encoder")
            state = {"passages": n_seen, "truncated": state["truncated"] + n_truncated}
            files.mark(state)
            tracker.advance(size)
        files.finish()
    return np.load(folder / f"{VECTORS}.npy", mmap_mode="r"), state["truncated"]


def encode_batch(
    encoder: SentenceEncoder, passages: Sequence[Passage]
) -> tuple[NDArray[np.float32], int]:
    """Vectors of passages, (n, dim), and how many were not read to their end."""
    return encode_documents(encoder, [content(one.title, one.text) for one in passages])


def encode_passages_of_shard(
    encoder: SentenceEncoder,
    corpus: Corpus,
    sections: Iterable[Section],
    max_words: int,
    reading: Reading,
) -> Iterator[tuple[list[Passage], NDArray[np.float32]]]:
    """The passages of sections with their vectors, as `encode_passages` gives them.

    Parameters
    ----------
    encoder : SentenceEncoder
    corpus : Corpus
    sections : iterable of Section
        As of a shard.
    max_words : int
        The most words in a passage.
    reading : Reading
        A new one; whole when the iterator is at its end. `Reading.add` joins those of all shards.
    """
    for passages in shard_passages(corpus, sections, max_words, reading):
        vectors, n_truncated = encode_batch(encoder, passages)
        reading.n_truncated += n_truncated
        yield passages, vectors


def _copy_export(encoder: SentenceEncoder, folder: Path) -> None:
    """Bring the export along, which only torch can make anew."""
    embedding = encoder.embedding
    if not isinstance(embedding, TransformerEmbedding) or encoder.folder is None:
        return
    if isinstance(embedding.runtime, OpenVinoRuntime):
        home = read_modules(encoder.folder)[0].path
        export = exported(home, embedding.poolings)
        shutil.copytree(export.graph.parent, folder / EXPORT)

"""A space's own copy of a sentence encoder: it opens wherever the space is moved to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.files import fsync_tree
from rowspace.progress import track
from rowspace.search.store import content
from rowspace.sentence.encoder import SentenceEncoder, TransformerEmbedding
from rowspace.sentence.exports import EXPORT, exported
from rowspace.sentence.folder import read_modules
from rowspace.sentence.kinds import told_of_the_name
from rowspace.sentence.loading import load_encoder
from rowspace.sentence.runtime_openvino import OpenVinoRuntime
from rowspace.space.encoder import encode_documents
from rowspace.space.growing import GrowingFiles, Rows
from rowspace.text.passages import Passage

_VECTORS = "vectors"
_AT_ONCE = 512
"""Passages that are encoded together: what an interrupt may lose."""


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
    encoder: SentenceEncoder, passages: Iterator[Passage], n_passages: int, folder: Path
) -> tuple[NDArray[np.float32], int]:
    """Vectors of all passages, in a file that grows; goes on where an earlier call stopped.

    Parameters
    ----------
    encoder : SentenceEncoder
    passages : iterator of Passage
        All of them, those that an earlier call encoded too.
    n_passages : int
    folder : Path
        Made here.

    Returns
    -------
    ((n_passages, dim) float32 array, int)
        Mapped from the file; and how many passages were not read to their end.
    """
    folder.mkdir(exist_ok=True)
    arrays = {_VECTORS: Rows("float32", (encoder.dim,))}
    with track("encoding", n_passages) as tracker, GrowingFiles(folder, arrays) as files:
        state = files.state or {"passages": 0, "truncated": 0}
        left = islice(passages, state["passages"], None)
        tracker.set(state["passages"])
        while batch := list(islice(left, _AT_ONCE)):
            texts = [content(passage.title, passage.text) for passage in batch]
            vectors, n_truncated = encode_documents(encoder, texts)
            files.append(_VECTORS, vectors, "the encoder")
            state = {
                "passages": state["passages"] + len(batch),
                "truncated": state["truncated"] + n_truncated,
            }
            files.mark(state)
            tracker.advance(len(batch))
        files.finish()
    return np.load(folder / f"{_VECTORS}.npy", mmap_mode="r"), state["truncated"]


def _copy_export(encoder: SentenceEncoder, folder: Path) -> None:
    """Bring the export along, which only torch can make anew."""
    embedding = encoder.embedding
    if not isinstance(embedding, TransformerEmbedding) or encoder.folder is None:
        return
    if isinstance(embedding.runtime, OpenVinoRuntime):
        home = read_modules(encoder.folder)[0].path
        export = exported(home, embedding.poolings)
        shutil.copytree(export.graph.parent, folder / EXPORT)

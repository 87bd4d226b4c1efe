"""What encodes texts and ranks documents in `rowspace eval`.

Evaluation and search do not know each other, so they meet here.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.beir import RetrievalTask
from rowspace.evaluate.retrieval import retrieve, retrieve_dense
from rowspace.evaluate.tasks import Ranker
from rowspace.sentence.kinds import is_text_encoder
from rowspace.space.encoder import Encoder, encode_documents
from rowspace.space.vectors import Vectors
from rowspace.text.passages import Passage

if TYPE_CHECKING:
    from rowspace.search.space import Space

MODES = ("dense", "lexical", "hybrid")
AVERAGES = ("sif", "mean")

_DOCUMENTS_AT_ONCE = 1024


def text_encoders(
    model: str, vectors: Vectors | None, averages: Sequence[str]
) -> dict[str, Encoder]:
    """What gives texts their vectors, by name: the model itself, or averages of its words."""
    if is_text_encoder(model):
        from rowspace.sentence.loading import load_encoder

        return {"encoder": load_encoder(model)}
    if is_space_of_texts(model):
        from rowspace.search.space import open_space

        return {"encoder": open_space(model).encoder}
    assert vectors is not None, "the vectors of words are loaded first"
    return {average: _average(average, vectors) for average in dict.fromkeys(averages)}


def make_rankers(encoders: Mapping[str, Encoder], modes: Sequence[str]) -> dict[str, Ranker]:
    """A ranker for each mode and encoder; one for lexical, which needs none.

    Named by the mode, and by the encoder too where there are several.
    """
    rankers: dict[str, Ranker] = {}
    for mode in dict.fromkeys(modes):
        asked: Mapping[str, Encoder] = {"": _NoVectors()} if mode == "lexical" else encoders
        for name, encoder in asked.items():
            title = mode if len(asked) == 1 else f"{mode}, {name}"
            rankers[title] = functools.partial(_rank, mode, encoder)
    return rankers


def hybrid_ranker(encoder: Encoder, dense_weight: float) -> Ranker:
    """BM25 fused with an encoder's cosines, which count so much beside 1 for the words."""
    return functools.partial(_rank, "hybrid", encoder, dense_weight=dense_weight)


def is_space_of_texts(model: str) -> bool:
    """Whether it is a space with a sentence encoder, which has no vectors of words."""
    from rowspace.search.commit import model_named, read_commit
    from rowspace.search.manifest import is_space

    path = Path(model)
    return is_space(path) and model_named(path, read_commit(path), None)[1].kind == "sentence"


class _NoVectors:
    """For a space of which only the words are searched: encodes nothing, in no time."""

    dim = 1
    fingerprint = "none"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros((len(texts), 1), dtype=np.float32)


def _average(name: str, vectors: Vectors) -> Encoder:
    if name == "mean":
        from rowspace.static.mean import MeanEncoder

        return MeanEncoder(vectors)
    from rowspace.static.sif import SIFEncoder

    return SIFEncoder.from_vectors(vectors)


def _rank(
    mode: str,
    encoder: Encoder,
    task: RetrievalTask,
    k: int,
    *,
    dense_weight: float | None = None,
) -> dict[str, list[str]]:
    if mode == "dense":
        return retrieve_dense(encoder, task, k)
    with task_space(encoder, task) as space:

        def search(queries: Sequence[str], k: int) -> list[list[str]]:
            found = space.search_batch(queries, k, mode=mode, dense_weight=dense_weight)
            return [[hit.document_id for hit in hits] for hits in found]

        return retrieve(search, task, k)


@contextlib.contextmanager
def task_space(encoder: Encoder | None, task: RetrievalTask) -> Iterator[Space]:
    """A space of a task's documents, gone after the block; of their words alone for None."""
    with tempfile.TemporaryDirectory(prefix="rowspace-eval-") as folder:
        yield _make_space(Path(folder) / "task.space", encoder or _NoVectors(), task)


def _make_space(path: Path, encoder: Encoder, task: RetrievalTask) -> Space:
    """A space of the task's documents, each one whole passage; those without text are left out."""
    from rowspace.search.space import open_space
    from rowspace.search.writer import create_space

    texts = list(task.documents.values())
    vectors, _ = encode_documents(encoder, texts)  # at once, as for dense retrieval
    kept = [row for row, text in enumerate(texts) if text]
    ids = list(task.documents)
    batches = (
        (
            [Passage(ids[row], 0, "", texts[row], task.name) for row in rows],
            vectors[rows],
        )
        for rows in (
            kept[start : start + _DOCUMENTS_AT_ONCE]
            for start in range(0, len(kept), _DOCUMENTS_AT_ONCE)
        )
    )
    # The kind says how to load an encoder from a space; this one is given to it.
    create_space(path, encoder, batches, encoder_kind="sif", field_types={})
    return open_space(path, encoder)

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rowspace as rs
from rowspace.search.space import open_space
from rowspace.serve.encoding import PatientEncoder
from rowspace.serve.errors import ApiError
from rowspace.serve.served import load_deterministic
from tests.search.stub import HashEncoder, document
from tests.sentence.small_folders import write_sentence_encoder
from tests.serve.clients import client_of, copy_of
from tests.speeches import SPEECHES, write_jsonl


class Queued(HashEncoder):
    """Refuses some calls before it encodes, as a full queue does."""

    def __init__(self, n_refusals: int, status: int = 429) -> None:
        super().__init__()
        self.n_refusals, self.status = n_refusals, status
        self.sizes: list[int] = []
        self.n_truncated = 1

    def encode_document(self, texts: Sequence[str]) -> Any:
        if self.n_refusals:
            self.n_refusals -= 1
            raise ApiError(self.status, "the queue is full")
        self.sizes.append(len(texts))
        return self.encode(texts)

    encode_query = encode_document


TEXTS = [f"river {i}" for i in range(150)]


def test_documents_wait_for_room_in_the_queue_and_are_given_in_parts() -> None:
    queued = Queued(n_refusals=3)
    encoder = PatientEncoder(queued, deadline=10)  # type: ignore[arg-type]
    np.testing.assert_array_equal(encoder.encode_document(TEXTS), HashEncoder().encode(TEXTS))
    assert sum(queued.sizes) == 150
    assert len(queued.sizes) == encoder.n_truncated == 3  # one text of each part was cut
    assert encoder.encode_document([]).shape == (0, encoder.dim)


def test_documents_do_not_wait_for_ever_nor_for_other_errors() -> None:
    for queued in (Queued(n_refusals=1_000), Queued(n_refusals=1, status=503)):
        encoder = PatientEncoder(queued, deadline=0.05)  # type: ignore[arg-type]
        with pytest.raises(ApiError, match="the queue is full"):
            encoder.encode_document(TEXTS)


def test_queries_do_not_wait_for_room() -> None:
    encoder = PatientEncoder(Queued(n_refusals=1), deadline=10)  # type: ignore[arg-type]
    with pytest.raises(ApiError, match="the queue is full"):
        encoder.encode_query(["river"])


def test_passages_that_are_not_read_to_their_end_are_counted_as_the_library_counts(
    tmp_path: Path,
) -> None:
    model = write_sentence_encoder(tmp_path / "small")
    corpus = write_jsonl(tmp_path / "speeches.jsonl")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*longer than")
        path = rs.build(corpus, tmp_path / "a.space", model=str(model), passage_words=20).path
    texts = {"long": next(iter(SPEECHES.values())), "short": "torch"}
    (tmp_path / "library").mkdir()
    library = open_space(copy_of(path, tmp_path / "library"), load=load_deterministic)
    expected = library.add([document(name, text, source="") for name, text in texts.items()])
    assert expected.truncated > 0
    with client_of(path) as client:
        documents = [{"id": name, "text": text} for name, text in texts.items()]
        added = client.post("/v1/documents", json={"documents": documents}).json()
        body = {"query": "torch", "k": 50, "mode": "dense"}
        hits = client.post("/v1/search", json=body).json()["data"][0]["hits"]
    assert (added["passages"], added["truncated"]) == (expected.passages, expected.truncated)
    found = library.search("torch", 50, mode="dense")
    assert [(hit["passage_id"], hit["score"]) for hit in hits] == [
        (hit.passage_id, hit.score) for hit in found
    ]

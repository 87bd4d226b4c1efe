"""A million sentences of Wikipedia and their vectors of 384 numbers, for the benchmarks of search.

The sentences (8 words and more, no two the same) are of the shared corpora. The encoder is a static
one that is distilled from all-MiniLM-L6-v2 at its full 384 dimensions, in a minute or two. Both are
made once and kept in .cache; the same corpora and model give the same files.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rowspace as rs
from benchmarks.common import CACHE, WIKIPEDIA, data_folder
from benchmarks.contextual_speed import minilm
from rowspace.files import write_atomically
from rowspace.progress import track
from rowspace.sentence import SentenceEncoder, StaticDistillConfig, distill_embedder
from rowspace.space.encoder import encode_documents
from rowspace.text.corpus import Corpus
from rowspace.text.passages import split_sentences

DIM = 384
ROWS = 1_000_000
CORPORA = (*WIKIPEDIA, "enwiki2015a-03", "simplewiki-02")
_LEAST_WORDS = 8
_AT_ONCE = 20_000


def encoder() -> SentenceEncoder:
    """The static encoder, distilled where it is not there yet."""
    folder = CACHE / "static-384"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        config = StaticDistillConfig(dim=DIM)
        distill_embedder(rs.load_encoder(minilm()), folder, corpus(), config)
    return rs.load_encoder(folder)


def corpus() -> Corpus:
    """The Wikipedia articles."""
    return Corpus([data_folder() / "corpora" / f"{name}.txt.xz" for name in CORPORA], "blocks")


def sentences(n: int = ROWS) -> Path:
    """A file of `n` sentences, one a line."""
    path = CACHE / f"sentences-{n}.txt"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file, track("sentences", n) as tracker:
            for sentence in islice(distinct_sentences(), n):
                file.write(sentence.encode() + b"\n")
                tracker.advance()
    return path


def vectors(n: int = ROWS) -> NDArray[np.float32]:
    """(n, 384) float32, mapped from a file: the vectors of `sentences(n)`, of length 1."""
    path = CACHE / f"vectors-{n}-{DIM}.npy"
    if not path.exists():
        model = encoder()
        matrix = np.empty((n, DIM), np.float32)
        with sentences(n).open() as file, track("encoding", n) as tracker:
            start = 0
            while batch := [line.rstrip("\n") for line in islice(file, _AT_ONCE)]:
                matrix[start : start + len(batch)], _ = encode_documents(model, batch)
                start += len(batch)
                tracker.advance(len(batch))
        matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
        with write_atomically(path) as file:
            np.save(file, matrix)
    mapped: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return mapped


def distinct_sentences() -> Iterator[str]:
    seen: set[int] = set()
    articles = corpus()
    for document in articles:
        for sentence in split_sentences(articles.text_of(document)):
            sentence = " ".join(sentence.split())
            if len(sentence.split()) >= _LEAST_WORDS and (key := hash(sentence)) not in seen:
                seen.add(key)
                yield sentence


if __name__ == "__main__":
    print(vectors().shape)

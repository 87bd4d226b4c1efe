"""Texts to sentence vectors on a CPU: sentence-transformers against our runtimes.

    python -m benchmarks.encode_speed [--texts 1200] [--rounds 5] [--threads 2]

all-MiniLM-L6-v2, the same weights in one process; of the texts two thirds are sentences of STS-B
dev and one third documents of SciFact, mixed. All take turns, first one and then another first;
a ratio is the median of the rounds'. Cosines are to sentence-transformers' vectors. The latency is
of one short query, the median of many.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import random
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from benchmarks.common import data_folder, record
from benchmarks.contextual_speed import minilm, times
from rowspace.sentence import load_encoder

QUERY = "how long does the flu vaccine protect adults"
PEER = "sentence-transformers"
WAYS: dict[str, dict[str, Any]] = {
    "auto": {},
    "float32": {"dtype": "float32"},
    "int8": {"dtype": "int8"},
    "deterministic": {"deterministic": True},
}
Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", message=".*longer than 256 tokens")
    encoders: dict[str, Any] = {PEER: SentenceTransformer(str(minilm()), device="cpu")}
    for name, settings in WAYS.items():
        encoders[name] = load_encoder(minilm(), threads=arguments.threads, **settings)
    texts = mixed_texts(arguments.texts)
    vectors = {name: encoder.encode(texts) for name, encoder in encoders.items()}  # also warms up
    ways: dict[str, Callable[[], Any]] = {
        name: functools.partial(encoder.encode, texts) for name, encoder in encoders.items()
    }
    seconds = times(ways, arguments.rounds)
    waits = latencies(encoders, arguments.queries)
    lines = [
        f"{len(texts):,} texts, medians of {arguments.rounds} rounds, {arguments.threads} threads",
        f"{'':22} {'texts/s':>8} {'ratio':>6} {'least cosine':>13} {'mean cosine':>12} "
        f"{'one query, ms':>14}",
    ]
    for name, encoder in encoders.items():
        label = name if name == PEER else f"{name} ({encoder.embedding.runtime.name.split()[1]})"
        pairs = zip(seconds[PEER], seconds[name], strict=True)
        ratio = statistics.median(theirs / ours for theirs, ours in pairs)
        cosines = (vectors[name] * vectors[PEER]).sum(axis=1)  # of unit length
        lines.append(
            f"{label:22} {len(texts) / statistics.median(seconds[name]):>8,.0f} {ratio:>6.2f} "
            f"{cosines.min():>13.5f} {cosines.mean():>12.5f} {waits[name]:>14.2f}"
        )
    record("Sentence vectors: speed", lines, ["sentence-transformers", "torch", "openvino"])


def mixed_texts(n: int) -> list[str]:
    """Two sentences to each document, in any order."""
    rows = (data_folder() / "sentence" / "stsb" / "dev.tsv").read_text().splitlines()[1:]
    sentences = [text for row in rows for text in row.split("\t")[1:3]]
    path = data_folder() / "retrieval" / "scifact" / "corpus.jsonl.gz"
    with gzip.open(path, "rt") as file:
        documents = [f"{row['title']} {row['text']}" for row in map(json.loads, file)]
    draw, n_documents = random.Random(1), n // 3
    texts = draw.sample(documents, n_documents) + draw.sample(sentences, n - n_documents)
    draw.shuffle(texts)
    return texts


def latencies(encoders: dict[str, Any], n: int) -> dict[str, float]:
    """Milliseconds of one query, medians of `n`, in turns."""
    found: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(n):
        for name, encoder in encoders.items():
            started = time.perf_counter()
            encoder.encode(QUERY)
            found[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(waits) for name, waits in found.items()}


if __name__ == "__main__":
    main()

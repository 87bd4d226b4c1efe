"""Peak memory of `encode` on a stream of texts, on four times and on sixteen times as many.

    python -m benchmarks.encode_memory [--texts 256000] [--threads 2]

Each text is eight words of the Wikipedia corpora. A generator gives them, and vectors go into a
memory-mapped file, so that neither texts nor vectors are held; the model is a BERT of one random
layer, whose memory hides nothing. Each run is a process of its own; what is counted is its
anonymous memory, looked at every 10 ms (mapped pages come and go as the system likes), less that
before the run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.common import in_process, record, wikipedia_text
from benchmarks.contextual_memory import Watch, anonymous, write_model
from rowspace.machine import return_free_memory
from rowspace.sentence import load_encoder

SHARES = (16, 4, 1)
WORDS_A_TEXT = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=256_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", type=Path, help="for the benchmark's own processes")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.texts, arguments.threads)))
        return
    lines = [
        f"texts of {WORDS_A_TEXT} words from a generator to a file, {arguments.threads} threads",
        f"{'texts':>10} {'written, MB':>12} {'peak, MB':>9} {'texts/s':>8}",
    ]
    wikipedia_text(arguments.texts * WORDS_A_TEXT)  # made before memory is looked at
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name) / "model")
        load_encoder(Path(name) / "model", threads=arguments.threads)  # exports it
        for share in SHARES:
            n = arguments.texts // share
            options = ("--measure", name, "--texts", n, "--threads", arguments.threads)
            found = in_process("benchmarks.encode_memory", *options)
            peaks.append(found["peak"])
            lines.append(
                f"{n:>10,} {found['written']:>12,.0f} {found['peak']:>9,.0f} "
                f"{n / found['seconds']:>8,.0f}"
            )
    against = zip(SHARES, peaks, strict=True)
    ratios = ", ".join(f"{SHARES[0] // n}x the texts: {peak / peaks[0]:.2f}" for n, peak in against)
    lines.append(f"peak against that of the fewest texts: {ratios}")
    record("Sentence vectors: memory", lines)


def stream(n_texts: int) -> Iterator[str]:
    """Texts of a file of words, one at a time."""
    words: list[str] = []
    with wikipedia_text(n_texts * WORDS_A_TEXT).open() as file:
        for line in file:
            words += line.split()
            while len(words) >= WORDS_A_TEXT:
                yield " ".join(words[:WORDS_A_TEXT])
                del words[:WORDS_A_TEXT]


def measure(folder: Path, n_texts: int, n_threads: int) -> dict[str, float]:
    """Peak MB over what was there before, and what was done."""
    encoder = load_encoder(folder / "model", threads=n_threads)
    encoder.encode(["a first text"])  # what the libraries load late
    next(stream(n_texts))
    out = np.memmap(folder / "out", np.float32, "w+", shape=(n_texts, encoder.dim))
    return_free_memory()
    before, watch = anonymous(), Watch()
    started = time.perf_counter()
    encoder.encode(stream(n_texts), out=out)
    seconds = time.perf_counter() - started
    assert out[-1].any()
    return {
        "peak": (watch.stop() - before) / 1e6,
        "written": out.nbytes / 1e6,
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()

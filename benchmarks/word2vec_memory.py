"""Peak memory of the whole job, from a file of text to saved vectors, against gensim.

    python -m benchmarks.word2vec_memory [--words 25000000]

Each runs in a process of its own, one epoch, and the kernel tells its largest resident set.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from benchmarks.common import record, wikipedia_text

GENSIM = """
from gensim.models.word2vec import Word2Vec
model = Word2Vec(corpus_file={text!r}, vector_size=100, window=5, negative=5, sg=1, min_count=5,
                 sample=1e-4, alpha=0.05, workers=2, epochs=1)
model.wv.save({out!r})
"""
ROWSPACE = """
import rowspace as rs
vectors = rs.Word2Vec(dim=100, epochs=1, n_threads=2, tokenizer="whitespace").fit({text!r})
vectors.save({out!r}, format="rowspace")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=25_000_000)
    arguments = parser.parse_args()
    text = wikipedia_text(arguments.words)
    peaks = {"gensim": [], "rowspace": []}  # type: dict[str, list[float]]
    for turn in range(2):
        for name, code in (("gensim", GENSIM), ("rowspace", ROWSPACE)):
            out = text.with_name(f"{name}-{turn}.vectors")
            peaks[name].append(peak_megabytes(code.format(text=str(text), out=str(out))))
    ratio = max(peaks["rowspace"]) / min(peaks["gensim"])
    lines = [
        f"{arguments.words:,} words, d100, one epoch, 2 threads, peak resident set in MB",
        *(f"{name:9} " + " ".join(f"{peak:7.0f}" for peak in peaks[name]) for name in peaks),
        f"ratio, our worst to their best: {ratio:.2f}",
    ]
    record("word2vec: peak memory", lines, ["gensim"])


def peak_megabytes(code: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"the run failed with status {status}")
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()

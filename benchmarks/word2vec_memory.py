"""Peak memory of the whole job, from a file of text to saved vectors, against gensim.

    python -m benchmarks.word2vec_memory [--words 25000000] [--dim 100] [--min-count 5]

Each runs in a process of its own, one epoch, and the kernel tells its largest resident set. That
counts the pages of program files too, which the system shares and drops at will; the anonymous
memory beside it, looked at every 5 ms, is what the process itself holds.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.common import record, wikipedia_text

GENSIM = """
from gensim.models.word2vec import Word2Vec
model = Word2Vec(corpus_file={text!r}, vector_size={dim}, window=5, negative=5, sg=1,
                 min_count={least}, sample=1e-4, alpha=0.05, workers=2, epochs=1)
model.wv.save({out!r})
"""
ROWSPACE = """
import rowspace as rs
model = rs.Word2Vec(dim={dim}, min_count={least}, epochs=1, n_threads=2, tokenizer="whitespace")
model.fit({text!r}).save({out!r}, format="rowspace")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=25_000_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--min-count", type=int, default=5)
    arguments = parser.parse_args()
    least = arguments.min_count
    text = wikipedia_text(arguments.words)
    peaks: dict[str, list[tuple[float, float]]] = {"gensim": [], "rowspace": []}
    for turn in range(2):
        for name, code in (("gensim", GENSIM), ("rowspace", ROWSPACE)):
            out = text.with_name(f"{name}-{turn}.vectors")
            filled = code.format(text=str(text), out=str(out), dim=arguments.dim, least=least)
            peaks[name].append(peak_megabytes(filled))
    lines = [
        f"{arguments.words:,} words, d{arguments.dim}, min_count {least}, one epoch, 2 threads, "
        "peaks in MB",
        f"{'':9} {'resident':>16} {'anonymous':>16}",
    ]
    for name, runs in peaks.items():
        columns = zip(*runs, strict=True)
        lines.append(f"{name:9} " + " ".join(f"{a:>8.0f}{b:>8.0f}" for a, b in columns))
    ratios = [
        max(ours) / min(theirs)
        for ours, theirs in zip(
            zip(*peaks["rowspace"], strict=True), zip(*peaks["gensim"], strict=True), strict=True
        )
    ]
    lines.append(
        f"ratio, our worst to their best: resident {ratios[0]:.2f}, anonymous {ratios[1]:.2f}"
    )
    record(f"word2vec: peak memory, d{arguments.dim}, min_count {least}", lines, ["gensim"])


def peak_megabytes(code: str) -> tuple[float, float]:
    """(resident, anonymous)."""
    process = subprocess.Popen([sys.executable, "-c", code])
    status_file = Path(f"/proc/{process.pid}/status")
    anonymous = 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        found = re.search(r"RssAnon:\s+(\d+)", status_file.read_text())
        anonymous = max(anonymous, int(found[1]) if found else 0)
        time.sleep(0.005)
    if status != 0:
        sys.exit(f"the run failed with status {status}")
    return usage.ru_maxrss / 1024, anonymous / 1024


if __name__ == "__main__":
    main()

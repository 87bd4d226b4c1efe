"""Does time grow linearly with the text? Scan and training on 1, 4 and 16 times as many words.

    python -m benchmarks.word2vec_scaling [--words 2500000]

A larger text is the same file's longer head, so its vocabulary is larger too, and at some size the
two matrices no longer fit the processor's caches. So each is run a second time with the 20,000 most
frequent words alone, where only the text grows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import rowspace as rs
from benchmarks.common import record, wikipedia_text
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import scan_corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=2_500_000)
    arguments = parser.parse_args()
    sizes = [arguments.words * factor for factor in (1, 4, 16)]
    run(wikipedia_text(100_000))  # compile
    lines = [f"{'words':>12} {'vocabulary':>11} {'scan s':>8} {'train s':>8} {'ns a word':>10}"]
    for max_words in (None, 20_000):
        totals = []
        for size in sizes:
            times = [run(wikipedia_text(size), max_words) for _ in range(3)]
            total, scan, train, n_words = min(times)
            totals.append(total)
            each = total / size * 1e9
            lines.append(f"{size:12,} {n_words:11,} {scan:8.2f} {train:8.2f} {each:10.0f}")
        growth = totals[-1] / totals[0] / (sizes[-1] / sizes[0])
        lines.append(f"time over 16 times the text, divided by 16: {growth:.2f} (1 is linear)")
    record("word2vec: growth with the text", lines)


def run(text: Path, max_words: int | None = None) -> tuple[float, float, float, int]:
    """Seconds in all, for the scan and for training; words of the vocabulary."""
    trainer = rs.Word2Vec(
        dim=100, epochs=1, n_threads=2, tokenizer="whitespace", max_words=max_words
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        config = trainer.config.vocabulary_config()
        vocabulary, ids = scan_corpus(Corpus(text), Path(folder), config, 2)
        scanned = time.perf_counter()
        trainer.fit_ids(vocabulary, ids)
        ended = time.perf_counter()
        return ended - started, scanned - started, ended - scanned, len(vocabulary)


if __name__ == "__main__":
    main()

"""Peak memory of `extract` on a text, on four times the text and on sixteen times.

    python -m benchmarks.contextual_memory [--lines 1200] [--threads 2]

Every occurrence of 200 words gets a vector, of a small random BERT. (With `--every-word` the
different words of a text are kept, and a longer one has more of them.) Each run is a process of its
own; what is counted is its anonymous memory, looked at every 10 ms (pages of the files that it
writes are the system's, and mapped ones come and go as it likes), less that before the run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import torch
import transformers

from benchmarks.common import in_process, record, wikipedia_text
from benchmarks.contextual_speed import minilm
from rowspace.machine import return_free_memory
from rowspace.text.corpus import Corpus
from rowspace.text.tokenizer import words
from rowspace.transformer.extraction import extract
from rowspace.transformer.load_encoder import load_encoder

TIMES = (1, 4, 16)
WORDS_A_LINE = 20
N_WORDS = 200
_BEGINNING = 200_000  # characters, of which every text has as many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", type=Path, help="for the benchmark's own processes")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    lines = [
        f"lines of {WORDS_A_LINE} words, {N_WORDS} words wanted, {arguments.threads} threads",
        f"{'text':>5} {'lines':>8} {'vectors':>9} {'written, MB':>12} {'peak, MB':>9} {'s':>5}",
    ]
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name) / "model")
        for times in TIMES:
            write_text(Path(name) / "text.txt", arguments.lines * times)
            threads = ("--threads", arguments.threads)
            found = in_process("benchmarks.contextual_memory", "--measure", name, *threads)
            peaks.append(found["peak"])
            lines.append(
                f"{times:>4}x {arguments.lines * times:>8,} {found['rows']:>9,.0f} "
                f"{found['written']:>12,.0f} {found['peak']:>9,.0f} {found['seconds']:>5.0f}"
            )
    against = zip(TIMES, peaks, strict=True)
    ratios = ", ".join(f"{n}x the text: {peak / peaks[0]:.2f}" for n, peak in against)
    lines.append(f"peak against that of the smallest text: {ratios}")
    record("Words' vectors of a long text: memory", lines)


def write_model(folder: Path) -> None:
    torch.manual_seed(1)
    shape = transformers.BertConfig(
        vocab_size=30_522, hidden_size=128, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=256,
    )  # fmt: skip
    transformers.BertModel(shape).save_pretrained(folder)
    shutil.copy(minilm() / "tokenizer.json", folder)


def write_text(path: Path, n_lines: int) -> None:
    with wikipedia_text(n_lines * WORDS_A_LINE).open() as file:
        tokens = [token for line in file for token in line.split()]
    starts = range(0, len(tokens), WORDS_A_LINE)
    path.write_text("".join(" ".join(tokens[i : i + WORDS_A_LINE]) + "\n" for i in starts))


def wanted(path: Path) -> list[str]:
    """The most frequent words of a text's beginning."""
    counts = Counter(words(path.read_text()[:_BEGINNING]))
    return [word for word, _ in counts.most_common(N_WORDS)]


def measure(folder: Path) -> dict[str, float]:
    """Peak MB over what was there before, and what was done."""
    encoder = load_encoder(folder / "model")
    encoder.contextual(["a first text"])  # what the libraries load late
    return_free_memory()
    out, chosen = folder / "out", wanted(folder / "text.txt")
    shutil.rmtree(out, ignore_errors=True)
    before, watch = anonymous(), Watch()
    started = time.perf_counter()
    found = extract(encoder, Corpus(folder / "text.txt", "lines"), out, chosen)
    seconds = time.perf_counter() - started
    return {
        "peak": (watch.stop() - before) / 1e6,
        "rows": len(found),
        "written": sum(path.stat().st_size for path in out.iterdir()) / 1e6,
        "seconds": seconds,
    }


def anonymous() -> int:
    """Bytes that this process holds itself."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - memory.shared)


class Watch(threading.Thread):
    """Looks at this process's memory until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.is_over = 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.is_over.wait(0.01):
            self.peak = max(self.peak, anonymous())

    def stop(self) -> int:
        self.is_over.set()
        self.join()
        return self.peak


if __name__ == "__main__":
    main()

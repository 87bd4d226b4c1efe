"""word2vec by several workers that are averaged, beside one process: what is lost, and how fast.

    python -m benchmarks.ray_word2vec [--words 8000000] [--epochs 3] [--workers 2]
                                      [--syncs 4 16 60] [--rules]

One process with as many threads as there are workers, and a Ray cluster of that many on this
machine, of a thread each, train on the same ids in turns. Quality is the Spearman correlation on
word similarity and the accuracy of the Google analogies among the 30,000 most frequent words.

`--rules` compares ways to make one matrix of several instead, with 2, 4 and 8 workers of a thread,
which this process does one after the other: docs/decisions/averaging.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import rowspace as rs
from benchmarks.common import record, wikipedia_text
from benchmarks.word2vec_speed import quality
from rowspace.scale.cluster import ClusterConfig, connected
from rowspace.scale.training import RayEngine
from rowspace.static.averaging import (
    AveragingConfig,
    Floats,
    combine_rows,
    end_of_round,
    share_of_round,
)
from rowspace.static.training import Training
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import TokenIds, Vocabulary, scan_corpus

Rule = Callable[[Floats, list[Floats]], Floats]
HEAD = f"{'':34} {'M words/s':>10} {'WordSim':>8} {'SimLex':>8} {'MTurk':>8} {'Google':>8}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=8_000_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--syncs", type=int, nargs="+", default=[4, 16, 60])
    parser.add_argument("--rules", action="store_true")
    arguments = parser.parse_args()
    config = trainer(arguments.epochs, 1).config.vocabulary_config()
    about = (
        f"{arguments.words:,} words, {arguments.epochs} epochs, d100 w5 n5 t=1e-4 lr .05, seed 1"
    )
    with tempfile.TemporaryDirectory() as folder:
        scanned = scan_corpus(Corpus(wikipedia_text(arguments.words)), Path(folder), config, 2)
        if arguments.rules:
            title, lines = "word2vec: ways to average", rules(*scanned, arguments.epochs)
        else:
            title = "word2vec: averaged workers"
            lines = over_ray(*scanned, arguments.epochs, arguments.workers, arguments.syncs)
    record(title, [about, HEAD, *lines], [] if arguments.rules else ["ray"])


def trainer(epochs: int, n_threads: int) -> rs.Word2Vec:
    return rs.Word2Vec(dim=100, epochs=epochs, n_threads=n_threads, tokenizer="whitespace")


def line(name: str, vectors: rs.Vectors, words_per_second: float | None = None) -> str:
    found = " ".join(f"{value:8.3f}" for value in quality(vectors))
    speed = "" if words_per_second is None else f"{words_per_second / 1e6:.2f}"
    text = f"{name:34} {speed:>10} {found}"
    print(text, flush=True)
    return text


def over_ray(
    vocabulary: Vocabulary, ids: TokenIds, epochs: int, workers: int, syncs: list[int]
) -> list[str]:
    """One process and the cluster, in turns."""

    def one(name: str, fit: rs.Word2Vec) -> tuple[str, float]:
        started = time.perf_counter()
        vectors = fit.fit_ids(vocabulary, ids)
        speed = epochs * vocabulary.n_tokens / (time.perf_counter() - started)
        return line(name, vectors, speed), speed

    trainer(1, 1).fit_ids(vocabulary, TokenIds(ids.path, 100_000))  # compile
    lines: list[str] = []
    for sync in syncs:
        with_threads = f"one process, {workers} threads"
        text, alone = one(with_threads, trainer(epochs, workers))
        lines.append(text)
        with connected(ClusterConfig(workers=workers)) as cluster:
            averaged = trainer(epochs, 1)
            averaged.engine = RayEngine(cluster, AveragingConfig(sync=sync))
            text, together = one(f"{workers} workers, averaged {sync} times", averaged)
        lines += [text, f"ratio of words/s: {together / alone:.2f}"]
    return lines


def mean(before: Floats, after: list[Floats]) -> Floats:
    total: Floats = np.mean(after, axis=0, dtype=np.float32)
    return total


def mean_of_changed(before: Floats, after: list[Floats]) -> Floats:
    changed = [(matrix != before).any(axis=1, keepdims=True) for matrix in after]
    total = sum(np.where(is_new, matrix, 0) for is_new, matrix in zip(changed, after, strict=True))
    n = np.sum(changed, axis=0)
    found: Floats = np.where(n > 0, total / np.maximum(n, 1), before).astype(np.float32)
    return found


def added_up(before: Floats, after: list[Floats]) -> Floats:
    total: Floats = before + np.sum([matrix - before for matrix in after], axis=0)
    return total


RULES: dict[str, Rule] = {
    "mean": mean,
    "mean of what changed": mean_of_changed,
    "added up": added_up,
    "combined": combine_rows,
}


class Simulated(Training):
    """Workers one after the other, in this process."""

    def as_if(self, n_workers: int, sync: int, rule: Rule) -> None:
        """Train to the end."""
        while not self.is_done:
            last = end_of_round(self.n_done, self.n_pieces, sync)
            before, after = [self.w_in.copy(), self.w_out.copy()], []
            for worker in range(n_workers):
                self.w_in[:], self.w_out[:] = before
                for piece in share_of_round(self.n_done, last, worker, n_workers):
                    self.train_piece(piece)
                after.append((self.w_in.copy(), self.w_out.copy()))
            for place, target in enumerate((self.w_in, self.w_out)):
                rows = [pair[place].reshape(-1, self.row) for pair in after]
                target[:] = rule(before[place].reshape(-1, self.row), rows).ravel()
            self.n_done = last


def rules(vocabulary: Vocabulary, ids: TokenIds, epochs: int, sync: int = 16) -> list[str]:
    """Each rule with 2, 4 and 8 workers."""
    one = trainer(epochs, 1)
    started = time.perf_counter()
    vectors = one.fit_ids(vocabulary, ids)
    speed = epochs * vocabulary.n_tokens / (time.perf_counter() - started)
    lines = [line("one process", vectors, speed)]
    method = one._method(vocabulary, np.empty(0, dtype=bool))
    for name, rule in RULES.items():
        for n_workers in (2, 4, 8):
            run = Simulated(one.config, vocabulary, ids, method)
            run.as_if(n_workers, sync, rule)
            rows = run.matrix(run.w_in, method.n_in)
            shown = f"{name}, {n_workers}"
            if not np.isfinite(rows).all():
                lines.append(f"{shown:34} not finite")
                continue
            lines.append(line(shown, rs.Vectors(vocabulary.words, rows, vocabulary.counts)))
    return lines


if __name__ == "__main__":
    main()

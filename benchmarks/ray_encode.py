"""`rowspace encode --engine ray` against one process, on one machine.

    python -m benchmarks.ray_encode [--parts cost,workers,rows,memory] [--texts 200000] [--rounds 1]

`cost`: what the way over Ray costs: one process with two threads, two workers of one thread, and
one worker of two, in turns; all-MiniLM-L6-v2, whole commands, the start of the cluster included.
The files are compared byte for byte. `workers`: one worker against two, each kept to a core of its
own, from the first shard's begin to the last's end. `rows`: a static embedder on more and more
rows: the whole command's work, and the time that shards take in their workers.
`memory`: resident memory of each worker, looked at every half second over the longest of these
runs. The texts are sentences of Wikipedia, for `cost` and `workers` those of at most twelve words.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import CACHE, record
from benchmarks.contextual_speed import minilm
from benchmarks.million_vectors import distinct_sentences, encoder, sentences
from rowspace.files import write_atomically
from rowspace.progress import track
from rowspace.scale import encode as encoding
from rowspace.scale import shards as making
from rowspace.scale.cluster import ClusterConfig
from rowspace.scale.encode import EncodeJob, encode_on_ray
from rowspace.scale.pool import Work, run
from rowspace.sentence.text_encoding import EncodingSettings
from rowspace.text.corpus import Corpus

PARTS = ("cost", "workers", "rows", "memory")
WAYS = {
    "one process, 2 threads": ("--threads", "2"),
    "Ray, 2 workers of 1 thread": ("--engine", "ray", "--workers", "2", "--threads", "1"),
    "Ray, 1 worker of 2 threads": ("--engine", "ray", "--workers", "1", "--threads", "2"),
}
LOOK_SECONDS = 0.5
MOST_WORDS = 12
"""Of a sentence for MiniLM, so that many texts take minutes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--texts", type=int, default=200_000, help="of the parts cost and workers")
    parser.add_argument("--rows", default="10000,100000,1000000", help="of the part rows")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model", type=Path, help="a static embedder for rows and memory")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    sizes = [int(size) for size in arguments.rows.split(",")]
    with tempfile.TemporaryDirectory(dir=_made(CACHE)) as name:
        folder = Path(name)
        if "cost" in parts:
            cost(folder, arguments.texts, arguments.rounds)
        if "workers" in parts:
            workers(folder, arguments.texts, arguments.rounds)
        if "rows" in parts or "memory" in parts:
            rows_and_memory(folder, arguments.model or _static_folder(), sizes, parts)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _static_folder() -> Path:
    encoder()
    return CACHE / "static-384"


def short_sentences(n: int) -> Path:
    """A file of `n` sentences of at most MOST_WORDS words, one a line."""
    path = CACHE / f"sentences-{n}-short.txt"
    if not path.exists():
        short = (text for text in distinct_sentences() if len(text.split()) <= MOST_WORDS)
        with write_atomically(path) as file:
            file.writelines(f"{text}\n".encode() for text in islice(short, n))
    return path


# --- What it costs -------------------------------------------------------------------------------


def cost(folder: Path, n: int, rounds: int) -> None:
    texts = short_sentences(n)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with track("taking turns", rounds * len(WAYS)) as tracker:
        for number in range(rounds):
            order = list(WAYS) if number % 2 == 0 else list(WAYS)[::-1]
            for way in order:
                seconds[way].append(_command(texts, folder / f"{way}.npy", WAYS[way]))
                tracker.advance(note=way)
            first, *others = (folder / f"{way}.npy" for way in WAYS)
            same = all(filecmp.cmp(first, other, shallow=False) for other in others)
            for way in WAYS:
                (folder / f"{way}.npy").unlink()
                (folder / f"{way}.keys.txt").unlink()
            if not same:
                sys.exit("the files differ")
    alone = seconds[next(iter(WAYS))]
    lines = [
        f"{n:,} sentences of 8 to {MOST_WORDS} words, all-MiniLM-L6-v2, whole commands, "
        "the same bytes each time",
        f"{'':28} {'seconds':>8} {'texts/s':>8} {'of one process':>15}",
    ]
    for way, spent in seconds.items():
        ratio = statistics.median(mine / its for mine, its in zip(spent, alone, strict=True))
        middle = statistics.median(spent)
        lines.append(f"{way:28} {middle:>8.1f} {n / middle:>8,.0f} {ratio:>15.2f}")
    record("Encoding over Ray: what it costs", lines, ["ray"])


def _command(texts: Path, out: Path, options: Sequence[str]) -> float:
    command = [sys.executable, "-m", "rowspace", "encode", str(minilm()), str(texts),
               "--documents", "lines", "--out", str(out), *options]  # fmt: skip
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


# --- Two workers against one ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PinnedJob(EncodeJob):
    """Keeps each worker to a core of its own, and tells which process it is."""

    def start(self) -> Work:
        folder = self.tries.folder.path.parent
        cores = sorted(os.sched_getaffinity(0))
        for core in cores:
            try:
                (folder / f"core.{core}").open("x").write(str(os.getpid()))
            except FileExistsError:
                continue
            os.sched_setaffinity(0, {core})
            return _timed(super().start())
        raise RuntimeError(f"more workers than the {len(cores)} cores")


def _timed(work: Work) -> Work:
    """Work that tells how long it took."""

    def timed(number: int) -> dict[str, Any]:
        started = time.perf_counter()
        answer = work(number)
        return {**answer, "seconds": time.perf_counter() - started}

    return timed


class Timed:
    """`pool.run` that notes when each shard was done, how long it took, and its texts."""

    def __init__(self) -> None:
        self.done: list[tuple[float, float, int]] = []

    def __call__(self, cluster: Any, job: Any, shards: Sequence[int]) -> Iterator[tuple[int, Any]]:
        for number, answer in run(cluster, job, shards):
            now, seconds = time.perf_counter(), answer.pop("seconds")
            self.done.append((now, seconds, answer["told"]["texts"]))
            yield number, answer

    def rate(self) -> float:
        """Texts a second from the first shard's begin to the last's end."""
        begun = min(at - seconds for at, seconds, _ in self.done)
        return sum(n for _, _, n in self.done) / (self.done[-1][0] - begun)

    def microseconds(self) -> float:
        """What a row takes a worker."""
        return 1e6 * sum(s for _, s, _ in self.done) / sum(n for _, _, n in self.done)


def workers(folder: Path, n: int, rounds: int) -> None:
    texts = short_sentences(n)
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        for n_workers in (1, 2) if number % 2 == 0 else (2, 1):
            rates[n_workers].append(_on_ray(folder, minilm(), texts, n_workers).rate())
    ratio = statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True))
    lines = [
        f"{n:,} sentences of 8 to {MOST_WORDS} words, all-MiniLM-L6-v2, each worker on a core of "
        "its own",
        *(f"{w} worker{'s' * (w > 1):1}  {statistics.median(rates[w]):>8,.0f} texts/s"
          for w in rates),
        f"ratio      {ratio:>8.2f}",
    ]  # fmt: skip
    record("Encoding over Ray: two workers against one", lines, ["ray"])


def _on_ray(folder: Path, model: Path, texts: Path, n_workers: int) -> Timed:
    timed = Timed()
    encoding.EncodeJob, making.run = PinnedJob, timed  # type: ignore[misc, attr-defined]
    out = folder / "out.npy"
    config = ClusterConfig(workers=n_workers)
    settings = EncodingSettings(model=str(model))
    encode_on_ray(settings, Corpus(texts, documents="lines"), out, cluster=config)
    out.unlink()
    out.with_suffix(".keys.txt").unlink()
    return timed


# --- Rows and memory -----------------------------------------------------------------------------


def rows_and_memory(folder: Path, model: Path, sizes: Sequence[int], parts: Sequence[str]) -> None:
    lines = [
        "a static embedder of 384 numbers, two workers of one thread; seconds with the cluster's "
        "start",
        f"{'rows':>10} {'seconds':>8} {'shards':>7} {'microseconds of a worker a row':>31}",
    ]
    memory: Memory | None = None
    for n in sizes:
        texts = sentences(n)
        memory = Memory(folder / "out.npy.training")
        started = time.perf_counter()
        timed = _on_ray(folder, model, texts, 2)
        seconds = time.perf_counter() - started
        memory.stop()
        cost = timed.microseconds()
        lines.append(f"{n:>10,} {seconds:>8.1f} {len(timed.done):>7} {cost:>31.1f}")
    if "rows" in parts:
        record("Encoding over Ray: more and more rows", lines, ["ray"])
    if "memory" in parts and memory is not None:
        told = [
            f"{sizes[-1]:,} rows; MB that are resident in each worker, by fifths of the run",
            *memory.lines(),
        ]
        record("Encoding over Ray: memory of a worker", told, ["ray"])


class Memory(threading.Thread):
    """Looks at the workers of a work folder until it is stopped."""

    def __init__(self, work: Path) -> None:
        super().__init__(daemon=True)
        self.work, self.is_over = work, threading.Event()
        self.seen: dict[int, list[int]] = {}
        self.start()

    def run(self) -> None:
        while not self.is_over.wait(LOOK_SECONDS):
            for file in self.work.glob("core.*"):
                try:
                    pid = int(file.read_text())
                    self.seen.setdefault(pid, []).append(psutil.Process(pid).memory_info().rss)
                except (ValueError, OSError, psutil.Error):
                    continue  # it begins, or has ended

    def stop(self) -> None:
        self.is_over.set()
        self.join()

    def lines(self) -> list[str]:
        lines = []
        for number, sizes in enumerate(self.seen.values(), start=1):
            fifth = max(1, len(sizes) // 5)
            parts = [sizes[start : start + fifth] for start in range(0, len(sizes), fifth)][:5]
            middles = " ".join(f"{statistics.median(part) / 1e6:>7,.0f}" for part in parts)
            lines.append(f"worker {number}  {middles}   peak {max(sizes) / 1e6:,.0f}")
        return lines


if __name__ == "__main__":
    main()

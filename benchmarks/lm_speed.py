"""Training a small GPT on a processor: tokens/s and held-out loss against a plain loop.

    python -m benchmarks.lm_speed [--seeds 1 2] [--iterations 2000] [--chunk 25] [--threads 2]

The plain side is `benchmarks/plain_gpt.py`, nanoGPT's configuration for a processor. Ours is
`LanguageModel` in the same shape, with `Replicas` and AdamW in one kernel. Both get the same texts
in the same order, and take turns of `--chunk` iterations in one process. Loss is the mean over all
of the held-out tenth of tiny Shakespeare, in texts of 64 characters.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import data_folder, record
from benchmarks.plain_gpt import PlainGPT, PlainLoop, Setup
from rowspace.machine import has_native_bfloat16
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.optimizers import make_optimizer
from rowspace.transformer.replicas import Replicas

NAMES = ("plain", "rowspace")


class Loop(Protocol):
    """What is timed."""

    def step(self) -> Tensor: ...


class OurLoop:
    """The same training by the package's parts."""

    def __init__(self, setup: Setup, ids: Path, seed: int, threads: int) -> None:
        torch.manual_seed(seed)
        self.setup = setup
        self.ids = torch.from_numpy(np.fromfile(ids, dtype=np.uint16).astype(np.int64))
        self.model = LanguageModel(
            vocab_size=setup.vocab_size,
            dim=setup.dim,
            n_layers=setup.n_layers,
            n_heads=setup.n_heads,
            max_length=setup.length,
            position="learned",
            norm="layer",
            activation="gelu",
        )
        self.optimizer = make_optimizer(
            self.model,
            lr=setup.learning_rate,
            betas=setup.betas,
            weight_decay=setup.weight_decay,
        )
        precision = torch.bfloat16 if has_native_bfloat16() else torch.float32
        self.replicas = Replicas(self.model, threads, precision)
        self.window = torch.arange(setup.length + 1)
        self.iteration = 0

    def get_batch(self) -> tuple[Tensor, Tensor]:
        places = torch.randint(len(self.ids) - self.setup.length, (self.setup.batch,))
        texts = self.ids[places[:, None] + self.window]  # (B, T + 1)
        return texts[:, :-1], texts[:, 1:]

    def step(self) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = self.setup.rate(self.iteration)
        loss = self.replicas.gradients(*self.get_batch())
        self.replicas.clip(self.setup.clip)
        self.optimizer.step()
        self.iteration += 1
        return loss


@dataclass
class Times:
    """Seconds of one side's run."""

    first: float = 0.0
    """Of making it and its first chunk."""
    chunks: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--chunk", type=int, default=25)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.iterations % arguments.chunk:
        parser.error(f"--iterations is no multiple of --chunk, {arguments.chunk}")
    torch.set_num_threads(arguments.threads)
    setup = replace(Setup(), iterations=arguments.iterations)
    losses: dict[str, list[float]] = {name: [] for name in NAMES}
    times: dict[str, list[Times]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        train, held_out = write_ids(Path(folder))
        for seed in arguments.seeds:
            measured, found = race(setup, train, held_out, seed, arguments)
            for name in NAMES:
                times[name].append(measured[name])
                losses[name].append(found[name])
    report(setup, arguments, times, losses)


def write_ids(folder: Path) -> tuple[Path, Path]:
    """Files of character ids: nine tenths to train on, one held out."""
    text = (data_folder() / "lm" / "tinyshakespeare.txt").read_text()
    number = {character: i for i, character in enumerate(sorted(set(text)))}
    ids = np.array([number[character] for character in text], dtype=np.uint16)
    n_train = int(0.9 * len(ids))
    ids[:n_train].tofile(folder / "train.bin")
    ids[n_train:].tofile(folder / "held-out.bin")
    return folder / "train.bin", folder / "held-out.bin"


def race(
    setup: Setup, train: Path, held_out: Path, seed: int, arguments: argparse.Namespace
) -> tuple[dict[str, Times], dict[str, float]]:
    """Both sides, in turns of a chunk."""
    measured = {name: Times() for name in NAMES}
    load_what_torch_loads_late(setup, train)
    started = time.perf_counter()
    plain = PlainLoop(setup, train, seed)
    measured["plain"].first = time.perf_counter() - started
    started = time.perf_counter()
    ours = OurLoop(setup, train, seed, arguments.threads)
    measured["rowspace"].first = time.perf_counter() - started
    loops: dict[str, Loop] = {"plain": plain, "rowspace": ours}
    random = {name: torch.manual_seed(seed).get_state() for name in NAMES}
    for start in range(0, setup.iterations, arguments.chunk):
        for name, loop in loops.items():
            torch.set_rng_state(random[name])  # each its own, so that the texts are the same
            seconds = run(loop, arguments.chunk)
            random[name] = torch.get_rng_state()
            if start == 0:
                measured[name].first += seconds
            else:
                measured[name].chunks.append(seconds)
    ours.replicas.close()
    found = {
        "plain": held_out_loss(plain.model, held_out, setup.length),
        "rowspace": held_out_loss(ours.model, held_out, setup.length),
    }
    print(seed, found, {n: statistics.median(measured[n].chunks) for n in NAMES}, flush=True)
    return measured, found


def load_what_torch_loads_late(setup: Setup, train: Path) -> None:
    """Or whoever comes first would pay for it: an optimizer imports the compiler, for seconds."""
    PlainLoop(setup, train, 0).step()


def run(loop: Loop, n: int) -> float:
    started = time.perf_counter()
    for _ in range(n):
        loop.step()
    return time.perf_counter() - started


@torch.no_grad()
def held_out_loss(model: PlainGPT | LanguageModel, file: Path, length: int) -> float:
    """Nats per character, of every text; both sides in float32."""
    ids = torch.from_numpy(np.fromfile(file, dtype=np.uint16).astype(np.int64))
    n = (len(ids) - 1) // length
    x, y = ids[: n * length].view(n, length), ids[1 : n * length + 1].view(n, length)
    total = 0.0
    for start in range(0, n, 128):
        part, targets = x[start : start + 128], y[start : start + 128]
        loss = model(part, targets) if isinstance(model, PlainGPT) else model.loss(part, targets)
        total += loss.item() * len(part)
    return total / n


def report(
    setup: Setup,
    arguments: argparse.Namespace,
    times: dict[str, list[Times]],
    losses: dict[str, list[float]],
) -> None:
    n_tokens = setup.batch * setup.length * arguments.chunk
    lines = [
        f"{setup.n_layers} layers of {setup.dim}, {setup.n_heads} heads, "
        f"{setup.length} characters, {setup.batch} texts, {setup.iterations:,} iterations, "
        f"{arguments.threads} threads, seeds {arguments.seeds}",
        f"{'':10} {'tokens/s':>9} {'at best':>9} {'start, s':>9}   held-out loss",
    ]
    for name in NAMES:
        chunks = [seconds for one in times[name] for seconds in one.chunks]
        first = statistics.median(one.first for one in times[name])
        lines.append(
            f"{name:10} {n_tokens / statistics.median(chunks):>9,.0f} "
            f"{n_tokens / min(chunks):>9,.0f} {first:>9.2f}   "
            + " ".join(f"{loss:.4f}" for loss in losses[name])
        )
    for title, ratios in (("median of chunks", chunk_ratios(times)), ("whole runs", totals(times))):
        lines.append(f"times as fast, {title}: {statistics.median(ratios):.2f}")
    record("Training a small GPT: speed and loss", lines)


def chunk_ratios(times: dict[str, list[Times]]) -> list[float]:
    """Of neighbouring chunks."""
    return [
        theirs / ours
        for plain, rowspace in zip(times["plain"], times["rowspace"], strict=True)
        for theirs, ours in zip(plain.chunks, rowspace.chunks, strict=True)
    ]


def totals(times: dict[str, list[Times]]) -> list[float]:
    """Of whole runs, making and first chunk included."""
    return [
        (plain.first + sum(plain.chunks)) / (rowspace.first + sum(rowspace.chunks))
        for plain, rowspace in zip(times["plain"], times["rowspace"], strict=True)
    ]


if __name__ == "__main__":
    main()

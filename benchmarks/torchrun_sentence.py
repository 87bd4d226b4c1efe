"""A sentence embedder trained by two processes of torchrun against one: curves, time, negatives.

    python -m benchmarks.torchrun_sentence [--steps 12] [--batch 32] [--rounds 2]
        [--table-steps 100] [--seeds 1 2]

The pairs are titles and first paragraphs of Simple English Wikipedia. First MiniLM, dropout 0.1, in
float32: one process and two with a thread each take turns on the same global batches. Then a table
that begins as MiniLM's tokens, on what gathering is for: batches of 64 whose negatives are those of
the whole batch, against two halves of 32 that each know their own alone, as where gradients are
averaged and embeddings not gathered, and against batches of 32 in all. The score is the mean
reciprocal rank of held-out pairs' paragraphs among theirs and 1,999 others, in percent.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks.common import data_folder, record
from benchmarks.contextual_speed import minilm
from rowspace.sentence import SentenceModel, SentenceTrainer, finetune_run
from rowspace.sentence.batch_loss import BatchLoss
from rowspace.sentence.development import DevelopmentSet
from rowspace.sentence.example import Example
from rowspace.sentence.pairs import examples_of, title_pairs
from rowspace.sentence.static_model import StaticModel
from rowspace.text.corpus import Corpus

N_PAIRS, N_HELD_OUT = 10_000, 2_000
TOGETHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
WAYS: dict[int, tuple[str, ...]] = {1: (), 2: TOGETHER}


class HalvesAlone(BatchLoss):
    """The mean of the losses of a batch's halves, each with its own negatives."""

    def backward(self, examples: Sequence[Example]) -> Tensor:
        """Add the gradients of the mean; returns it, ()."""
        half = len(examples) // 2
        losses = [super().backward(examples[:half])]
        losses.append(super().backward(examples[half:]))
        for weight in self.model.parameters():
            if weight.grad is not None:
                weight.grad = weight.grad / 2
        return torch.stack(losses).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--table-steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    pairs = read_pairs(N_PAIRS + N_HELD_OUT)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.jsonl")
        path.write_text("".join(json.dumps(pair.as_json()) + "\n" for pair in pairs[N_HELD_OUT:]))
        reports = race(path, arguments)
    lines = curve_lines(reports, arguments)
    lines += negative_lines(pairs, arguments)
    record("A sentence embedder by two processes", lines, ["torch"])


def read_pairs(n: int) -> list[Example]:
    """Titles and first paragraphs, those that are held out first."""
    corpus = Corpus(data_folder() / "corpora" / "simplewiki-00.txt.xz", "blocks")
    return list(itertools.islice(title_pairs(corpus), n))


def race(pairs: Path, arguments: argparse.Namespace) -> dict[int, list[dict[str, Any]]]:
    """What was reported of each number of processes, which take turns."""
    reports: dict[int, list[dict[str, Any]]] = {n: [] for n in WAYS}
    for i, n in itertools.product(range(arguments.rounds), WAYS):
        out = pairs.with_name(f"{n}-{i}")
        command = [sys.executable, *WAYS[n], "-m", "rowspace", "train", "sentence", str(pairs)]
        command += ["--base", str(minilm()), "--out", str(out), "--steps", str(arguments.steps)]
        command += ["--batch-size", str(arguments.batch), "--chunk-size", "16"]
        command += ["--max-length", "64", "--dropout", "0.1", "--precision", "float32"]
        command += ["--n-threads", "1"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
        reports[n].append(json.loads((out / "training.json").read_text())["report"])
    return reports


def curve_lines(
    reports: dict[int, list[dict[str, Any]]], arguments: argparse.Namespace
) -> list[str]:
    """The largest difference of the curves, and the ratio of the times."""
    one, two = (reports[n][0]["losses"] for n in WAYS)
    largest = max(abs(a - b) / a for (_, a), (_, b) in zip(one, two, strict=True))
    seconds = {n: [each["seconds"] / each["n_steps"] for each in reports[n]] for n in WAYS}
    ratio = statistics.median(a / b for a, b in zip(seconds[1], seconds[2], strict=True))
    return [
        f"MiniLM, {arguments.steps} steps of {arguments.batch} pairs, loss at first and at last",
        *(f"{n} process{'es' * (n > 1)}  {curve[0][1]:.6f} {curve[-1][1]:.6f}"
          f"  {statistics.median(seconds[n]):.3f} s a step"
          for n, curve in zip(WAYS, (one, two), strict=True)),
        f"largest difference of a loss: {largest:.1e} of it",
        f"one process takes {ratio:.2f} times as long as two, a thread each",
    ]  # fmt: skip


def negative_lines(pairs: list[Example], arguments: argparse.Namespace) -> list[str]:
    """The score after training with the negatives of all, of one's half, and of half a batch."""
    ways: dict[str, tuple[int, type[BatchLoss]]] = {
        "64, negatives of all": (64, BatchLoss),
        "2 x 32, own negatives": (64, HalvesAlone),
        "32, negatives of all": (32, BatchLoss),
    }
    lines = [f"a table, {arguments.table_steps} steps, MRR@10 with seeds {arguments.seeds}"]
    for name, (batch, loss) in ways.items():
        scores = [100 * score(pairs, batch, loss, seed, arguments) for seed in arguments.seeds]
        each = " ".join(f"{x:.2f}" for x in scores)
        lines.append(f"{name:22} {statistics.mean(scores):.2f}  ({each})")
        print(lines[-1], flush=True)
    return lines


def score(
    pairs: list[Example],
    batch: int,
    loss: type[BatchLoss],
    seed: int,
    arguments: argparse.Namespace,
) -> float:
    """Of the held-out pairs, after the last step."""
    model, development = token_table(), DevelopmentSet(pairs[:N_HELD_OUT], "pairs")
    trainer = SentenceTrainer(
        batch_size=batch, chunk_size=256, learning_rate=0.01, steps=arguments.table_steps,
        seed=seed,
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(finetune_run, "BatchLoss", loss),
    ):
        trainer.fit(model, [examples_of(pairs[N_HELD_OUT:])], Path(folder, "out"))
    return development.score(model.encoder())


def token_table() -> StaticModel:
    """MiniLM's own table of tokens."""
    model = SentenceModel.load(minilm())
    weights = dict(model.transformer.named_parameters())
    (table,) = (weight for weight in weights.values() if len(weight) == model.states.n_rows)
    return StaticModel(table.detach().numpy(), model.tokenizer)


if __name__ == "__main__":
    main()

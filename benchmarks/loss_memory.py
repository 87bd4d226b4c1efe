"""Peak memory and time of a large vocabulary's cross-entropy, in chunks and all at once.

    python -m benchmarks.loss_memory [--texts 64] [--length 256] [--dim 256] [--rows 50304]

One forward and backward pass of the last layer and its loss in float32: `linear_cross_entropy`
against `F.cross_entropy` of all logits. Each runs in processes of its own, twice in turns; what is
counted is the resident set at its peak, less that before (weights and hidden vectors, and torch
itself, are there already; their gradients are not).
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from benchmarks.common import in_process, record
from rowspace.transformer.loss import linear_cross_entropy

WAYS = ("all at once", "in chunks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--rows", type=int, default=50_304)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--measure", choices=WAYS, help="for the benchmark's own processes")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments)))
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    shape = [
        part
        for name in ("texts", "length", "dim", "rows", "threads")
        for part in (f"--{name}", getattr(arguments, name))
    ]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(arguments.rounds):
        for way in WAYS:
            found[way].append(in_process("benchmarks.loss_memory", *shape, "--measure", way))
    lines = [
        f"{arguments.texts} x {arguments.length} tokens, {arguments.dim} dimensions, "
        f"{arguments.rows:,} rows, float32, {arguments.threads} threads",
        f"{'':12} {'peak, MiB':>16} {'seconds':>12} {'loss':>10}",
    ]
    for way, runs in found.items():
        peaks = " ".join(f"{run['peak']:,.0f}" for run in runs)
        seconds = " ".join(f"{run['seconds']:.1f}" for run in runs)
        lines.append(f"{way:12} {peaks:>16} {seconds:>12} {runs[0]['loss']:>10.5f}")
    naive, ours = (found[way] for way in WAYS)
    memory = max(run["peak"] for run in ours) / min(run["peak"] for run in naive)
    speed = statistics.median(a["seconds"] / b["seconds"] for a, b in zip(naive, ours, strict=True))
    lines.append(f"memory, our worst to the other's best: {memory:.3f}; times as fast: {speed:.2f}")
    record(f"Cross-entropy of a large vocabulary, d{arguments.dim}: memory", lines)


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Peak MiB over what was there before, seconds and the loss."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    n_tokens = arguments.texts * arguments.length
    hidden = torch.randn(n_tokens, arguments.dim, requires_grad=True)
    weight = torch.randn(arguments.rows, arguments.dim).mul_(0.02).requires_grad_()
    targets = torch.randint(arguments.rows, (n_tokens,))
    backward(hidden[:8], weight[:64], targets[:8] % 64, arguments.measure)  # the libraries' own
    hidden.grad = weight.grad = None
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    started = time.perf_counter()
    loss = backward(hidden, weight, targets, arguments.measure)
    seconds = time.perf_counter() - started
    return {"peak": resident("VmHWM") - before, "seconds": seconds, "loss": loss}


def backward(hidden: Tensor, weight: Tensor, targets: Tensor, way: str) -> float:
    if way == "in chunks":
        loss = linear_cross_entropy(hidden, weight, targets)
    else:
        loss = F.cross_entropy(F.linear(hidden, weight), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


def resident(name: str) -> float:
    """MiB, as the kernel tells them."""
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()

"""Gradients of two processes: a sum of what copies leave, against torch's DistributedDataParallel.

    python -m benchmarks.torchrun_ddp [--steps 30]

Each process has half of a masked model's texts, whose tokens to tell are not equally many, and one
thread. DDP's loss is weighted so that its mean is over all of them. Both take turns, step by step.
How far off a gradient is: from that of one process, with as many copies as there are processes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.common import in_process, record
from rowspace.transformer.distributed import World, joined
from rowspace.transformer.gradients import across
from rowspace.transformer.model import Encoder
from rowspace.transformer.replicas import Replicas, count_predicted

SHAPE: dict[str, Any] = {"vocab_size": 4096, "dim": 128, "n_layers": 4, "n_heads": 4}
N_TEXTS, LENGTH = 16, 128
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    steps = parser.parse_args().steps
    if "RANK" in os.environ:
        measure(steps)
        return
    torchrun = ("--standalone", "--nproc-per-node", 2, "-m", "benchmarks.torchrun_ddp")
    found = in_process("torch.distributed.run", *torchrun, "--steps", steps)
    lines = [f"{'':9} {'ms a step':>20}   {'relative difference from one process':>22}"]
    lines.append(f"{'':9} {'sum':>9} {'DDP':>9} {'ratio':>7} {'sum':>12} {'DDP':>9}")
    for name, numbers in found.items():
        ours, theirs = numbers["sum"], numbers["DDP"]
        lines.append(
            f"{name:9} {ours['ms']:>9.1f} {theirs['ms']:>9.1f} {theirs['ms'] / ours['ms']:>7.2f} "
            f"{ours['off']:>12.1e} {theirs['off']:>9.1e}"
        )
    record("Gradients of two processes: a sum against DistributedDataParallel", lines)


def measure(steps: int) -> None:
    """What one of the processes does."""
    torch.set_num_threads(1)
    with joined() as world:
        found = {name: compare(world, dtype, steps) for name, dtype in PRECISIONS.items()}
        if world.is_first:
            print(json.dumps(found))


class _Loss(nn.Module):
    """DDP listens to `forward` alone."""

    def __init__(self, model: Encoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, token_ids: Tensor, targets: Tensor) -> Tensor:
        return self.model.loss(token_ids, targets)


def compare(world: World, dtype: torch.dtype, steps: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a step, and how far its gradients are off."""
    token_ids, targets = batch()
    part = world.part(N_TEXTS)
    share = world.size * count_predicted(targets[part]) / count_predicted(targets)

    model, theirs = new_model(), new_model().to(dtype)
    gradients = across(Replicas(model, 1, dtype), world)
    parallel = DistributedDataParallel(_Loss(theirs), gradient_as_bucket_view=True)

    def by_sum() -> None:
        gradients.gradients(token_ids, targets)
        gradients.clip(1e9)

    def by_ddp() -> None:
        parallel.zero_grad(set_to_none=True)
        loss = parallel(token_ids[part], targets[part]) * share
        loss.backward()
        world.sum(loss.detach())  # which is shown
        nn.utils.clip_grad_norm_(theirs.parameters(), 1e9)

    seconds: dict[str, list[float]] = {"sum": [], "DDP": []}
    for _ in range(steps):
        for name, step in (("sum", by_sum), ("DDP", by_ddp)):
            world.wait()
            started = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - started)
    expected = new_model()
    with Replicas(expected, world.size, dtype) as copies:
        copies.gradients(token_ids, targets)
    return {
        name: {"ms": statistics.median(seconds[name]) * 1e3, "off": distance(one, expected)}
        for name, one in (("sum", model), ("DDP", theirs))
    }


def batch() -> tuple[Tensor, Tensor]:
    """Texts of which the first half has fewer tokens to tell."""
    generator = torch.Generator().manual_seed(1)
    token_ids = torch.randint(SHAPE["vocab_size"], (N_TEXTS, LENGTH), generator=generator)
    shares = torch.linspace(0.05, 0.25, N_TEXTS)[:, None]
    hidden = torch.rand((N_TEXTS, LENGTH), generator=generator) < shares
    return token_ids, token_ids.masked_fill(~hidden, -100)


def new_model() -> Encoder:
    torch.manual_seed(1)
    return Encoder(**SHAPE, max_length=LENGTH)


def distance(one: nn.Module, other: nn.Module) -> float:
    """Of all gradients, relative to the other's length."""
    a, b = (
        torch.cat([weight.grad.flatten().float() for weight in model.parameters()])  # type: ignore[union-attr]
        for model in (one, other)
    )
    return float((a - b).norm() / b.norm())


if __name__ == "__main__":
    main()

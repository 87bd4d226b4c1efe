"""RoPE against Hugging Face's apply_rotary_pos_emb, forward and with its gradient, on the CPU.

    python -m benchmarks.rope_speed [--rounds 30] [--threads 2]

Both turn the same queries and keys, (B, T, H, head_dim) seen as (B, H, T, head_dim) as attention
has them, by tables worked out before. They take turns within each round, first one and then the
other first; the ratio is that of the medians. Before the clock starts, results and gradients are
compared: in float32 with each other, in bfloat16 with the float32 result, which ours may be no
further from than the peer's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from benchmarks.common import record
from rowspace.position import RoPE

SHAPES = {"decoder": (4, 8, 512, 64), "large": (1, 32, 2048, 128)}  # B, H, T, head_dim
DTYPES = (torch.float32, torch.bfloat16)
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Case:
    """Queries, keys, gradients of what they become, and either way to turn them."""

    inputs: Pair
    gradients: Pair
    ours: Callable[[Pair], Pair]
    peer: Callable[[Pair], Pair]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lines = [
        f"medians of {arguments.rounds} rounds, {arguments.threads} threads, milliseconds",
        f"{'shape':24} {'dtype':9} {'pass':17} {'peer':>8} {'ours':>8} {'peer/ours':>10}",
    ]
    for name, shape in SHAPES.items():
        for dtype in DTYPES:
            case = make_case(shape, dtype)
            check(case, shape, dtype)
            for label, run in (("forward", forward), ("forward, backward", backward)):
                peer, ours = medians(case, run, arguments.rounds)
                lines.append(
                    f"{name + ' ' + 'x'.join(map(str, shape)):24} {str(dtype)[6:]:9} {label:17} "
                    f"{peer * 1e3:8.2f} {ours * 1e3:8.2f} {peer / ours:10.2f}"
                )
    record("RoPE: turning queries and keys", lines, ["transformers"])


def make_case(shape: tuple[int, int, int, int], dtype: torch.dtype) -> Case:
    B, H, T, head_dim = shape
    generator = torch.Generator().manual_seed(0)

    def values() -> Tensor:
        made = torch.randn(B, T, H, head_dim, generator=generator)
        return made.to(dtype).transpose(1, 2)

    positions = torch.arange(T)
    rope = RoPE(head_dim)
    placement = rope.place(positions, positions, T, dtype)
    cos, sin = (torch.cat((t, t), -1)[None].to(dtype) for t in rope.tables(positions, T, dtype))
    turn_queries, turn_keys = placement.turn_queries, placement.turn_keys
    assert turn_queries is not None and turn_keys is not None

    def ours(inputs: Pair) -> Pair:
        return turn_queries(inputs[0]), turn_keys(inputs[1])

    def peer(inputs: Pair) -> Pair:
        q, k = apply_rotary_pos_emb(*inputs, cos, sin)
        return q, k

    return Case((values(), values()), (values(), values()), ours, peer)


def forward(turn: Callable[[Pair], Pair], case: Case) -> Pair:
    with torch.no_grad():
        return turn(case.inputs)


def backward(turn: Callable[[Pair], Pair], case: Case) -> Pair:
    q, k = (x.detach().requires_grad_() for x in case.inputs)
    made = torch.autograd.grad(turn((q, k)), (q, k), case.gradients)
    return made[0], made[1]


def check(case: Case, shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    """Stop unless ours are the peer's results, or as near to the float32 ones."""
    exact = make_case(shape, torch.float32)
    for run in (forward, backward):
        wide = Case(
            (case.inputs[0].float(), case.inputs[1].float()),
            (case.gradients[0].float(), case.gradients[1].float()),
            exact.ours,
            exact.peer,
        )
        results = zip(run(case.ours, case), run(case.peer, case), run(wide.peer, wide), strict=True)
        for ours, peer, true in results:
            error, allowed = (ours - true).abs().max(), (peer - true).abs().max() + 1e-5
            assert error <= allowed, f"{dtype}: ours is {error} off, the peer {allowed}"


def medians(
    case: Case, run: Callable[[Callable[[Pair], Pair], Case], Pair], rounds: int
) -> tuple[float, float]:
    """Seconds of the peer and of ours."""
    seconds: dict[str, list[float]] = {"peer": [], "ours": []}
    turns = {"peer": case.peer, "ours": case.ours}
    for turn in turns.values():
        run(turn, case)
    for number in range(rounds):
        for name in sorted(turns, reverse=number % 2 == 1):
            start = time.perf_counter()
            run(turns[name], case)
            seconds[name].append(time.perf_counter() - start)
    return statistics.median(seconds["peer"]), statistics.median(seconds["ours"])


if __name__ == "__main__":
    main()

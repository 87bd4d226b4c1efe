"""Language models by two processes of torchrun against one: the curve, and tokens/s.

    python -m benchmarks.torchrun_curve [--words 200000] [--steps 60] [--rounds 2]

The curve is in float32, one thread a process, causal and masked. The speed is in the precision that
`auto` chooses, in turns: one process with one thread, one with two (which trains two copies in
threads), and two processes with a thread each.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from benchmarks.common import in_process, record, wikipedia_text

TORCHRUN = ("--standalone", "--nproc-per-node", "2", "-m", "rowspace")
WAYS = {
    "one process": (1, 1),
    "one process, two threads": (1, 2),
    "two processes": (2, 1),
}
"""Processes, and threads of each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    text = wikipedia_text(arguments.words)
    with tempfile.TemporaryDirectory() as folder:
        tokenizers = {kind: tokenizer(text, kind, Path(folder)) for kind in ("lm", "mlm")}
        lines = [
            f"4 layers of 128, 16 texts of 128 tokens a step, {arguments.steps} steps; two "
            "processes against one, float32:"
        ]
        for kind, known in tokenizers.items():
            runs = [
                train(kind, text, known, Path(folder), arguments.steps, *WAYS[way], "float32")
                for way in ("one process", "two processes")
            ]
            lines.append(f"{kind:4} {difference(*runs)}")
        lines += speed(text, tokenizers["lm"], Path(folder), arguments)
    record("Language models by torchrun: one curve, and speed", lines)


def tokenizer(text: Path, kind: str, folder: Path) -> Path:
    """The folder of a model of one step, whose tokenizer all runs take."""
    out = folder / f"{kind}-tokenizer"
    in_process("rowspace", "train", kind, text, "--out", out, "--steps", 1, "--json")
    return out


def train(
    kind: str,
    text: Path,
    known: Path,
    folder: Path,
    steps: int,
    n_processes: int,
    n_threads: int,
    precision: str,
) -> dict[str, Any]:
    """What `rowspace train` reports, and its `weights`."""
    out = folder / "out"
    command = ("train", kind, text, "--out", out, "--tokenizer", known, "--steps", steps)
    options = ("--n-threads", n_threads, "--precision", precision, "--json")
    if n_processes == 1:
        report = in_process("rowspace", *command, *options)
    else:
        report = in_process("torch.distributed.run", *TORCHRUN, *command, *options)
    report["weights"] = load_file(out / "model.safetensors")
    shutil.rmtree(out)
    return report


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Of two runs, the greatest of each kind."""
    losses = max(
        abs(a["loss"] - b["loss"]) for a, b in zip(one["history"], other["history"], strict=True)
    )
    held_out = abs(one["result"]["loss"] - other["result"]["loss"])
    weights = max(
        float((weight - other["weights"][name]).abs().max())
        for name, weight in one["weights"].items()
    )
    return (
        f"loss {one['history'][0]['loss']:.3f} to {one['history'][-1]['loss']:.3f}, held out "
        f"{one['result']['loss']:.4f}; greatest difference: loss {losses:.1e}, held out "
        f"{held_out:.1e}, a weight {weights:.1e}"
    )


def speed(text: Path, known: Path, folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Tokens/s of each way, in turns."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(arguments.rounds):
        for way, (processes, threads) in WAYS.items():
            run = train("lm", text, known, folder, arguments.steps, processes, threads, "auto")
            found[way].append(run)
            print(way, round(tokens_per_second(run)), flush=True)
    lines = [
        f"{'lm, ' + found['one process'][0]['precision']:28} {'tokens/s':>9}  times one process"
    ]
    single = [tokens_per_second(run) for run in found["one process"]]
    for way, runs in found.items():
        speeds = [tokens_per_second(run) for run in runs]
        ratio = statistics.median(a / b for a, b in zip(speeds, single, strict=True))
        lines.append(f"{way:28} {statistics.median(speeds):>9,.0f}  {ratio:.2f}")
    pair = found["one process, two threads"][0], found["two processes"][0]
    lines.append(f"two processes against two threads: {difference(*pair)}")
    return lines


def tokens_per_second(run: dict[str, Any]) -> float:
    """The median of what was noted, without the first."""
    return float(statistics.median(entry["tokens_per_second"] for entry in run["history"][1:]))


if __name__ == "__main__":
    main()

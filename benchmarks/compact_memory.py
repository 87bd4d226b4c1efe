"""Memory that a compaction and a build of the text index take, for 1, 2 and 4 times the rows.

Lance's own `optimize` is measured beside ours. Each step runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.common import in_process, record
from rowspace.search import store as store_module
from rowspace.search.lexical import analyzer
from rowspace.search.store import Store, base_schema

DIM = 384
WORDS = 100
PIECES = 20
BATCH = 4096
VOCABULARY = 60_000


def make(folder: Path, rows: int) -> None:
    """A store of `rows` passages in 20 pieces, a tenth of them deleted."""
    schema = base_schema({"vector": DIM})
    store = Store.create(folder, schema, [])
    for piece in range(PIECES):
        store.append(schema, _batches(piece * rows // PIECES, (piece + 1) * rows // PIECES))
    store.delete("document_id LIKE '%7'")


def _batches(start: int, end: int) -> Iterator[pa.RecordBatch]:
    rng = np.random.default_rng(start)
    words = np.array([f"word{i:x}" for i in range(VOCABULARY)])
    shares = 1 / np.arange(1, VOCABULARY + 1)  # Zipf's law
    shares /= shares.sum()
    for first in range(start, end, BATCH):
        n = min(BATCH, end - first)
        ids = [f"d{i}" for i in range(first, first + n)]
        texts = [" ".join(row) for row in words[rng.choice(VOCABULARY, (n, WORDS), p=shares)]]
        flat = pa.array(rng.standard_normal(n * DIM, dtype=np.float32))
        columns: list[Any] = [
            pa.array([f"{name}#0" for name in ids]),
            pa.array(ids),
            pa.array(np.zeros(n, np.int32)),
            pa.array([""] * n),
            pa.array(texts),
            pa.array(["s.txt"] * n),
            pa.array(["{}"] * n),
            pa.FixedSizeListArray.from_arrays(flat, DIM),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=base_schema({"vector": DIM}))


def measure(step: str, folder: Path, free: int) -> dict[str, float]:
    """Peak of memory above what the open store takes, in MB, and seconds."""
    vars(store_module)["available_memory"] = lambda: free
    store = Store.open(folder)
    store.count()
    before = _memory("VmRSS")
    started = time.monotonic()
    if step == "optimize":
        store._table.optimize()
    elif step == "compact":
        store.compact()
    elif step == "index":
        store.index_text("english")
    else:
        store._table.create_index("content", config=analyzer("english"), replace=True)
    return {"peak": _memory("VmHWM") - before, "seconds": time.monotonic() - started}


def _memory(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise SystemExit("no /proc/self/status on this system")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--free", type=int, default=1024, help="MB taken to be free")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, folder = options.step
        print(json.dumps(measure(step, Path(folder), options.free << 20)))
        return
    share = store_module.COMPACT_MEMORY_SHARE * options.free
    lines = [f"{options.free:,} MB taken to be free, so the share is {share:,.0f} MB", ""]
    lines.append(f"{'rows':>9}  {'store':>8}  step       peak above the open store     time")
    for times in (1, 2, 4):
        rows = times * options.rows
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "made"
            make(made, rows)
            size = sum(f.stat().st_size for f in made.rglob("*") if f.is_file()) / 2**20
            for step in ("optimize", "compact", "lance-index", "index"):
                copy = Path(shutil.copytree(made, Path(folder) / "copy", dirs_exist_ok=False))
                arguments = ["--free", options.free, "--step", step, copy]
                found = in_process("benchmarks.compact_memory", *arguments)
                shutil.rmtree(copy)
                line = f"{rows:>9,}  {size:>5,.0f} MB  {step:<12}{found['peak']:>10,.0f} MB"
                lines.append(f"{line}{found['seconds']:>22.1f} s")
                print(lines[-1], file=sys.stderr)
    record("Memory of a compaction", lines)


if __name__ == "__main__":
    main()

"""Loading a word2vec binary of GoogleNews's size, Rowspace against gensim, in one process.

    python -m benchmarks.load_speed [--rows 3000000] [--dim 300] [--rounds 3] [--folder DIR]

Each round loads the file with both, and what `load(cache=True)` stored the round before; the median
of each is compared. "with a look-up" asks for one word's vector too: Rowspace puts off what
that needs until then, gensim does not. The file has been read once before, so that no time is the
disk's, and before each load as much memory is filled and freed again: on a virtual machine, memory
not used for a while may have to come from its host first, which can take longer than any loading.
Memory is the peak resident set of a process of its own that does nothing else.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gensim.models import KeyedVectors

from benchmarks.big_vectors import arguments, big_file, blas, fitting_rows, word
from benchmarks.common import record
from rowspace.space import cache, load

Load = Callable[[Path], Any]
LOADERS: dict[str, Load] = {
    "Rowspace": lambda path: load(path, cache=False),
    "Rowspace, stored before": load,
    "gensim": lambda path: KeyedVectors.load_word2vec_format(path, binary=True),
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--run", choices=LOADERS, help="one load, for its memory")
    given = parser.parse_args()
    os.environ["XDG_CACHE_HOME"] = str(given.folder / "load_speed")
    if given.run:
        print(json.dumps(peak(LOADERS[given.run], big_file(given.folder, given.rows, given.dim))))
        return
    rows = fitting_rows(given.rows, given.dim, 3)  # the file in the system's cache, and both
    path = big_file(given.folder, rows, given.dim)
    check_equal(path)
    read_whole(path)
    load(path, cache=True)
    names = list(LOADERS)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    try:
        for turn in range(given.rounds):
            for name in names[turn % 3 :] + names[: turn % 3]:
                times[name].append(timed(LOADERS[name], path))
                print(name, times[name][-1], file=sys.stderr, flush=True)
        memory = {name: in_process(name, given.folder, rows, given.dim) for name in names}
    finally:
        cache.clear()
    report(path, rows, given.dim, times, memory)


def check_equal(path: Path) -> None:
    """A fast wrong answer counts for nothing."""
    ours = load(path, limit=20_000, cache=False)
    theirs = KeyedVectors.load_word2vec_format(path, binary=True, limit=20_000)
    assert ours.index_to_key == theirs.index_to_key
    np.testing.assert_array_equal(ours.matrix, theirs.vectors)


def read_whole(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(1 << 26):
            pass


def timed(loader: Load, path: Path) -> tuple[float, float]:
    """Seconds of a load, and with one look-up after it."""
    np.empty(int(1.2 * path.stat().st_size), dtype=np.uint8).fill(1)
    start = time.perf_counter()
    loaded = loader(path)
    seconds = time.perf_counter() - start
    loaded.get_vector(word(5))
    with_lookup = time.perf_counter() - start
    del loaded
    gc.collect()
    return seconds, with_lookup


def in_process(name: str, folder: Path, rows: int, dim: int) -> float:
    command = [
        sys.executable, "-m", "benchmarks.load_speed", "--run", name, "--rows", str(rows),
        "--dim", str(dim), "--folder", str(folder),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: float = json.loads(done.stdout.splitlines()[-1])
    return result


def peak(loader: Load, path: Path) -> float:
    """Peak resident set in GB of this process, when the file is loaded."""
    loaded = loader(path)
    loaded.get_vector(word(5))
    # not getrusage, whose peak is the parent's until this process has a higher one
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in status if line.startswith("VmHWM:"))


def report(
    path: Path,
    rows: int,
    dim: int,
    times: dict[str, list[tuple[float, float]]],
    memory: dict[str, float],
) -> None:
    medians = {
        name: [statistics.median(column) for column in zip(*found, strict=True)]
        for name, found in times.items()
    }
    lines = [f"{rows:,} x {dim} in {path.stat().st_size / 1e9:.2f} GB, no newlines; {blas()}"]
    lines.append(f"{'':24} {'load s':>8} {'with a look-up s':>17} {'peak GB':>8}   all loads")
    for name, (seconds, with_lookup) in medians.items():
        shown = " ".join(f"{each:.2f}" for each, _ in times[name])
        lines.append(f"{name:24} {seconds:8.3f} {with_lookup:17.3f} {memory[name]:8.2f}   {shown}")
    theirs = medians["gensim"]
    for name in ("Rowspace", "Rowspace, stored before"):
        ratios = [their / our for their, our in zip(theirs, medians[name], strict=True)]
        lines.append(
            f"{name}: {ratios[0]:,.1f} times as fast as gensim, {ratios[1]:,.1f} with a look-up"
        )
    record("loading a word2vec binary", lines, ["gensim"])


if __name__ == "__main__":
    main()

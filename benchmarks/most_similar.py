"""Nearest words of one query and of many, Rowspace against gensim, in one process.

    python -m benchmarks.most_similar [--rows 200000] [--dim 100] [--queries 256]

The two take turns; the median of each is compared. gensim has no batched query, so it is asked one
by one there too. The answers are compared first: a fast wrong answer counts for nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from gensim.models import KeyedVectors

from benchmarks.common import record
from rowspace.space import Vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((arguments.rows, arguments.dim), dtype=np.float32)
    keys = [f"w{row}" for row in range(arguments.rows)]
    ours = Vectors(keys, matrix)
    theirs = KeyedVectors(arguments.dim)
    theirs.add_vectors(keys, matrix)
    asked = [keys[row] for row in rng.integers(0, arguments.rows, arguments.queries).tolist()]

    batch = ours.most_similar_batch(asked[:8])
    for key, found in zip(asked, batch, strict=False):
        assert [k for k, _ in found] == [k for k, _ in theirs.most_similar(key)]

    few = asked[:20]
    one = compare(
        f"one query on {arguments.rows:,} x {arguments.dim}",
        lambda: [ours.most_similar(key) for key in few],
        lambda: [theirs.most_similar(key) for key in few],
        len(few),
        arguments.rounds,
    )
    many = compare(
        f"a batch of {len(asked):,} queries",
        lambda: ours.most_similar_batch(asked),
        lambda: [theirs.most_similar(key) for key in asked],
        len(asked),
        arguments.rounds,
    )
    record("most_similar, one query and many", [one, many], ["gensim"])


def compare(
    what: str, ours: Callable[[], Any], theirs: Callable[[], Any], n: int, rounds: int
) -> str:
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for name, ask in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            ask()
            times[name].append((time.perf_counter() - start) / n * 1e3)
    us, them = (statistics.median(times[name]) for name in ("ours", "theirs"))
    return f"{what}: {us:.2f} ms a query, gensim {them:.2f} ms: {them / us:.1f} times as fast"


if __name__ == "__main__":
    main()

"""Nearest words of one query and of many, Rowspace against gensim, in one process.

    python -m benchmarks.most_similar [--rows 3000000] [--dim 300] [--queries 256] [--folder DIR]

Both search the same matrix, with norms and look-ups made before, and take turns; the median of each
is compared. gensim has no batched query, so it is asked one by one there too, for some of the
queries. The answers are compared first: a fast wrong answer counts for nothing.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
from gensim.models import KeyedVectors

from benchmarks.big_vectors import arguments, big_file, blas, fitting_rows
from benchmarks.common import record
from rowspace.space import Vectors, load
from rowspace.space.sketch import make_sketch

_FEW = 10  # queries of a round that are asked one by one


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=256)
    given = parser.parse_args()
    rows = fitting_rows(given.rows, given.dim, 2.5)  # the file, the vectors, the sketch
    ours = load(big_file(given.folder, rows, given.dim), cache=False)
    theirs = peer(ours)
    rng = np.random.default_rng(0)
    asked = [ours.index_to_key[row] for row in rng.integers(0, rows, given.queries).tolist()]
    few = asked[:_FEW]

    first, second = (seconds(lambda: ours.most_similar(asked[-1])) for _ in range(2))
    check_equal(ours, theirs, few)
    one = compare(
        "one query",
        (lambda: [ours.most_similar(key) for key in few], len(few)),
        (lambda: [theirs.most_similar(key) for key in few], len(few)),
        given.rounds,
    )
    many = compare(
        f"a batch of {len(asked):,} queries",
        (lambda: ours.most_similar_batch(asked), len(asked)),
        (lambda: [theirs.most_similar(key) for key in few], len(few)),
        given.rounds,
    )
    lines = [f"{rows:,} x {given.dim}; {blas()}", one, many]
    lines.append(f"the first query {first:.2f} s, the second {second:.2f} s: it makes the sketch")
    lines.append(memory(ours, asked))
    record(f"most_similar on {rows:,} x {given.dim}, one query and many", lines, ["gensim"])


def peer(ours: Vectors) -> KeyedVectors:
    """gensim's, of the same matrix."""
    theirs = KeyedVectors(ours.dim)
    theirs.vectors = ours.matrix
    theirs.index_to_key, theirs.key_to_index = ours.index_to_key, ours.key_to_index
    theirs.fill_norms()
    return theirs


def check_equal(ours: Vectors, theirs: KeyedVectors, keys: list[str]) -> None:
    """The same neighbours, but where two scores are too close for float32 to tell apart."""
    for key, found in zip(keys, ours.most_similar_batch(keys), strict=True):
        expected = theirs.most_similar(key)
        assert found == ours.most_similar(key) or dict(found).keys() == dict(expected).keys()
        np.testing.assert_allclose(
            [score for _, score in found], [score for _, score in expected], atol=2e-6
        )


def compare(
    what: str,
    ours: tuple[Callable[[], Any], int],
    theirs: tuple[Callable[[], Any], int],
    rounds: int,
) -> str:
    """Time two, each with the number of its queries."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for name, (ask, n) in (("ours", ours), ("theirs", theirs)):
            times[name].append(seconds(ask) / n * 1e3)
            print(what, name, f"{times[name][-1]:.2f} ms", file=sys.stderr, flush=True)
    us, them = (statistics.median(times[name]) for name in ("ours", "theirs"))
    return f"{what}: {us:.2f} ms a query, gensim {them:.2f} ms: {them / us:.1f} times as fast"


def memory(ours: Vectors, asked: list[str]) -> str:
    """What the sketch takes, and what a batch adds while it runs."""
    n_bytes = len(ours) * sum(part.nbytes for part in make_sketch(ours.matrix[:1]))
    process = psutil.Process()
    before = process.memory_info().rss
    found = ours.most_similar_batch(asked)
    after = process.memory_info().rss
    assert len(found) == len(asked)
    return (
        f"memory: vectors {ours.matrix.nbytes / 1e9:.2f} GB, sketch {n_bytes / 1e9:.2f} GB "
        f"({n_bytes / ours.matrix.nbytes:.0%}), a batch {max(0, after - before) / 1e6:.0f} MB more"
    )


def seconds(ask: Callable[[], Any]) -> float:
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

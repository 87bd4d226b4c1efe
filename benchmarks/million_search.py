"""Search among a million vectors of 384 numbers: FAISS as it is, beside a space's index.

    python -m benchmarks.million_search [--rounds N] [--builds N] [--kinds hnsw,ivfpq,…]

The rows are vectors of sentences of Wikipedia (benchmarks.million_vectors), the queries those of
1,000 further sentences, which neither index nor tuning has seen. A space is made of them once.

- Build: raw FAISS adds float32 rows to IndexHNSWFlat (M 32, efConstruction 40), nothing else. Ours
  is all of `Space.index`: vectors out of the store into a flushed file, the graph, saved, tuned,
  recall measured, digests. By turns.
- Queries/s at equal recall: ours at the effort that its build chose; FAISS's efSearch is swept and
  its speed read off at our recall. By turns: all queries at once (two threads), and one by one.
- Memory: what a process of its own grows by, resident, from before it loads the index to after
  2,000 queries: float32 HNSW as FAISS reads it, against ours with row ids and all.
- Exact: `ExactIndex`, against the plain product of the queries with all rows, without a choice.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rowspace as rs
from benchmarks.common import CACHE, in_process, record
from benchmarks.million_vectors import DIM, ROWS, distinct_sentences, encoder, sentences
from rowspace.search.index.config import IndexConfig
from rowspace.search.index.dense import DenseIndex
from rowspace.search.index.exact import ExactIndex
from rowspace.search.index.recall import recall_at_k
from rowspace.search.model_state import DEFAULT_MODEL
from rowspace.search.space import Space
from rowspace.text.corpus import Corpus

K, M, EF_CONSTRUCTION = 10, 32, 40
N_QUERIES = 1000
EFS = (16, 24, 32, 48, 64, 96, 128, 192, 256)

Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--builds", type=int, default=2)
    parser.add_argument("--kinds", default="hnsw,ivfpq,rabitq,hnswlib")
    arguments = parser.parse_args()
    space, queries = the_space(arguments.rows), the_queries()
    row_ids, rows = space._current().store.vectors()
    truth = row_ids[ExactIndex(rows).search(queries, K)[1]].astype(np.int64)
    lines = [f"{len(rows):,} x {DIM}, {len(queries):,} queries, recall@{K} against all compared"]
    raw_file = CACHE / f"hnsw-{len(rows)}.faiss"
    if arguments.builds == 0:  # what an earlier run built is asked again
        lines += speeds(space, raw_file, row_ids, queries, truth, arguments.rounds)
        lines += memory(space, raw_file)
        record("A million vectors: queries and memory", lines, peers=["faiss-cpu"])
        return
    lines += builds(space, rows, raw_file, arguments.builds)
    lines += speeds(space, raw_file, row_ids, queries, truth, arguments.rounds)
    lines += memory(space, raw_file)
    lines += kinds(space, queries, truth, arguments.kinds.split(","))
    record("A million vectors: the index", lines, peers=["faiss-cpu"])
    record("A million vectors: all compared", exact(rows, queries, arguments.rounds))


def the_space(n: int) -> Space:
    """A space of n sentences, one a passage."""
    path = CACHE / f"sentences-{n}.space"
    if not (path / "space.json").exists():
        encoder()
        corpus = Corpus(sentences(n), "lines")
        rs.build(corpus, path, resume=path.exists(), model=str(CACHE / f"static-{DIM}"))
    return rs.open_space(path)


def the_queries(after: int = ROWS) -> Floats:
    """Unit vectors of sentences that come after the first ones, a million if not given."""
    texts = list(islice(distinct_sentences(), after, after + N_QUERIES))
    found = encoder().encode(texts)
    units: Floats = found / np.linalg.norm(found, axis=1, keepdims=True)
    return units


def builds(space: Space, rows: Floats, raw_file: Path, n_rounds: int) -> list[str]:
    """Seconds of each by turns; leaves both indexes behind."""
    import faiss

    ours, theirs = [], []
    for _ in range(n_rounds):
        started = time.monotonic()
        raw = faiss.IndexHNSWFlat(DIM, M, faiss.METRIC_INNER_PRODUCT)
        raw.hnsw.efConstruction = EF_CONSTRUCTION
        raw.add(rows)
        theirs.append(time.monotonic() - started)
        faiss.write_index(raw, str(raw_file))
        del raw
        shutil.rmtree(space.path / "index", ignore_errors=True)
        started = time.monotonic()
        space.index(IndexConfig(kind="hnsw", m=M, ef_construction=EF_CONSTRUCTION))
        ours.append(time.monotonic() - started)
    return [
        f"build, raw FAISS  {'  '.join(f'{s:6.1f} s' for s in theirs)}",
        f"build, rowspace   {'  '.join(f'{s:6.1f} s' for s in ours)}",
        f"build: {ratio(ours, theirs)} of the time",
    ]


def speeds(
    space: Space,
    raw_file: Path,
    row_ids: NDArray[np.uint64],
    queries: Floats,
    truth: NDArray[np.int64],
    n_rounds: int,
) -> list[str]:
    """Queries/s at our recall, by turns."""
    import faiss

    raw, dense = faiss.read_index(str(raw_file)), space._current().dense(DEFAULT_MODEL)
    assert isinstance(dense, DenseIndex)
    recall = recall_at_k(rows_of(dense, queries), truth)
    found = {
        ef: raw.search(queries, K, params=faiss.SearchParametersHNSW(efSearch=ef))[1] for ef in EFS
    }
    recalls = {ef: recall_at_k(found[ef], truth) for ef in EFS}
    lines = [
        "raw FAISS, efSearch: recall  " + "  ".join(f"{e}: {r:.3f}" for e, r in recalls.items()),
        f"rowspace, effort {dense.mapped.effort if dense.mapped else 0}: recall {recall:.3f}",
    ]
    below = max((ef for ef in EFS if recalls[ef] <= recall), default=EFS[0])
    above = min((ef for ef in EFS if recalls[ef] >= recall), default=EFS[-1])
    for name, at_once in (("all at once", len(queries)), ("one by one", 1)):
        theirs, ours = [], []
        for _ in range(n_rounds):
            pair = [rate(raw_search(raw, ef), queries, at_once) for ef in (below, above)]
            weight = 0.0
            if above != below:
                weight = (recall - recalls[below]) / (recalls[above] - recalls[below])
            theirs.append(pair[0] * (1 - weight) + pair[1] * weight)
            ours.append(rate(lambda q: dense.search(q, K), queries, at_once))
        lines.append(
            f"{name}, queries/s: raw FAISS {shown(theirs)}, rowspace {shown(ours)}: "
            f"{ratio(ours, theirs)} of its speed"
        )
    return lines


def raw_search(raw: Any, ef: int) -> Callable[[Floats], object]:
    """FAISS's search with an efSearch."""
    import faiss

    parameters = faiss.SearchParametersHNSW(efSearch=ef)
    return lambda queries: raw.search(queries, K, params=parameters)


def rows_of(dense: DenseIndex, queries: Floats) -> NDArray[np.int64]:
    """(n_queries, K) row ids found."""
    found = np.full((len(queries), K), -1, np.int64)
    for row, ranking in zip(found, dense.search(queries, K), strict=True):
        ids = [row_id for row_id, _ in ranking]
        row[: len(ids)] = ids
    return found


def memory(space: Space, raw_file: Path) -> list[str]:
    """MB that the index adds to a process, each in one of its own."""
    theirs = in_process("benchmarks.million_search", "--grow-raw", raw_file)["mb"]
    ours = in_process("benchmarks.million_search", "--grow-space", space.path)["mb"]
    return [
        f"memory: raw float32 HNSW {theirs:,.0f} MB, rowspace {ours:,.0f} MB: {ours / theirs:.2f}"
    ]


def kinds(
    space: Space, queries: Floats, truth: NDArray[np.int64], names: Sequence[str]
) -> list[str]:
    """What each kind takes and gives."""
    lines = ["kind       build s  graph MB  effort  recall   queries/s (all at once)"]
    for name in names:
        shutil.rmtree(space.path / "index", ignore_errors=True)
        made = space.index(IndexConfig(kind=name))
        assert made is not None
        dense = space._current().dense(DEFAULT_MODEL)
        assert isinstance(dense, DenseIndex)
        recall = recall_at_k(rows_of(dense, queries), truth)
        speed = rate(partial(dense.search, k=K), queries, len(queries))
        size = made.files["graph.bin"].size / 1e6
        lines.append(
            f"{name:10} {made.seconds:7.1f}  {size:8,.0f}  {made.effort:6}  {recall:.3f}"
            f"  {speed:10,.0f}"
        )
    return lines


def exact(rows: Floats, queries: Floats, n_rounds: int) -> list[str]:
    """Seconds of all compared, against the plain product."""
    matrix = np.array(rows)
    index = ExactIndex(rows)
    index.search(queries[:2], K)  # makes what it keeps
    lines = [f"{len(matrix):,} x {DIM}; `product` is queries @ rows.T in blocks, nothing chosen"]
    for n in (1, 16, 256):
        theirs, ours = [], []
        for _ in range(2 * n_rounds):
            theirs.append(seconds(lambda q: product(matrix, q), queries[:n]))
            ours.append(seconds(lambda q: index.search(q, K), queries[:n]))
        lines.append(
            f"{n:4} queries: product {min(theirs):.4f} s, exact search {min(ours):.4f} s: "
            f"{ratio(ours, theirs)} of the time"
        )
    return lines


def product(matrix: Floats, queries: Floats) -> None:
    """All cosines, 64 MB of them at a time."""
    step = max(1, (1 << 24) // len(queries))
    for start in range(0, len(matrix), step):
        queries @ matrix[start : start + step].T


def rate(search: Callable[[Floats], object], queries: Floats, at_once: int) -> float:
    """Queries/s."""
    n = len(queries) if at_once > 1 else 300
    started = time.monotonic()
    for start in range(0, n, at_once):
        search(queries[start : start + at_once])
    return n / (time.monotonic() - started)


def seconds(call: Callable[[Floats], object], queries: Floats) -> float:
    """Of one call."""
    started = time.monotonic()
    call(queries)
    return time.monotonic() - started


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Median of the rounds' ratios, with the lowest and the highest."""
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def shown(rates: Sequence[float]) -> str:
    """Rounds in a row."""
    return " ".join(f"{rate:,.0f}" for rate in rates)


def grow(load: Callable[[], Callable[[Floats], object]], queries: Floats) -> None:
    """Print how many MB of resident memory an index adds."""
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    search = load()
    for _ in range(2):
        search(queries)
    print(f'{{"mb": {(process.memory_info().rss - before) / 1e6}}}')


def grow_raw(file: str) -> None:
    """Float32 HNSW as FAISS reads it."""
    import faiss

    def load() -> Callable[[Floats], object]:
        index = faiss.read_index(file)
        return lambda q: index.search(q, K, params=faiss.SearchParametersHNSW(efSearch=96))

    grow(load, the_queries())


def grow_space(path: str) -> None:
    """A space's index, with its row ids; the store is open before."""
    import faiss

    assert faiss
    space, queries = rs.open_space(path), the_queries()
    snapshot = space._current()

    def load() -> Callable[[Floats], object]:
        dense = snapshot.dense(DEFAULT_MODEL)
        return lambda q: dense.search(q, K)

    grow(load, queries)


if __name__ == "__main__":
    if sys.argv[1:2] in (["--grow-raw"], ["--grow-space"]):
        (grow_raw if sys.argv[1] == "--grow-raw" else grow_space)(sys.argv[2])
    else:
        main()

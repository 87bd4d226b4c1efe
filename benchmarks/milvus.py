"""A space here beside the same rows in Milvus: export, import, and a search's time.

    python -m benchmarks.milvus [--rows N] [--queries N] [--rounds N] [--uri ADDRESS] [--index KIND]

The rows are vectors of sentences of Wikipedia, the queries those of the sentences after them; both
are made where they are not there yet (by `benchmarks.million_search`), out of the shared corpora.
Without --uri, Milvus Lite keeps the rows in a file; with the address of a server the same is
measured there. Times of searches are of one query after another, by turns, through `Dense.search`
(by meaning) and the store (by words); FLAT compares all, as the space does.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rowspace as rs
from benchmarks.common import CACHE, record
from benchmarks.million_search import the_queries, the_space
from rowspace.search.milvus.importing import import_from_milvus
from rowspace.search.protocol import Dense, PassageStore
from rowspace.search.space import Space
from rowspace.search.store import ROW_ID

K = 10

Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--uri")
    parser.add_argument("--index", default="FLAT")
    arguments = parser.parse_args()
    here = the_space(arguments.rows)
    queries = the_queries(arguments.rows)[: arguments.queries]
    lines = compare(here, queries, arguments.rounds, arguments.uri, arguments.index)
    where = "Milvus Lite" if arguments.uri is None else "a Milvus server"
    record(f"Rows in {where}", lines, peers=["pymilvus", "milvus-lite"])


def compare(here: Space, queries: Floats, rounds: int, uri: str | None, index: str) -> list[str]:
    """What moving the rows takes, and searching them on both sides."""
    n = here.status()["passages"]
    lines = [f"{n:,} rows of {queries.shape[1]} numbers, {index}, {len(queries):,} queries, k {K}"]
    work = CACHE / "milvus"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for words in (False, True):
        address = str(work / f"{'words' if words else 'plain'}.db") if uri is None else uri
        folder = work / f"bench_{'words' if words else 'plain'}.milvus"
        export = partial(here.export_to_milvus, folder, address, index=index, words=words)
        seconds = timed(export)
        lines.append(f"export{' with words' if words else '':11} {n / seconds:10,.0f} rows/s")
    seconds = timed(partial(import_from_milvus, folder, work / "back.space"))
    lines.append(f"import            {n / seconds:10,.0f} rows/s")
    there = rs.open_space(folder)
    lines += by_meaning(here, there, queries, rounds)
    lines += by_words(here, there, len(queries), rounds)
    return lines


def by_meaning(here: Space, there: Space, queries: Floats, rounds: int) -> list[str]:
    """Milliseconds of a query, and what share of the nearest Milvus finds."""
    one, other = (space.snapshot.dense(space.default_model) for space in (here, there))
    found = [[{row for row, _ in r} for r in dense.search(queries, K)] for dense in (one, other)]
    ids = [_passage_ids(space.snapshot.store) for space in (here, there)]
    shared = [
        len({ids[0][a] for a in x} & {ids[1][b] for b in y}) for x, y in zip(*found, strict=True)
    ]
    times = by_turns([partial(_search, dense) for dense in (one, other)], list(queries), rounds)
    return [
        f"recall@{K}         {sum(shared) / (K * len(queries)):10.4f}",
        *_shown("meaning", times),
    ]


def by_words(here: Space, there: Space, n: int, rounds: int) -> list[str]:
    """Milliseconds of a query of three words out of a passage."""
    texts = list(here.snapshot.store.texts("content"))
    chosen = np.random.default_rng(0).choice(len(texts), n)
    queries = [" ".join(texts[row].split()[:3]) for row in chosen]
    stores = [space.snapshot.store for space in (here, there)]
    times = by_turns([partial(_lexical, store) for store in stores], queries, rounds)
    return _shown("words", times)


def by_turns(
    asks: Sequence[Callable[[Any], object]], queries: Sequence[Any], rounds: int
) -> list[list[float]]:
    """Milliseconds of each query, a list for each of those asked."""
    times: list[list[float]] = [[] for _ in asks]
    for _ in range(rounds):
        for taken, ask in zip(times, asks, strict=True):
            taken += [1000 * timed(partial(ask, query)) for query in queries]
    return times


def timed(do: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def _search(dense: Dense, query: Floats) -> object:
    return dense.search(query[None], K)


def _lexical(store: PassageStore, query: str) -> object:
    return store.lexical(query, K)


def _passage_ids(store: PassageStore) -> dict[int, str]:
    """The passage at each row id."""
    found: dict[int, str] = {}
    for batch in store.scan([ROW_ID, "passage_id"]):
        found |= zip(batch[ROW_ID].to_pylist(), batch["passage_id"].to_pylist(), strict=True)
    return found


def _shown(what: str, times: Sequence[Sequence[float]]) -> list[str]:
    here, there = (statistics.median(one) for one in times)
    return [
        f"by {what:8} here  {here:10.2f} ms",
        f"by {what:8} there {there:10.2f} ms, {there / here:.1f} times as long",
    ]


if __name__ == "__main__":
    main()

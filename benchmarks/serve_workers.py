"""`rowspace serve` with one process and with several: requests/s, and what each process holds.

    python -m benchmarks.serve_workers [--workers 2] [--requests 400] [--rounds 5] [--clients 32]
        [--rows 1000000 | --space SPACE]

Two loads: embeddings of one sentence by all-MiniLM-L6-v2, and searches by meaning in a space of a
million sentences with its HNSW index (benchmarks.million_search), ten hits each. Both servers are
up at once and take the same requests in turns, first one and then the other first; ratios are
medians of the rounds'. The load is made on the same cores, and what it takes of one is told: a
single worker's threads already use all cores for the embeddings, so that more workers cannot bring
much there. Searches are four times as many, since they are quicker. Memory is read after the load:
PSS counts a page that n processes map as 1/n, USS what a process alone holds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.common import record
from benchmarks.contextual_speed import minilm
from benchmarks.http_load import Load, request_bytes, rowspace_server, run_load
from benchmarks.million_search import the_space
from benchmarks.million_vectors import ROWS
from benchmarks.serve_speed import sentence_requests, sentences

MODEL = "minilm"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--space", type=Path)
    arguments = parser.parse_args()
    space = arguments.space or the_space(arguments.rows).path
    found = [
        f"{arguments.clients} clients, medians of {arguments.rounds} rounds; the load is made on "
        "the same cores",
    ]
    embeddings = sentence_requests(arguments.requests, MODEL)
    found += compare("embeddings, all-MiniLM-L6-v2", minilm(), embeddings, arguments)
    found += compare(
        "searches by meaning", space, search_requests(4 * arguments.requests), arguments
    )
    record("The server: several processes", found, ["uvicorn"])


def search_requests(n: int) -> list[bytes]:
    """Requests for ten hits."""
    fields = {"mode": "dense", "k": 10}
    return [request_bytes({**fields, "query": text}, "/v1/search") for text in sentences(n)]


def compare(
    title: str, path: Path, requests: Sequence[bytes], arguments: argparse.Namespace
) -> list[str]:
    """The lines of one load."""
    counts = (1, arguments.workers)
    options = [str(path), "--name", MODEL, "--no-explorer", "--workers"]
    one, several = (rowspace_server([*options, str(n)]) for n in counts)
    loads: dict[int, list[Load]] = {n: [] for n in counts}
    with one as (first, port_of_first), several as (second, port_of_second):
        ports = dict(zip(counts, (port_of_first, port_of_second), strict=True))
        for port in ports.values():
            run_load(port, requests[:128], arguments.clients)
        for number in range(arguments.rounds):
            for n in counts if number % 2 else counts[::-1]:
                load = run_load(ports[n], requests, arguments.clients)
                assert set(load.statuses) == {200}, set(load.statuses)
                loads[n].append(load)
        held = [memory(first), memory(second)]
    return [f"{title}, {len(requests):,} requests a round", *speed_lines(loads), *held]


def speed_lines(loads: dict[int, list[Load]]) -> list[str]:
    """Requests/s of each, and the ratio."""
    lines = []
    for n, own in loads.items():
        rate = statistics.median(load.per_second for load in own)
        share = statistics.median(load.processor_seconds / load.seconds for load in own)
        half, most = (statistics.median(load.wait_ms(p) for load in own) for p in (50, 99))
        lines.append(
            f"  {n} {'worker ' if n == 1 else 'workers'} {rate:>8,.0f} requests/s, p50 {half:.1f} "
            f"ms, p99 {most:.1f} ms; the load took {share:.2f} of a core"
        )
    one, several = loads.values()
    ratios = [b.per_second / a.per_second for a, b in zip(one, several, strict=True)]
    lines.append(f"  ratio of requests/s: {statistics.median(ratios):.2f} "
                 f"({min(ratios):.2f} to {max(ratios):.2f})")  # fmt: skip
    return lines


def memory(parent: subprocess.Popen[bytes]) -> str:
    """What each process of a server holds, of 10 MB and more: MB of its own, and its share."""
    process = psutil.Process(parent.pid)
    shown = []
    for one in [process, *process.children()]:
        held = one.memory_full_info()
        if held.uss > 10e6:
            shown.append(f"USS {held.uss / 1e6:,.0f} PSS {held.pss / 1e6:,.0f} "
                         f"RSS {held.rss / 1e6:,.0f}")  # fmt: skip
    return "  MB: " + "; ".join(shown)


if __name__ == "__main__":
    main()

"""`rowspace serve` against a FastAPI server around sentence-transformers, as one writes it first.

    python -m benchmarks.serve_speed [--requests 1000] [--rounds 5] [--clients 32]

all-MiniLM-L6-v2, the same weights. Each server is a process of its own on loopback, the peer's is
`benchmarks/serve_peer.py`: `model.encode` in a plain `def` route. Each client keeps its connection
and sends one sentence of STS-B after the other; vectors come as JSON numbers. Both take the same
requests in turns, first one and then the other first; ratios are medians of the rounds'. The
first answers are compared before.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics

import numpy as np

from benchmarks.common import data_folder, record
from benchmarks.contextual_speed import minilm
from benchmarks.http_load import Load, ask, free_port, request_bytes, run_load, server

OURS, PEER = "rowspace serve", "FastAPI + sentence-transformers"
LEAST_COSINE = 0.999


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=32)
    arguments = parser.parse_args()
    folder = str(minilm())
    requests = sentence_requests(arguments.requests, minilm().name)
    ports = {OURS: free_port(), PEER: free_port()}
    ours = ["-m", "rowspace", "serve", folder, "--port", str(ports[OURS])]
    theirs = ["-m", "benchmarks.serve_peer", folder, str(ports[PEER])]
    loads: dict[str, list[Load]] = {OURS: [], PEER: []}
    with server(ours, ports[OURS]), server(theirs, ports[PEER]):
        check_alike(ports, requests[:8])
        for port in ports.values():  # to warm up
            run_load(port, requests[:128], arguments.clients)
        for number in range(arguments.rounds):
            for name in (OURS, PEER) if number % 2 else (PEER, OURS):
                load = run_load(ports[name], requests, arguments.clients)
                assert set(load.statuses) == {200}, set(load.statuses)
                loads[name].append(load)
    record("The server: speed", lines(loads, arguments), ["fastapi", "uvicorn"])


def sentence_requests(n: int, model: str) -> list[bytes]:
    """Requests of one sentence each."""
    return [request_bytes({"model": model, "input": text}) for text in sentences(n)]


def sentences(n: int) -> list[str]:
    """Sentences of STS-B, drawn at random."""
    rows = (data_folder() / "sentence" / "stsb" / "dev.tsv").read_text().splitlines()[1:]
    found = [text for row in rows for text in row.split("\t")[1:3]]
    return random.Random(1).choices(found, k=n)


def check_alike(ports: dict[str, int], requests: list[bytes]) -> None:
    """Stop where the two servers do not give the same vectors."""
    for request in requests:
        ours, theirs = (
            np.array(json.loads(ask(port, request)[1])["data"][0]["embedding"])
            for port in ports.values()
        )
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > LEAST_COSINE, f"the servers' vectors have a cosine of {cosine:.5f}"


def lines(loads: dict[str, list[Load]], arguments: argparse.Namespace) -> list[str]:
    """The table."""
    found = [
        f"{arguments.clients} clients, {arguments.requests:,} requests of one sentence a round, "
        f"medians of {arguments.rounds} rounds",
        f"{'':34} {'requests/s':>10} {'p50, ms':>8} {'p99, ms':>8}",
    ]
    for name, own in loads.items():
        rate = statistics.median(load.per_second for load in own)
        half, most = (statistics.median(load.wait_ms(p) for load in own) for p in (50, 99))
        found.append(f"{name:34} {rate:>10,.0f} {half:>8.1f} {most:>8.1f}")
    pairs = list(zip(loads[OURS], loads[PEER], strict=True))
    rate = statistics.median(ours.per_second / theirs.per_second for ours, theirs in pairs)
    half, most = (
        statistics.median(ours.wait_ms(p) / theirs.wait_ms(p) for ours, theirs in pairs)
        for p in (50, 99)
    )
    return [*found, f"{'ratio, ours to the peer':34} {rate:>10.2f} {half:>8.2f} {most:>8.2f}"]


if __name__ == "__main__":
    main()

"""A space in object storage beside the same one on the disk: requests, bytes and times.

    python -m benchmarks.object_storage [--passages 20000] [--searches 50]

The server is moto on the loopback, in Python: a real one answers a request faster than that, and
adds the network's way. So the counts of requests are what carries over; times show what a search
costs beside them. A proxy between them counts.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.storage import BUCKET, KEYS, Proxy, s3_server

from benchmarks.common import record, wikipedia_text
from rowspace.search.build import build
from rowspace.search.remote.copying import copy_space
from rowspace.search.space import Space, open_space
from rowspace.space.vectors import Vectors
from rowspace.text.corpus import Document

DIM = 200
PASSAGE_WORDS = 100
AT = f"s3://{BUCKET}/docs.space"


class Counted:
    """Times of a step, here and there, and what it asked of the store."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.here: dict[str, list[float]] = {}
        self.there: dict[str, list[float]] = {}
        self.asked: dict[str, tuple[int, int]] = {}

    def take(self, step: str, here: Callable[[], object], there: Callable[[], object]) -> None:
        self.here.setdefault(step, []).append(_seconds(here))
        self.proxy.seen.clear()
        self.there.setdefault(step, []).append(_seconds(there))
        self.asked[step] = (sum(self.proxy.seen.requests.values()), self.proxy.seen.bytes)

    def lines(self) -> list[str]:
        return [
            "| step | disk | storage | times | requests | bytes |",
            "|---|---|---|---|---|---|",
            *(self._line(step) for step in self.here),
        ]

    def _line(self, step: str) -> str:
        here, there = statistics.median(self.here[step]), statistics.median(self.there[step])
        n_requests, n_bytes = self.asked[step]
        return (
            f"| {step} | {1000 * here:.1f} ms | {1000 * there:.1f} ms | {there / here:.1f} | "
            f"{n_requests} | {n_bytes:,} |"
        )


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _make_space(folder: Path, n_passages: int) -> tuple[Space, list[str]]:
    text = wikipedia_text(n_passages * PASSAGE_WORDS)
    words = sorted(set(text.read_text().split()))
    values = np.random.default_rng(0).standard_normal((len(words), DIM), np.float32)
    Vectors(words, values).save(folder / "words.bin")
    model = str(folder / "words.bin")
    space = build(text, folder / "docs.space", model=model, passage_words=PASSAGE_WORDS)
    rng = random.Random(0)
    queries = [" ".join(rng.sample(words, 3)) for _ in range(1000)]
    return space, queries


def _measure(folder: Path, proxy: Proxy, n_passages: int, n_searches: int) -> list[str]:
    _, queries = _make_space(folder, n_passages)
    path = folder / "docs.space"
    counted = Counted(proxy)
    counted.take(
        "copy", lambda: shutil.copytree(path, folder / "copy"), lambda: copy_space(path, AT)
    )
    spaces: dict[str, Space] = {}

    def opening(name: str, at: Path | str) -> Callable[[], object]:
        return lambda: spaces.update({name: open_space(at)})

    counted.take("open", opening("here", path), opening("there", AT))
    here, there = spaces["here"], spaces["there"]

    def both(step: str, act: Callable[[Space], object]) -> None:
        counted.take(step, lambda: act(here), lambda: act(there))

    both("first search: model, vectors", lambda space: space.search(queries[0]))
    for mode in ("hybrid", "dense", "lexical"):
        for query in queries[:n_searches]:
            both(f"search, {mode}", lambda space, q=query, m=mode: space.search(q, mode=m))  # type: ignore[misc]
    both("32 searches in a batch", lambda space: space.search_batch(queries[:32]))
    counted.take("open again", opening("here", path), opening("there", AT))
    one = [Document("new", "", "a document that is new", "new.txt", {})]
    for _ in range(3):
        both("add a document", lambda space: space.add(one))
    both("delete it", lambda space: space.delete(["new"]))
    both("search after a write", lambda space: space.search(queries[1]))
    both("compact", lambda space: space.compact())
    assert [hit.as_dict() for hit in here.search(queries[2])] == [
        hit.as_dict() for hit in there.search(queries[2])
    ]
    return counted.lines()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, s3_server() as proxy:
        os.environ |= KEYS | {
            "AWS_ENDPOINT_URL": proxy.url,
            "ROWSPACE_CACHE": str(Path(folder, "cache")),
        }
        lines = _measure(Path(folder), proxy, given.passages, given.searches)
    size = f"{given.passages:,} passages, {DIM} numbers each; median times; the last one's requests"
    record(
        "Object storage: a space there and on the disk",
        [f"{size}.", "", *lines],
        ["lancedb", "obstore"],
    )


if __name__ == "__main__":
    main()

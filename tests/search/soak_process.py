"""Run by the fault tests as a process of its own: changes or reads a space and says so on stdout.

`python -m tests.search.soak_process write SPACE PREFIX SEED N` adds, replaces, deletes, compacts
and indexes until it is killed, or N times; each finished step is one line of JSON. `read` searches
instead and says what it saw of versions that are not whole.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from rowspace.errors import SpaceLockedError
from rowspace.search.index import mapped, upkeep
from rowspace.search.index.config import IndexConfig
from rowspace.search.space import Space, open_space
from tests.search.stub import HashEncoder, document

IDS = 30
PARTS = 4
SHARES = {"add": 6, "delete": 2, "compact": 1, "index": 2}
"""How often each step is made."""
INDEXES = ("hnsw", "lance")
SENTENCES = "A sentence with a marker in it, long enough that two of them fill a passage. " * PARTS


def write(path: Path, prefix: str, seed: int, n: int) -> None:
    """Do n random steps, on ids of its own."""
    rng = random.Random(seed)
    space = open_space(path, HashEncoder())
    _say({"step": "open"})
    for i in range(n):
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
        ids = [f"{prefix}{j}" for j in rng.sample(range(IDS), rng.randint(1, 4))]
        _say({"step": "begin", "kind": kind, "ids": ids, "i": i})
        if kind == "add":
            space.add([document(name, SENTENCES, title=f"{name} {i}", round=i) for name in ids])
        elif kind == "delete":
            space.delete(ids)
        elif kind == "compact":
            space.compact()
        else:
            with contextlib.suppress(SpaceLockedError):  # another of a crowd is making it
                space.index(IndexConfig(kind=rng.choice(INDEXES)))
        _say({"step": "done"})


def read(path: Path, seconds: float) -> None:
    """Search for a while; every document must be seen in all its passages, of one round."""
    space = open_space(path, HashEncoder())
    _say({"step": "open"})
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        for mode in ("lexical", "dense"):
            for problem in torn_documents(space, mode):
                _say({"step": "torn", "problem": f"{mode}: {problem}"})
            n += 1
    _say({"step": "done", "searches": n})


def torn_documents(space: Space, mode: str = "lexical") -> list[str]:
    """Documents of which a search sees a part, two rounds, or a passage twice."""
    seen: dict[str, list[tuple[str, Any]]] = {}
    for hit in space.search("marker", k=10_000, mode=mode, where="round is not null"):
        if not hit.document_id.startswith("first"):  # was there before, and is of one passage
            seen.setdefault(hit.document_id, []).append((hit.passage_id, hit.metadata["round"]))
    n_whole = max(map(len, seen.values()), default=0)
    return [
        f"{name}: {passages}"
        for name, passages in seen.items()
        if len(set(passages)) != n_whole
        or len(passages) != n_whole
        or len({round_ for _, round_ in passages}) != 1
    ]


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    action, path, *rest = sys.argv[1:]
    mapped.EXACT_ROWS, upkeep.NEW_ROWS = 10, 10  # as if these spaces were large
    if action == "write":
        write(Path(path), rest[0], int(rest[1]), int(rest[2]))
    else:
        read(Path(path), float(rest[0]))

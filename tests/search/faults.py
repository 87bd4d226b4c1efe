"""Kills writers, lets several write and read at once, and checks that nothing is lost.

The suite runs a few trials of each, `benchmarks/soak.py` hundreds.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import SpaceError
from rowspace.search.commit import read_commit
from rowspace.search.index.config import IndexConfig
from rowspace.search.space import Space, open_space
from rowspace.search.store import Store
from tests.program import ROOT
from tests.search.soak_process import INDEXES, SENTENCES, torn_documents
from tests.search.stub import HashEncoder, document, make_space

WRITE_STEPS = 10_000


@dataclass
class Known:
    """What must be in a space: the round of each document, by what was acknowledged."""

    rounds: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    """How many of each kind were finished, and how many a kill met."""

    def apply(self, step: dict[str, Any]) -> None:
        """Take a finished step into account."""
        for name in step["ids"]:
            if step["kind"] == "add":
                self.rounds[name] = step["i"]
            elif step["kind"] == "delete":
                self.rounds.pop(name, None)

    def count(self, kind: str) -> None:
        """Count one more step of a kind."""
        self.steps[kind] = self.steps.get(kind, 0) + 1


def new_space(path: Path) -> None:
    """A small space for the trials."""
    make_space(path, [document(f"first{i}", f"text number{i}", round=i) for i in range(10)])


def start(action: str, path: Path, *arguments: object) -> subprocess.Popen[str]:
    """A process that writes or reads; returns when it has opened the space."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.search.soak_process", action, path, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["step"] == "open"
    return process


def _rest(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What a process still says until it ends.

    Not by `communicate`, which passes over what `readline` has already taken from the pipe.
    """
    with process:
        assert process.stdout is not None
        return [json.loads(line) for line in process.stdout]


def kill_trial(path: Path, known: Known, rng: random.Random, patience: float = 1.0) -> None:
    """Kill a writer at a random moment; what it acknowledged must be there, and all be whole.

    An index that it was making must be of no harm, and be made again: each second time here.
    """
    process = start("write", path, "w", rng.randrange(2**31), WRITE_STEPS)
    time.sleep(rng.uniform(0.0, patience))
    process.send_signal(signal.SIGKILL)
    under_way = None
    for step in _rest(process):
        if step["step"] == "begin":
            under_way = step
        else:
            assert under_way is not None
            known.apply(under_way)
            known.count(under_way["kind"])
            under_way = None
    space = open_space(path)
    found = found_rounds(space)
    if under_way is not None:
        known.count(f"killed in {under_way['kind']}")
        if found != known.rounds:  # the one under way may have been finished, but whole
            known.apply(under_way)
    assert found == known.rounds
    check_whole(space)
    if rng.random() < 0.5:
        kind = rng.choice(INDEXES)
        record = space.index(IndexConfig(kind=kind))
        assert record is not None
        assert record.kind == kind == space.status()["index"]
        assert space.status()["outside_index"] == 0
        check_whole(open_space(path))


def check_whole(space: Space) -> None:
    """Every document is seen in all its passages, nothing is damaged, the nearest are found."""
    assert torn_documents(space) == []
    assert space.verify() == []
    assert wrong_scores(space) == []


def wrong_scores(space: Space) -> list[str]:
    """Queries that find something else by meaning than a comparison with every vector does."""
    store = Store.open(space.path / "store", read_commit(space.path).version)
    row_ids, matrix = store.vectors()
    names = [row.passage_id for row in store.fetch(row_ids)]
    rows = matrix.astype(float) / np.linalg.norm(matrix, axis=1, keepdims=True).astype(float)
    queries = ["w3 17", "l9 marker", "first3 number3", "long enough"]
    wrong = []
    for query, hits in zip(queries, space.search_batch(queries, 8, "dense"), strict=True):
        unit = HashEncoder().encode([query])[0].astype(float)
        cosines = rows @ (unit / np.linalg.norm(unit))
        truth = dict(zip(names, cosines, strict=True))
        best = sorted(cosines, reverse=True)[:8]
        scores = [hit.score for hit in hits]
        own = [truth.get(hit.passage_id, np.nan) for hit in hits]
        if len({hit.passage_id for hit in hits}) != len(best) or not (
            np.allclose(scores, best, atol=1e-5) and np.allclose(scores, own, atol=1e-5)
        ):
            wrong.append(f"{query}: {scores} where the best are {best}, and theirs are {own}")
    return wrong


def found_rounds(space: Space) -> dict[str, int]:
    """The round of each document that a search finds."""
    hits = space.search("marker", k=10_000, mode="lexical", where="round is not null")
    return {hit.document_id: hit.metadata["round"] for hit in hits}


def crowd_trial(path: Path, known: Known, seed: int, n_steps: int, seconds: float) -> int:
    """Two writers and two readers at once; returns how many searches the readers made."""
    writers = [start("write", path, prefix, seed + i, n_steps) for i, prefix in enumerate("lr")]
    readers = [start("read", path, seconds) for _ in range(2)]
    said = [_rest(process) for process in (*writers, *readers)]
    assert [process.returncode for process in (*writers, *readers)] == [0, 0, 0, 0]
    for step in (*said[0], *said[1]):
        if step["step"] == "begin":
            known.apply(step)
    searches = 0
    for steps in said[2:]:
        assert [step["problem"] for step in steps if step["step"] == "torn"] == []
        searches += steps[-1]["searches"]
    space = open_space(path)
    assert found_rounds(space) == known.rounds
    check_whole(space)
    return searches


def full_disk_trial(path: Path, rng: random.Random) -> str:
    """Add until the disk is full; the space must be as the last finished step left it.

    Returns
    -------
    str
        What the failed step was and said.
    """
    space = open_space(path, HashEncoder())
    for i in range(WRITE_STEPS):
        before = found_rounds(space)
        kind = rng.choices(["add", "compact", "delete", "index"], [12, 1, 2, 2])[0]
        names = [f"full{rng.randrange(4000)}" for _ in range(rng.randint(1, 200))]
        try:
            if kind == "add":
                space.add([document(name, SENTENCES, round=i) for name in dict.fromkeys(names)])
            elif kind == "compact":
                space.compact()
            elif kind == "index":
                space.index(IndexConfig(kind=rng.choice(INDEXES)))
            else:
                space.delete(names[:3])
        except SpaceError as error:
            message = str(error)
            assert "the disk is full" in message
            assert "\n" not in message
            space = open_space(path, HashEncoder())
            assert found_rounds(space) == before
            check_whole(space)
            return f"{kind}: {message}"
    raise AssertionError("the disk never filled")

"""Does a space lose anything? Hours of kills, full disks, damaged bytes, crowds and odd filters.

    python -m benchmarks.soak --trials 200 --seed 0 --minutes 30

Each part stops after its trials or at the end of its share of the minutes, whichever is first, and
the first thing that is wrong ends the run with the seed that shows it again.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.search.damage import HARMS, check_damage, check_index_damage, files_up_to, flip
from tests.search.faults import Known, crowd_trial, full_disk_trial, kill_trial, new_space
from tests.search.hostile import hostile_filters
from tests.search.stub import document, make_space

from rowspace.errors import FilterError
from rowspace.search.commit import read_commit
from rowspace.search.filters import Comparison, compile_filter
from rowspace.search.index.config import IndexConfig
from rowspace.search.store import Store

OFFSETS = 8
"""Places in each file at which a bit is flipped."""
FILTERS = 10_000
"""That are well formed, and so are run."""
DISK_BYTES = 2 << 20


class Until:
    """Hands out trial numbers until there were enough, or the time is up."""

    def __init__(self, trials: int, seconds: float) -> None:
        self.trials, self.end = trials, time.monotonic() + seconds

    def __iter__(self) -> Iterator[int]:
        for trial in range(self.trials):
            if time.monotonic() > self.end:
                return
            yield trial


def kills(folder: Path, trials: Until, seed: int) -> str:
    """SIGKILL at random moments of add, delete, compact, index."""
    path = folder / "kills.space"
    new_space(path)
    known, rng, n = Known(), random.Random(seed), 0
    for _ in trials:
        kill_trial(path, known, rng, patience=2.0)
        n += 1
    steps = ", ".join(f"{count:,} {kind}" for kind, count in sorted(known.steps.items()))
    return f"{n:,} kills, nothing lost; steps: {steps}"


def crowds(folder: Path, trials: Until, seed: int) -> str:
    """Two writers and two readers at once."""
    path = folder / "crowd.space"
    new_space(path)
    known, n, searches = Known(), 0, 0
    for trial in trials:
        searches += crowd_trial(path, known, seed + 2 * trial, n_steps=20, seconds=4.0)
        n += 1
    return f"{n:,} crowds of 2 writers and 2 readers, {searches:,} searches, none torn"


def damage(folder: Path, trials: Until, seed: int) -> str:
    """Every file truncated, removed, and flipped at several offsets; an index's files too."""
    whole, indexed, damaged = (folder / f"{name}.space" for name in ("whole", "indexed", "damaged"))
    for path, kind in ((whole, "lance"), (indexed, "hnsw")):
        space = make_space(path, [document(f"d{i}", f"text number{i}", n=i) for i in range(20)])
        space.add([document("d3", "text another"), document("added", "text added", country="Chad")])
        space.delete(["d5"])
        space.index(IndexConfig(kind=kind))
    rng = random.Random(seed)
    checks = [(check_damage, whole, name) for name in _committed(whole)]
    files = (file for file in indexed.glob("index/*/*") if not file.name.startswith("."))
    names = [file.relative_to(indexed).as_posix() for file in files]
    checks += [(check_index_damage, indexed, name) for name in names]
    harms = [*HARMS.values(), *(flip(rng.random()) for _ in range(OFFSETS))]
    todo = [(*one, harm) for one in checks for harm in harms]
    rng.shuffle(todo)
    n = 0
    for _, (check, path, name, harm) in zip(trials, todo, strict=False):
        check(path, damaged, name, harm)
        n += 1
    return (
        f"{n:,} of {len(todo):,} damages to {len(checks):,} files, {len(names):,} of them of an "
        "index, all told and repaired"
    )


def _committed(path: Path) -> list[str]:
    return [*read_commit(path).files, "commit.json", "commit.copy.json"]


def disks(folder: Path, trials: Until, seed: int) -> str:
    """A disk that fills: a small tmpfs where that may be mounted, else a limit on file sizes."""
    rng, ends, kinds, n = random.Random(seed), set(), set(), 0
    for trial in trials:
        with _small_disk(folder / f"disk{trial}") as (disk, kind):
            path = disk / "a.space"
            new_space(path)
            kinds.add(kind)
            ends.add(full_disk_trial(path, rng).split(":")[0])
            n += 1
    return f"{n:,} full disks ({', '.join(kinds)}), met by {', '.join(sorted(ends))}; all as before"


@contextlib.contextmanager
def _small_disk(disk: Path) -> Iterator[tuple[Path, str]]:
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    if (
        os.geteuid() == 0
        and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    ):
        try:
            yield disk, "tmpfs"
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
        return
    with files_up_to(DISK_BYTES // 8):
        yield disk, "limit on file sizes"


def filters(folder: Path, trials: Until, seed: int) -> str:
    """Hostile strings joined to a tenant's filter, all that compile run against the store."""
    rows = [
        document(f"{tenant}{i}", "text", title="ab"[i % 2], tenant=tenant, year=1985 + i)
        for tenant in "ab"
        for i in range(10)
    ]
    path = folder / "tenants.space"
    make_space(path, rows)
    commit = read_commit(path)
    store = Store.open(path / "store", commit.version)
    n_typed = n_run = 0
    typed = hostile_filters(1 << 30, seed)
    for _ in trials:
        predicate = None
        while predicate is None:
            n_typed += 1
            text = next(typed)
            with contextlib.suppress(FilterError):
                predicate = compile_filter([Comparison("tenant", "=", "a"), text], commit.fields)
        ids = list(store.texts("document_id", predicate))
        if not all(name.startswith("a") for name in ids):
            raise AssertionError(f"{text!r} shows {ids}")
        n_run += 1
    return f"{n_typed:,} typed filters, {n_run:,} of them run, none showed another tenant's row"


PARTS: dict[str, Callable[[Path, Until, int], str]] = {
    "kills": kills,
    "crowds": crowds,
    "damage": damage,
    "disks": disks,
    "filters": filters,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="kills; others in proportion")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30.0, help="for all parts together")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    options = parser.parse_args()
    logging.getLogger("rowspace").propagate = False  # damage warns, as it should
    logging.getLogger("rowspace").addHandler(logging.NullHandler())
    n = {"crowds": options.trials // 10, "disks": options.trials // 10}
    n |= {"damage": 1 << 30, "filters": FILTERS}
    seconds = 60 * options.minutes / len(options.parts)
    for part in options.parts:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            until = Until(n.get(part, options.trials), seconds)
            try:
                told = PARTS[part](Path(folder), until, options.seed)
            except Exception:
                traceback.print_exc()
                sys.exit(f"{part} went wrong with seed {options.seed}")
        print(f"{part}: {told} ({time.monotonic() - started:,.0f} s)", flush=True)


if __name__ == "__main__":
    main()

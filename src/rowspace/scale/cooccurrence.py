"""GloVe's counts with the workers of a cluster.

Workers count ranges of the token ids, each into a folder of its own; then they add up groups of
rows, each from what all have counted; the process that asked puts the records into their places.
Sums are of whole numbers, so the file is that of one process, to the byte, whatever the number of
workers. The folder must be on a file system that all machines share.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from rowspace.files import begin_folder, remove_folder, write_folder_atomically
from rowspace.scale.cluster import Cluster
from rowspace.scale.tasks import do_all
from rowspace.static.cooccurrence import (
    CooccurrenceConfig,
    Cooccurrences,
    Group,
    gather,
    make_plan,
)
from rowspace.static.pair_sums import (
    CountedPairs,
    Integers,
    PairSums,
    Plan,
    Sums,
    blocks_of,
    n_pieces_of,
    weights_of,
)
from rowspace.static.run import vocabulary_digest
from rowspace.text.vocabulary import TokenIds, Vocabulary

RANGES = 256
"""Into which the token ids are cut at most, as each has a table of its own on the disk."""
RANGE_TOKENS = 1 << 21
"""At least, in a range."""
_PAIRS, _RUNS = "pairs.u64", "runs.npy"
_DENSE, _RECORDS = "dense.u64", "records.i32"

Answer = TypeVar("Answer")


def count_pairs(
    cluster: Cluster,
    vocabulary: Vocabulary,
    ids: TokenIds,
    path: Path,
    config: CooccurrenceConfig | None = None,
    memory_mb: int = 1024,
    *,
    range_tokens: int = RANGE_TOKENS,
) -> Cooccurrences:
    """`count_cooccurrences` by many processes.

    What was counted before an interrupt is not counted again.

    Parameters
    ----------
    cluster : Cluster
    vocabulary, ids
        What a vocabulary scan has written, where every machine sees it.
    path : Path
        The file to write, in a folder that every machine sees, and that takes the pairs meanwhile:
        8 bytes for each time that one not in the table occurs.
    config : CooccurrenceConfig, optional
    memory_mb : int
        Memory of each process, in units of 2^20 bytes.
    range_tokens : int
        Counted at once, at least. It changes no result.

    Raises
    ------
    ConfigError
        If the memory is too little for so much text or so many words.
    ClusterError
        If a machine does not see the folder, or a worker failed.
    """
    config = config or CooccurrenceConfig()
    plan = make_plan(vocabulary, ids, config, memory_mb, 1)
    range_tokens = max(range_tokens, -(-ids.n_ids // RANGES))
    work = _Work(
        path.absolute().with_name("pairs"),
        TokenIds(ids.path.absolute(), ids.n_ids),
        config,
        vocabulary.counts,
        memory_mb,
        range_tokens,
    )
    work.begin(vocabulary_digest(vocabulary))
    sizes = [float(range_tokens)] * -(-ids.n_ids // range_tokens)
    n_seen = do_all(cluster, _Count(work), work.folder, sizes, "counting pairs")
    work.join_tables(len(sizes))
    n_pieces = n_pieces_of(sum(n_seen))
    with work.sums(plan, len(sizes), np.empty(0, dtype=np.uint64)) as sums:
        rows = sums.group_rows()
    adding = _Add(work, len(sizes), rows, n_pieces)
    ends = do_all(cluster, adding, work.folder, [1.0] * (len(rows) - 1), "adding up pairs")
    with contextlib.ExitStack() as files:
        groups = [
            Group(
                files.enter_context((work.group(number) / _RECORDS).open("rb", buffering=0)),
                0,
                np.array(one, dtype=np.int64),
            )
            for number, one in enumerate(ends)
        ]
        try:
            counts = gather(groups, path, config.symmetric, cluster.threads)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    remove_folder(work.folder)
    return counts


@dataclass(frozen=True)
class _Work:
    """What all tasks know, and the folder that they write to."""

    folder: Path
    ids: TokenIds
    config: CooccurrenceConfig
    counts: Integers
    memory_mb: int
    range_tokens: int

    def begin(self, vocabulary: str) -> None:
        """Make the folder; what is there of other settings or text is removed."""
        about = {
            "vocabulary": vocabulary,
            "n_ids": self.ids.n_ids,
            "config": dataclasses.asdict(self.config),
            "memory_mb": self.memory_mb,
            "range_tokens": self.range_tokens,
        }
        begin_folder(self.folder, about)

    def plan(self) -> Plan:
        """How a process uses its memory: the same plan in each."""
        return Plan(self.counts, self.ids.n_ids, self.config, self.memory_mb << 20, 1)

    def range(self, number: int) -> Path:
        """The folder of what was counted in a range."""
        return self.folder / f"range-{number:04d}"

    def group(self, number: int) -> Path:
        """The folder of a group's records."""
        return self.folder / f"group-{number:04d}"

    def join_tables(self, n_ranges: int) -> None:
        """Add up the tables of all ranges."""
        total = np.fromfile(self.range(0) / _DENSE, dtype=np.uint64)
        for number in range(1, n_ranges):
            total += np.fromfile(self.range(number) / _DENSE, dtype=np.uint64)
        total.tofile(self.folder / _DENSE)

    @contextlib.contextmanager
    def sums(self, plan: Plan, n_ranges: int, dense: Sums) -> Iterator[PairSums]:
        """The pairs of all ranges, open to be added up."""
        with contextlib.ExitStack() as files:
            counted = []
            for number in range(n_ranges):
                here = self.range(number)
                file = files.enter_context((here / _PAIRS).open("rb", buffering=0))
                counted.append((file, list(np.load(here / _RUNS, allow_pickle=False))))
            yield PairSums(plan, self.config, counted, dense)


@dataclass(frozen=True)
class _Count:
    """Counts a range of the tokens; tells how many pairs that were."""

    work: _Work

    def __call__(self, number: int) -> int:
        def write(folder: Path) -> int:
            plan = self.work.plan()
            first = number * self.work.range_tokens
            last = min(first + self.work.range_tokens, self.work.ids.n_ids)
            weights = weights_of(self.work.config)
            with (folder / _PAIRS).open("w+b", buffering=0) as file:
                counted = CountedPairs(plan, file)
                for begin in blocks_of(first, last):
                    counted.count_block(self.work.ids, begin, last, self.work.config, weights)
                counted.flush()
            np.save(folder / _RUNS, np.stack(counted.runs))
            counted.dense.tofile(folder / _DENSE)
            return counted.n_seen

        return _once(self.work.range(number), write)


@dataclass(frozen=True)
class _Add:
    """Adds up the rows of a group; tells where its pieces end."""

    work: _Work
    n_ranges: int
    rows: Integers
    n_pieces: int

    def __call__(self, number: int) -> list[int]:
        def write(folder: Path) -> list[int]:
            dense = np.fromfile(self.work.folder / _DENSE, dtype=np.uint64)
            with self.work.sums(self.work.plan(), self.n_ranges, dense) as sums:
                first, last = int(self.rows[number]), int(self.rows[number + 1])
                ends, records = sums.records(first, last, self.n_pieces)
            records.tofile(folder / _RECORDS)
            found: list[int] = ends.tolist()
            return found

        return _once(self.work.group(number), write)


def _once(folder: Path, write: Callable[[Path], Answer]) -> Answer:
    """Write a folder unless it is there; gives what `write` returned then."""
    if not folder.exists():
        with write_folder_atomically(folder) as temporary:
            (temporary / "answer.json").write_text(json.dumps(write(temporary)))
    answer: Answer = json.loads((folder / "answer.json").read_text())
    return answer

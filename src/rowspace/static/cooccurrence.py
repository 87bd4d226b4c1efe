"""How often words stand near each other: weighted counts of pairs, within a memory budget.

Pennington, Socher & Manning (2014), https://aclanthology.org/D14-1162, section 3: a pair of words
`d` apart counts 1/d, inside one sentence. Like the authors' program, pairs of frequent words are
counted in a table and the others are written to disk to be sorted. Differs from it: a symmetric
pair is counted and kept once and not once each way, every core counts, and the sums are of whole
numbers, so that the file depends neither on the threads nor on the memory.
"""

from __future__ import annotations

import collections
import contextlib
import json
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import fsync_file, write_json
from rowspace.machine import n_cores, return_free_memory
from rowspace.progress import track
from rowspace.static.pair_sums import (
    MAX_WINDOW,
    CountedPairs,
    Integers,
    PairSums,
    Plan,
    blocks_of,
    n_pieces_of,
    read_at,
    weights_of,
    write_at,
)
from rowspace.static.run import work_in_threads
from rowspace.text.vocabulary import TokenIds, Vocabulary

RECORD = np.dtype([("word", "<i4"), ("context", "<i4"), ("count", "<f4")])
LEAST_MEMORY_MB = 32


@dataclass(frozen=True, kw_only=True)
class CooccurrenceConfig:
    """What counts as near."""

    window: int = 15
    """Words considered on each side of the center word."""
    symmetric: bool = True
    """Contexts are on both sides, else only on the left."""
    distance_weighting: bool = True
    """A context `d` words away counts 1/d, else 1."""

    def __post_init__(self) -> None:
        if not 1 <= self.window <= MAX_WINDOW:
            raise ConfigError(f"window is {self.window}; give 1 to {MAX_WINDOW}")


@dataclass(frozen=True)
class Cooccurrences:
    """Counts of pairs of words in a file of records, in pieces that are as good as random.

    A record has 12 bytes: word int32, context int32, count float32. A piece has its records in the
    order of their words, then contexts. Where both sides count alike a pair stands once, the
    smaller id first.
    """

    path: Path
    ends: Integers
    """(n_pieces + 1,) where each piece begins, in records; the last is their number."""
    symmetric: bool

    def __len__(self) -> int:
        return int(self.ends[-1])

    @property
    def n_pieces(self) -> int:
        """Number of pieces."""
        return len(self.ends) - 1

    def open(self) -> NDArray[np.void]:
        """All records, memory-mapped: (n,) of `word`, `context` and `count`."""
        if len(self) == 0:
            return np.empty(0, dtype=RECORD)
        return np.memmap(self.path, dtype=RECORD, mode="r", shape=(len(self),))

    def read_piece(self, number: int) -> NDArray[np.int32]:
        """The records of a piece.

        Returns
        -------
        (3 * n,) int32 array
            Word, context, and the bits of the count, of each record.
        """
        first, last = 12 * int(self.ends[number]), 12 * int(self.ends[number + 1])
        records = np.fromfile(self.path, dtype="<i4", count=(last - first) // 4, offset=first)
        if records.nbytes < last - first:
            raise FormatError(f"{self.path} is cut short; remove {self.path.parent} to start anew")
        return records

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write what `load` needs beside the records, when they are safe on the disk."""
        fsync_file(self.path)
        about = {"identity": identity, "symmetric": self.symmetric, "ends": self.ends.tolist()}
        write_json(path, about)

    @classmethod
    def load(cls, path: Path, records: Path, identity: dict[str, Any]) -> Cooccurrences:
        """Read what `save` wrote.

        Raises
        ------
        FormatError
            If the counts are of other settings or text, or damaged.
        """
        try:
            saved = json.loads(path.read_text())
            is_same = saved["identity"] == identity
            ends = np.array(saved["ends"], dtype=np.int64)
            counts = cls(records, ends, bool(saved["symmetric"]))
            is_whole = records.stat().st_size == len(counts) * RECORD.itemsize
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise FormatError(
                f"the counts {path} are damaged ({error}); remove {path.parent} to start anew"
            ) from error
        if not is_same:
            raise FormatError(
                f"the counts {path} are of other settings or text; use the same, or remove "
                f"{path.parent} to start anew"
            )
        if not is_whole:
            raise FormatError(
                f"the counts {records} are not {len(counts) * RECORD.itemsize:,} bytes long; "
                f"remove {path.parent} to start anew"
            )
        return counts


def count_cooccurrences(
    vocabulary: Vocabulary,
    ids: TokenIds,
    path: Path,
    config: CooccurrenceConfig | None = None,
    memory_mb: int = 1024,
    n_threads: int | None = None,
) -> Cooccurrences:
    """Count how often words stand near each other, and write the counts to a file.

    X[i, j] adds up 1/d for each word j that stands d <= window words from a word i in a sentence;
    on its left only if not symmetric. The file does not depend on threads and memory.

    Parameters
    ----------
    vocabulary : Vocabulary
    ids : TokenIds
        What a vocabulary scan has written.
    path : Path
        The file to write, 12 bytes a pair. Its folder takes the pairs to be sorted meanwhile,
        8 bytes for each time that one not in the table occurs.
    config : CooccurrenceConfig, optional
    memory_mb : int
        Memory to take for all of it, in units of 2^20 bytes, beside what the process has already.
    n_threads : int, optional
        None takes every core.

    Raises
    ------
    ConfigError
        If the memory is too little for so much text or so many words.
    OSError
        If the disk is full; what was written for this is removed.
    """
    config = config or CooccurrenceConfig()
    plan = make_plan(vocabulary, ids, config, memory_mb, n_threads or n_cores())
    with _temporary(path) as file:
        groups = _count_groups(plan, ids, config, file, path)
        return_free_memory()
        try:
            return gather(groups, path, config.symmetric, plan.n_threads)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _count_groups(
    plan: Plan, ids: TokenIds, config: CooccurrenceConfig, file: IO[bytes], path: Path
) -> list[Group]:
    """Count all, in files that are gone afterwards, and write the groups' records to `file`."""
    with contextlib.ExitStack() as files:
        pairs = [files.enter_context(_temporary(path)) for _ in range(plan.n_threads)]
        counter = _Counter(plan, ids, pairs, config)
        n_seen = counter.count()
        return counter.combine(file, n_pieces_of(n_seen))


def _temporary(path: Path) -> IO[bytes]:
    """A file without a name beside `path`, which even a killed process does not leave behind."""
    return tempfile.TemporaryFile(dir=path.parent, buffering=0)


def make_plan(
    vocabulary: Vocabulary,
    ids: TokenIds,
    config: CooccurrenceConfig,
    memory_mb: int,
    n_threads: int,
) -> Plan:
    """How the memory is used.

    Raises
    ------
    ConfigError
        If it is too little for so much text or so many words.
    """
    from rowspace.static import cooccurrence_kernels as kernels

    if len(vocabulary) >= 1 << kernels.COLUMN_BITS:
        raise ConfigError(
            f"the vocabulary has {len(vocabulary):,} words, more than "
            f"{(1 << kernels.COLUMN_BITS) - 1:,}; give max_words or a larger min_count"
        )
    check_memory(memory_mb)
    plan = Plan(vocabulary.counts, ids.n_ids, config, memory_mb << 20, n_threads)
    if plan.fits:
        return plan
    enough = memory_mb
    while not plan.fits:
        enough *= 2
        plan = Plan(vocabulary.counts, ids.n_ids, config, enough << 20, n_threads)
    raise ConfigError(
        f"memory_mb is {memory_mb}, too little to count {ids.n_ids:,} tokens of "
        f"{len(vocabulary):,} words with {n_threads} threads; {enough} is enough"
    )


def check_memory(memory_mb: int) -> None:
    """Refuse a budget that is never enough."""
    if memory_mb < LEAST_MEMORY_MB:
        raise ConfigError(f"memory_mb is {memory_mb}; give {LEAST_MEMORY_MB} or more, usually 1024")


@dataclass(frozen=True)
class Group:
    """Where in a file of records the pieces of some rows are."""

    file: IO[bytes]
    first: int
    ends: Integers
    """(n_pieces + 1,) records, from `first` on."""


class _Counter:
    """One count: first of pairs by every thread, then the sums of their groups."""

    def __init__(
        self, plan: Plan, ids: TokenIds, files: list[IO[bytes]], config: CooccurrenceConfig
    ) -> None:
        self.plan = plan
        self.ids = ids
        self.config = config
        self.workers = [CountedPairs(plan, file) for file in files]

    def count(self) -> int:
        """Count every token with its left neighbors; returns how many pairs that were."""
        firsts = collections.deque(blocks_of(0, self.ids.n_ids))
        weights = weights_of(self.config)

        def work(thread: int, stopped: threading.Event) -> None:
            worker = self.workers[thread]
            while not stopped.is_set():
                try:
                    first = firsts.popleft()
                except IndexError:
                    break
                worker.count_block(self.ids, first, self.ids.n_ids, self.config, weights)
            if worker.n and not stopped.is_set():
                worker.flush()
            worker.release()

        with track("counting pairs", total=self.ids.n_ids) as tracker:
            work_in_threads(
                work,
                self.plan.n_threads,
                lambda: tracker.set(sum(worker.n_tokens for worker in self.workers)),
            )
        self.dense = self.workers[0].dense
        for worker in self.workers[1:]:
            self.dense += worker.dense
            worker.dense = self.dense[:0]
        return_free_memory()
        return sum(worker.n_seen for worker in self.workers)

    def combine(self, file: IO[bytes], n_pieces: int) -> list[Group]:
        """Add up each group's pairs, and write its records by pieces."""
        counted = [(worker.file, worker.runs) for worker in self.workers]
        sums = PairSums(self.plan, self.config, counted, self.dense)
        rows = sums.group_rows()
        groups: list[Group | None] = [None] * (len(rows) - 1)
        upcoming = iter(range(len(groups)))
        lock = threading.Lock()
        n_written = n_done = 0

        def work(_: int, stopped: threading.Event) -> None:
            nonlocal n_written, n_done
            while not stopped.is_set():
                group = next(upcoming, None)
                if group is None:
                    return
                ends, records = sums.records(int(rows[group]), int(rows[group + 1]), n_pieces)
                with lock:
                    first = n_written
                    n_written += int(ends[-1])
                    n_done += 1
                groups[group] = Group(file, first, ends)
                write_at(file, records, 12 * first)

        with track("adding up pairs", total=len(groups)) as tracker:
            work_in_threads(work, self.plan.n_combiners, lambda: tracker.set(n_done))
        return [group for group in groups if group is not None]


def gather(groups: list[Group], path: Path, is_symmetric: bool, n_threads: int) -> Cooccurrences:
    """Bring the pieces of all groups together; groups follow their rows, so pieces are sorted."""
    ends: Integers = np.stack([group.ends for group in groups]).sum(axis=0)
    n_pieces = len(ends) - 1
    upcoming = iter(range(n_pieces))
    n_done = [0] * n_threads

    def work(thread: int, stopped: threading.Event) -> None:
        for piece in upcoming:
            if stopped.is_set():
                return
            records = np.empty(3 * int(ends[piece + 1] - ends[piece]), dtype=np.int32)
            n = 0
            for group in groups:
                first, last = int(group.ends[piece]), int(group.ends[piece + 1])
                part = records[n : n + 3 * (last - first)]
                read_at(group.file, part, 12 * (group.first + first))
                n += len(part)
            write_at(out, records, 12 * int(ends[piece]))
            n_done[thread] += 1

    with path.open("wb", buffering=0) as out, track("writing pairs", total=n_pieces) as tracker:
        work_in_threads(work, n_threads, lambda: tracker.set(sum(n_done)))
    return Cooccurrences(path, ends, is_symmetric)

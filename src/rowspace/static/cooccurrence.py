"""How often words stand near each other: weighted counts of pairs, within a memory budget.

Pennington, Socher & Manning (2014), https://aclanthology.org/D14-1162, section 3: a pair of words
`d` apart counts 1/d, inside one sentence. Like the authors' program, pairs of frequent words are
counted in a table and the others are written to disk to be sorted. Differs from it: a symmetric
pair is counted once and not once each way, every core counts, and the sums are of whole numbers,
so that they depend neither on the threads nor on the memory.
"""

from __future__ import annotations

import collections
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import fsync_file, write_json
from rowspace.machine import n_cores
from rowspace.progress import Tracker, track
from rowspace.static.training import _mix
from rowspace.text.vocabulary import TokenIds, Vocabulary

RECORD = np.dtype([("word", "<i4"), ("context", "<i4"), ("count", "<f4")])
MAX_WINDOW = 255
LEAST_MEMORY_MB = 16

_BLOCK = 1 << 20
_DENSE_CELLS = 1 << 24
_GROUP_PAIRS = 1 << 21
_PAIR_BYTES = 64  # of a group in work: pairs, sums, and two records


@dataclass(frozen=True, kw_only=True)
class CooccurrenceConfig:
    """What counts as near."""

    window: int = 15
    """Words considered on each side of the center word."""
    symmetric: bool = True
    """Contexts are on both sides, else only on the left."""
    distance_weighting: bool = True
    """A context `d` words away counts 1/d, else 1."""
    memory_mb: int = 1024
    """Memory that counting may take, in units of 2^20 bytes."""
    seed: int = 1
    """Of the order of the counts."""

    def __post_init__(self) -> None:
        if not 1 <= self.window <= MAX_WINDOW:
            raise ConfigError(f"window is {self.window}; give 1 to {MAX_WINDOW}")
        if self.memory_mb < LEAST_MEMORY_MB:
            raise ConfigError(
                f"memory_mb is {self.memory_mb}; give {LEAST_MEMORY_MB} or more, usually 1024"
            )
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; give 0 or more")


@dataclass(frozen=True)
class Cooccurrences:
    """Counts of pairs of words in a file, in groups of words, each group in random order.

    The file holds records of 12 bytes: word int32, context int32, count float32.
    """

    path: Path
    group_sizes: NDArray[np.int64]
    """(n_groups,) records in each group, in the order of the file."""

    def __len__(self) -> int:
        return int(self.group_sizes.sum())

    def open(self) -> NDArray[np.void]:
        """All records, memory-mapped: (n,) of `word`, `context` and `count`."""
        if len(self) == 0:
            return np.empty(0, dtype=RECORD)
        return np.memmap(self.path, dtype=RECORD, mode="r", shape=(len(self),))

    def read_piece(self, number: int, n_pieces: int) -> NDArray[np.int32]:
        """The `number`-th of `n_pieces` equal random shares of all records.

        Returns
        -------
        (3 * n,) int32 array
            Word, context, and the bits of the count, of each record.
        """
        starts = np.concatenate([[0], np.cumsum(self.group_sizes)[:-1]])
        firsts = starts + self.group_sizes * number // n_pieces
        lasts = starts + self.group_sizes * (number + 1) // n_pieces
        records = np.empty(3 * int((lasts - firsts).sum()), dtype=np.int32)
        done = 0
        with self.path.open("rb", buffering=0) as file:
            for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
                part = records[done : done + 3 * (last - first)]
                if len(part) and os.preadv(file.fileno(), [part.data], 12 * first) < part.nbytes:
                    raise FormatError(f"{self.path} is cut short; remove it to count again")
                done += len(part)
        return records

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write what `load` needs beside the records, when they are safe on the disk."""
        fsync_file(self.path)
        write_json(path, {"identity": identity, "group_sizes": self.group_sizes.tolist()})

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
            counts = cls(records, np.array(saved["group_sizes"], dtype=np.int64))
            size = records.stat().st_size
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"the counts {path} are damaged ({error}); remove {path.parent} to start anew"
            ) from error
        if not is_same:
            raise FormatError(
                f"the counts {path} are of other settings or text; use the same, or remove "
                f"{path.parent} to start anew"
            )
        if size != len(counts) * RECORD.itemsize:
            raise FormatError(
                f"the counts {records} have {size:,} bytes instead of "
                f"{len(counts) * RECORD.itemsize:,}; remove {path.parent} to start anew"
            )
        return counts


def vocabulary_digest(vocabulary: Vocabulary) -> str:
    """Tells one vocabulary from another: SHA-256 of words and counts."""
    words = "\0".join(vocabulary.words).encode("utf-8", "surrogatepass")
    return hashlib.sha256(words + vocabulary.counts.tobytes()).hexdigest()


def count_cooccurrences(
    vocabulary: Vocabulary,
    ids: TokenIds,
    path: Path,
    config: CooccurrenceConfig | None = None,
    n_threads: int | None = None,
) -> Cooccurrences:
    """Count how often words stand near each other, and write the counts to a file.

    X[i, j] adds up 1/d for each word j that stands d <= window words from a word i in a sentence;
    on its left only if not symmetric. The counts do not depend on threads and memory; the order
    of the file does not depend on the threads.

    Parameters
    ----------
    vocabulary : Vocabulary
    ids : TokenIds
        What a vocabulary scan has written.
    path : Path
        The file to write, 12 bytes a pair. Its folder takes the pairs to be sorted meanwhile,
        8 bytes each.
    config : CooccurrenceConfig, optional
    n_threads : int, optional
        None takes every core.

    Raises
    ------
    OSError
        If the disk is full; what was written for this is removed.
    """
    config = config or CooccurrenceConfig()
    counter = _Counter(vocabulary, ids, path, config, n_threads or n_cores())
    try:
        counter.count()
        return counter.combine()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        for worker in counter.workers:
            worker.close()


class _Plan:
    """Which pairs are counted in the table, and which rows are combined together."""

    def __init__(self, vocabulary: Vocabulary, config: CooccurrenceConfig, n_threads: int) -> None:
        n_words = len(vocabulary)
        n_bytes = config.memory_mb << 20
        self.starts, self.limits, self.n_cells = _dense_corner(
            n_words, min(_DENSE_CELLS, n_bytes // 2 // n_threads // 8), config.symmetric
        )
        # Of the rest, half each for the pairs of one thread and for the same in groups.
        self.n_pairs = max((n_bytes // n_threads - 8 * self.n_cells) // 16, 2 * config.window)
        self.n_pairs = min(self.n_pairs, 1 << 24)
        in_work = max(n_bytes - 8 * self.n_cells * n_threads, n_bytes // 2)
        self.group_pairs = max(1, min(_GROUP_PAIRS, in_work // _PAIR_BYTES))
        self.n_combiners = max(1, min(n_threads, in_work // _PAIR_BYTES // self.group_pairs))
        sides = 2 if config.symmetric else 1
        occurrences = vocabulary.counts.astype(np.int64) * config.window * sides
        self.ends = _group_rows(np.minimum(n_words, occurrences), self.group_pairs)
        self.group_of_row = np.repeat(
            np.arange(len(self.ends) - 1, dtype=np.int32), np.diff(self.ends)
        )

    @property
    def n_groups(self) -> int:
        return len(self.ends) - 1


def _dense_corner(
    n_words: int, most_cells: int, is_symmetric: bool
) -> tuple[NDArray[np.int64], NDArray[np.int32], int]:
    """Where the table has each row's cells: (starts, limits, number of cells).

    By Zipf's law pair (i, j) of ranks from 1 is about as frequent as 1 / (i j), so the table has
    the pairs whose product is below a bound, as large as the memory lets it be.
    """
    ranks = np.arange(1, n_words + 1, dtype=np.int64)
    firsts = ranks - 1 if is_symmetric else np.zeros_like(ranks)
    low, high = 0, n_words * n_words
    while low < high:
        middle = (low + high + 1) // 2
        cells = np.maximum(np.minimum(n_words, middle // ranks) - firsts, 0)
        low, high = (middle, high) if cells.sum() <= most_cells else (low, middle - 1)
    limits = np.minimum(n_words, low // ranks)
    sizes = np.maximum(limits - firsts, 0)
    starts = np.cumsum(sizes) - sizes - firsts
    return starts, np.where(sizes > 0, limits, 0).astype(np.int32), int(sizes.sum())


def _group_rows(sizes: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """(n_groups + 1,) ends of runs of rows whose sizes add up to `most` or less, if they can."""
    before = np.concatenate([[0], np.cumsum(sizes)])
    ends = [0]
    while ends[-1] < len(sizes):
        last = int(np.searchsorted(before, before[ends[-1]] + most, side="right")) - 1
        ends.append(max(last, ends[-1] + 1))
    return np.array(ends, dtype=np.int64)


class _Worker:
    """What one thread has counted: its table, and the other pairs by group in a file."""

    def __init__(self, plan: _Plan, dense: NDArray[np.uint64], path: Path) -> None:
        self.plan = plan
        self.dense = dense
        self.path = path
        self.file: IO[bytes] = path.open("w+b", buffering=0)
        self.pairs = np.empty(plan.n_pairs, dtype=np.uint64)
        self.grouped = np.empty(plan.n_pairs, dtype=np.uint64)
        self.n = 0
        self.n_written = 0
        self.runs: list[NDArray[np.int64]] = []
        """For each part written, where in the file its groups end."""

    def count(
        self,
        tokens: NDArray[np.int32],
        first: int,
        config: CooccurrenceConfig,
        weights: NDArray[np.uint64],
    ) -> None:
        """Count the tokens from `first` on."""
        from rowspace.static import cooccurrence_kernels as kernels

        plan = self.plan
        while True:
            self.n, first = kernels.count_pairs(
                tokens, first, len(tokens), config.window, config.symmetric, weights, plan.starts,
                plan.limits, self.dense, self.pairs, self.n,
            )  # fmt: skip
            if first == len(tokens):
                return
            self.flush()

    def flush(self) -> None:
        """Write the pairs to the file, in the order of their groups."""
        from rowspace.static import cooccurrence_kernels as kernels

        ends = np.empty(self.plan.n_groups + 1, dtype=np.int64)
        kernels.group_pairs(self.pairs, self.n, self.plan.group_of_row, ends, self.grouped)
        self._write(self.grouped[: self.n])
        self.runs.append(ends + self.n_written)
        self.n_written += self.n
        self.n = 0

    def _write(self, pairs: NDArray[np.uint64]) -> None:
        view = memoryview(pairs).cast("B")
        while len(view):  # unbuffered: one call may write less, before the disk is full
            view = view[self.file.write(view) :]

    def release(self) -> None:
        """Free the memory of counting."""
        self.pairs = self.grouped = np.empty(0, dtype=np.uint64)

    def slices(self, group: int) -> list[tuple[int, int, int]]:
        """Where the pairs of a group are: (descriptor, first, how many)."""
        return [
            (self.file.fileno(), int(ends[group]), int(ends[group + 1] - ends[group]))
            for ends in self.runs
        ]

    def close(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)


class _Counter:
    """One count: first of pairs by every thread, then of their groups."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        path: Path,
        config: CooccurrenceConfig,
        n_threads: int,
    ) -> None:
        from rowspace.static import cooccurrence_kernels as kernels

        if len(vocabulary) >= 1 << kernels.COLUMN_BITS:
            raise ConfigError(
                f"the vocabulary has {len(vocabulary):,} words, more than "
                f"{(1 << kernels.COLUMN_BITS) - 1:,}; give max_words or a larger min_count"
            )
        self.ids = ids
        self.path = path
        self.config = config
        self.plan = _Plan(vocabulary, config, n_threads)
        distances = np.arange(1, MAX_WINDOW + 1) if config.distance_weighting else 1.0
        self.weights = np.zeros(MAX_WINDOW + 1, dtype=np.uint64)
        self.weights[1:] = np.rint(1 / kernels.UNIT / distances)
        self.dense = np.zeros((n_threads, self.plan.n_cells), dtype=np.uint64)
        self.workers: list[_Worker] = []
        for thread in range(n_threads):
            pairs = path.with_name(f".{path.name}.{os.getpid()}.{thread}.tmp")
            self.workers.append(_Worker(self.plan, self.dense[thread], pairs))

    def count(self) -> None:
        """Count every token with its left neighbors."""
        firsts = collections.deque(range(0, self.ids.n_ids, _BLOCK))
        n_done = [0] * len(self.workers)
        stopped = threading.Event()

        def work(thread: int) -> None:
            worker = self.workers[thread]
            while not stopped.is_set():
                try:
                    first = firsts.popleft()
                except IndexError:
                    break
                margin = min(first, self.config.window)
                tokens = self.ids.read(first - margin, first + _BLOCK)
                worker.count(tokens, margin, self.config, self.weights)
                n_done[thread] += len(tokens) - margin
            if worker.n and not stopped.is_set():
                worker.flush()
            worker.release()

        with track("counting pairs", total=self.ids.n_ids) as tracker:
            _run(work, len(self.workers), stopped, lambda: tracker.set(sum(n_done)))

    def combine(self) -> Cooccurrences:
        """Add up each group's pairs, shuffle them, and write them, group after group."""
        sizes: list[int] = []
        waiting: collections.deque[Future[NDArray[np.int32]]] = collections.deque()
        with (
            self.path.open("wb") as out,
            track("adding up pairs", total=self.plan.n_groups) as tracker,
            ThreadPoolExecutor(self.plan.n_combiners) as pool,
        ):
            try:
                for group in range(self.plan.n_groups):
                    waiting.append(pool.submit(self._group, group))
                    if len(waiting) > self.plan.n_combiners:
                        _append(out, waiting, sizes, tracker)
                while waiting:
                    _append(out, waiting, sizes, tracker)
            finally:
                for future in waiting:
                    future.cancel()
        return Cooccurrences(self.path, np.array(sizes, dtype=np.int64))

    def _group(self, group: int) -> NDArray[np.int32]:
        """The records of a group in random order: (3 * n,)."""
        from rowspace.static import cooccurrence_kernels as kernels

        plan, is_symmetric = self.plan, self.config.symmetric
        first, last = int(plan.ends[group]), int(plan.ends[group + 1])
        keys, sums = self._rest(group)
        n_dense = 0
        cells = [
            (plan.starts[row] + (row if is_symmetric else 0), plan.starts[row] + plan.limits[row])
            for row in range(first, last)
            if plan.limits[row]
        ]
        if cells:  # rows follow one another in the table
            n_dense = kernels.count_cells(self.dense, cells[0][0], cells[-1][1])
        out = np.empty(3 * (n_dense + len(keys)) * (2 if is_symmetric else 1), dtype=np.int32)
        n = kernels.write_records(
            self.dense[0], plan.starts, plan.limits, first, last, is_symmetric, keys, sums, out,
            out.view(np.float32),
        )  # fmt: skip
        state = np.array([_mix(self.config.seed, group)], dtype=np.uint64)
        kernels.shuffle_records(out, n, state)
        return out[: 3 * n]

    def _rest(self, group: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The pairs of a group that were not in the table, sorted, with their sums."""
        from rowspace.static import cooccurrence_kernels as kernels

        keys = sums = np.empty(0, dtype=np.uint64)
        for pairs in self._chunks(group):
            pairs.sort()
            more_sums = np.empty(len(pairs), dtype=np.uint64)
            n = kernels.sum_sorted(pairs, self.weights, more_sums)
            if len(keys) == 0:
                keys, sums = pairs[:n], more_sums[:n]
                continue
            out = np.empty((2, len(keys) + n), dtype=np.uint64)
            n = kernels.merge_sums(keys, sums, pairs[:n], more_sums[:n], out[0], out[1])
            keys, sums = out[0, :n].copy(), out[1, :n].copy()
        return keys, sums

    def _chunks(self, group: int) -> Iterator[NDArray[np.uint64]]:
        """Reads the pairs of a group, as many at a time as the memory has room for."""
        slices = [part for worker in self.workers for part in worker.slices(group) if part[2]]
        left = sum(n for _, _, n in slices)
        chunk = np.empty(min(left, self.plan.group_pairs), dtype=np.uint64)
        n = 0
        for descriptor, first, size in slices:
            while size:
                taken = min(size, len(chunk) - n)
                part = chunk[n : n + taken]
                if os.preadv(descriptor, [part.data], 8 * first) < part.nbytes:
                    raise OSError(f"{self.path.parent}: a temporary file was cut short")
                first, size, n, left = first + taken, size - taken, n + taken, left - taken
                if n == len(chunk):
                    yield chunk
                    chunk = np.empty(min(left, self.plan.group_pairs), dtype=np.uint64)
                    n = 0


def _append(
    out: IO[bytes],
    waiting: collections.deque[Future[NDArray[np.int32]]],
    sizes: list[int],
    tracker: Tracker,
) -> None:
    records = waiting.popleft().result()
    out.write(records.data)
    sizes.append(len(records) // 3)
    tracker.advance()


def _run(
    work: Callable[[int], None], n_threads: int, stopped: threading.Event, tell: Callable[[], None]
) -> None:
    """Run work(0) to work(n_threads - 1) at once; one that fails, or an interrupt, stops all."""
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            futures = [pool.submit(work, thread) for thread in range(n_threads)]
            while not_done := wait(futures, timeout=0.1).not_done:
                for future in set(futures) - not_done:
                    future.result()
                tell()
            for future in futures:
                future.result()
        finally:
            stopped.set()

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
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import fsync_file, write_json
from rowspace.machine import n_cores, return_free_memory
from rowspace.progress import track
from rowspace.static.run import work_in_threads
from rowspace.text.vocabulary import TokenIds, Vocabulary

RECORD = np.dtype([("word", "<i4"), ("context", "<i4"), ("count", "<f4")])
MAX_WINDOW = 255
LEAST_MEMORY_MB = 32

_BLOCK = 1 << 17  # tokens that a thread takes at a time
_DENSE_CELLS = 1 << 22  # more of them miss the cache more often than they spare sorting
_HELD_PAIRS = 1 << 24  # by a thread, before they go to the disk
_LEAST_GROUP_PAIRS = 1 << 16
_GROUPS = 256  # about so many, if the memory has room for as few
_PAIR_BYTES = 64  # of a group in work: pairs, sums, twice both to merge them, records
_SLACK_BYTES = 2 << 20
_PAIRS_A_PIECE = 1 << 23
_LEAST_PIECES, _MOST_PIECES = 32, 1024

Integers = NDArray[np.int64]
Sums = NDArray[np.uint64]


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
    plan = _make_plan(vocabulary, ids, config, memory_mb, n_threads or n_cores())
    with _temporary(path) as file:
        groups = _count_groups(plan, ids, config, file, path)
        return_free_memory()
        try:
            return _gather(file, groups, path, config.symmetric, plan.n_threads)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _count_groups(
    plan: _Plan, ids: TokenIds, config: CooccurrenceConfig, file: IO[bytes], path: Path
) -> list[_Group]:
    """Count all, in files that are gone afterwards, and write the groups' records to `file`."""
    with contextlib.ExitStack() as files:
        pairs = [files.enter_context(_temporary(path)) for _ in range(plan.n_threads)]
        counter = _Counter(plan, ids, pairs, config)
        n_seen = counter.count()
        return counter.combine(file, _n_pieces(n_seen))


def _n_pieces(n_seen: int) -> int:
    """How many pieces the counts of so many pairs are kept in."""
    return min(max(n_seen // _PAIRS_A_PIECE, _LEAST_PIECES), _MOST_PIECES)


def _temporary(path: Path) -> IO[bytes]:
    """A file without a name beside `path`, which even a killed process does not leave behind."""
    return tempfile.TemporaryFile(dir=path.parent, buffering=0)


def _write_at(file: IO[bytes], values: NDArray[Any], offset: int) -> None:
    view = memoryview(values.data).cast("B")
    while len(view):  # one call may write less, before the disk is full
        n = os.pwrite(file.fileno(), view, offset)
        view, offset = view[n:], offset + n


def _read_at(file: IO[bytes], values: NDArray[Any], offset: int) -> None:
    view = memoryview(values.data).cast("B")
    while len(view):
        n = os.preadv(file.fileno(), [view], offset)
        assert n > 0, "a temporary file ends early"
        view, offset = view[n:], offset + n


def _make_plan(
    vocabulary: Vocabulary,
    ids: TokenIds,
    config: CooccurrenceConfig,
    memory_mb: int,
    n_threads: int,
) -> _Plan:
    from rowspace.static import cooccurrence_kernels as kernels

    if len(vocabulary) >= 1 << kernels.COLUMN_BITS:
        raise ConfigError(
            f"the vocabulary has {len(vocabulary):,} words, more than "
            f"{(1 << kernels.COLUMN_BITS) - 1:,}; give max_words or a larger min_count"
        )
    check_memory(memory_mb)
    plan = _Plan(vocabulary.counts, ids.n_ids, config, memory_mb << 20, n_threads)
    if plan.fits:
        return plan
    enough = memory_mb
    while not plan.fits:
        enough *= 2
        plan = _Plan(vocabulary.counts, ids.n_ids, config, enough << 20, n_threads)
    raise ConfigError(
        f"memory_mb is {memory_mb}, too little to count {ids.n_ids:,} tokens of "
        f"{len(vocabulary):,} words with {n_threads} threads; {enough} is enough"
    )


def check_memory(memory_mb: int) -> None:
    """Refuse a budget that is never enough."""
    if memory_mb < LEAST_MEMORY_MB:
        raise ConfigError(f"memory_mb is {memory_mb}; give {LEAST_MEMORY_MB} or more, usually 1024")


class _Plan:
    """How the memory is used: which pairs the table counts, how many others are held, by what bins.

    A bin is a run of rows whose pairs are kept together on disk; bins are joined to groups whose
    pairs are added up at once. A quarter of the memory is left for all that is small.
    """

    def __init__(
        self,
        counts: Integers,
        n_ids: int,
        config: CooccurrenceConfig,
        n_bytes: int,
        n_threads: int,
    ) -> None:
        self.n_words = len(counts)
        self.n_threads = n_threads
        n_large = n_bytes // 4 * 3
        self.starts, self.limits, self.n_cells = _dense_corner(
            self.n_words, min(_DENSE_CELLS, n_large // 2 // n_threads // 8), config.symmetric
        )
        # Of the rest, half each for the pairs of one thread and for the same in bins.
        n_held = (n_large // n_threads - 8 * self.n_cells) // 16
        self.n_pairs = max(2 * config.window, min(n_held, _HELD_PAIRS))
        # When all is counted, one table is left.
        in_work = n_large - 8 * self.n_cells
        self.n_combiners = max(1, min(n_threads, in_work // _PAIR_BYTES // max(self.n_words, 1)))
        n_pairs = n_ids * config.window
        self.group_pairs = min(
            max(n_pairs // _GROUPS, _LEAST_GROUP_PAIRS, self.n_words),
            in_work // _PAIR_BYTES // self.n_combiners,
        )
        per_token = config.window * (2 if config.symmetric else 1)
        self.bin_ends = _join(counts.astype(np.int64) * per_token, self.group_pairs)
        n_bins = len(self.bin_ends) - 1
        self.bin_of_row = np.repeat(np.arange(n_bins, dtype=np.int32), np.diff(self.bin_ends))
        n_runs = n_pairs // self.n_pairs + n_threads
        n_groups = 2 * n_pairs // self.group_pairs + 1
        n_small = (
            _SLACK_BYTES
            + 32 * self.n_words
            + n_threads * 8 * _BLOCK
            + 8 * n_runs * (n_bins + 1)
            + 8 * n_groups * (_n_pieces(n_pairs) + 1)
        )
        self.fits = n_small <= n_bytes - n_large and self.n_words <= self.group_pairs

    @property
    def n_bins(self) -> int:
        return len(self.bin_ends) - 1


def _dense_corner(
    n_words: int, most_cells: int, is_symmetric: bool
) -> tuple[Integers, NDArray[np.int32], int]:
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


def _join(sizes: Integers, most: int) -> Integers:
    """(n + 1,) ends of runs whose sizes add up to `most` or less, or that are one item."""
    before = np.concatenate([[0], np.cumsum(sizes)])
    ends = [0]
    while ends[-1] < len(sizes):
        last = int(np.searchsorted(before, before[ends[-1]] + most, side="right")) - 1
        ends.append(max(last, ends[-1] + 1))
    return np.array(ends, dtype=np.int64)


class _Worker:
    """What one thread has counted: its table, and the other pairs by bin in a file."""

    def __init__(self, plan: _Plan, file: IO[bytes]) -> None:
        self.plan = plan
        self.file = file
        self.dense = np.zeros(plan.n_cells, dtype=np.uint64)
        self.pairs = np.empty(plan.n_pairs, dtype=np.uint64)
        self.sorted_pairs = np.empty(plan.n_pairs, dtype=np.uint64)
        self.n = 0
        self.n_seen = 0
        self.n_tokens = 0
        self.n_written = 0
        self.runs: list[Integers] = []
        """For each part written, where in the file its bins end."""

    def count(
        self, tokens: NDArray[np.int32], first: int, config: CooccurrenceConfig, weights: Sums
    ) -> None:
        """Count the tokens from `first` on."""
        from rowspace.static import cooccurrence_kernels as kernels

        self.n_tokens += len(tokens) - first
        while True:
            self.n, first, n_seen = kernels.count_pairs(
                tokens, first, len(tokens), config.window, config.symmetric, weights,
                self.plan.starts, self.plan.limits, self.dense, self.pairs, self.n,
            )  # fmt: skip
            self.n_seen += n_seen
            if first == len(tokens):
                return
            self.flush()

    def flush(self) -> None:
        """Write the pairs to the file, in the order of their bins."""
        from rowspace.static import cooccurrence_kernels as kernels

        ends = np.empty(self.plan.n_bins + 1, dtype=np.int64)
        kernels.sort_into_bins(self.pairs, self.n, self.plan.bin_of_row, ends, self.sorted_pairs)
        _write_at(self.file, self.sorted_pairs[: self.n], 8 * self.n_written)
        self.runs.append(ends + self.n_written)
        self.n_written += self.n
        self.n = 0

    def release(self) -> None:
        """Free the memory of counting."""
        self.pairs = self.sorted_pairs = np.empty(0, dtype=np.uint64)


@dataclass(frozen=True)
class _Group:
    """Where in the file of groups the pieces of one are."""

    first: int
    ends: Integers
    """(n_pieces + 1,) records, from `first` on."""


class _Counter:
    """One count: first of pairs by every thread, then the sums of their groups."""

    def __init__(
        self, plan: _Plan, ids: TokenIds, files: list[IO[bytes]], config: CooccurrenceConfig
    ) -> None:
        from rowspace.static import cooccurrence_kernels as kernels

        self.plan = plan
        self.ids = ids
        self.config = config
        distances = np.arange(1, MAX_WINDOW + 1) if config.distance_weighting else 1.0
        self.weights = np.zeros(MAX_WINDOW + 1, dtype=np.uint64)
        self.weights[1:] = np.rint(1 / kernels.UNIT / distances)
        self.workers = [_Worker(plan, file) for file in files]

    def count(self) -> int:
        """Count every token with its left neighbors; returns how many pairs that were."""
        firsts = collections.deque(range(0, self.ids.n_ids, _BLOCK))

        def work(thread: int, stopped: threading.Event) -> None:
            worker = self.workers[thread]
            while not stopped.is_set():
                try:
                    first = firsts.popleft()
                except IndexError:
                    break
                margin = min(first, self.config.window)
                tokens = self.ids.read(first - margin, first + _BLOCK)
                worker.count(tokens, margin, self.config, self.weights)
            if worker.n and not stopped.is_set():
                worker.flush()
            worker.release()

        with track("counting pairs", total=self.ids.n_ids) as tracker:
            work_in_threads(
                work,
                self.plan.n_threads,
                lambda: tracker.set(sum(worker.n_tokens for worker in self.workers)),
            )
        self._join_tables()
        return sum(worker.n_seen for worker in self.workers)

    def _join_tables(self) -> None:
        self.dense = self.workers[0].dense
        for worker in self.workers[1:]:
            self.dense += worker.dense
            worker.dense = self.dense[:0]
        return_free_memory()

    def combine(self, file: IO[bytes], n_pieces: int) -> list[_Group]:
        """Add up each group's pairs, and write its records by pieces."""
        rows = self._group_rows()
        groups: list[_Group | None] = [None] * (len(rows) - 1)
        upcoming = iter(range(len(groups)))
        lock = threading.Lock()
        n_written = n_done = 0

        def work(_: int, stopped: threading.Event) -> None:
            nonlocal n_written, n_done
            while not stopped.is_set():
                group = next(upcoming, None)
                if group is None:
                    return
                ends, records = self._records(int(rows[group]), int(rows[group + 1]), n_pieces)
                with lock:
                    first = n_written
                    n_written += int(ends[-1])
                    n_done += 1
                groups[group] = _Group(first, ends)
                _write_at(file, records, 12 * first)

        with track("adding up pairs", total=len(groups)) as tracker:
            work_in_threads(work, self.plan.n_combiners, lambda: tracker.set(n_done))
        return [group for group in groups if group is not None]

    def _group_rows(self) -> Integers:
        """(n_groups + 1,) ends of the runs of rows that are added up at once."""
        plan = self.plan
        n_pairs = np.zeros(plan.n_bins, dtype=np.int64)
        for worker in self.workers:
            for run in worker.runs:
                n_pairs += np.diff(run)
        n_cells = np.add.reduceat(self._cells_of_rows(), plan.bin_ends[:-1])
        ends: Integers = plan.bin_ends[_join(n_pairs + n_cells, plan.group_pairs)]
        return ends

    def _cells_of_rows(self) -> Integers:
        limits = self.plan.limits.astype(np.int64)
        firsts = np.arange(self.plan.n_words) * int(self.config.symmetric)
        sizes: Integers = np.maximum(limits - firsts, 0)
        return sizes

    def _records(self, first: int, last: int, n_pieces: int) -> tuple[Integers, NDArray[np.int32]]:
        """The records of some rows, by pieces, with the pieces' ends."""
        from rowspace.static import cooccurrence_kernels as kernels

        keys, sums = self._sums(first, last)
        ends = np.empty(n_pieces + 1, dtype=np.int64)
        kernels.count_pieces(keys, ends)
        records = np.empty(3 * len(keys), dtype=np.int32)
        kernels.write_records(
            keys, sums, self.config.symmetric, ends, records, records.view(np.float32)
        )
        return ends, records

    def _sums(self, first: int, last: int) -> tuple[Sums, Sums]:
        """The different keys of some rows, sorted, with their sums."""
        from rowspace.static import cooccurrence_kernels as kernels

        plan = self.plan
        n_cells = int(self._cells_of_rows()[first:last].sum())
        keys, sums = np.empty((2, n_cells), dtype=np.uint64)
        n = kernels.take_cells(
            self.dense, plan.starts, plan.limits, first, last, self.config.symmetric, keys, sums
        )
        keys, sums = keys[:n], sums[:n]
        for pairs in self._chunks(int(plan.bin_of_row[first]), int(plan.bin_of_row[last - 1]) + 1):
            pairs.sort()
            more = np.empty(len(pairs), dtype=np.uint64)
            n = kernels.sum_sorted(pairs, self.weights, more)
            out = np.empty((2, len(keys) + n), dtype=np.uint64)
            n = kernels.merge_sums(keys, sums, pairs[:n], more[:n], out[0], out[1])
            keys, sums = out[0, :n], out[1, :n]
        return keys, sums

    def _chunks(self, first_bin: int, last_bin: int) -> Iterator[Sums]:
        """Reads the pairs of some bins, as many at a time as the memory has room for."""
        slices = [
            (worker.file, int(ends[first_bin]), int(ends[last_bin] - ends[first_bin]))
            for worker in self.workers
            for ends in worker.runs
        ]
        left = sum(n for _, _, n in slices)
        chunk = np.empty(min(left, self.plan.group_pairs), dtype=np.uint64)
        n = 0
        for file, first, size in slices:
            while size:
                taken = min(size, len(chunk) - n)
                _read_at(file, chunk[n : n + taken], 8 * first)
                first, size, n, left = first + taken, size - taken, n + taken, left - taken
                if n == len(chunk):
                    yield chunk
                    chunk = np.empty(min(left, self.plan.group_pairs), dtype=np.uint64)
                    n = 0


def _gather(
    file: IO[bytes], groups: list[_Group], path: Path, is_symmetric: bool, n_threads: int
) -> Cooccurrences:
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
                _read_at(file, part, 12 * (group.first + first))
                n += len(part)
            _write_at(out, records, 12 * int(ends[piece]))
            n_done[thread] += 1

    with path.open("wb", buffering=0) as out, track("writing pairs", total=n_pieces) as tracker:
        work_in_threads(work, n_threads, lambda: tracker.set(sum(n_done)))
    return Cooccurrences(path, ends, is_symmetric)

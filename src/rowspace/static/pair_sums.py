"""Pairs of words on the disk, and their sums: what each worker of the co-occurrence count does.

Pairs of frequent words are counted in a table, the others written to a file in the order of bins, a
bin being a run of rows. Rows are then added up in groups, each by itself, from the files of all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.text.vocabulary import TokenIds

if TYPE_CHECKING:
    from rowspace.static.cooccurrence import CooccurrenceConfig

MAX_WINDOW = 255

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


def n_pieces_of(n_seen: int) -> int:
    """How many pieces the counts of so many pairs are kept in."""
    return min(max(n_seen // _PAIRS_A_PIECE, _LEAST_PIECES), _MOST_PIECES)


def blocks_of(first: int, last: int) -> range:
    """Where the blocks begin that the tokens first to last are counted in."""
    return range(first, last, _BLOCK)


def weights_of(config: CooccurrenceConfig) -> Sums:
    """(MAX_WINDOW + 1,) what a pair counts at each distance, in the kernels' unit."""
    from rowspace.static import cooccurrence_kernels as kernels

    distances = np.arange(1, MAX_WINDOW + 1) if config.distance_weighting else 1.0
    weights = np.zeros(MAX_WINDOW + 1, dtype=np.uint64)
    weights[1:] = np.rint(1 / kernels.UNIT / distances)
    return weights


class Plan:
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
        self.starts, self.limits, self.n_cells = dense_corner(
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
            + 8 * n_groups * (n_pieces_of(n_pairs) + 1)
        )
        self.fits = n_small <= n_bytes - n_large and self.n_words <= self.group_pairs

    @property
    def n_bins(self) -> int:
        """How many bins there are."""
        return len(self.bin_ends) - 1


def dense_corner(
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


class CountedPairs:
    """What one thread has counted: its table, and the other pairs by bin in a file."""

    def __init__(self, plan: Plan, file: IO[bytes]) -> None:
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

    def count_block(
        self, ids: TokenIds, first: int, last: int, config: CooccurrenceConfig, weights: Sums
    ) -> None:
        """Count the tokens of a block that ends at `last` at the latest, those before it seen."""
        margin = min(first, config.window)
        tokens = ids.read(first - margin, min(first + _BLOCK, last))
        self.count(tokens, margin, config, weights)

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
        write_at(self.file, self.sorted_pairs[: self.n], 8 * self.n_written)
        self.runs.append(ends + self.n_written)
        self.n_written += self.n
        self.n = 0

    def release(self) -> None:
        """Free the memory of counting."""
        self.pairs = self.sorted_pairs = np.empty(0, dtype=np.uint64)


class PairSums:
    """The sums of the pairs that several have counted, a group of rows at a time.

    Parameters
    ----------
    plan : Plan
    config : CooccurrenceConfig
    counted : sequence of (file, runs)
        Of each that counted: its pairs, and where its bins end in each part that it wrote.
    dense : (plan.n_cells,) uint64 array
        The sums of pairs in the table, of all.
    """

    def __init__(
        self,
        plan: Plan,
        config: CooccurrenceConfig,
        counted: Sequence[tuple[IO[bytes], Sequence[Integers]]],
        dense: Sums,
    ) -> None:
        self.plan = plan
        self.config = config
        self.weights = weights_of(config)
        self.counted = counted
        self.dense = dense

    def group_rows(self) -> Integers:
        """(n_groups + 1,) ends of the runs of rows that are added up at once."""
        plan = self.plan
        n_pairs = np.zeros(plan.n_bins, dtype=np.int64)
        for _, runs in self.counted:
            for run in runs:
                n_pairs += np.diff(run)
        n_cells = np.add.reduceat(self._cells_of_rows(), plan.bin_ends[:-1])
        ends: Integers = plan.bin_ends[_join(n_pairs + n_cells, plan.group_pairs)]
        return ends

    def _cells_of_rows(self) -> Integers:
        limits = self.plan.limits.astype(np.int64)
        firsts = np.arange(self.plan.n_words) * int(self.config.symmetric)
        sizes: Integers = np.maximum(limits - firsts, 0)
        return sizes

    def records(self, first: int, last: int, n_pieces: int) -> tuple[Integers, NDArray[np.int32]]:
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
            (file, int(ends[first_bin]), int(ends[last_bin] - ends[first_bin]))
            for file, runs in self.counted
            for ends in runs
        ]
        left = sum(n for _, _, n in slices)
        chunk = np.empty(min(left, self.plan.group_pairs), dtype=np.uint64)
        n = 0
        for file, first, size in slices:
            while size:
                taken = min(size, len(chunk) - n)
                read_at(file, chunk[n : n + taken], 8 * first)
                first, size, n, left = first + taken, size - taken, n + taken, left - taken
                if n == len(chunk):
                    yield chunk
                    chunk = np.empty(min(left, self.plan.group_pairs), dtype=np.uint64)
                    n = 0


def write_at(file: IO[bytes], values: NDArray[Any], offset: int) -> None:
    """Write all of an array to a place in a file."""
    view = memoryview(values.data).cast("B")
    while len(view):  # one call may write less, before the disk is full
        n = os.pwrite(file.fileno(), view, offset)
        view, offset = view[n:], offset + n


def read_at(file: IO[bytes], values: NDArray[Any], offset: int) -> None:
    """Fill an array from a place in a file."""
    view = memoryview(values.data).cast("B")
    while len(view):
        n = os.preadv(file.fileno(), [view], offset)
        assert n > 0, "a temporary file ends early"
        view, offset = view[n:], offset + n

"""Pairs of neighbouring words, counted exactly in memory that does not follow the text's length.

Each block of token ids is counted by itself and its counts go to a file, in parts: ranges of the
mixed keys. Then each part is added up over all blocks. A part is about as long as a block, so
memory is some 60 MB a thread, however many different pairs there are; the file takes about six
bytes a token and is removed.
"""

from __future__ import annotations

import functools
import math
import os
import queue
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.text import phrase_kernels as kernels
from rowspace.text.vocabulary import TokenIds

T = TypeVar("T")
Keys = NDArray[np.uint64]

_BLOCK_IDS = 1 << 20
_PART_BITS = (8, 14)
_UNMIX = np.uint64(pow(kernels.MIX, -1, 1 << 64))
_MOST_CONNECTORS = 255


@dataclass(frozen=True)
class PairKeys:
    """How a pair of ids, and the connectors between, go into 64 bits: see `phrase_kernels`."""

    n_ids: int
    connectors: list[int]
    """Ids that may stand between; a connector is never first or last."""

    def __post_init__(self) -> None:
        if len(self.connectors) > _MOST_CONNECTORS:
            raise ConfigError(
                f"{len(self.connectors)} connectors are too many; give up to {_MOST_CONNECTORS}"
            )

    @functools.cached_property
    def digits(self) -> NDArray[np.uint8]:
        """(n_ids,) a connector's digit, 0 for every other id."""
        digits = np.zeros(self.n_ids, dtype=np.uint8)
        digits[self.connectors] = np.arange(1, len(self.connectors) + 1)
        return digits

    @property
    def base(self) -> int:
        """Of the number whose digits are the connectors."""
        return len(self.connectors) + 1

    @property
    def bits(self) -> int:
        """Of an id."""
        return max(1, (self.n_ids - 1).bit_length())

    @property
    def most_between(self) -> int:
        """Connectors there is room for: 5 of the English ones beside a million different words."""
        if not self.connectors:
            return 0
        return int((64 - 2 * self.bits) / math.log2(self.base))

    @property
    def arguments(self) -> tuple[NDArray[np.uint8], int, int, int]:
        """What the kernels take."""
        return self.digits, self.base, self.most_between, self.bits

    def encode(self, ids: list[int]) -> int | None:
        """The key of the first id, connectors and the last; None if there is no room for them."""
        first, *between, last = ids
        if len(between) > self.most_between:
            return None
        number = 0
        for connector in between:
            number = number * self.base + int(self.digits[connector])
        packed = (number << self.bits | first) << self.bits | last
        return packed * kernels.MIX % (1 << 64)

    def ends(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first id and the last of each key."""
        packed, mask = keys * _UNMIX, np.uint64((1 << self.bits) - 1)
        first = (packed >> np.uint64(self.bits)) & mask
        return first.astype(np.int64), (packed & mask).astype(np.int64)

    def decode(self, keys: Keys) -> list[list[int]]:
        """The ids of each key: the first, the connectors, the last."""
        firsts, lasts = self.ends(keys)
        numbers = (keys * _UNMIX).astype(object) >> 2 * self.bits
        return [
            [first, *self._connectors(number), last]
            for first, number, last in zip(firsts.tolist(), numbers, lasts.tolist(), strict=True)
        ]

    def _connectors(self, number: int) -> list[int]:
        digits = []
        while number:
            number, digit = divmod(number, self.base)
            digits.append(digit)
        return [self.connectors[digit - 1] for digit in reversed(digits)]


class PairCounts:
    """The pairs of a text and how often each occurs, in a file that lasts while the block does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "ids.i32")
    >>> np.array([0, 1, 0, 1, -1, 1, 2], dtype=np.int32).tofile(path)
    >>> pairs = PairKeys(3, [])
    >>> with PairCounts(TokenIds(path, 7), pairs) as counted:
    ...     parts = counted.map_parts(lambda keys, counts: (pairs.decode(keys), counts.tolist()))
    >>> sorted((pair, count) for part in parts for pair, count in zip(*part))
    [([0, 1], 2), ([1, 0], 1), ([1, 2], 1)]
    """

    def __init__(self, ids: TokenIds, pairs: PairKeys, n_threads: int = 1) -> None:
        self._ids = ids
        self._pairs = pairs
        self._n_threads = n_threads
        n_parts = max(1, ids.n_ids // _BLOCK_IDS)
        self._bits = min(max(_PART_BITS[0], n_parts.bit_length()), _PART_BITS[1])
        self._runs: list[_Run] = []
        self._writing = threading.Lock()

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile(dir=self._ids.path.parent)
        try:
            self._count()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def n_at_most(self) -> int:
        """A number that the different pairs do not exceed, known before they are added up."""
        return sum(int(run.ends[-1]) for run in self._runs)

    def map_parts(self, function: Callable[[Keys, NDArray[np.int64]], T]) -> list[T]:
        """What `function` makes of each part: keys, all different, and their counts."""
        with ThreadPoolExecutor(self._n_threads) as pool:
            return list(pool.map(lambda part: function(*self._part(part)), range(1 << self._bits)))

    def _count(self) -> None:
        spaces: queue.SimpleQueue[_Space] = queue.SimpleQueue()
        n = min(_BLOCK_IDS, self._ids.n_ids)
        for _ in range(self._n_threads):
            spaces.put(_Space(n, self._bits))

        def count(first: int) -> None:
            space = spaces.get()
            try:
                self._write(space, self._count_block(space, first))
            finally:  # or the other blocks would wait for it
                spaces.put(space)
            tracker.advance(_BLOCK_IDS)

        with (
            track("counting pairs", total=self._ids.n_ids) as tracker,
            ThreadPoolExecutor(self._n_threads) as pool,
        ):
            futures = [pool.submit(count, first) for first in range(0, self._ids.n_ids, _BLOCK_IDS)]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self._file.flush()

    def _count_block(self, space: _Space, first: int) -> int:
        """Count the pairs that end in a block; returns how many different ones there are."""
        margin = min(first, self._pairs.most_between + 1)  # where the first of them may begin
        ids = self._ids.read(first - margin, first + _BLOCK_IDS)
        n = kernels.pair_keys(ids, margin, *self._pairs.arguments, space.unordered)
        kernels.partition(space.unordered[:n], self._bits, space.ends, space.keys)
        space.counts[:n] = 1
        n_different: int = kernels.count_parts(
            space.keys[:n], space.counts[:n], self._bits, space.ends, space.slots,
            space.slot_counts,
        )  # fmt: skip
        return n_different

    def _write(self, space: _Space, n: int) -> None:
        with self._writing:
            self._runs.append(_Run(self._file.tell(), space.ends.copy()))
            self._file.write(space.keys[:n].data)
            self._file.write(space.counts[:n].data)

    def _part(self, part: int) -> tuple[Keys, NDArray[np.int64]]:
        runs = [run.part(self._file.fileno(), part) for run in self._runs]
        keys = np.concatenate([keys for keys, _ in runs])
        counts = np.concatenate([counts for _, counts in runs]).astype(np.int64)
        n_slots = _power_of_two(2 * len(keys))
        slots, slot_counts = np.empty(n_slots, np.uint64), np.empty(n_slots, np.int64)
        n = kernels.add_counts(keys, counts, self._bits, slots, slot_counts)
        return keys[:n], counts[:n]


@dataclass(frozen=True)
class _Run:
    """The counts of one block: where they begin in the file, and where each part of them ends."""

    offset: int
    ends: NDArray[np.int64]

    def part(self, file: int, part: int) -> tuple[Keys, NDArray[np.uint32]]:
        first, end = int(self.ends[part - 1]) if part else 0, int(self.ends[part])
        keys = os.pread(file, 8 * (end - first), self.offset + 8 * first)
        behind = self.offset + 8 * int(self.ends[-1])
        counts = os.pread(file, 4 * (end - first), behind + 4 * first)
        return np.frombuffer(keys, np.uint64), np.frombuffer(counts, np.uint32)


class _Space:
    """What counting one block takes, used again and again by one thread."""

    def __init__(self, n: int, bits: int) -> None:
        n_slots = _power_of_two(2 * n)
        self.unordered: NDArray[Any] = np.empty(n, np.uint64)
        self.keys: NDArray[Any] = np.empty(n, np.uint64)
        self.counts: NDArray[Any] = np.empty(n, np.uint32)
        self.ends: NDArray[Any] = np.zeros(1 << bits, np.int64)
        self.slots: NDArray[Any] = np.empty(n_slots, np.uint64)
        self.slot_counts: NDArray[Any] = np.empty(n_slots, np.uint32)


def _power_of_two(n: int) -> int:
    """The smallest that is not below `n`, and 2 at least."""
    return 1 << max(1, (n - 1).bit_length())

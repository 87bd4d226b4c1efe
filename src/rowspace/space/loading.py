"""What the readers of vector files share: memory asked for before it is used, rows, duplicates.

Threads copy or parse rows while the caller decodes their words, so rows are handed out in blocks
of bytes and checked when their thread is done with them.
"""

from __future__ import annotations

import collections
import contextlib
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.machine import available_memory, n_cores
from rowspace.space.key_index import KeyIndex
from rowspace.space.similarity import Floats
from rowspace.space.vectors import Vectors

Bytes = NDArray[np.uint8]
Bounds = NDArray[np.int64]

BLOCK_BYTES = 1 << 23  # two of these stay in a core's share of the cache
_KEY_BYTES = 150  # of a Python string, its place in the list and in the look-up


class Rows:
    """A matrix that is being filled and the words of its rows.

    Words are looked up by their hashes, which also tell whether one occurs twice.

    Parameters
    ----------
    path : Path
        The file, for messages.
    dim : int
    capacity : int
        Rows to make room for.
    """

    def __init__(self, path: Path, dim: int, capacity: int) -> None:
        check_memory(path, capacity, dim)
        self.path = path
        self.matrix: Floats = np.empty((capacity, dim), dtype=np.float32)
        self.norms: Floats = np.empty(capacity, dtype=np.float32)
        self.hashes: NDArray[np.uint64] = np.empty(capacity, dtype=np.uint64)
        self.keys: list[str] = []

    def reserve(self, n: int) -> None:
        """Make room for `n` rows. No thread may be writing the matrix."""
        if n <= len(self.matrix):
            return
        check_memory(self.path, n, self.matrix.shape[1], have=len(self.matrix))
        # realloc, which moves no bytes of a large matrix (mremap) where the system can
        self.matrix.resize((n, self.matrix.shape[1]), refcheck=False)
        self.norms.resize(n, refcheck=False)
        self.hashes.resize(n, refcheck=False)

    def add_words(self, data: Bytes, bounds: Bounds, separator: str) -> None:
        """Append words, given by where they begin and end; none holds the separator."""
        from rowspace.space.load_kernels import join_words

        out = np.empty(int((bounds[:, 1] - bounds[:, 0]).sum()) + len(bounds), dtype=np.uint8)
        part = slice(len(self.keys), len(self.keys) + len(bounds))
        join_words(data, bounds, np.uint8(ord(separator)), out, self.hashes[part])
        # Decoding them together takes a tenth of the time.
        words = out.tobytes().decode("utf-8", "surrogateescape").split(separator)
        words.pop()
        assert len(words) == len(bounds)
        self.keys.extend(words)

    def to_vectors(self) -> Vectors:
        """The vectors, with the first row of a word that occurs more than once."""
        n = len(self.keys)
        if n < len(self.matrix):
            self.matrix.resize((n, self.matrix.shape[1]), refcheck=False)
        norms, index = self.norms[:n].copy(), KeyIndex(self.hashes[:n].copy())
        if index.n_repeated and (keep := self._drop_duplicates()) is not None:
            norms, index = norms[keep], KeyIndex(index.hashes[keep])
        return Vectors.prepared(self.keys, self.matrix, norms=norms, index=index)

    def _drop_duplicates(self) -> NDArray[np.int64] | None:
        """Keep the first row of each word; returns which these are, None where all are."""
        first: dict[str, int] = {}
        for row, key in enumerate(self.keys):
            first.setdefault(key, row)
        n_duplicates = len(self.keys) - len(first)
        if not n_duplicates:  # two words of one hash
            return None
        warnings.warn(
            f"{self.path}: rows left out because their word came before: {n_duplicates:,}",
            stacklevel=6,
        )
        keep = np.fromiter(first.values(), dtype=np.int64, count=len(first))
        for start in range(0, len(keep), 1 << 14):  # in place: there may be no room for two
            some = keep[start : start + (1 << 14)]
            self.matrix[start : start + len(some)] = self.matrix[some]
        self.matrix.resize((len(keep), self.matrix.shape[1]), refcheck=False)
        self.keys = list(first)
        return keep


class Task(NamedTuple):
    """A block of rows at work in a thread."""

    future: Future[None]
    buffer: Bytes
    data: Bytes
    bounds: Bounds
    first: int
    """Row of its first word."""
    offset: int
    """Where its data starts in the file: a byte, or a line."""


class Pipeline:
    """Blocks of a stream, each in a buffer that returns when a thread is done with its rows.

    Parameters
    ----------
    file : file object
    block_bytes : int
    done : Task -> None
        Called in the order of the blocks when their rows are in the matrix.
    """

    def __init__(self, file: IO[bytes], block_bytes: int, done: Callable[[Task], None]) -> None:
        self._file = file
        self._block_bytes = block_bytes
        self._done = done
        self._free: list[Bytes] = []
        self._tasks: collections.deque[Task] = collections.deque()
        self._n_threads = n_cores()
        self._pool = ThreadPoolExecutor(self._n_threads)

    def read(self, begin: bytes, most: int | None = None) -> tuple[Bytes, Bytes, bool]:
        """(buffer, its filled part, whether the file ends there): `begin`, then a block.

        Not more than `most` bytes are read where that is given.
        """
        n_bytes = self._block_bytes if most is None else min(most, self._block_bytes)
        while self._free and len(self._free[-1]) < len(begin) + n_bytes:
            self._free.pop()
        buffer = (
            self._free.pop()
            if self._free
            else np.empty(len(begin) + max(n_bytes, self._block_bytes // 4), dtype=np.uint8)
        )
        view = memoryview(buffer)  # type: ignore[arg-type]
        view[: len(begin)] = begin
        filled, end = len(begin), len(begin) + n_bytes
        while filled < end:
            n = self._file.readinto(view[filled:end])  # type: ignore[attr-defined]
            if not n:
                break
            filled += n
        return buffer, buffer[:filled], filled < end

    def submit(
        self,
        work: Callable[..., None],
        *arguments: Any,
        buffer: Bytes,
        data: Bytes,
        bounds: Bounds,
        first: int,
        offset: int,
    ) -> None:
        """Start work on a block; waits while more blocks are at work than threads can take."""
        future = self._pool.submit(work, *arguments)
        self._tasks.append(Task(future, buffer, data, bounds, first, offset))
        while len(self._tasks) > 2 * self._n_threads:
            self._finish_one()

    def drain(self) -> None:
        """Wait for all that is at work."""
        while self._tasks:
            self._finish_one()

    def _finish_one(self) -> None:
        task = self._tasks.popleft()
        task.future.result()
        self._done(task)
        self._free.append(task.buffer)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Wait for the threads at the end, whatever happens."""
        with self._pool:
            yield
            self.drain()


_MAKE_AGAIN = "make the file again without it, or check its dimension"


def check_finite(norms: Floats, where: Callable[[int], str], advice: str = _MAKE_AGAIN) -> None:
    """Refuse rows whose length is not finite."""
    wrong = np.flatnonzero(~np.isfinite(norms))
    if len(wrong):
        raise FormatError(
            f"{where(int(wrong[0]))} holds NaN, infinity or values beyond float32; {advice}"
        )


def check_memory(path: Path, n: int, dim: int, have: int = 0) -> None:
    """Refuse before trying what memory cannot hold: `n` rows, of which it holds `have`."""
    available = available_memory()
    needed = (n - have) * (4 * dim + _KEY_BYTES)
    if available is not None and needed > available:
        fits = have + max(0, available - (1 << 28)) // (4 * dim + _KEY_BYTES)
        raise ConfigError(
            f"{path}: {n:,} vectors of dimension {dim:,} take {needed / 1e9:,.1f} GB and "
            f"{available / 1e9:,.1f} GB of memory are free; give limit= (at most {fits:,}), or "
            "free some memory"
        )

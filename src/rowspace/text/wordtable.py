"""Tables of counted words: what a scan of bytes fills, and what is kept of it.

Words stay bytes, in one arena, so that a scan neither holds the interpreter lock nor builds a
Python string per token.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import CorpusError, FormatError
from rowspace.files import write_atomically
from rowspace.text import scan_kernels as kernels
from rowspace.text.normalize import normalize

_MERGED_WORDS = 1 << 16


@dataclass(frozen=True)
class CountedWords:
    """The words of a table with their counts, as they are kept in a file."""

    arena: NDArray[np.uint8]
    """The words' bytes, one after the other."""
    starts: NDArray[np.int64]
    """(n_words + 1,) where each begins."""
    counts: NDArray[np.int64]
    """(n_words,) occurrences of each."""

    @property
    def n_words(self) -> int:
        """How many."""
        return len(self.counts)

    def words(self) -> list[bytes]:
        """The bytes of each."""
        arena, ends = self.arena.tobytes(), self.starts.tolist()
        return [arena[first:end] for first, end in itertools.pairwise(ends)]

    def save(self, path: Path) -> None:
        """Write them to a file."""
        with write_atomically(path) as file:
            np.savez(file, arena=self.arena, starts=self.starts, counts=self.counts)

    @classmethod
    def load(cls, path: Path) -> CountedWords:
        """Read what `save` wrote.

        Raises
        ------
        FormatError
            If it is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as saved:
                return cls(saved["arena"], saved["starts"], saved["counts"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise FormatError(
                f"{path} is damaged ({error}); remove {path.parent.parent} to start anew"
            ) from error


class WordTable:
    """A growing hash table from words, as bytes, to provisional ids and counts."""

    def __init__(
        self, fold: NDArray[np.uint32], n_slots: int = 1 << 16, n_bytes: int = 1 << 19
    ) -> None:
        self.fold = fold
        self.n_words = 0
        self.slots = np.zeros((n_slots, 2), dtype=np.uint64)
        self.hashes = np.zeros(n_slots // 2, dtype=np.uint32)
        self.starts = np.zeros(n_slots // 2 + 1, dtype=np.int64)
        self.counts = np.zeros(n_slots // 2, dtype=np.int64)
        self.arena = np.zeros(n_bytes, dtype=np.uint8)
        self._ids = np.empty(0, dtype=np.int32)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the kernels call a word table."""
        return self.slots, self.hashes, self.starts, self.counts, self.arena

    def scan(self, text: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Count the words of `text`; returns their ids, valid until the next call."""
        if len(self._ids) < len(text) + 1:
            self._ids = np.empty(len(text) + 1, dtype=np.int32)
        done = n_ids = 0
        while True:
            done, n_new, self.n_words = kernels.scan_words(
                text, done, self.fold, self._ids[n_ids:], self.arrays, self.n_words
            )
            n_ids += n_new
            if done == len(text):
                return self._ids[:n_ids]
            self.reserve(self.n_words + 1, 2 * len(self.arena))

    def reserve(self, n_words: int, n_bytes: int) -> None:
        """Make room for that many words in all, and bytes of theirs."""
        if n_bytes > len(self.arena):
            self.arena = _resized(self.arena, n_bytes)
        n_slots = len(self.slots)
        while n_slots // 2 < n_words:
            n_slots *= 2
        if n_slots > len(self.slots):
            self.slots = np.zeros((n_slots, 2), dtype=np.uint64)
            self.hashes = _resized(self.hashes, n_slots // 2)
            self.starts = _resized(self.starts, n_slots // 2 + 1)
            self.counts = _resized(self.counts, n_slots // 2)
            kernels.rebuild_slots(self.arrays, self.n_words)

    def merge(self, other: WordTable | CountedWords) -> NDArray[np.int32]:
        """Add another table; returns the id here of each of its words."""
        mapping = np.empty(other.n_words, dtype=np.int32)
        for first in range(0, other.n_words, _MERGED_WORDS):
            last = min(first + _MERGED_WORDS, other.n_words)
            ends = other.starts[first : last + 1]
            words = other.arena[ends[0] : ends[-1]]
            ids = self.scan(np.insert(words, ends[1:-1] - ends[0], ord("\n")))
            mapping[first:last] = ids[ids != kernels.SENTENCE_END]
        self.counts[mapping] += other.counts[: other.n_words] - 1  # the scan counted one
        return mapping

    def words(self, word_ids: NDArray[np.int64]) -> list[bytes]:
        """The bytes of some of the words."""
        arena = self.arena[: self.starts[self.n_words]].tobytes()
        firsts, ends = self.starts[word_ids].tolist(), self.starts[word_ids + 1].tolist()
        return [arena[first:end] for first, end in zip(firsts, ends, strict=True)]

    def counted(self) -> CountedWords:
        """What was counted, in the memory of the table."""
        starts = self.starts[: self.n_words + 1]
        return CountedWords(self.arena[: starts[-1]], starts, self.counts[: self.n_words])


def _resized(array: NDArray[Any], size: int) -> NDArray[Any]:
    larger = np.zeros(size, dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def checked(block: bytes, name: str, offset: int, fold: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """The block as an array of valid UTF-8 in NFC."""
    text = np.frombuffer(block, dtype=np.uint8)
    if block.isascii():
        return text
    pieces: list[bytes] = []
    done = 0
    while True:
        position, is_malformed = kernels.check_utf8(text, done, fold)
        if is_malformed:
            raise _not_utf8(name, offset + position, block[position])
        if position == len(block):
            break
        first = max(block.rfind(b"\n", done, position) + 1, done)
        last = block.find(b"\n", position) + 1 or len(block)
        try:
            line = normalize(block[first:last].decode())
        except UnicodeDecodeError as error:
            bad = first + error.start
            raise _not_utf8(name, offset + bad, block[bad]) from error
        pieces += [block[done:first], line.encode()]
        done = last
    if not pieces:
        return text
    return np.frombuffer(b"".join([*pieces, block[done:]]), dtype=np.uint8)


def _not_utf8(name: str, position: int, byte: int) -> CorpusError:
    return CorpusError(
        f"{name} is not utf-8 at byte {position:,} (0x{byte:02x}); give its encoding "
        "(--encoding latin-1, say) or --errors replace"
    )

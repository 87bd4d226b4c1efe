"""Lines of a file by ranges of its bytes: a line belongs to the range that it begins in.

Lines end as `normalize` sees it: at `\\n`, `\\r\\n` and a lone `\\r`, which in UTF-8 are no part of
another character.
"""

from __future__ import annotations

import re
from pathlib import Path

from rowspace.text.streams import BLOCK_BYTES, open_at

_LOOK_BYTES = 1 << 14
"""Read at a time to find a line's end, which is mostly near."""
_LINE_END = re.compile(rb"\n|\r(?!\n)")


def lines_between(path: Path, start: int, end: int) -> tuple[int, int]:
    """The bytes of the lines that begin at `start` or after it, and before `end`.

    Returns
    -------
    (int, int)
        The first byte, and the one after the last; equal where no line begins there.
    """
    first = _next_line(path, start, end)
    return (first, _next_line(path, end)) if first < end else (end, end)


def _next_line(path: Path, place: int, limit: int | None = None) -> int:
    """Where the first line begins at `place` or after it: at the latest where the file ends.

    At the `limit` or beyond it where that is not before it; more is not read then.
    """
    if place == 0:
        return 0
    at = place - 1  # the byte before a line is of the end of another
    with open_at(path, at) as file:
        while (limit is None or at < limit) and (block := file.read(_LOOK_BYTES)):
            if block.endswith(b"\r"):
                block += file.read(1)  # a line ends after both bytes of \r\n
            if found := _LINE_END.search(block):
                return at + found.end()
            at += len(block)
    return at


class LineCounter:
    """Counts the line ends of a file, each once as long as it is asked for later places."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = self._n = 0

    def before(self, place: int) -> int:
        """Line ends before the byte `place`, where a line begins."""
        if place < self._place:
            self._place = self._n = 0
        self._n += _count_line_ends(self._path, self._place, place)
        self._place = place
        return self._n


def _count_line_ends(path: Path, start: int, end: int) -> int:
    """Between two bytes that each begin a line."""
    n, left, goes_on = 0, end - start, False
    if left == 0:
        return 0
    with open_at(path, start) as file:
        while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
            left -= len(block)
            n += block.count(b"\n") - (goes_on and block.startswith(b"\n"))
            if b"\r" in block:
                n += block.count(b"\r") - block.count(b"\r\n")
            goes_on = block.endswith(b"\r")  # \r\n, whose end is counted, may be halved here
    return n


class Lines:
    """A file to read from, that ends after so many bytes."""

    def __init__(self, path: Path, start: int, end: int) -> None:
        self._file = open_at(path, start)
        self._left = end - start

    def read(self, n_bytes: int, /) -> bytes:
        """The next bytes, at most so many; none at the end."""
        data = self._file.read(min(n_bytes, self._left))
        self._left -= len(data)
        return data

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

"""Lines of a word and its values, read by threads: what word2vec's text and GloVe's share.

Words may hold spaces, as values are counted from the right; a line may end in a space, as those of
the C tool and of fastText do. A line that the kernels do not take, with numbers like `nan` or of
50 digits, is read by Python, which also says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from rowspace.errors import FormatError
from rowspace.progress import track
from rowspace.space.loading import (
    BLOCK_BYTES,
    Bounds,
    Bytes,
    Pipeline,
    Rows,
    Task,
    check_finite,
)
from rowspace.space.similarity import Floats
from rowspace.space.sources import is_packed

_LONGEST_LINE = 1 << 28


class Layout(NamedTuple):
    """What is known of the lines before they are read."""

    path: Path
    dim: int
    dim_from: str
    """Who says so: "line 1 promises"."""
    first_line: int
    """Number of the first line with a vector, from 1."""
    n_rows: int | None
    """Rows to read; None is all there are."""


def _capacity(layout: Layout) -> int:
    """Rows to make room for at first: not more than the file can have."""
    if layout.n_rows is None or is_packed(layout.path):
        return 1
    return max(1, min(layout.n_rows, layout.path.stat().st_size // (2 * layout.dim) + 1))


def read_rows(file: IO[bytes], layout: Layout, begin: bytes = b"") -> tuple[Rows, bytes]:
    """Read lines into rows, to `layout.n_rows` or the end of the file.

    `begin` is what was read from `file` already. Returns the rows, of which fewer are there than
    wanted where the file ends, and the bytes read beyond them.
    """
    dim = layout.dim
    at_once = max(BLOCK_BYTES, 32 * dim)
    rows = Rows(layout.path, dim, _capacity(layout))
    n_done = 0

    def done(task: Task) -> None:
        nonlocal n_done
        n = len(task.bounds)
        part = slice(task.first, task.first + n)
        _read_again(task, rows.matrix[part], rows.norms[part], layout)
        check_finite(rows.norms[part], lambda i: f"{layout.path}: line {task.offset + i:,}")
        rows.add_words(task.data, task.bounds, "\n")
        n_done += n
        tracker.set(n_done)

    pipeline = Pipeline(file, at_once, done)
    row, ended = 0, False
    with track("reading vectors", total=layout.n_rows) as tracker, pipeline.running():
        while not (ended and not begin.strip()) and (layout.n_rows is None or row < layout.n_rows):
            wanted = None if layout.n_rows is None else layout.n_rows - row
            few = None if wanted is None else max(1 << 16, wanted * (12 * dim + 64))
            buffer, data, ended = pipeline.read(begin, few)
            ends = _line_ends(data, ended, wanted, dim)
            if len(ends) == 0:
                begin = data.tobytes()
                if ended or len(begin) > _LONGEST_LINE:
                    if not begin.strip():
                        break
                    pipeline.drain()  # what is wrong with an earlier line is said first
                    raise _too_long(layout, row, len(begin))
                continue
            begin = data[int(ends[-1]) + 1 :].tobytes()
            _make_room(rows, pipeline, layout, row + len(ends), int(ends[-1]) // len(ends))
            _submit(pipeline, rows, buffer, data, ends, row, layout)
            row += len(ends)
    return rows, begin


def _line_ends(data: Bytes, ended: bool, wanted: int | None, dim: int) -> Bounds:
    """Ends of at most `wanted` lines, without blank ones that may be the last of the file."""
    from rowspace.space.load_kernels import find_lines

    size = len(data)
    while size and data[size - 1] in b" \t\r\n":
        size -= 1
    most = size // 2 + 2 if wanted is None else min(wanted, size // 2 + 2)
    ends = np.empty(most, dtype=np.int64)
    n = find_lines(data[:size], ends)
    if n < most and size:
        # The last line with a word on it ends at its newline or at the end of the file.
        if size < len(data) and b"\n" in data[size:].tobytes():
            ends[n] = size + data[size:].tobytes().index(b"\n")
            n += 1
        elif ended:
            ends[n] = len(data)
            n += 1
    return ends[:n]


def _make_room(rows: Rows, pipeline: Pipeline, layout: Layout, n: int, line_bytes: int) -> None:
    """Room for `n` rows, and where their number is unknown for all that the file may hold."""
    if n <= len(rows.matrix):
        return
    pipeline.drain()
    guess = n + n // 2
    if not is_packed(layout.path):
        guess = max(n, int(1.02 * layout.path.stat().st_size / max(1, line_bytes)) + 1)
        if n > 1.02 * len(rows.matrix) and len(rows.matrix) > 1:
            guess = max(guess, n + n // 8)
    rows.reserve(guess)


def _submit(
    pipeline: Pipeline,
    rows: Rows,
    buffer: Bytes,
    data: Bytes,
    ends: Bounds,
    row: int,
    layout: Layout,
) -> None:
    from rowspace.space.load_kernels import parse_lines

    bounds = np.empty((len(ends), 2), dtype=np.int64)
    part = slice(row, row + len(ends))
    pipeline.submit(
        parse_lines,
        data,
        ends,
        rows.matrix[part],
        rows.norms[part],
        bounds,
        buffer=buffer,
        data=data,
        bounds=bounds,
        first=row,
        offset=layout.first_line + row,
    )


def _read_again(task: Task, matrix: Floats, norms: Floats, layout: Layout) -> None:
    """Read the lines that the kernel left, or say what is wrong with the first that is wrong."""
    for i in np.flatnonzero(norms == -1.0).tolist():
        end = task.bounds[i + 1, 0] if i + 1 < len(norms) else None
        line = task.data[task.bounds[i, 0] : end].tobytes().partition(b"\n")[0]
        word, values = _split_line(line, layout.dim)
        matrix[i] = _parse_values(values, layout, task.offset + i)
        task.bounds[i, 1] = task.bounds[i, 0] + len(word)
        norms[i] = np.sqrt(np.square(matrix[i], dtype=np.float64).sum())


def _split_line(line: bytes, dim: int) -> tuple[bytes, list[bytes]]:
    """The word and its values; where single spaces do not make `dim` values, runs of them may."""
    line = line.rstrip(b" \t\r\n")
    word, *values = line.replace(b"\t", b" ").rsplit(b" ", dim)
    if len(values) != dim or b"" in values:
        fields = line.split()
        if len(fields) > dim:
            first = line.rsplit(None, dim)[0]
            return first, fields[-dim:]
        return word, fields[1:] if not line[:1].isspace() else fields
    return word, values


def _parse_values(values: list[bytes], layout: Layout, line: int) -> Floats:
    if len(values) != layout.dim:
        raise FormatError(
            f"{layout.path}: line {line:,} has {len(values):,} values where {layout.dim_from} "
            f"{layout.dim:,}; the file is damaged or cut off there: copy or download it again"
        )
    try:
        with np.errstate(over="ignore"):
            return np.array([float(value) for value in values]).astype(np.float32)
    except ValueError as error:
        raise FormatError(
            f"{layout.path}: line {line:,} does not end in {layout.dim:,} numbers ({error}); "
            f"correct the line, or the dimension where {layout.dim_from} it"
        ) from error


def _too_long(layout: Layout, row: int, size: int) -> FormatError:
    return FormatError(
        f"{layout.path}: line {layout.first_line + row:,} has no end within {size:,} bytes, so "
        "these are no lines of vectors; give the right format="
    )


def encode_lines(
    dim: int, n_digits: int = 9, end: str = ""
) -> Callable[[list[bytes], Floats], bytes]:
    """A function that writes words and rows as lines.

    9 significant digits give each float32 back exactly. `end` stands before the newline.
    """
    layout = " ".join([f"%.{n_digits}g"] * dim) + end + "\n"

    def encode(words: list[bytes], rows: Floats) -> bytes:
        values = (layout % tuple(row) for row in rows.tolist())
        pairs = zip(words, values, strict=True)
        return b"".join(b"%b %b" % (word, value.encode()) for word, value in pairs)

    return encode

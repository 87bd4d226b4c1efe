"""word2vec's text and binary files, as the C tool, gensim and fastText (`.vec`) write them.

A line `n_words dim`, then a row a word: in text the word and its values, separated by spaces; in
binary the word, a space and `dim` little-endian float32. The C tool ends a binary row with a
newline and gensim does not; both are read, the newline is written.
A word's bytes that are not UTF-8 become surrogates (PEP 383), so they are written back unchanged.

A binary word ends at the first space, so the format has no words with spaces. Where rows end in
newlines these tell the true end nearly always: Rowspace reads such words, and writes those that it
will read back, with a warning, as every other program takes the first space.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from rowspace.errors import ConfigError, FormatError
from rowspace.progress import track
from rowspace.space.loading import (
    BLOCK_BYTES,
    Bytes,
    Pipeline,
    Rows,
    Task,
    check_finite,
)
from rowspace.space.similarity import Floats
from rowspace.space.sources import (
    is_header,
    is_number,
    is_packed,
    open_input,
    open_output,
    read_head,
)
from rowspace.space.text_rows import Layout, encode_lines, read_rows
from rowspace.space.vectors import Vectors

_WRITTEN_AT_ONCE = 1 << 20
_LONGEST_WORD = 1 << 16
_LINES_SAMPLED = 100
_NOT_FINITE = (
    "a word with a space in it, or a wrong dimension, makes such values too: make the file again "
    "without, or check its dimension"
)


class _Header(NamedTuple):
    path: Path
    n_bytes: int
    promised: int
    n_rows: int
    """Rows to read: those promised, or `limit`."""
    dim: int

    @property
    def whole(self) -> bool:
        return self.n_rows == self.promised


def read_text(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read word2vec text; words may hold spaces, as values are counted from the right."""
    with open_input(path) as file:
        header = _read_header(file, path, limit, smallest_value=2)
        _check_dim(header)
        layout = Layout(path, header.dim, "line 1 promises", 2, header.n_rows)
        rows, rest = read_rows(file, layout)
        n = len(rows.keys)
        if n < header.n_rows:
            raise FormatError(
                f"{path}: ends after line {n + 1:,}, where its first line promises "
                f"{header.promised:,} vectors; it is truncated: copy or download it again"
            )
        if header.whole and (rest + file.read(_LONGEST_WORD)).strip():
            raise FormatError(
                f"{path}: goes on at line {n + 2:,}, after the {header.promised:,} vectors "
                "that its first line promises; correct that number, or give limit="
            )
    return rows.to_vectors()


def read_binary(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read word2vec binary, with or without a newline after each row."""
    with open_input(path) as file:
        header = _read_header(file, path, limit, smallest_value=4)
        rows = Rows(path, header.dim, header.n_rows)
        rest, offset = _read_rows(file, header, rows)
        if header.whole and (rest + file.read(_LONGEST_WORD)).strip():
            raise FormatError(
                f"{path}: goes on at byte {offset:,}, after the {header.promised:,} vectors of "
                f"dimension {header.dim:,} that its first line promises; one of the two is wrong, "
                "so download or convert it again"
            )
    return rows.to_vectors()


def _read_rows(file: IO[bytes], header: _Header, rows: Rows) -> tuple[bytes, int]:
    """Fill all rows; returns the bytes read beyond them and where these start in the file."""
    from rowspace.space.load_kernels import copy_rows, split_rows

    width = 4 * header.dim
    raw = rows.matrix.view(np.uint8)
    longest_row = width + _LONGEST_WORD + 2

    def done(task: Task) -> None:
        part = slice(task.first, task.first + len(task.bounds))
        starts = task.bounds[:, 1] + (task.offset + 1)
        where = f"{header.path}: the vector at byte"
        check_finite(rows.norms[part], lambda i: f"{where} {starts[i]:,}", _NOT_FINITE)

    pipeline = Pipeline(file, max(BLOCK_BYTES, longest_row), done)
    begin, offset, row, newlines = b"", header.n_bytes, 0, None
    with track("reading vectors", total=header.n_rows) as tracker, pipeline.running():
        while row < header.n_rows:
            left = header.n_rows - row
            buffer, data, ended = pipeline.read(begin, longest_row + left * (width + 32))
            if newlines is None:
                newlines = _ends_in_newline(data, width)
            bounds = np.empty((min(left, len(data) // (width + 1) + 1), 2), dtype=np.int64)
            found, used, why = split_rows(data, width, _LONGEST_WORD, newlines, ended, bounds)
            if found == 0:
                pipeline.drain()  # what is wrong with an earlier row is said first
                raise _broken_binary(header, row, offset, newlines, ended=ended, why=why)
            bounds, part = bounds[:found], slice(row, row + found)
            pipeline.submit(
                copy_rows, data, bounds, rows.matrix[part], raw[part], rows.norms[part],
                buffer=buffer, data=data, bounds=bounds, first=row, offset=offset,
            )  # fmt: skip
            # Without newlines no word holds a space; with them, none holds a newline.
            rows.add_words(data, bounds, "\n" if newlines else " ")
            begin, offset, row = data[used:].tobytes(), offset + used, row + found
            tracker.set(row)
    return begin, offset


def _ends_in_newline(data: Bytes, width: int) -> bool:
    """Whether the first row ends in a newline, as all of the C tool's do."""
    end = data[:_LONGEST_WORD].tobytes().find(b" ") + 1 + width
    return end > width and end < len(data) and data[end] == ord("\n")


def write_text(vectors: Vectors, path: Path) -> None:
    """Write word2vec text with 9 significant digits, which give each float32 back exactly."""
    check_lines(vectors)
    write_rows(vectors, path, encode_lines(vectors.dim), b"%d %d\n" % vectors.matrix.shape)


def write_fasttext_text(vectors: Vectors, path: Path) -> None:
    """Write `.vec` as fastText writes it beside its `.bin`, byte for byte: 5 significant digits."""
    check_lines(vectors)
    encode = encode_lines(vectors.dim, n_digits=5, end=" ")
    write_rows(vectors, path, encode, b"%d %d\n" % vectors.matrix.shape)


def write_binary(vectors: Vectors, path: Path) -> None:
    """Write word2vec binary with a newline after each row, as the C tool does."""
    check_lines(vectors)
    _check_spaces(vectors)

    def encode(words: list[bytes], rows: Floats) -> bytes:
        pairs = zip(words, rows.astype("<f4", copy=False), strict=True)
        return b"".join(b"%b %b\n" % (word, row.tobytes()) for word, row in pairs)

    write_rows(vectors, path, encode, b"%d %d\n" % vectors.matrix.shape)


def check_lines(vectors: Vectors) -> None:
    """Refuse keys that hold a newline, which ends a row."""
    for key in vectors:
        if "\n" in key:
            raise ConfigError(
                f"the key {key!r} holds a newline, which this format uses as a separator; save as "
                "a folder (format='rowspace'), or replace it with '_'"
            )


def _check_spaces(vectors: Vectors) -> None:
    """Refuse keys with spaces that binary could not give back; warn of those it can."""
    spaced = [row for row, key in enumerate(vectors.index_to_key) if " " in key]
    for row in spaced:
        key = vectors.index_to_key[row]
        word, values = key.encode("utf-8", "surrogateescape"), vectors.matrix[row].tobytes()
        line = word + b" " + values
        spaces = [i for i, byte in enumerate(word) if byte == ord(" ")]
        misread = any(line[i + 1 + len(values)] == ord("\n") for i in spaces)
        if row == 0 or misread or any(byte < ord(" ") for byte in word):
            raise ConfigError(
                f"the key {key!r} holds a space, at which word2vec's binary format ends a word; "
                "replace spaces with '_' (convert --replace-spaces _), or save as text or a folder"
            )
    if spaced:
        warnings.warn(
            f"{len(spaced):,} keys hold spaces, the first {vectors.index_to_key[spaced[0]]!r}: "
            "Rowspace reads this file back, but other programs end a word at its first space",
            stacklevel=4,
        )


def write_rows(
    vectors: Vectors, path: Path, encode: Callable[[list[bytes], Floats], bytes], first: bytes
) -> None:
    """Write the bytes `first` and then the rows, some MB at a time."""
    step = max(1, _WRITTEN_AT_ONCE // (16 * vectors.dim))
    with open_output(path) as file, track("writing vectors", total=len(vectors)) as tracker:
        file.write(first)
        for start in range(0, len(vectors), step):
            keys = vectors.index_to_key[start : start + step]
            words = [key.encode("utf-8", "surrogateescape") for key in keys]
            file.write(encode(words, vectors.matrix[start : start + step]))
            tracker.advance(len(words))


def _read_header(file: IO[bytes], path: Path, limit: int | None, smallest_value: int) -> _Header:
    """The first line, believed only if the file is long enough for it."""
    line = file.readline(_LONGEST_WORD)
    if not line:
        raise FormatError(f"{path}: empty; give a word2vec file")
    if not is_header(line):
        raise FormatError(
            f"{path}: line 1 should be the number of vectors and their dimension; {_quote(line)}"
        )
    promised, dim = map(int, line.split())
    if promised < 1 or dim < 1:
        raise FormatError(f"{path}: line 1 promises {promised} vectors of dimension {dim}: none")
    n_rows = min(promised, limit or promised)
    needed = n_rows * (dim * smallest_value + 1)
    size = path.stat().st_size
    if needed > size - len(line) + 1 and not is_packed(path):
        raise FormatError(
            f"{path}: line 1 promises {promised:,} vectors of dimension {dim:,}, which take at "
            f"least {needed:,} bytes, but the file has {size:,}; it is truncated or line 1 is "
            "wrong: copy or download it again"
        )
    return _Header(path, len(line), promised, n_rows, dim)


def _check_dim(header: _Header) -> None:
    """Refuse a dimension so small that most words would end in a value.

    A word may end in a number ("item 7"), but then it is a whole one.
    """
    head = read_head(header.path)[header.n_bytes :]
    lines = [line.split() for line in head.split(b"\n")[:_LINES_SAMPLED] if line.strip()]
    before = [fields[-1 - header.dim] for fields in lines if len(fields) > header.dim + 1]
    if 2 * sum(b"." in field and is_number(field) for field in before) > len(lines):
        raise FormatError(
            f"{header.path}: line 1 promises dimension {header.dim:,}, but most of the lines after "
            "it have more values than that; correct line 1"
        )


def _quote(line: bytes) -> str:
    start = line[:40].decode("utf-8", "replace").strip()
    return (
        f"it starts with {start!r}: add that line if it is missing, or give format='glove' for "
        "text that has none"
    )


def _broken_binary(
    header: _Header, row: int, offset: int, newlines: bool, *, ended: bool, why: int
) -> FormatError:
    from rowspace.space.load_kernels import MORE

    where = f"{header.path}: vector {row + 1:,} of {header.promised:,}, at byte {offset:,},"
    if ended and why == MORE:
        return FormatError(
            f"{where} is cut off by the end of the file; it is truncated, or the dimension "
            f"{header.dim:,} in line 1 is wrong: copy or download it again"
        )
    if newlines:
        return FormatError(
            f"{where} does not end in a newline as the first one does; the dimension "
            f"{header.dim:,} in line 1 is wrong or bytes are lost there: copy or download it again"
        )
    return FormatError(
        f"{where} has no word of at most {_LONGEST_WORD:,} bytes; the dimension {header.dim:,} in "
        "line 1 is wrong or this is not a word2vec binary: download or convert it again"
    )

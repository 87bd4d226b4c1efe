"""word2vec's text and binary files, as the C tool, gensim and fastText (`.vec`) write them.

A line `n_words dim`, then a row a word: in text the word and its values, separated by spaces; in
binary the word, a space and `dim` little-endian float32. The C tool ends a binary row with a
newline and gensim does not; both are read, the newline is written.
A word's bytes that are not UTF-8 become surrogates (PEP 383), so they are written back unchanged.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_atomically
from rowspace.progress import track
from rowspace.space.similarity import Floats, row_norms
from rowspace.space.vectors import Vectors

_BYTES_AT_ONCE = 1 << 20  # small enough for the cache: half the time of 16 MB
_LONGEST_WORD = 1 << 16
_KINDS = {b"\x1f\x8b": "gzip", b"PK": "zip", b"\x80": "pickle", b"\xba\x16\x4f\x2f": "fastText"}


class _Header(NamedTuple):
    path: Path
    promised: int
    n_rows: int
    """Rows to read: those promised, or `limit`."""
    dim: int

    @property
    def whole(self) -> bool:
        return self.n_rows == self.promised


def read_text(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read word2vec text; words may hold spaces, as values are counted from the right."""
    with path.open("rb") as file:
        header = _read_header(file, path, limit, smallest_value=2)
        keys: list[str] = []
        matrix = np.empty((header.n_rows, header.dim), dtype=np.float32)
        with track("reading vectors", total=header.n_rows) as tracker:
            while len(keys) < header.n_rows:
                lines = _read_lines(file, header.n_rows - len(keys), header.dim)
                if not lines:
                    raise FormatError(
                        f"{path}: ends after line {len(keys) + 1:,}, where its first line promises "
                        f"{header.promised:,} vectors; it is truncated: copy or download it again"
                    )
                start = len(keys)
                words, rows = _parse_lines(lines, header, first_line=start + 2)
                matrix[start : start + len(words)] = rows
                keys.extend(word.decode("utf-8", "surrogateescape") for word in words)
                tracker.set(len(keys))
        if header.whole and file.read(_LONGEST_WORD).strip():
            raise FormatError(
                f"{path}: goes on at line {len(keys) + 2:,}, after the {header.promised:,} vectors "
                "that its first line promises; correct that number, or give limit="
            )
    return _without_duplicates(path, keys, matrix)


def read_binary(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read word2vec binary, with or without a newline after each row."""
    with path.open("rb") as file:
        header = _read_header(file, path, limit, smallest_value=4)
        width = 4 * header.dim
        n_bytes = max(_BYTES_AT_ONCE, width + _LONGEST_WORD)
        keys: list[str] = []
        matrix = np.empty((header.n_rows, header.dim), dtype=np.float32)
        block, offset = b"", file.tell()  # what is read but not yet used, and where it starts
        with track("reading vectors", total=header.n_rows) as tracker:
            while len(keys) < header.n_rows:
                more = file.read(n_bytes)
                block += more
                words, starts, used = _split_rows(block, width, header.n_rows - len(keys))
                if not words:
                    raise _broken_binary(header, len(keys), offset, ended=len(more) < n_bytes)
                start = len(keys)
                rows = _gather(block, starts, width)
                _check_finite(
                    rows,
                    lambda i: f"{path}: the vector at byte {offset + starts[i]:,}",  # noqa: B023
                )
                matrix[start : start + len(words)] = rows
                # No word holds a space, so all are decoded at once. C's newline is in front of one.
                text = b" ".join([b"", *words]).replace(b" \n", b" ")
                keys.extend(text.decode("utf-8", "surrogateescape").split(" ")[1:])
                block, offset = block[used:], offset + used
                tracker.set(len(keys))
        if header.whole and (block + file.read(_LONGEST_WORD)).strip():
            raise FormatError(
                f"{path}: goes on at byte {offset:,}, after the {header.promised:,} vectors of "
                f"dimension {header.dim:,} that its first line promises; one of the two is wrong, "
                "so download or convert it again"
            )
    return _without_duplicates(path, keys, matrix)


def write_text(vectors: Vectors, path: Path) -> None:
    """Write word2vec text with 9 significant digits, which give each float32 back exactly."""
    layout = " ".join(["%.9g"] * vectors.dim)

    def encode(words: list[bytes], rows: Floats) -> bytes:
        values = (layout % tuple(row) for row in rows.tolist())
        pairs = zip(words, values, strict=True)
        return b"".join(b"%b %b\n" % (word, value.encode()) for word, value in pairs)

    _write(vectors, path, encode, forbidden="\n")


def write_binary(vectors: Vectors, path: Path) -> None:
    """Write word2vec binary with a newline after each row, as the C tool does."""

    def encode(words: list[bytes], rows: Floats) -> bytes:
        pairs = zip(words, rows.astype("<f4", copy=False), strict=True)
        return b"".join(b"%b %b\n" % (word, row.tobytes()) for word, row in pairs)

    _write(vectors, path, encode, forbidden="\n ")


def _write(
    vectors: Vectors,
    path: Path,
    encode: Callable[[list[bytes], Floats], bytes],
    forbidden: str,
) -> None:
    """The header line and then the rows, some MB at a time."""
    for key in vectors:
        if not key.isalnum() and any(mark in key for mark in forbidden):
            raise ConfigError(
                f"the key {key!r} holds white space that this format uses as a separator; save as "
                "a folder (format='rowspace'), or replace it with '_'"
            )
    step = max(1, _BYTES_AT_ONCE // (16 * vectors.dim))
    with write_atomically(path) as file, track("writing vectors", total=len(vectors)) as tracker:
        file.write(b"%d %d\n" % vectors.matrix.shape)
        for start in range(0, len(vectors), step):
            keys = vectors.index_to_key[start : start + step]
            words = [key.encode("utf-8", "surrogateescape") for key in keys]
            file.write(encode(words, vectors.matrix[start : start + step]))
            tracker.advance(len(words))


def _read_header(file: IO[bytes], path: Path, limit: int | None, smallest_value: int) -> _Header:
    """The first line, believed only if the file is long enough for it."""
    line = file.readline(_LONGEST_WORD)
    fields = line.split()
    if not line:
        raise FormatError(f"{path}: empty; give a word2vec file")
    if len(fields) != 2 or not all(f.isdigit() and len(f) < 19 for f in fields):
        kind = next((kind for magic, kind in _KINDS.items() if line.startswith(magic)), None)
        raise FormatError(
            f"{path}: line 1 should be the number of vectors and their dimension; "
            + (f"this is a {kind} file: unpack or convert it first" if kind else _quote(line))
        )
    promised, dim = map(int, fields)
    if promised < 1 or dim < 1:
        raise FormatError(f"{path}: line 1 promises {promised} vectors of dimension {dim}: none")
    n_rows = min(promised, limit or promised)
    needed = n_rows * (dim * smallest_value + 1)
    size = path.stat().st_size
    if needed > size - len(line) + 1:
        raise FormatError(
            f"{path}: line 1 promises {promised:,} vectors of dimension {dim:,}, which take at "
            f"least {needed:,} bytes, but the file has {size:,}; it is truncated or line 1 is "
            "wrong: copy or download it again"
        )
    return _Header(path, promised, n_rows, dim)


def _quote(line: bytes) -> str:
    start = line[:40].decode("utf-8", "replace").strip()
    return f"it starts with {start!r}: add that line if it is missing (GloVe files have none)"


def _read_lines(file: IO[bytes], n: int, dim: int) -> list[bytes]:
    """The next lines, at most `n` and some MB."""
    return list(itertools.islice(file, min(n, max(1, _BYTES_AT_ONCE // (16 * dim)))))


def _parse_lines(
    lines: list[bytes], header: _Header, first_line: int
) -> tuple[list[bytes], Floats]:
    """Words and their rows (n_lines, dim).

    pyarrow parses the values in bulk; where it cannot, one line at a time either succeeds with
    Python's more tolerant numbers or says which line is wrong.
    """
    pairs = [_split_line(line, header.dim) for line in lines]
    rows = _parse_bulk([values for _, values in pairs], header.dim)
    if rows is None:
        rows = np.array(
            [_parse_values(values, header, first_line + i) for i, (_, values) in enumerate(pairs)],
            dtype=np.float32,
        )
    _check_finite(rows, lambda i: f"{header.path}: line {first_line + i:,}")
    return [word for word, _ in pairs], rows


def _split_line(line: bytes, dim: int) -> tuple[bytes, bytes]:
    """The word and its values; C's lines and fastText's end in a space."""
    line = line.rstrip(b" \r\n")
    if line.count(b" ") == dim:
        word, _, values = line.partition(b" ")
        return word, values
    word, *parts = line.rsplit(b" ", dim)
    return word, b" ".join(parts)


def _parse_bulk(values: list[bytes], dim: int) -> Floats | None:
    """Lines of `dim` numbers as (n, dim) float32, or None if some line is not that."""
    import pyarrow as pa
    from pyarrow import csv

    names = [str(d) for d in range(dim)]
    text = b"\n".join(values) + b"\n"
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(column_names=names, block_size=len(text) + 1),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float32()), null_values=[]
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(values):
        return None
    rows = np.empty((len(values), dim), dtype=np.float32)
    for d in range(dim):
        rows[:, d] = table.column(d).to_numpy()
    return rows


def _parse_values(values: bytes, header: _Header, line: int) -> list[float]:
    parts = values.split(b" ") if values else []
    if len(parts) != header.dim:
        raise FormatError(
            f"{header.path}: line {line:,} has {len(parts):,} values where line 1 promises "
            f"{header.dim:,}; the file is damaged or cut off there: copy or download it again"
        )
    try:
        return [float(part) for part in parts]
    except ValueError as error:
        raise FormatError(
            f"{header.path}: line {line:,} does not end in {header.dim:,} numbers ({error}); "
            "correct the line, or the dimension in line 1"
        ) from error


def _split_rows(block: bytes, width: int, n: int) -> tuple[list[bytes], list[int], int]:
    """At most `n` whole rows of `block`: their words, where their values start, bytes used."""
    words: list[bytes] = []
    starts: list[int] = []
    size, position, find = len(block), 0, block.find
    for _ in range(n):
        space = find(b" ", position, position + _LONGEST_WORD)
        end = space + 1 + width
        if space < 0 or end > size:
            break
        words.append(block[position:space])
        starts.append(space + 1)
        position = end
    return words, starts, position


def _gather(block: bytes, starts: list[int], width: int) -> Floats:
    """The `width` bytes from each start, as float32 rows, copied in one go."""
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(block, np.uint8), width)
    rows: Floats = windows[starts].view("<f4")
    return rows


def _broken_binary(header: _Header, row: int, offset: int, *, ended: bool) -> FormatError:
    where = f"{header.path}: vector {row + 1:,} of {header.promised:,}, at byte {offset:,},"
    if ended:
        return FormatError(
            f"{where} is cut off by the end of the file; it is truncated, or the dimension "
            f"{header.dim:,} in line 1 is wrong: copy or download it again"
        )
    return FormatError(
        f"{where} has no word of at most {_LONGEST_WORD:,} bytes; the dimension {header.dim:,} in "
        "line 1 is wrong or this is not a word2vec binary: download or convert it again"
    )


def _check_finite(rows: Floats, where: Callable[[int], str]) -> None:
    wrong = np.flatnonzero(~np.isfinite(row_norms(rows)))
    if len(wrong):
        raise FormatError(
            f"{where(int(wrong[0]))} holds NaN, infinity or values beyond float32; "
            "make the file again without it, or check the dimension in line 1"
        )


def _without_duplicates(path: Path, keys: list[str], matrix: Floats) -> Vectors:
    """The vectors, with the first row of a word that occurs more than once."""
    n_duplicates = len(keys) - len(set(keys))
    if n_duplicates:
        first: dict[str, int] = {}
        for row, key in enumerate(keys):
            first.setdefault(key, row)
        warnings.warn(
            f"{path}: rows left out because their word came before: {n_duplicates:,}",
            stacklevel=4,
        )
        keys, matrix = list(first), matrix[list(first.values())]
    return Vectors(keys, matrix)

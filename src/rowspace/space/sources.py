"""Files of vectors as streams of bytes, packed (.gz, .xz, .zst, .bz2) or plain, and what they are.

A file is recognised by its first bytes; its name decides only where these could be two formats.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from rowspace.errors import CorpusError, FormatError
from rowspace.files import write_atomically
from rowspace.text.streams import open_bytes

COMPRESSED = (".gz", ".xz", ".zst", ".bz2")
HEAD_BYTES = 1 << 20
FASTTEXT_MAGIC = (793712314).to_bytes(4, "little")

_PACKED = {
    b"\x1f\x8b": "gzip (.gz)",
    b"\xfd7zXZ\0": "xz (.xz)",
    b"\x28\xb5\x2f\xfd": "Zstandard (.zst)",
    b"BZh": "bzip2 (.bz2)",
}
_FOREIGN = {
    b"PK": (
        "a zip archive",
        "unpack it; of a PyTorch or Keras file, export the matrix as .npy or .safetensors",
    ),
    b"\x80": (
        "a pickle",
        "which is a program and not data; where it was made, save as word2vec instead (gensim: "
        "save_word2vec_format)",
    ),
    b"\x89HDF": ("an HDF5 file", "export its matrix as .npy and its words as .keys.txt"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it"),
    b"ustar": ("a tar archive", "unpack it"),
}
_LINES_SAMPLED = 1000


def bare_suffix(path: Path) -> str:
    """The suffix that tells the format: `.txt` of `a.txt.gz`; in lower case."""
    name = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return name.suffix.lower()


def is_packed(path: Path) -> bool:
    """Whether the name says that the file is compressed."""
    return path.suffix.lower() in COMPRESSED


@contextlib.contextmanager
def open_input(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading its uncompressed bytes.

    Raises
    ------
    FormatError
        If compressed data is damaged or cut short.
    """
    suffix = path.suffix.lower()
    if suffix not in COMPRESSED:
        with path.open("rb") as file:
            yield file
    elif suffix == ".bz2":
        try:
            with bz2.open(path) as packed:
                yield packed
        except EOFError as error:
            raise FormatError(
                f"{path} is damaged or cut short ({error}); get the file again"
            ) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise FormatError(
                f"{path} is damaged or no bzip2 file ({error}); get the file again"
            ) from error
    else:
        try:
            with open_bytes(path) as file:
                yield file
        except CorpusError as error:
            raise FormatError(str(error)) from error


@contextlib.contextmanager
def open_output(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing, compressed where its name says so; it appears when it is whole."""
    suffix = path.suffix.lower()
    with write_atomically(path) as file:
        if suffix == ".gz":
            # Neither name nor time: equal vectors make equal files.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                yield cast(IO[bytes], packed)
        elif suffix == ".xz":
            with lzma.open(file, "wb", preset=3) as packed_xz:
                yield cast(IO[bytes], packed_xz)
        elif suffix == ".bz2":
            with bz2.open(file, "wb") as packed_bz2:
                yield cast(IO[bytes], packed_bz2)
        elif suffix == ".zst":
            import zstandard

            with zstandard.ZstdCompressor(threads=-1).stream_writer(file, closefd=False) as zst:
                yield cast(IO[bytes], zst)
        else:
            yield file


def read_head(path: Path, n_bytes: int = HEAD_BYTES) -> bytes:
    """The first uncompressed bytes of a file."""
    with open_input(path) as file:
        return file.read(n_bytes)


def sniff(path: Path) -> str:
    """Name of the format that a file's first bytes are in.

    Raises
    ------
    FormatError
        If it is empty, or none that Rowspace reads; the message says what it is.
    """
    head = read_head(path)
    suffix = bare_suffix(path)
    if not head:
        raise FormatError(f"{path}: empty; give a file of vectors")
    if head.startswith(FASTTEXT_MAGIC):
        return "fasttext"
    if head.startswith(b"\x93NUMPY"):
        return "numpy"
    if head.startswith(b"PK") and suffix == ".npz":
        return "npz"
    if suffix == ".safetensors" or (head[8:9] == b"{" and head[4:8] == b"\0\0\0\0"):
        return "safetensors"
    _refuse_foreign(path, head)
    first, _, rest = head.partition(b"\n")
    if is_header(first):
        return _text_or_binary(int(first.split()[1]), rest, suffix)
    if suffix == ".bin" or b"\0" in head:
        return "word2vec-binary"  # whose reader says what is wrong with line 1
    return "glove" if suffix != ".vec" and infer_dim(head) else "word2vec"


def _refuse_foreign(path: Path, head: bytes) -> None:
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            raise FormatError(
                f"{path}: this is a {name} file; unpack it, or give it that suffix"
                + (" only once" if is_packed(path) else "")
            )
    for magic, (name, advice) in _FOREIGN.items():
        if head.startswith(magic) or (magic == b"ustar" and head[257:262] == magic):
            raise FormatError(f"{path}: this is {name}: {advice}")


def is_header(line: bytes) -> bool:
    """Whether a line is word2vec's first: how many vectors, and their dimension."""
    fields = line.split()
    return len(fields) == 2 and all(field.isdigit() and len(field) < 19 for field in fields)


def _text_or_binary(dim: int, rest: bytes, suffix: str) -> str:
    """Which word2vec file has these bytes after its first line."""
    line = rest.partition(b"\n")[0]
    if len(line.split()) > dim and all(map(is_number, line.split()[-dim or None :])):
        return "word2vec"
    has_control = any(byte < 9 for byte in rest[: 1 << 16])
    if suffix in (".txt", ".vec"):
        return "word2vec-binary" if has_control else "word2vec"
    if suffix == ".bin":
        return "word2vec-binary"
    return "word2vec-binary" if has_control or b"\n" not in rest[: 1 << 16] else "word2vec"


def infer_dim(head: bytes) -> int:
    """Dimension of lines without a header: the commonest number of values; 0 if there are none.

    A word may hold spaces, and even be a number, so no single line is believed; of equally common
    ones the smallest, as a word can only add to the values.
    """
    lines = head.split(b"\n")
    whole = lines[:-1] if len(lines) > 1 and len(head) >= HEAD_BYTES else lines
    found: Counter[int] = Counter()
    for line in whole[:_LINES_SAMPLED]:
        fields = line.strip(b" \t\r").split()
        n = 0
        while n < len(fields) and is_number(fields[-1 - n]):
            n += 1
        if n:
            found[min(n, len(fields) - 1) or n] += 1
    return min(found, key=lambda dim: (-found[dim], dim), default=0)


def is_number(field: bytes) -> bool:
    """Whether these bytes are one decimal number."""
    try:
        float(field)
    except ValueError:
        return False
    return True

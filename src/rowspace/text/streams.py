"""Bytes of a text file, whatever it is packed in, in blocks that end at a line's end.

Reads plain, .gz, .xz and .zst files, and stdin as `-`. Memory stays at a few blocks.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol, cast

from rowspace.errors import CorpusError
from rowspace.storage.files import file_path

COMPRESSED = (".gz", ".xz", ".zst")
BLOCK_BYTES = 1 << 20


class Readable(Protocol):
    """What bytes are read from, in order."""

    def read(self, n_bytes: int, /) -> bytes:
        """The next bytes, at most so many; none at the end."""


def bare_suffix(path: Path) -> str:
    """The suffix that tells the kind of text: `.jsonl` of `a.jsonl.gz`."""
    name = path.with_suffix("") if path.suffix in COMPRESSED else path
    return name.suffix.lower()


@contextlib.contextmanager
def open_bytes(path: Path | str) -> Iterator[IO[bytes]]:
    """Open a file for reading its uncompressed bytes.

    Raises
    ------
    CorpusError
        If it is missing, is a folder, or its compressed data is damaged or cut short.
    """
    path = file_path(path)
    try:
        with _open(path) as file:
            yield file
    except FileNotFoundError as error:
        raise CorpusError(f"there is no file {path}; check the path") from error
    except IsADirectoryError as error:
        raise CorpusError(f"{path} is a folder; give a file") from error
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    except Exception as error:
        if type(error).__name__ == "ZstdError" or type(error).__module__ == "zlib":
            raise _damaged(path, error) from error
        raise


def open_at(path: Path, offset: int) -> IO[bytes]:
    """Open a file that is not packed for reading from the byte `offset` on.

    Raises
    ------
    CorpusError
        If it is not there any more.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise CorpusError(f"there is no file {path}; check the path") from error
    file.seek(offset)
    return file


def _damaged(path: Path, error: Exception) -> CorpusError:
    return CorpusError(f"{path} is damaged or cut short ({error}); get the file again")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        yield sys.stdin.buffer
    elif path.suffix == ".zst":
        with io.BufferedReader(_ZstdReader(path), 1 << 20) as file:
            yield file
    else:
        with path.open("rb") as raw, _unpacked(path.suffix, raw) as file:
            yield file


def _unpacked(suffix: str, raw: IO[bytes]) -> contextlib.AbstractContextManager[IO[bytes]]:
    if suffix == ".gz":
        return cast(IO[bytes], gzip.open(raw))
    if suffix == ".xz":
        return cast(IO[bytes], lzma.open(raw))
    return contextlib.nullcontext(raw)


class _ZstdReader(io.RawIOBase):
    """Uncompressed bytes of a .zst file; a file cut short is an EOFError, as with gzip."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self._file = path.open("rb")
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()
        self._is_between_frames = True
        self._input = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._output:
            self._input = self._input or self._file.read(1 << 17)
            if not self._input:
                if not self._is_between_frames:
                    raise EOFError("the last frame has no end")
                return 0
            self._output = memoryview(self._frame.decompress(self._input))
            self._input, self._is_between_frames = self._frame.unused_data, self._frame.eof
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
        n = min(len(buffer), len(self._output))
        buffer[:n] = self._output[:n]
        self._output = self._output[n:]
        return n

    def close(self) -> None:
        self._file.close()
        super().close()


def read_blocks(file: Readable, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Blocks of about `block_bytes`, cut after a line's end, else a space, else a character.

    Joined, they are the file: a line of any length passes through, in pieces.
    """
    return _cut(iter(lambda: file.read(block_bytes), b""))


def _cut(reads: Iterator[bytes]) -> Iterator[bytes]:
    kept, data = b"", next(reads, b"")
    while data:
        following = next(reads, b"")
        data = kept + data if kept else data
        cut = _last_cut(data) if following else len(data)  # the last block needs no cut
        kept = data[cut:]
        if cut:
            yield data[:cut]
        data = following


def read_span(
    file: IO[bytes], first: int, last: int, block_bytes: int = BLOCK_BYTES
) -> tuple[int, Iterator[bytes]]:
    """The lines that begin in the bytes first to last, cut where `read_blocks` cuts the file.

    Each line of the file is in one of the spans that it is cut into; the line's end before them
    comes too, as what a cut depends on.

    Returns
    -------
    offset : int
        Of the first block.
    blocks : iterator of bytes
    """
    begin = _line_at(file, first, last)
    if begin is None:
        return first, iter(())
    offset = max(0, begin - 1)
    return offset, _cut(_reads(file, offset, _line_at(file, last, None), block_bytes))


def _line_at(file: IO[bytes], first: int, last: int | None) -> int | None:
    """Where the first line begins from byte `first` on, before `last`; None where none does."""
    if first == 0:
        return 0
    at = first - 1
    file.seek(at)
    while data := file.read(BLOCK_BYTES):
        if (found := data.find(b"\n")) >= 0:
            begin = at + found + 1
            return begin if last is None or begin < last else None
        at += len(data)
        if last is not None and at >= last:
            return None
    return None


def _reads(file: IO[bytes], first: int, last: int | None, block_bytes: int) -> Iterator[bytes]:
    """The bytes first to last, in reads that end at multiples of `block_bytes`."""
    file.seek(first)
    while last is None or first < last:
        end = (first // block_bytes + 1) * block_bytes
        data = file.read((end if last is None else min(end, last)) - first)
        if not data:
            return
        yield data
        first += len(data)


def _last_cut(data: bytes) -> int:
    for separator in (b"\n", b" "):
        if (cut := data.rfind(separator) + 1) > 0:
            return cut
    if data.endswith(b"\r"):
        return len(data) - 1  # the next byte may be the other half of this line's end
    cut = len(data)
    while cut > len(data) - 4 and cut > 0 and data[cut - 1] & 0xC0 == 0x80:
        cut -= 1  # back over continuation bytes to the lead byte
    return cut - 1 if cut and data[cut - 1] >= 0xC0 else len(data)

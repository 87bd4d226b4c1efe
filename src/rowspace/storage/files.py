"""An object as a file that is read: a path whose name is an address."""

from __future__ import annotations

import functools
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PosixPath
from typing import IO, Any

from rowspace.storage.address import Address, is_address, parse_address
from rowspace.storage.objects import Objects
from rowspace.storage.settings import Settings, read_settings

FIRST_WINDOW = 1 << 18
LAST_WINDOW = 1 << 23
"""Bytes that are asked for at once: few at first, more with each request that follows on."""


class ObjectPath(PosixPath):
    """A path of a corpus that is an address: to be opened for reading, and asked what it is.

    Use `file_path`. Names and suffixes are as of any path.
    """

    def __str__(self) -> str:
        return f"{self.parts[0]}//" + "/".join(self.parts[1:])

    def __fspath__(self) -> str:
        return str(self)

    @property
    def address(self) -> Address:
        """The address that it is."""
        return parse_address(str(self))

    def open(self, mode: str = "r", *arguments: Any, **options: Any) -> IO[Any]:  # type: ignore[override]
        """Open the object for reading its bytes.

        Raises
        ------
        FileNotFoundError
            If there is no such object.
        StorageError
            If it cannot be read.
        """
        assert mode == "rb", "objects are opened to read their bytes"
        return io.BufferedReader(_Reader(self.address), 1 << 16)

    def absolute(self) -> ObjectPath:
        """Itself."""
        return self

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Its size and when it was written."""
        found = _bucket(self.address.bucket).head(self.address.key)
        when = int(found.modified.timestamp())
        mode = stat.S_IFREG | 0o444
        return os.stat_result((mode, 0, 0, 1, 0, 0, found.size, when, when, when))

    def is_file(self) -> bool:
        """Whether there is an object of that key."""
        if not self.address.key:
            return False
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there are objects below."""
        key = self.address.key
        return _bucket(self.address.bucket).has_below(f"{key}/" if key else "")

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is one of both."""
        return self.is_file() or self.is_dir()


def file_path(path: Path | str) -> Path:
    """A path of the disk, or an ObjectPath where it is an address.

    Raises
    ------
    StorageError
        If it is an address that is not known.
    """
    if isinstance(path, Path):
        return path
    return ObjectPath(str(parse_address(path))) if is_address(path) else Path(path)


def objects_below(folder: ObjectPath) -> Iterator[tuple[str, int]]:
    """(name below the folder, bytes) of each object, in the order of their keys."""
    address = folder.address
    prefix = f"{address.key}/" if address.key else ""
    for found in _bucket(address.bucket).list(prefix):
        if name := found.name.removeprefix(prefix):  # a folder may be an object itself, of no bytes
            yield name, found.size


@functools.lru_cache(maxsize=8)
def _client(bucket: str, settings: Settings) -> Objects:
    return Objects(Address(bucket), settings)


def _bucket(bucket: str) -> Objects:
    return _client(bucket, read_settings())


class _Reader(io.RawIOBase):
    """The bytes of an object, asked for in windows that grow."""

    def __init__(self, address: Address) -> None:
        self._objects, self._key = _bucket(address.bucket), address.key
        found = self._objects.head(self._key)
        self._size, self._etag = found.size, found.etag
        self._place = self._start = 0
        self._window = b""
        self._n_next = FIRST_WINDOW

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        if self._place >= self._size:
            return 0
        inside = self._place - self._start
        if not 0 <= inside < len(self._window):
            self._fetch()
            inside = 0
        part = self._window[inside : inside + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)

    def _fetch(self) -> None:
        follows = self._place == self._start + len(self._window)
        n = self._n_next if follows else FIRST_WINDOW
        end = min(self._size, self._place + n)
        self._window = self._objects.get_range(self._key, self._place, end, self._etag)
        self._start, self._n_next = self._place, min(2 * n, LAST_WINDOW)

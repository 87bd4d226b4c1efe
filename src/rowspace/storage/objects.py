"""Objects below an address: reading, listing, and writing that depends on what is there.

Thin over obstore. A write that depends on the object's tag can be done although its answer got
lost, and trying it again then says that somebody else was first. So the object is read back: what
a writer puts is unlike anything another writes, and if it is there the write was done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from rowspace.errors import StorageError
from rowspace.extras import need
from rowspace.storage.address import Address
from rowspace.storage.errors import storage_errors, told
from rowspace.storage.settings import (
    CONNECT_SECONDS,
    REQUEST_SECONDS,
    RETRIES,
    RETRY_SECONDS,
    Settings,
    read_settings,
)

PART_BYTES = 8 << 20
_AT_ONCE = 1000
_TRIES = 4


@dataclass(frozen=True)
class State:
    """An object as a listing tells of it."""

    name: str
    """Its key below the address."""
    size: int
    etag: str
    modified: datetime
    """By the server's clock."""


@dataclass(frozen=True)
class Found:
    """An object's bytes, with the tag that they had."""

    data: bytes
    etag: str
    modified: datetime


class ConflictError(StorageError):
    """A write that depended on an object being as it was, and somebody else was first."""


class Objects:
    """The objects whose keys begin with an address.

    Parameters
    ----------
    address : Address
    settings : Settings, optional
        Read from the environment if not given.

    Raises
    ------
    StorageError
        If there are no credentials.
    MissingExtraError
        If obstore is not installed.
    """

    def __init__(self, address: Address, settings: Settings | None = None) -> None:
        need("obstore", "object-storage")
        self.address = address
        self.settings = read_settings() if settings is None else settings

    @cached_property
    def _store(self) -> Any:
        from obstore.store import S3Store

        options = dict(self.settings.options)
        allow_http = options.pop("allow_http", "false") == "true"
        return S3Store(
            self.address.bucket,
            prefix=self.address.key or None,
            config=options,  # type: ignore[arg-type]
            client_options={
                "allow_http": allow_http,
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=REQUEST_SECONDS),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_SECONDS),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=50),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )

    def _errors(self, doing: str, name: str) -> Any:
        return storage_errors(self.address / name, self.settings.where, doing)

    # --- Reading ---------------------------------------------------------------------------------

    def get(self, name: str, unless: str | None = None) -> Found | None:
        """An object; None if it still has the tag `unless`.

        Raises
        ------
        FileNotFoundError
            If there is no such object.
        StorageError
            If it cannot be read, or there is no such bucket.
        """
        import obstore
        from obstore.exceptions import NotModifiedError

        options: Any = {} if unless is None else {"if_none_match": unless}
        try:
            with self._errors("read", name):
                found = obstore.get(self._store, name, options=options)
                data = bytes(found.bytes())
        except NotModifiedError:
            return None
        return Found(data, found.meta["e_tag"] or "", found.meta["last_modified"])

    def head(self, name: str) -> State:
        """What a listing would tell of one object.

        Raises
        ------
        FileNotFoundError
            If there is no such object.
        """
        import obstore

        with self._errors("read", name):
            return _state(obstore.head(self._store, name))

    def get_range(self, name: str, start: int, end: int, etag: str) -> bytes:
        """Bytes `start` to `end` of an object that has the tag `etag`.

        Raises
        ------
        StorageError
            If it is another by now: parts of two are no object.
        """
        import obstore
        from obstore.exceptions import PreconditionError

        options: Any = {"range": (start, end)} | ({"if_match": etag} if etag else {})
        try:
            with self._errors("read", name):
                return bytes(obstore.get(self._store, name, options=options).bytes())
        except PreconditionError as error:
            raise StorageError(
                f"{self.address / name} was replaced while it was read; run the same command again"
            ) from error

    def chunks(self, name: str) -> Iterator[bytes]:
        """All bytes of an object, in parts, each asked for by itself."""
        found = self.head(name)
        for begin in range(0, found.size, PART_BYTES):
            yield self.get_range(name, begin, min(found.size, begin + PART_BYTES), found.etag)

    def list(self, below: str = "") -> list[State]:
        """All objects below a name, in the order of their keys."""
        import obstore

        found: list[State] = []
        with self._errors("list", below):
            for part in obstore.list(self._store, below or None):
                found += map(_state, part)
        return sorted(found, key=lambda state: state.name)

    def has_below(self, below: str) -> bool:
        """Whether there is any object below a name."""
        import obstore

        with self._errors("list", below):
            return any(part for part in obstore.list(self._store, below or None))

    # --- Writing ---------------------------------------------------------------------------------

    def put(self, name: str, data: bytes) -> str:
        """Write an object, whatever is there; returns its tag."""
        import obstore

        with self._errors("write", name):
            return obstore.put(self._store, name, data, use_multipart=False)["e_tag"] or ""

    def put_file(self, name: str, path: Path) -> str:
        """Write a file as an object, a large one in parts; returns its tag."""
        import obstore

        with self._errors("write", name):
            large = path.stat().st_size > PART_BYTES
            put = obstore.put(self._store, name, path, use_multipart=large, chunk_size=PART_BYTES)
            return put["e_tag"] or ""

    def put_if(self, name: str, data: bytes, etag: str | None) -> str:
        """Write an object if it has the tag `etag`, or, where that is None, if there is none.

        Parameters
        ----------
        name : str
        data : bytes
            Unlike what anyone else writes, so that our own write is known again.
        etag : str or None

        Returns
        -------
        str
            The tag that it has now.

        Raises
        ------
        ConflictError
            If it is another than it was.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        mode: Any = "create" if etag is None else {"e_tag": etag}
        for attempt in range(_TRIES):
            try:
                put = obstore.put(self._store, name, data, mode=mode, use_multipart=False)
                return put["e_tag"] or ""
            except (AlreadyExistsError, PreconditionError) as error:
                there = self._there(name)
                if there is not None and there.data == data:
                    return there.etag  # the answer to an earlier try was lost
                raise ConflictError(
                    f"{self.address / name} was changed by another writer meanwhile"
                ) from error
            except (BaseError, OSError) as error:
                there = self._there(name)
                if there is not None and there.data == data:
                    return there.etag
                if attempt == _TRIES - 1:
                    raise told(error, self.address / name, self.settings.where, "write") from error
                time.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    def _there(self, name: str) -> Found | None:
        try:
            return self.get(name)
        except FileNotFoundError:
            return None

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
        import obstore

        wanted = list(names)
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            with self._errors("remove", some[0]):
                obstore.delete(self._store, some)

    def download(self, name: str, path: Path) -> None:
        """Write an object to a new file."""
        with path.open("wb") as file:
            self._copy(name, file)
            file.flush()
            os.fsync(file.fileno())

    def _copy(self, name: str, file: IO[bytes]) -> None:
        for part in self.chunks(name):
            file.write(part)


def _state(meta: Any) -> State:
    return State(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"])

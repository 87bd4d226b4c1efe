"""Vectors that a server has given, kept on the disk so that none is asked for twice.

A SQLite file, so that a crash leaves it whole and several processes may use it at once. Each
vector has a checksum. Texts are not in it, only the SHA-256 of what decides their vectors.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import FormatError, RemoteError

NAME = "embeddings.sqlite"
_AT_ONCE = 500  # SQLite takes 999 parameters and more
_SECONDS_FOR_LOCK = 60.0

Vector = NDArray[np.float32]


class VectorCache:
    """Vectors by key, in a folder that is made if it is not there."""

    def __init__(self, folder: Path | str) -> None:
        self.path = Path(folder) / NAME
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """Those of the keys that are there, with their vectors.

        Raises
        ------
        FormatError
            If the file is damaged.
        """
        found: dict[bytes, Vector] = {}
        with self._open() as database:
            for first in range(0, len(keys), _AT_ONCE):
                some = keys[first : first + _AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, vector, checksum FROM vectors WHERE key IN ({marks})"  # noqa: S608
                for key, data, checksum in database.execute(query, some):
                    found[key] = self._vector(data, checksum)
        return found

    def add(self, vectors: Mapping[bytes, Vector]) -> None:
        """Keep vectors; on the disk for good when this returns."""
        rows = []
        for key, vector in vectors.items():
            data = vector.astype("<f4").tobytes()
            rows.append((key, data, zlib.crc32(data)))
        with self._open() as database, database:  # the second is a transaction
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def _vector(self, data: object, checksum: int) -> Vector:
        if not isinstance(data, bytes) or len(data) % 4 or zlib.crc32(data) != checksum:
            raise self._damaged("a vector is not what was written")
        return np.frombuffer(data, "<f4").astype(np.float32)

    def _damaged(self, reason: str) -> FormatError:
        return FormatError(
            f"the cache {self.path} is damaged ({reason}); remove it, and its vectors are asked "
            "for again"
        )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(
                sqlite3.connect(self.path, timeout=_SECONDS_FOR_LOCK)
            ) as database:
                database.execute("PRAGMA synchronous = FULL")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, "
                    "vector BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID"
                )
                yield database
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise OSError(errno.ENOSPC, str(error), str(self.path)) from error
            raise RemoteError(
                f"the cache {self.path} cannot be used ({error}); check that it can be written "
                "and that no other program holds it"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error

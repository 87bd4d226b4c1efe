"""Maps and clusters on the disk: made once, the same for everyone who looks.

SPACE/explore/MODEL/SET/umap-0/   (of a file of vectors: in the cache, under its name)
  array.npy     coordinates, or the group of each point
  record.json   how they were made, of which points, and the array's SHA-256

The last part is the method and the seed. A folder takes its name when all of it is on the disk. It
is a cache: what is damaged or of other points counts for nothing. Where the space's folder cannot
be written, it is `$XDG_CACHE_HOME/rowspace/maps` (or `~/.cache/...`); where ROWSPACE_MAPS names a
folder, all of it is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.explore.tidying import tidy
from rowspace.explore.unfinished import PART, RECORD, VARIABLE, Pieces, begin, not_kept
from rowspace.files import sha256, write_folder_atomically, write_json
from rowspace.space.cache import folder as cache_folder

FOLDER = "explore"
ARRAY = "array.npy"
FORMAT = 1

Array = NDArray[Any]


class Keyed(Protocol):
    """What arrays are kept of: `Points`, or what has as much of a name."""

    @property
    def kind(self) -> str:
        """The last but one part of the folder's name."""

    @property
    def model(self) -> str:
        """The part before; empty for the only one."""

    @property
    def fingerprint(self) -> str:
        """Hex digest; what is kept of another one counts for nothing."""

    def __len__(self) -> int:
        """Rows of each array."""


@dataclass(frozen=True)
class Kept:
    """Where maps of one subject are.

    Parameters
    ----------
    homes : tuple of Path
        Looked into in this order; written to the first that can be.
    """

    homes: tuple[Path, ...]

    def load(self, points: Keyed, name: str) -> tuple[Array, dict[str, Any]] | None:
        """An array and its record; None where there is none of these points."""
        for home in self.homes:
            found = _load(_place(home, points) / name, points.fingerprint, len(points))
            if found is not None:
                self._remove_pieces(points, name)
                return found
        return None

    def _remove_pieces(self, points: Keyed, name: str) -> None:
        """What it was made of: gone when it is kept, unless that process was ended just then."""
        for home in self.homes:
            if (folder := _place(home, points) / f"{name}{PART}").exists():
                shutil.rmtree(folder, ignore_errors=True)

    def record(self, points: Keyed, name: str) -> dict[str, Any] | None:
        """The record alone, of an array that is there."""
        for home in self.homes:
            folder = _place(home, points) / name
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                record: dict[str, Any] = json.loads((folder / RECORD).read_bytes())
                of = (record["format"], record["fingerprint"])
                if of == (FORMAT, points.fingerprint) and (folder / ARRAY).exists():
                    return record
        return None

    def save(self, points: Keyed, name: str, array: Array, record: Mapping[str, Any]) -> None:
        """Keep an array, and remove what is there of other points.

        Raises
        ------
        SpaceError
            If it cannot be written anywhere.
        """
        problem = None
        for home in self.homes:
            try:
                _save(_place(home, points) / name, array, record)
            except OSError as error:
                problem = error
                continue
            tidy(_place(home, points), points.fingerprint)
            return
        raise not_kept(problem)

    def begin(self, points: Keyed, name: str, record: Mapping[str, Any]) -> Pieces:
        """The pieces of a map that is made as a record says; see `unfinished`.

        Raises
        ------
        SpaceError
            If they cannot be written anywhere.
        """
        folders = [_place(home, points) / f"{name}{PART}" for home in self.homes]
        return begin(folders, {"format": FORMAT, "fingerprint": points.fingerprint, **record})


def kept_of(path: Path, is_space: bool) -> Kept:
    """Where maps of a space or of a file of vectors are."""
    name = hashlib.sha256(str(path.resolve()).encode(errors="replace")).hexdigest()[:16]
    entry = f"{path.resolve().name[:80]}-{name}"
    if given := os.environ.get(VARIABLE):
        return Kept((Path(given) / entry,))
    cache = cache_folder().parent / "maps" / entry
    return Kept((path / FOLDER, cache) if is_space else (cache,))


def _place(home: Path, points: Keyed) -> Path:
    return home / (points.model or "default") / points.kind


def _load(folder: Path, fingerprint: str, n: int) -> tuple[Array, dict[str, Any]] | None:
    try:
        record = json.loads((folder / RECORD).read_bytes())
        if (record["format"], record["fingerprint"]) != (FORMAT, fingerprint):
            return None
        if sha256(folder / ARRAY) != record["sha256"]:
            return None
        array = np.load(folder / ARRAY, allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    return (array, record) if len(array) == n else None


def _save(folder: Path, array: Array, record: Mapping[str, Any]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with write_folder_atomically(folder) as temporary:
        np.save(temporary / ARRAY, array, allow_pickle=False)
        digest = sha256(temporary / ARRAY)
        write_json(temporary / RECORD, {"format": FORMAT, **record, "sha256": digest})

"""A map that is being made, piece by piece on the disk: who makes it next goes on from there.

SPACE/explore/MODEL/SET/umap-0.part/
  record.json        of which points, by which method, with which versions
  start.npz …        the pieces

A piece takes its name when it is whole, and has checksums; one that is damaged is made again. Where
the record says otherwise than what is wanted, it is begun anew. The folder goes when the map is
kept.
"""

from __future__ import annotations

import json
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rowspace.errors import SpaceError
from rowspace.files import write_atomically, write_folder_atomically, write_json
from rowspace.space.similarity import Doubles

VARIABLE = "ROWSPACE_MAPS"
"""Names the folder where all maps are kept."""
PART = ".part"
RECORD = "record.json"


class Pieces(Protocol):
    """Where the steps of a map are, or go to."""

    before: float
    """Seconds that those took which were there."""

    def get(self, name: str, shape: tuple[int, ...], make: Callable[[], Doubles]) -> Doubles:
        """A piece: as it was kept, or made now."""


Begin = Callable[[Mapping[str, Any]], Pieces]
"""Gives the pieces of a map that is made as the record says."""


class Unkept:
    """Every piece is made; satisfies `Pieces`."""

    before = 0.0

    def __init__(self, record: Mapping[str, Any]) -> None:
        pass

    def get(self, name: str, shape: tuple[int, ...], make: Callable[[], Doubles]) -> Doubles:
        """What `make` gives."""
        return make()


class Unfinished:
    """Pieces in a folder; satisfies `Pieces`. Use `begin`.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = 0.0
        self._began = time.monotonic()

    def get(self, name: str, shape: tuple[int, ...], make: Callable[[], Doubles]) -> Doubles:
        """The piece NAME.npz, or what `make` gives, which is kept.

        Raises
        ------
        SpaceError
            If it cannot be written.
        """
        file = self.folder / f"{name}.npz"
        if (there := _load(file, shape)) is not None:
            self.before = max(self.before, there[1])
            return there[0]
        made = make()
        seconds = self.before + time.monotonic() - self._began
        try:
            with write_atomically(file) as out:
                np.savez(out, piece=made, seconds=seconds)
        except FileNotFoundError:
            pass  # another process made the map meanwhile, and removed the pieces
        except OSError as error:
            raise not_kept(error) from error
        return made


def begin(folders: Sequence[Path], record: Mapping[str, Any]) -> Unfinished:
    """Go on with what one of some folders holds, or begin in the first that can be written.

    Raises
    ------
    SpaceError
        If none can.
    """
    wanted = json.loads(json.dumps(record))
    for folder in folders:
        if _record(folder) == wanted:
            return Unfinished(folder)
        shutil.rmtree(folder, ignore_errors=True)
    problem: OSError | None = None
    for folder in folders:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with write_folder_atomically(folder) as temporary:
                write_json(temporary / RECORD, wanted)
        except OSError as error:
            problem = problem or error
        else:
            return Unfinished(folder)
    raise not_kept(problem)


def not_kept(problem: OSError | None) -> SpaceError:
    """What is said where a map cannot be written."""
    return SpaceError(
        f"the map could not be kept ({problem}); free some space, or name a folder that can be "
        f"written by {VARIABLE}"
    )


def _record(folder: Path) -> Any:
    try:
        return json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None


def _load(file: Path, shape: tuple[int, ...]) -> tuple[Doubles, float] | None:
    try:
        with file.open("rb") as source, np.load(source, allow_pickle=False) as pieces:
            piece, seconds = pieces["piece"], float(pieces["seconds"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return (piece, seconds) if (piece.shape, piece.dtype) == (shape, np.float64) else None

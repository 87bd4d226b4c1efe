"""What each file of a space is for, so that damage can be told by what it costs.

Lance names its files by their use, and its manifest of a version spells out the data files of that
version. `_deletions/FRAGMENT-VERSION-…` lists the deleted rows of a fragment; the one made at the
highest version holds. `_transactions/` tells writers of one another, which our lock does.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from pathlib import Path

_LAST_VERSION = 2**64 - 1  # manifests are numbered downwards from here


class Piece(Enum):
    """The use of a file: what is lost with it where it has no other copy."""

    MODEL = "a part of the encoder: without it nothing is added or found by meaning"
    INDEX = "a part of an index"
    OLD = "of an older version, which nothing reads"
    LIST = "the list of the store's pieces: without it no passage can be read"
    DELETIONS = "the list of deleted passages: without it they would come back"
    ROWS = "passages and their vectors"
    SETTINGS = "what the space was made with"


def piece_of(path: Path, name: str, version: int, names: Collection[str]) -> Piece:
    """What the file `name` of a space is for.

    Parameters
    ----------
    path : Path
        The space.
    name : str
        As `commit.json` has it.
    version : int
        The store's version that readers open.
    names : collection of str
        All names in the commit.
    """
    if not name.startswith("store/"):
        return Piece.MODEL if name.startswith(("model/", "models/")) else Piece.SETTINGS
    folder, _, file = name.rpartition("/")
    if "/_indices/" in name:
        return Piece.INDEX
    if folder.endswith("/_transactions"):
        return Piece.OLD
    if folder.endswith("/_versions"):
        return Piece.LIST if file == _manifest_name(version) else Piece.OLD
    if folder.endswith("/_deletions"):
        return Piece.OLD if _is_superseded(file, folder, names) else Piece.DELETIONS
    table = folder.rpartition("/")[0]
    try:
        manifest = (path / table / "_versions" / _manifest_name(version)).read_bytes()
    except OSError:
        return Piece.ROWS
    return Piece.ROWS if file.encode() in manifest else Piece.OLD


def is_newer(name: str, version: int) -> bool:
    """Whether a file of the store is the manifest of a version after this one."""
    file = Path(name)
    is_manifest = file.suffix == ".manifest" and file.stem.isdecimal()
    return is_manifest and _LAST_VERSION - int(file.stem) > version


def version_on_disk(path: Path) -> int | None:
    """The newest version that a space's store has a manifest of; None if it has none."""
    numbers = [
        int(file.stem) for file in (path / "store").rglob("*.manifest") if file.stem.isdecimal()
    ]
    return _LAST_VERSION - min(numbers) if numbers else None


def _manifest_name(version: int) -> str:
    return f"{_LAST_VERSION - version:020}.manifest"


def _is_superseded(file: str, folder: str, names: Collection[str]) -> bool:
    """Whether there is a later list of the same fragment's deleted rows."""
    fragment, version = _fragment_and_version(file)
    others = [
        _fragment_and_version(Path(name).name) for name in names if name.startswith(f"{folder}/")
    ]
    return any(other == fragment and at > version for other, at in others)


def _fragment_and_version(file: str) -> tuple[int, int]:
    fragment, version = file.split("-")[:2]
    return int(fragment), int(version)

"""The files of a corpus by their names and sizes, in a stable order; none is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from rowspace.errors import CorpusError
from rowspace.storage.files import ObjectPath, objects_below
from rowspace.text.sections import Part
from rowspace.text.streams import bare_suffix

TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex", "")
JSONL_SUFFIXES = (".jsonl", ".ndjson")
TABLE_SUFFIXES = (".parquet", ".arrow")

_Found = tuple[Path, str, int | None]
"""A file, its name below the folder, and its bytes where they are known."""

Skipped = list[tuple[str, str]]
"""(file, reason) of what is in a folder and is not read."""


def list_files(paths: Sequence[Path], skipped: Skipped) -> Iterator[Part]:
    """The files of each path, whole, with names that are relative to what the paths share.

    Parameters
    ----------
    paths : sequence of Path
        Files, folders, or `-`.
    skipped : list
        Gets what is left out.

    Raises
    ------
    CorpusError
        If a path does not exist, or a folder has no text file in it.
    """
    for path in paths:
        if str(path) == "-":
            yield Part(path, "stdin", None)
        elif path.is_dir():
            yield from _files_below(path, _prefix(path, paths), skipped)
        elif path.exists():  # also a pipe or device, as in `<(xz -dc …)`
            size = path.stat().st_size if path.is_file() else None
            yield Part(path, _prefix(path.parent, paths) + path.name, size)
        else:
            raise CorpusError(f"there is no file or folder {path}; check the path")


def _prefix(folder: Path, paths: Sequence[Path]) -> str:
    """What goes before a name in `folder`, so that files of several paths have several."""
    if len(paths) == 1:
        return ""
    parents = [os.path.abspath(path.parent) for path in paths]  # noqa: PTH100
    relative = os.path.relpath(folder, os.path.commonpath(parents))
    return "" if relative == "." else relative + "/"


def _files_below(folder: Path, prefix: str, skipped: Skipped) -> Iterator[Part]:
    n_files = 0
    walk = _objects if isinstance(folder, ObjectPath) else _walk
    for path, below, known in walk(folder):
        relative = prefix + below
        if path.name.startswith("."):
            skipped.append((relative, "hidden"))
        elif not _has_text_suffix(path):
            skipped.append((relative, f"no text suffix ({path.suffix})"))
        elif (size := _size(str(path)) if known is None else known) is None:
            skipped.append((relative, "not a file"))
        else:
            n_files += 1
            yield Part(path, relative, size, is_named=False)
    if n_files == 0:
        raise no_text_in(folder, len(skipped))


def _walk(folder: Path) -> Iterator[_Found]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(parent, folder)
        within = "" if below == "." else f"{below}/"
        here = Path(parent)
        for name in sorted(names):
            yield here / name, within + name, None


def _objects(folder: Path) -> Iterator[_Found]:
    """As `_walk`: the files of a folder before those of the folders in it."""
    assert isinstance(folder, ObjectPath)
    found = [(name.split("/"), size) for name, size in objects_below(folder)]
    found = [(parts, size) for parts, size in found if parts[-1] and not _is_hidden(parts[:-1])]
    for parts, size in sorted(found, key=lambda one: _place_in_walk(one[0])):
        below = "/".join(parts)
        yield folder / below, below, size


def _is_hidden(folders: list[str]) -> bool:
    return any(name.startswith(".") for name in folders)


def _place_in_walk(parts: list[str]) -> list[tuple[bool, str]]:
    return [*((True, name) for name in parts[:-1]), (False, parts[-1])]


def no_text_in(folder: Path, n_skipped: int) -> CorpusError:
    """The error of a folder without any text file."""
    found = f"; it has {n_skipped:,} other files" if n_skipped else ""
    return CorpusError(
        f"the folder {folder} has no text file (.txt, .md, .rst, .jsonl, .parquet, "
        f".arrow, or text with .gz, .xz, .zst){found}; name the file itself if it is text"
    )


def _size(path: str) -> int | None:
    """Bytes of a file; None where it is none, as a pipe or a link to nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def has_records(path: Path) -> bool:
    """Whether a file holds documents with fields, whatever is said of documents."""
    return bare_suffix(path) in JSONL_SUFFIXES or path.suffix in TABLE_SUFFIXES


def _has_text_suffix(path: Path) -> bool:
    return bare_suffix(path) in TEXT_SUFFIXES or has_records(path)

"""The files of a corpus by their names and sizes, in a stable order; none is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from rowspace.errors import CorpusError
from rowspace.text.sections import Part
from rowspace.text.streams import bare_suffix

TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex", "")
JSONL_SUFFIXES = (".jsonl", ".ndjson")
TABLE_SUFFIXES = (".parquet", ".arrow")

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
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(parent, folder)
        within = prefix if below == "." else f"{prefix}{below}/"
        here = Path(parent)
        for name in sorted(names):
            path, relative = here / name, within + name
            if name.startswith("."):
                skipped.append((relative, "hidden"))
            elif not _has_text_suffix(path):
                skipped.append((relative, f"no text suffix ({path.suffix})"))
            elif (size := _size(f"{parent}/{name}")) is None:
                skipped.append((relative, "not a file"))
            else:
                n_files += 1
                yield Part(path, relative, size, is_named=False)
    if n_files == 0:
        raise no_text_in(folder, len(skipped))


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

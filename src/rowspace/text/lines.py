"""Numbered lines of a file, plain or packed (.gz, .xz, .zst)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rowspace.errors import CorpusError, RowspaceError
from rowspace.text.streams import open_bytes


def numbered_lines(
    path: Path, error: type[RowspaceError] = CorpusError
) -> Iterator[tuple[int, str]]:
    """Each line that is not blank with its number from 1, without its line end or a BOM.

    Parameters
    ----------
    path : path
    error : type of RowspaceError
        What a line that is not UTF-8 raises; the message names the line.

    Raises
    ------
    CorpusError
        If the file is missing, or its packed data is damaged.
    """
    with open_bytes(path) as file:
        for number, raw in enumerate(file, start=1):
            line = decode_line(raw, number, path, error)
            if line.strip():
                yield number, line


def decode_line(
    raw: bytes, number: int, path: Path, error: type[RowspaceError] = CorpusError
) -> str:
    """A line's text, without its line end, nor a BOM on the first; `error` if it is not UTF-8."""
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as cause:
        raise error(
            f"{path.name} line {number} is not UTF-8 text; convert the file first"
        ) from cause

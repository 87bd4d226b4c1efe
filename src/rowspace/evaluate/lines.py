"""Lines of a task's file, plain or packed (.gz, .xz, .zst)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from rowspace.errors import EvaluationError
from rowspace.text.streams import open_bytes


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line that is not blank with its number from 1, without its line end or a BOM.

    Raises
    ------
    EvaluationError
        If a line is not UTF-8; the message names it.
    CorpusError
        If the file is missing, or its packed data is damaged.
    """
    with open_bytes(path) as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise EvaluationError(
                    f"{path.name} line {number} is not UTF-8 text; convert the file first"
                ) from error
            if line.strip():
                yield number, line


def as_number(text: str) -> float | None:
    """The finite number that a field holds; None if it holds none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None

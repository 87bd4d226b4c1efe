"""Lines of a task's file, plain or packed (.gz, .xz, .zst)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from rowspace.errors import EvaluationError
from rowspace.text import lines


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """As `rowspace.text.lines.numbered_lines`; a line that is not UTF-8 is an EvaluationError."""
    return lines.numbered_lines(path, EvaluationError)


def as_number(text: str) -> float | None:
    """The finite number that a field holds; None if it holds none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None

"""Lines of a task's file, plain or packed (.gz, .xz, .zst)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rowspace.errors import EvaluationError
from rowspace.text import lines


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """As `rowspace.text.lines.numbered_lines`; a line that is not UTF-8 is an EvaluationError."""
    return lines.numbered_lines(path, EvaluationError)

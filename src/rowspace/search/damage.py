"""The error for a file of a space that is not what was written."""

from __future__ import annotations

from pathlib import Path

from rowspace.errors import SpaceCorruptError


def damaged(file: Path, how: str) -> SpaceCorruptError:
    """The error, to be raised or told; `how` follows "is"."""
    return SpaceCorruptError(f"{file} is {how}; restore the space from a backup, or build it again")

"""The folder in which copies of what is in object storage are kept."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "ROWSPACE_CACHE"


def cache_folder() -> Path:
    """The folder that ROWSPACE_CACHE names; if not set, `rowspace` in the user's cache."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rowspace"

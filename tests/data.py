"""Where the shared evaluation data is, for the tests that need it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_data(*parts: str) -> Path:
    """A file or folder of the shared data; skips the test, with the reason, where it is missing.

    The data is in the folder that the environment variable ROWSPACE_DATA names, or in
    `shared/data` beside the repository.
    """
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("ROWSPACE_DATA", default)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no {path}; set ROWSPACE_DATA to the folder of evaluation data")
    return path

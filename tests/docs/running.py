"""Runs of pages, for tests in several files, since a worker of pytest takes a whole file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import all_pages
from tests.docs.session import SKIPPED
from tests.program import start

TOGETHER = ("docs/commands", "docs/coming-from")
"""Folders of short pages, which one process runs one after the other."""


def runs() -> dict[str, list[Path]]:
    """Pages that are run by one process, by a name."""
    found: dict[str, list[Path]] = {}
    for page in all_pages():
        folder = str(Path(page.name).parent)
        if page.is_run:
            found.setdefault(folder if folder in TOGETHER else page.name, []).append(page.path)
    return found


def check_run(paths: list[Path]) -> None:
    """Run pages; fails the test where one fails, skips it where all lack what they need."""
    process = start(*paths, module="tests.docs.session", stderr=subprocess.STDOUT)
    try:
        out, _ = process.communicate(timeout=600)
    finally:
        process.kill()
    sys.stdout.write(out)
    if process.returncode == SKIPPED:
        pytest.skip(out.strip().splitlines()[-1])
    assert process.returncode == 0, out[out.index("Traceback") if "Traceback" in out else 0 :]

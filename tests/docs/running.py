"""Runs of pages, for tests in several files, since a worker of pytest takes a whole file."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import all_pages
from tests.docs.session import ENDED, SKIPPED
from tests.program import start

_SECONDS = 900

Run = tuple[Path, ...]
"""Pages that one process runs, one after the other."""


def runs() -> dict[str, Run]:
    """Of each page by its name, the pages that are run together with it.

    The chapters of the course are long, and are run alone. All guides go together, and all other
    pages, so that what they need is imported twice and not once a page.
    """
    groups: dict[str, list[str]] = {}
    paths = {page.name: page.path for page in all_pages() if page.is_run}
    for name in paths:
        folder = str(Path(name).parent)
        group = {"docs/learn": name, "docs/guide": folder}.get(folder, "others")
        groups.setdefault(group, []).append(name)
    return {name: tuple(paths[one] for one in group) for group in groups.values() for name in group}


def check_page(name: str, run: Run) -> None:
    """Fails the test where the page fails, skips it where the page lacks what it needs."""
    code, out = _outcomes(run).get(name, (1, "the run ended before this page did"))
    sys.stdout.write(out)
    if code == SKIPPED:
        pytest.skip(out.strip().splitlines()[-1])
    assert code == 0, out[out.index("Traceback") if "Traceback" in out else 0 :]


@functools.cache
def _outcomes(run: Run) -> dict[str, tuple[int, str]]:
    """Status and output of each page that ended, and of the one that did not."""
    process = start(
        *run, module="tests.docs.session", stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        out, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(process)
        out, _ = process.communicate()
        out += f"\nnot done after {_SECONDS} seconds"
    finally:
        _kill(process)
    *parts, rest = re.split(rf"^{ENDED} (\S+) (\d+)\n", out, flags=re.MULTILINE)
    texts, names, codes = parts[::3], parts[1::3], map(int, parts[2::3])
    found = {name: (code, text) for name, code, text in zip(names, codes, texts, strict=True)}
    begun = re.search(r"^--- (\S+):\d+ ", rest, re.MULTILINE)
    return found | ({begun[1]: (1, rest)} if begun else {})


def _kill(process: subprocess.Popen[str]) -> None:
    """End it with the servers that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

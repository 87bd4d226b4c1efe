"""How long the maps of a large space take to make, and how soon one is seen after a start.

    python -m benchmarks.explorer_space SPACE [--methods pca,umap] [--starts 3]

`rowspace explore` runs as people run it, with an empty folder for its maps. The time to the map is
from the start of the navigation in Chromium, with WebGL in software, to
`performance.mark("map-drawn")`; the page is asked for as soon as the program tells its address.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.browser import launched, watched

from benchmarks.common import CACHE, record
from benchmarks.million_search import the_space
from benchmarks.million_vectors import ROWS

MARK = "performance.getEntriesByName('map-drawn')"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space")
    parser.add_argument("--methods", default="pca,umap")
    parser.add_argument("--starts", type=int, default=3)
    arguments = parser.parse_args()
    space = found(arguments.space)
    lines = [
        f"{'':8}{'points':>10}{'made, s':>10}{'trustworthiness':>17}{'seen after a start, ms':>30}"
    ]
    with tempfile.TemporaryDirectory() as maps:
        os.environ["ROWSPACE_MAPS"] = maps
        for method in arguments.methods.split(","):
            made = make(space, method)
            seen = [first_view(space, method) for _ in range(arguments.starts)]
            shown = ", ".join(f"{time:.0f}" for time in sorted(seen))
            lines.append(
                f"{method:8}{made['n']:10,}{made['seconds']:10.0f}{made['trustworthiness']:17.3f}"
                f"{shown:>30}"
            )
            print(lines[0], lines[-1], sep="\n", flush=True)
    record("The explorer's maps of a real space", lines)


def found(space: str) -> str:
    """The path of a space."""
    of_sentences = CACHE / f"sentences-{ROWS}.space"
    if Path(space).exists() or space != of_sentences.name:
        return space
    the_space(ROWS)
    return str(of_sentences)


@contextlib.contextmanager
def explorer(space: str) -> Iterator[str]:
    """The address of `rowspace explore`, while it runs."""
    command = [sys.executable, "-m", "rowspace", "explore", space, "--port", "0"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        yield program.stdout.readline().strip()
    finally:
        program.terminate()
        program.wait()


def make(space: str, method: str) -> dict[str, Any]:
    """The record of a map, when it is made; its seconds are those of placing alone."""
    with explorer(space) as address:
        while True:
            with urllib.request.urlopen(f"{address}api/map?method={method}") as answer:
                answer.read()
                if answer.status == 200:
                    break
            time.sleep(1)
        with urllib.request.urlopen(f"{address}api/about") as answer:
            layouts = json.load(answer)["subjects"][0]["sets"][0]["layouts"]
    found: dict[str, Any] = next(layout for layout in layouts if layout["method"] == method)
    return found


def first_view(space: str, method: str) -> float:
    """Milliseconds until a map that is there is drawn, right after the program's start."""
    with launched() as browser, explorer(space) as address, watched(browser) as page:
        page.goto(f"{address}#/map?method={method}")
        page.wait_for_function(f"{MARK}.length > 0", timeout=60_000)
        milliseconds: float = page.evaluate(f"{MARK}[0].startTime")
        return milliseconds


if __name__ == "__main__":
    main()

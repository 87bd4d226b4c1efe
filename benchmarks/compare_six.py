"""Six or more models of every era on all tasks of the shared data, within half an hour.

    python -m benchmarks.compare_six [--out DIR] [--keep] MODEL MODEL MODEL MODEL MODEL MODEL [...]

MODEL is written as for `rowspace compare`. Everything is scored anew unless --keep is given, which
takes what an earlier or interrupted run has scored, so that such a run does not tell how long it
takes: it is recorded by the number of its models. It fails if it took longer than half an hour.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time

from benchmarks.common import CACHE, data_folder, record
from rowspace.evaluate.compare.recommend import NEEDS
from rowspace.space.plots import duration

MOST_SECONDS = 30 * 60
FEWEST = 6
KEPT = CACHE / "compare"
TITLE = "Models of every era on one set of tasks"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--out", help="folder for the page")
    parser.add_argument("--keep", action="store_true", help="go on with what is in the cache")
    arguments = parser.parse_args()
    if len(arguments.models) < FEWEST:
        parser.error(f"give {FEWEST} models or more, not {len(arguments.models)}")
    started = time.monotonic()
    lines = compared(arguments.models, arguments.out, arguments.keep)
    seconds = time.monotonic() - started
    n = len(arguments.models)
    if arguments.keep:
        record(f"{TITLE}, {n} models", lines)
        return
    took = f"{n} models, all tasks: {duration(seconds)}"
    if seconds > MOST_SECONDS:
        sys.exit("\n".join([*lines, "", f"{took}, longer than {duration(MOST_SECONDS)}"]))
    record(TITLE, [took, "", *lines])


def compared(models: list[str], out: str | None, keep: bool) -> list[str]:
    """What the command prints, up to the tables of single tasks."""
    command = [sys.executable, "-m", "rowspace", "compare", *models, "--data", str(data_folder())]
    command += [part for need in NEEDS for part in ("--need", need)]
    command += [*([] if out is None else ["--out", out])]
    if not keep:
        shutil.rmtree(KEPT, ignore_errors=True)
    environment = {**os.environ, "XDG_CACHE_HOME": str(KEPT)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    parts = done.stdout.strip().split("\n\n")
    advice = [part for part in parts if part.startswith("for ")]
    return "\n\n".join([*parts[:2], *advice]).split("\n")


if __name__ == "__main__":
    main()

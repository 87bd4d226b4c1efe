"""All benchmarks that a claim rests on: `python -m benchmarks`, or `make bench`.

Runs the commands that results.md records, each once, writes what they print in place of the older
lines, and then holds every claim against the new numbers: it ends with 1, naming them, where a
command fails or a claim does not hold. It takes hours. What is interrupted goes on with --resume.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import models
from benchmarks.claims import (
    Claim,
    broken,
    commands,
    read_claims,
    read_sections,
    write_tables,
)
from benchmarks.common import CACHE, ROOT

DONE = CACHE / "bench-done.json"


def main() -> None:
    """Run them, then the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", action="store_true", help="leave out what is done already")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="scripts, as word2vec_speed")
    options = parser.parse_args()
    claims = read_claims()
    done = _read_done() if options.resume else []
    failed: list[str] = []
    for command in list(commands(read_sections(), claims)):
        name = command.split()[2].removeprefix("benchmarks.")
        if command in done or (options.only and name not in options.only):
            continue
        problem = _run(command)
        if problem is None:
            done.append(command)
            _write_done(done)
        else:
            failed.append(f"{command}: {problem}")
            print(f"NOT RUN: {failed[-1]}", flush=True)
    _report(claims, failed)


def _run(command: str) -> str | None:
    """What went wrong, if anything did."""
    missing = models.missing(command)
    if missing:
        return f"it needs {', '.join(missing)}; run: python -m benchmarks.models {missing[0]}"
    print(f"$ {command}", flush=True)
    started = time.monotonic()
    models.HOME.mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    arguments = [sys.executable, *command.split()[1:]]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(arguments, cwd=models.HOME, env=environment, check=False)
    print(f"({(time.monotonic() - started) / 60:.1f} min)\n", flush=True)
    return None if done.returncode == 0 else f"it ended with {done.returncode}"


def _report(claims: list[Claim], failed: list[str]) -> None:
    sections = read_sections()
    write_tables(sections, claims)
    problems = failed + [f"does not hold: {line}" for line in broken(sections, claims)]
    for line in problems:
        print(f"FAILED: {line}")
    if problems:
        sys.exit(f"{len(problems)} problems; see above")
    DONE.unlink(missing_ok=True)
    print(f"all {len(claims)} claims hold")


def _read_done() -> list[str]:
    return list(json.loads(DONE.read_text())) if DONE.exists() else []


def _write_done(done: list[str]) -> None:
    temporary = Path(f"{DONE}.tmp")
    temporary.write_text(json.dumps(done))
    temporary.replace(DONE)


if __name__ == "__main__":
    main()

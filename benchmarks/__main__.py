"""All benchmarks that a claim rests on: `python -m benchmarks`, or `make bench`.

Runs the commands that results.md records, each once, writes what they print in place of the older
lines, and then holds every claim against the numbers: it ends with 1, naming them, where a command
fails or records nothing, or a claim does not hold. It takes hours. What is interrupted goes on with
--resume. With --only, all other claims rest on what was recorded before, and the last line says on
which days.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import models
from benchmarks.claims import (
    Claim,
    all_hold,
    broken,
    commands,
    read_claims,
    read_sections,
    titles_of,
    write_tables,
)
from benchmarks.common import CACHE, RECORDED, ROOT

DONE = CACHE / "bench-done.json"


def main() -> None:
    """Run them, then the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", action="store_true", help="leave out what is done already")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="scripts, as word2vec_speed")
    options = parser.parse_args()
    claims, sections = read_claims(), read_sections()
    asked = list(commands(sections, claims))
    if options.only:
        asked = _only(asked, options.only, parser)
    done = _read_done() if options.resume else []
    failed: list[str] = []
    for command in asked:
        if command in done:
            continue
        problem = _run(command, titles_of(command, sections, claims))
        if problem is not None:
            failed.append(f"{command}: {problem}")
            print(f"NOT RUN: {failed[-1]}", flush=True)
            continue
        done.append(command)
        if options.resume or not options.only:  # what is run alone is no beginning of a whole run
            _write_done(done)
    _report(claims, failed)
    if not options.only:
        DONE.unlink(missing_ok=True)


def _only(asked: list[str], names: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """The commands of some scripts."""
    known = list(dict.fromkeys(map(_script, asked)))
    for name in names:
        if name not in known:
            parser.error(f"no claim rests on {name!r}; give some of {', '.join(known)}")
    return [command for command in asked if _script(command) in names]


def _script(command: str) -> str:
    return command.split()[2].removeprefix("benchmarks.")


def _run(command: str, titles: list[str]) -> str | None:
    """What went wrong, if anything did; the sections of these titles are to be recorded."""
    missing = models.missing(command)
    if missing:
        return f"it needs {', '.join(missing)}; run: python -m benchmarks.models {missing[0]}"
    print(f"$ {command}", flush=True)
    started = time.monotonic()
    models.HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("r") as recorded:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            RECORDED: recorded.name,
        }
        arguments = [sys.executable, *shlex.split(command)[1:]]
        done = subprocess.run(arguments, cwd=models.HOME, env=environment, check=False)
        told = recorded.read().splitlines()
    print(f"({(time.monotonic() - started) / 60:.1f} min)\n", flush=True)
    if done.returncode != 0:
        return f"it ended with {done.returncode}"
    stale = [title for title in titles if title not in told]
    return f"it did not record {stale[0]!r}, whose older numbers stay" if stale else None


def _report(claims: list[Claim], failed: list[str]) -> None:
    sections = read_sections()
    write_tables(sections, claims)
    problems = failed + [f"does not hold: {line}" for line in broken(sections, claims)]
    for line in problems:
        print(f"FAILED: {line}")
    if problems:
        sys.exit(f"{len(problems)} problems; see above")
    print(all_hold(sections, claims))


def _read_done() -> list[str]:
    return list(json.loads(DONE.read_text())) if DONE.exists() else []


def _write_done(done: list[str]) -> None:
    temporary = Path(f"{DONE}.tmp")
    temporary.write_text(json.dumps(done))
    temporary.replace(DONE)


if __name__ == "__main__":
    main()

"""What the benchmarks share: the text they read, the machine they ran on, where results go."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import lzma
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.md"
CACHE = ROOT / ".cache" / "benchmarks"
WIKIPEDIA = (
    "simplewiki-00",
    "simplewiki-01",
    "enwiki2015a-00",
    "enwiki2015a-01",
    "enwiki2015a-02",
)
LINE_WORDS = 1000
RECORDED = "ROWSPACE_RECORDED"
"""Names the file that the titles of what is recorded are added to, for `python -m benchmarks`."""


def data_folder() -> Path:
    """The shared evaluation data: $ROWSPACE_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("ROWSPACE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        sys.exit(f"no folder {folder}; set ROWSPACE_DATA to the folder of evaluation data")
    return folder


def wikipedia_text(n_words: int) -> Path:
    """A file of the first `n_words` lower-case words of the Wikipedia corpora.

    Lines have at most 1,000 words, as gensim wants them. Made once and kept in .cache.
    """
    path = CACHE / f"wikipedia-{n_words}.txt"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    left = n_words
    with temporary.open("w", encoding="utf-8") as out:
        for name in WIKIPEDIA:
            with lzma.open(
                data_folder() / "corpora" / f"{name}.txt.xz", "rt", encoding="utf-8"
            ) as f:
                for line in f:
                    words = re.findall(r"\w+", line.lower())[:left]
                    left -= len(words)
                    for first in range(0, len(words), LINE_WORDS):
                        out.write(" ".join(words[first : first + LINE_WORDS]) + "\n")
                    if left == 0:
                        break
            if left == 0:
                break
    temporary.rename(path)
    return path


def in_process(module: str, *arguments: object) -> dict[str, Any]:
    """What `python -m module` prints in a process of its own: JSON in its last line."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def record(title: str, lines: Sequence[str], peers: Sequence[str] = ()) -> None:
    """Print a result, and put it into results.md in place of an older one of that title."""
    text = "\n".join(lines)
    print(text)
    command = f"python -m benchmarks.{Path(sys.argv[0]).stem} {shlex.join(sys.argv[1:])}".strip()
    versions = ", ".join(f"{peer} {importlib.metadata.version(peer)}" for peer in peers)
    section = (
        f"## {title}\n\n`{command}`, {datetime.date.today().isoformat()}"
        f"{', against ' + versions if versions else ''}. {machine()}\n\n```text\n{text}\n```\n"
    )
    before = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
    sections = re.split(r"(?m)^(?=## )", before)
    kept = [part for part in sections if not part.startswith(f"## {title}\n")]
    RESULTS.write_text("\n".join(part.strip("\n") + "\n" for part in [*kept, section]))
    if RECORDED in os.environ:
        with Path(os.environ[RECORDED]).open("a") as file:
            file.write(f"{title}\n")


def machine() -> str:
    """One sentence on the machine."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    flags = Path("/proc/cpuinfo").read_text()
    simd = "avx512" if "avx512f" in flags else ("avx2" if "avx2" in flags else "no avx2")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return (
        f"Machine: {cpu} ({simd}), {cores} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}."
    )

"""What a Dockerfile and a .dockerignore say, read simply: no heredocs, no escapes."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """A word in capitals and what stands after it."""

    name: str
    text: str

    @property
    def list(self) -> list[str]:
        """The exec form, which no shell reads."""
        words: list[str] = json.loads(self.text[self.text.index("[") :])
        return words

    @property
    def settings(self) -> dict[str, str]:
        """Of an ENV."""
        return dict(word.split("=", 1) for word in shlex.split(self.text))


def read_stages(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: list[list[Instruction]] = []
    for line in filter(None, joined.splitlines()):
        instruction = Instruction(*line.split(None, 1))
        if instruction.name == "FROM":
            stages.append([])
        stages[-1].append(instruction)
    return stages


def is_sent(ignore: Path, name: str) -> bool:
    """Whether a file is part of what is built from: the last line that fits decides."""
    sent = True
    for line in ignore.read_text().split():
        if _fits(line.removeprefix("!"), name):
            sent = line.startswith("!")
    return sent


def _fits(pattern: str, name: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(name, f"*/{pattern[3:]}*")
    return pattern == "*" or name == pattern or name.startswith(f"{pattern}/")

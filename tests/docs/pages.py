"""What the pages of the documentation are made of: fenced blocks, and notes to who runs them.

Notes are HTML comments, which no reader sees:

- `<!-- needs: minilm, data -->` in a page's first lines: see `needs.py`.
- `<!-- run: --epochs 1 -->` adds these options to those commands of the next block that have them;
  `<!-- run: fails -->` says that the commands of the next block are meant to fail,
  `<!-- run: not here -->` that a `text` block shows commands which cannot be run here.
- `<!-- setup`, lines of Python, or of a console, `-->`: run at its place in the page, unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ("python", "console")
"""The languages that are run; `setup` is run as Python."""
SHOWN = ("text", "json", "html", "dockerfile", "yaml")
"""The languages that are shown and not run."""

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})\s*(\S*)[^`\n]*$")
_COMMENT = re.compile(r"^<!--\s*(needs|run|setup)\b:?\s*(.*?)\s*(-->)?\s*$")
_LIKE_ONE = re.compile(r"\s*<!--\s*(need|run|set-?up|fail|skip|not here)", re.IGNORECASE)
_NOT_HERE = "not here"


class PageError(Exception):
    """A page that is not written as it has to be."""


@dataclass(frozen=True)
class Block:
    """A fenced block, or a setup."""

    language: str
    line: int
    """Of its first line of code, from 1."""
    code: str
    run: str = ""
    """What the comment before it says."""

    @property
    def is_setup(self) -> bool:
        """Whether no reader sees it."""
        return self.language == "setup"


@dataclass(frozen=True)
class Page:
    """A page, as far as it is run."""

    path: Path
    needs: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """Its path from the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def is_run(self) -> bool:
        """Whether there is anything to run."""
        return any(block.language in RUN for block in self.blocks)


def all_pages() -> list[Page]:
    """The README and every page below `docs`."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [read_page(path) for path in paths if "_build" not in path.parts]


def read_page(path: Path) -> Page:
    """The blocks of a page, in order.

    Raises
    ------
    PageError
        If a block or a comment does not end, or a note is not one that says something of a block.
    """
    lines = path.read_text().splitlines()
    needs: tuple[str, ...] = ()
    blocks: list[Block] = []
    run = ""
    i = 0
    while i < len(lines):
        if fence := _FENCE.match(lines[i]):
            indent, marks, language = fence.groups()
            end = _end(lines, i, rf" *{marks[0]}{{{len(marks)},}} *", path)
            code = "".join(f"{line.removeprefix(indent)}\n" for line in lines[i + 1 : end])
            if run and language != ("text" if run == _NOT_HERE else "console"):
                raise PageError(f"{path}:{i + 1}: <!-- run: {run} --> says nothing of {language}")
            blocks.append(Block(language, i + 2, code, run))
            run, i = "", end
        elif comment := _COMMENT.match(lines[i]):
            kind, text, closed = comment.groups()
            if run:
                raise PageError(f"{path}:{i + 1}: nothing to run between two notes")
            if bool(closed) == (kind == "setup"):
                raise PageError(f"{path}:{i + 1}: a setup has lines of its own, other notes one")
            if kind == "needs":
                if i:
                    raise PageError(f"{path}:{i + 1}: what a page needs is its first line")
                needs = tuple(re.split(r",\s*", text))
            elif kind == "run":
                run = text
            else:
                end = _end(lines, i, r"-->\s*", path)
                blocks.append(Block("setup", i + 2, "\n".join(lines[i + 1 : end]) + "\n"))
                i = end
        elif _LIKE_ONE.match(lines[i]):
            raise PageError(f"{path}:{i + 1}: no note is written so: {lines[i]!r}")
        i += 1
    if run:
        raise PageError(f"{path}: no block after <!-- run: {run} -->")
    return Page(path, needs, tuple(blocks))


def _end(lines: list[str], start: int, pattern: str, path: Path) -> int:
    for i in range(start + 1, len(lines)):
        if re.fullmatch(pattern, lines[i]):
            return i
    raise PageError(f"{path}:{start + 1}: what begins here has no end")


def commands_of(block: Block) -> list[tuple[int, str]]:
    r"""Line and text of each command of a console block, without its `$ `.

    A command goes on in the next line after a backslash, or while a quote is open. What a command
    prints belongs into a `text` block.

    Raises
    ------
    PageError
        If a line is no command.
    """
    found: list[tuple[int, str]] = []
    for number, line in enumerate(block.code.splitlines(), block.line):
        if found and _goes_on(found[-1][1]):
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
        elif line.startswith("$ "):
            found.append((number, line.removeprefix("$ ")))
        elif line:
            raise PageError(
                f"line {number} of a console block is no command: {line!r}; begin it with `$ `, or "
                "put what a command prints into a text block"
            )
    return found


def _goes_on(command: str) -> bool:
    quote, before = "", " "
    for mark in command:
        if quote:
            quote = "" if mark == quote and before != "\\" else quote
        elif mark == "#" and before.isspace():
            return False  # a comment, to the end
        elif mark in "'\"" and before != "\\":
            quote = mark
        before = mark
    return bool(quote) or command.endswith("\\")

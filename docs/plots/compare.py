"""The table and the drawings of chapter 10, of a recorded comparison.

    python docs/plots/compare.py FOLDER

FOLDER is what `rowspace compare --out FOLDER` wrote, of the run that results.md has. The drawings
are those of its page; without FOLDER only the table is made anew, out of results.md.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from rowspace.evaluate.compare import read_comparison
from rowspace.evaluate.compare.page import render_page
from rowspace.space.pages import write_page

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = ROOT / "docs" / "learn" / "10-which-embedding.md"
PICTURES = ROOT / "docs" / "pictures" / "learn"
TITLE = "Models of every era on one set of tasks, 10 models"
START, END = "<!-- compare table -->", "<!-- end of the compare table -->"
NAMES = ("compare-time", "compare-size", "compare-states")
"""The page's drawings, in its order."""


def table(results: str) -> str:
    """The recorded table as Markdown, without intervals; a star for the best and what is not
    clearly worse."""
    section = results.split(f"## {TITLE}\n")[1].split("\n## ")[0]
    lines = section.split("```text\n")[1].split("\n\n")[0].splitlines()
    rows = [re.split(r" {2,}", line) for line in lines]
    head = "| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0])
    return "\n".join([head, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows[1:])])


def in_chapter(text: str, made: str) -> str:
    """The chapter with the table between its two comments."""
    before, rest = text.split(START)
    return f"{before}{START}\n\n{made}\n\n{END}{rest.split(END)[1]}"


def _cell(cell: str) -> str:
    return re.sub(r" ±\.\d+", "", cell)


def _draw(folder: Path) -> None:
    page = render_page("", read_comparison(folder), datetime.now(UTC))
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    style = f"<style>{''.join(styles)} svg {{ background: var(--card); }}</style>"
    drawings = re.findall(r'<svg class="plot".*?</svg>', page, re.DOTALL)
    for name, drawing in zip(NAMES, drawings, strict=True):
        opened, rest = drawing.split(">", 1)
        spaced = opened.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
        write_page(PICTURES / f"{name}.svg", f"{spaced}>{style}{rest}\n")
        print(PICTURES / f"{name}.svg")


def main() -> None:
    """Both."""
    made = table((ROOT / "benchmarks" / "results.md").read_text())
    CHAPTER.write_text(in_chapter(CHAPTER.read_text(), made))
    if len(sys.argv) > 1:
        _draw(Path(sys.argv[1]))


if __name__ == "__main__":
    main()

"""The tables of docs/capacity.md, printed by the page's own Python out of docs/capacity.toml.

    python docs/plots/capacity.py

Each `text` block of the page is what the Python block before it prints.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
PAGE = DOCS / "capacity.md"


def with_outputs(text: str, rates: dict[str, float] | None = None) -> str:
    """The page with what its blocks print, run one after the other in the folder docs.

    Some of the rates that its first block reads may be others.
    """
    names: dict[str, Any] = {}

    def run(found: re.Match[str]) -> str:
        code, opens = found[1], found[2]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102
        names["rates"] |= rates or {}
        printed = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
        assert bool(printed) == bool(opens), f"a block that prints wants a text block: {code}"
        return f"```python\n{code}```" + (f"{opens}{printed}\n```" if opens else "")

    blocks = re.compile(r"```python\n(.*?)```(?:(\n\n```text\n).*?```)?", re.DOTALL)
    with contextlib.chdir(DOCS):
        return blocks.sub(run, text)


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(with_outputs(PAGE.read_text()))


if __name__ == "__main__":
    main()

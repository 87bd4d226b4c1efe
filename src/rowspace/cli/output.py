"""What the commands share: the `--json` option, tables, and how a result is printed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "�")
_SPACES = {ord(character): character for character in "\n\t"}

Row = tuple[str, ...]
"""The cells of a table's line."""

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`, which reaches the command as `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    return option(command)


def emit_json(value: Any) -> None:
    """Print `value` as one line of JSON on stdout."""
    click.echo(json.dumps(value))


def aligned(rows: Sequence[Sequence[str]], n_left: int = 1) -> list[str]:
    """Lines with the columns below each other, the first `n_left` to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < n_left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def shown(text: str) -> str:
    """A text of someone else's as a terminal may get it: no control characters, which give orders.

    Examples
    --------
    >>> shown("a \x1b[2J b")
    'a \ufffd[2J b'
    """
    return text.encode("utf-8", "replace").decode().translate(_CONTROLS | _SPACES)


def ratio(value: float) -> str:
    """A score with three digits; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    """The same with None for NaN, which JSON does not have."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in fields.items()
    }

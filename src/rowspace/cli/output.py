"""What the commands share: the `--json` option and how a result is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`, which reaches the command as `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    return option(command)


def emit_json(value: Any) -> None:
    """Print `value` as one line of JSON on stdout."""
    click.echo(json.dumps(value))

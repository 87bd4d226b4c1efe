"""`rowspace index`: makes a space's vector index, and says how much of the truth it finds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from rowspace.cli.output import emit_json, json_option
from rowspace.cli.search import model_option
from rowspace.search.index.config import KINDS, IndexConfig
from rowspace.search.index.mapped import EXACT_ROWS
from rowspace.search.space import open_space

COMMANDLINE = click.core.ParameterSource.COMMANDLINE


@click.command()
@click.argument("path", metavar="SPACE")
@click.option("--kind", type=click.Choice(KINDS), default="auto", show_default=True,
              help="auto: exact to 200,000 passages, then what fits memory.")  # fmt: skip
@click.option("--recall", default=IndexConfig.recall, show_default=True,
              help="Share of the ten nearest that a search is to find.")  # fmt: skip
@click.option("--m", default=IndexConfig.m, show_default=True, help="Links of a graph's node.")
@click.option("--ef-construction", default=IndexConfig.ef_construction, show_default=True,
              help="How far a graph looks for a new node's neighbours.")  # fmt: skip
@model_option
@json_option
@click.pass_context
def index(
    context: click.Context, /, path: str, model: str | None, as_json: bool, **settings: Any
) -> None:
    """Make the vector index of SPACE, and measure it on queries that nothing was tuned on.

    A space makes it by itself when it is built and as it grows; this makes it now, or of another
    kind. Without options an index keeps the settings it has. Stopped, the same command goes on.
    """
    is_given = any(context.get_parameter_source(name) is COMMANDLINE for name in settings)
    space = open_space(path)
    try:
        record = space.index(IndexConfig(**settings) if is_given else None, model=model)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on where it stopped") from None
    if as_json:
        emit_json(None if record is None else {**asdict(record), "data": None, "files": None})
        return
    status = space.status()
    click.echo(describe_status(status))
    is_used = status["passages"] > EXACT_ROWS and status.get("index_recall") is not None
    if is_used and status["index_recall"] < status["index_recall_asked"] - 0.01:
        click.echo(
            "rowspace: warning: the recall asked for was not reached; a larger --m and "
            "--ef-construction find more",
            err=True,
        )


def describe_status(status: dict[str, Any]) -> str:
    """One line on the index, from what `Space.status` tells."""
    if status.get("index_recall") is None:
        return f"{status['index']}: all {status['passages']:,} vectors are compared"
    few = status["passages"] <= EXACT_ROWS
    return (
        f"{status['index']}: recall@10 {status['index_recall']:.3f} on queries held aside "
        f"(asked {status['index_recall_asked']:g}, effort {status['index_effort']})"
        f"{'; not used: so few vectors are all compared' if few else ''}"
    )

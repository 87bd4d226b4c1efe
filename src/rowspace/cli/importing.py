"""`rowspace import`: a space out of one whose rows are in Milvus."""

from __future__ import annotations

from pathlib import Path

import click

from rowspace.cli.output import emit_json, json_option
from rowspace.search.milvus.importing import import_from_milvus
from rowspace.search.space import open_space


@click.command("import")
@click.argument("source", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The space to make.")
@json_option
def import_(source: Path, out: Path, as_json: bool) -> None:
    """Make a space of the rows that FOLDER, of `export --to milvus`, has in Milvus.

    Nothing is encoded anew. The rows must be those that were exported, which their digest tells.
    """
    space = open_space(import_from_milvus(source, out))
    space.index()
    status = space.status()
    if as_json:
        emit_json({"out": str(out), **status})
        return
    click.echo(
        f"imported {status['passages']:,} passages of {status['documents']:,} documents: {out}"
    )

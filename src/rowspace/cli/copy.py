"""`rowspace copy`: a space from the disk to object storage, or back."""

from __future__ import annotations

from dataclasses import asdict

import click

from rowspace.cli.output import emit_json, json_option
from rowspace.search.remote.copying import copy_space


@click.command()
@click.argument("source", metavar="SPACE")
@click.argument("target", metavar="TO")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    help="Seconds to wait for another process that writes SPACE.",
)
@json_option
def copy(source: str, target: str, timeout: float, as_json: bool) -> None:
    """Copy SPACE from the disk to an address, as s3://BUCKET/NAME, or from there to a folder.

    Nobody sees the copy before it is whole. There may be nothing at TO yet.
    """
    copied = copy_space(source, target, timeout)
    if as_json:
        emit_json(asdict(copied))
    else:
        click.echo(f"copied {copied.files:,} files, {copied.bytes:,} bytes: {copied.path}")

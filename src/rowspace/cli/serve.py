"""`rowspace serve` and `rowspace explore`."""

from __future__ import annotations

from pathlib import Path

import click

from rowspace.explore.subject import open_subject
from rowspace.serve.config import ServeConfig
from rowspace.serve.run import serve as run_server
from rowspace.serve.served import Served, load_served


@click.command()
@click.argument("path", metavar="SPACE")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--rerank", metavar="MODEL", help="A cross-encoder for /v1/rerank.")
def serve(path: str, host: str, port: int, rerank: str | None) -> None:
    """Answer requests by SPACE, as OpenAI's server does, and show it at /explore/."""
    served = load_served(path, rerank)
    if served.space is not None:
        served.subjects = [open_subject(path, served.space)]
    run_server(served, ServeConfig(host=host, port=port))


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SPACE [OTHER]")
@click.option("--port", default=8000, show_default=True)
def explore(paths: tuple[str, ...], port: int) -> None:
    """Show SPACE in the browser: a map, neighbours, analogies; with OTHER, compare the two."""
    subjects = [open_subject(path) for path in paths]
    served = Served(subjects[0].name, Path(paths[0]), subjects[0].space, subjects=subjects)
    click.echo(f"http://127.0.0.1:{port}/explore/")
    run_server(served, ServeConfig(port=port))

"""`rowspace export`: the passages of a space to a file for other programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from rowspace.cli.output import emit_json, json_option
from rowspace.search.export import FORMATS, KINDS
from rowspace.search.space import open_space


@click.command()
@click.argument("path", metavar="SPACE")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--where",
    metavar="FILTER",
    help="Only these passages, as in 'year >= 1990 and country = \"Chad\"'.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(FORMATS)),
    help="Told by OUT's suffix if not given: "
    + ", ".join(format_.suffix for format_ in FORMATS.values())
    + ".",
)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    help="Of a FAISS index: flat is exact, hnsw is fast.  [default: flat]",
)
@click.option("--m", type=int, help="Neighbours of each vector in HNSW's graph.  [default: 32]")
@click.option(
    "--ef-construction",
    type=int,
    help="Candidates for them while HNSW is built.  [default: 200]",
)
@json_option
def export(
    path: str,
    out: Path,
    where: str | None,
    format_: str | None,
    kind: str | None,
    m: int | None,
    ef_construction: int | None,
    as_json: bool,
) -> None:
    """Write the passages of SPACE, with their vectors, to OUT.

    .parquet and .arrow are tables, which `rowspace add` and `build` read; .faiss and .hnsw are
    indexes of FAISS and hnswlib, with OUT.ids.jsonl beside them: which passage each number is.
    """
    written = open_space(path).export(
        out, where=where, format=format_, kind=kind, m=m, ef_construction=ef_construction
    )
    if as_json:
        emit_json(asdict(written))
        return
    ids = "" if written.ids is None else f", their ids in {written.ids}"
    click.echo(f"wrote {written.passages:,} passages: {written.path} ({written.format}){ids}")
    if written.left_out:
        click.echo(f"left out, their vectors being zero: {written.left_out:,} passages", err=True)

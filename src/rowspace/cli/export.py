"""`rowspace export`: the passages of a space to a file for other programs, or to Milvus."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from rowspace.cli.output import emit_json, json_option
from rowspace.cli.search import model_option
from rowspace.errors import ConfigError
from rowspace.search.export import FORMATS, KINDS
from rowspace.search.milvus.indexes import INDEXES
from rowspace.search.space import open_space


@click.command()
@click.argument("path", metavar="SPACE")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--where",
    metavar="FILTER",
    help="Only these passages, as in 'year >= 1990 and country = \"Chad\"'.",
)
@model_option
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
@click.option(
    "--to",
    type=click.Choice(["milvus"]),
    help="Write the passages to Milvus, and OUT, a folder that searches them there.",
)
@click.option(
    "--uri",
    metavar="ADDRESS",
    help="Of Milvus: http://host:19530, or a file of Milvus Lite that ends in .db. A server's "
    "token is taken from the environment, ROWSPACE_MILVUS_TOKEN.",
)
@click.option("--collection", metavar="NAME", help="Its name in Milvus.  [default: as OUT's]")
@click.option(
    "--index",
    type=click.Choice(list(INDEXES)),
    help="Of the vectors in Milvus.  [default: FLAT to 200,000 passages, then HNSW]",
)
@click.option(
    "--no-words", is_flag=True, help="Leave out what Milvus finds passages by their words with."
)
@json_option
def export(
    path: str,
    out: Path,
    where: str | None,
    model: str | None,
    format_: str | None,
    kind: str | None,
    m: int | None,
    ef_construction: int | None,
    to: str | None,
    as_json: bool,
    **milvus: Any,
) -> None:
    """Write the passages of SPACE, with their vectors, to OUT.

    .parquet and .arrow are tables, which `rowspace add` and `build` read; .faiss and .hnsw are
    indexes of FAISS and hnswlib, with OUT.ids.jsonl beside them: which passage each number is.
    With --to milvus, OUT is a folder that searches the passages in Milvus, as a space does.
    """
    if to == "milvus":
        files = {
            "--format": format_,
            "--kind": kind,
            "--m": m,
            "--ef-construction": ef_construction,
        }
        _refuse(files, "goes with a file and not with --to milvus")
        _to_milvus(path, out, where, model, as_json, **milvus)
        return
    given = {f"--{name.replace('_', '-')}": value or None for name, value in milvus.items()}
    _refuse(given, "goes with --to milvus; give that too")
    written = open_space(path).export(
        out,
        where=where,
        model=model,
        format=format_,
        kind=kind,
        m=m,
        ef_construction=ef_construction,
    )
    if as_json:
        emit_json(asdict(written))
        return
    ids = "" if written.ids is None else f", their ids in {written.ids}"
    click.echo(f"wrote {written.passages:,} passages: {written.path} ({written.format}){ids}")
    if written.left_out:
        click.echo(f"left out, their vectors being zero: {written.left_out:,} passages", err=True)


def _refuse(options: dict[str, Any], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise ConfigError(f"{name} {why}, or leave it out")


def _to_milvus(
    path: str,
    out: Path,
    where: str | None,
    model: str | None,
    as_json: bool,
    uri: str | None,
    collection: str | None,
    index: str | None,
    no_words: bool,
) -> None:
    if uri is None:
        raise ConfigError(
            "--to milvus needs --uri: http://host:19530, or a file of Milvus Lite that ends in .db"
        )
    space = open_space(path)
    try:
        written = space.export_to_milvus(
            out,
            uri,
            collection=collection,
            index=index,
            words=not no_words,
            where=where,
            model=model,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; run the same command again to go on where it stopped"
        ) from None
    if as_json:
        emit_json(asdict(written))
        return
    there = f", {written.already_there:,} were there" if written.already_there else ""
    click.echo(
        f"wrote {written.passages:,} passages to collection {written.collection} at "
        f"{written.uri} ({written.index}){there}"
    )
    click.echo(f"read back, digest {written.digest[:12]}")
    click.echo(f'try  rowspace search {out} "your question"')

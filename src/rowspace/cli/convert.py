"""`rowspace convert`: vectors from one format to another."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np

from rowspace.cli.output import emit_json, json_option
from rowspace.errors import ConfigError
from rowspace.space.formats import NAMES, choose, dropped, load, recognise, save
from rowspace.space.vectors import Vectors

_EPILOG = (
    "Formats: "
    + ", ".join(NAMES)
    + ". IN is recognised by its content, OUT by its suffix; text and word2vec-binary may end in "
    ".gz, .xz, .zst or .bz2."
)


@click.command(epilog=_EPILOG)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--from", "from_", type=click.Choice(NAMES), help="Format of IN.")
@click.option("--to", type=click.Choice(NAMES), help="Format of OUT.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many vectors.")
@click.option(
    "--dtype",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "float16"]),
    help="Number type; float16 for numpy, npz and safetensors.",
)
@click.option("--encoding", default="utf-8", show_default=True, help="Of the words in IN.")
@click.option(
    "--encoding-errors",
    default="keep",
    show_default=True,
    type=click.Choice(["keep", "replace", "ignore", "strict"]),
    help="What becomes of bytes that are not in that encoding.",
)
@click.option("--replace-spaces", metavar="TEXT", help="Write this for each space in a word.")
@json_option
def convert(
    source: Path,
    out: Path,
    from_: str | None,
    to: str | None,
    limit: int | None,
    dtype: str,
    encoding: str,
    encoding_errors: str,
    replace_spaces: str | None,
    as_json: bool,
) -> None:
    """Read vectors from IN and write them to OUT in another format."""
    vectors = load(source, format=from_, limit=limit)
    origin = recognise(source, from_).name
    had_subwords = hasattr(vectors, "bucket")
    if encoding != "utf-8" or encoding_errors != "keep" or replace_spaces is not None:
        errors = "surrogateescape" if encoding_errors == "keep" else encoding_errors
        keys = _recode(vectors.index_to_key, encoding, errors, replace_spaces)
        vectors = _rename(vectors, keys)
    target = choose(vectors, out, to)
    save(vectors, out, format=to, dtype=dtype)
    lost = dropped(vectors, target)
    if had_subwords and not hasattr(vectors, "bucket"):  # n-grams are of the words as they were
        lost.append("subwords")
    result: dict[str, Any] = {
        "in": str(source),
        "from": origin,
        "out": str(out),
        "to": target.name,
        "words": len(vectors),
        "dim": vectors.dim,
        "dtype": dtype,
        "dropped": lost,
    }
    if as_json:
        emit_json(result)
        return
    click.echo(f"read {len(vectors):,} vectors of {vectors.dim} numbers: {source} ({origin})")
    click.echo(f"wrote {out} ({target.name}{', float16' if dtype == 'float16' else ''})")
    if lost:
        click.echo(f"dropped, as {target.name} cannot hold them: {', '.join(lost)}")


def _recode(keys: list[str], encoding: str, errors: str, replace_spaces: str | None) -> list[str]:
    """The keys, read again from their bytes in another encoding."""
    renamed = keys
    try:
        if encoding != "utf-8" or errors != "surrogateescape":
            renamed = [
                key.encode("utf-8", "surrogateescape").decode(encoding, errors) for key in keys
            ]
    except LookupError as error:
        raise ConfigError(f"--encoding {encoding} is unknown; give utf-8 or latin-1") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the word {error.object!r} is not {encoding} ({error.reason}); give --encoding, or "
            "--encoding-errors keep"
        ) from error
    if replace_spaces is not None:
        renamed = [key.replace(" ", replace_spaces) for key in renamed]
    return renamed


def _rename(vectors: Vectors, keys: list[str]) -> Vectors:
    """The vectors under other keys, the first of those that became equal."""
    if keys == vectors.index_to_key:
        return vectors
    first: dict[str, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    rows = np.fromiter(first.values(), dtype=np.int64, count=len(first))
    if len(rows) < len(keys):
        warnings.warn(
            f"left out, as their words became equal: {len(keys) - len(rows):,}", stacklevel=2
        )
    matrix = vectors.matrix if len(rows) == len(keys) else vectors.matrix[rows]
    counts = None if vectors.counts is None else vectors.counts[rows]
    return Vectors(list(first), matrix, counts, vectors.metadata)

"""`search`, `add`, `delete`, `status`, `verify`, `compact`, `repair`: work on a finished space."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.output import emit_json, json_option, shown
from rowspace.errors import ConfigError, SpaceCorruptError
from rowspace.search.hit import Hit
from rowspace.search.manifest import read_manifest
from rowspace.search.remote.folder import locate, must_be_here
from rowspace.search.repair import repair as repair_space
from rowspace.search.request import MODES
from rowspace.search.rerank import Reranker
from rowspace.search.space import Space, open_space
from rowspace.search.words import Span
from rowspace.storage.address import is_address
from rowspace.storage.files import file_path
from rowspace.text.listing import TABLE_SUFFIXES
from rowspace.text.tables import about_space, open_table

MAX_WIDTH = 100
INDENT = 5
SNIPPET = 240
"""Characters of a passage that are shown."""

FC = TypeVar("FC", bound=Callable[..., Any])

space_argument = click.argument("path", metavar="SPACE")
_timeout = click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    help="Seconds to wait for another process that writes.",
)


def where_option(help_text: str) -> Callable[[FC], FC]:
    """Add `--where`."""
    return click.option("--where", metavar="FILTER", help=help_text)


def dense_weight_option(command: FC) -> FC:
    """Add `--dense-weight`."""
    option = click.option(
        "--dense-weight",
        type=float,
        help="How much meaning counts in a hybrid search, beside 1 for words.  "
        "[default: the space's]",
    )
    return option(command)


def model_option(command: FC) -> FC:
    """Add `--model`."""
    option = click.option(
        "--model", metavar="NAME", help="Which of the space's models to take.  [default: its own]"
    )
    return option(command)


def rerank_options(command: FC) -> FC:
    """Add `--rerank` and `--rerank-depth`."""
    rerank = click.option(
        "--rerank",
        metavar="MODEL",
        help="Let this cross-encoder, a folder or a hub's name, put the best in order.",
    )
    depth = click.option(
        "--rerank-depth", default=50, show_default=True, help="How many of the best it judges."
    )
    return rerank(depth(command))


def load_reranker(model: str | None) -> Reranker | None:
    """What `--rerank` names."""
    if model is None:
        return None
    from rowspace.sentence.cross_encoder import load_cross_encoder

    return load_cross_encoder(model)


@click.command()
@space_argument
@click.argument("query")
@click.option("-k", default=10, show_default=True, help="How many passages to find.")
@click.option("--mode", type=click.Choice(MODES), default="hybrid", show_default=True)
@where_option("Only these passages, as in 'year >= 1990 and country = \"Chad\"'.")
@dense_weight_option
@click.option(
    "--diversity",
    default=0.0,
    show_default=True,
    help="How much hits are to differ from each other, 0 to 1 (maximal marginal relevance).",
)
@click.option(
    "--group", is_flag=True, help="Find documents: of each the best passage, the others counted."
)
@click.option(
    "--full", is_flag=True, help="Print whole passages, not the part with the query's words."
)
@model_option
@rerank_options
@json_option
def search(
    path: str, query: str, full: bool, rerank: str | None, as_json: bool, **asked: Any
) -> None:
    """Find the passages of SPACE that answer QUERY; `-` reads queries from stdin, one a line."""
    queries = read_queries(query)
    space = open_space(path)
    reranker = load_reranker(rerank) if queries else None
    found = space.search_batch(queries, rerank=reranker, **asked) if queries else []
    for text, hits in zip(queries, found, strict=True):
        if as_json:
            emit_json({"query": text, "hits": [hit.as_dict() for hit in hits]})
        else:
            _print_hits(text if query == "-" else None, hits, full)


def read_queries(query: str) -> list[str]:
    """The query, or the lines of stdin where it is `-`."""
    if query != "-":
        return [query]
    return [line.strip() for line in sys.stdin if line.strip()]


def _print_hits(query: str | None, hits: list[Hit], full: bool) -> None:
    if query is not None:
        click.secho(f"> {shown(query)}", bold=True)
    if not hits:
        click.echo("nothing found")
    for rank, hit in enumerate(hits, 1):
        name = f"{hit.title}  " if hit.title else ""
        about = shown(f"{name}[{hit.document_id}]  {hit.source}")
        click.echo(f"{rank:>3}  {hit.relevance:.4f}  {about}")
        text, spans = hit.snippet_and_highlights(max(1, len(hit.text)) if full else SNIPPET)
        for line in highlighted_lines(shown(text), spans):
            click.echo(f"     {line}")
        if hit.more:
            passages = "passages" if len(hit.more) > 1 else "passage"
            click.echo(f"     and {len(hit.more):,} more {passages} of it")


def highlighted_lines(text: str, spans: Sequence[Span]) -> list[str]:
    """`text`, which has single spaces, in lines as wide as the terminal, with `spans` in bold."""
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    lines, start = [], 0
    for line in textwrap.wrap(text, width - INDENT):
        start = text.index(line, start)
        end = start + len(line)
        inside = [(max(a, start), min(b, end)) for a, b in spans if a < end and b > start]
        styled, done = "", start
        for a, b in inside:
            styled += text[done:a] + click.style(text[a:b], bold=True)
            done = b
        lines.append(styled + text[done:end])
        start = end
    return lines


@click.command()
@space_argument
@click.argument("corpus", nargs=-1, required=True)
@corpus_options
@click.option(
    "--fingerprint",
    metavar="HEX",
    help="Take the vectors that CORPUS, a .parquet or .arrow file, has: they are of the encoder "
    "with this fingerprint. The file of an export tells it itself.",
)
@_timeout
@json_option
def add(
    path: str,
    corpus: tuple[str, ...],
    documents: str,
    encoding: str,
    errors: str,
    fingerprint: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Add the documents of CORPUS to SPACE; one whose id is there already replaces it."""
    space = open_space(path)
    if _has_vectors_for(space, corpus, fingerprint):
        with open_table(corpus[0]) as table:
            added = space.add_arrow(table, fingerprint=fingerprint, timeout=timeout)
    else:
        added = space.add(make_corpus(corpus, documents, encoding, errors), timeout)
    if as_json:
        emit_json(asdict(added))
        return
    click.echo(
        f"added {added.documents:,} documents in {added.passages:,} passages, "
        f"{added.replaced:,} of them in place of older ones"
    )
    if added.empty:
        click.echo(f"left out, being empty: {_shorten(list(added.empty))}", err=True)
    if added.truncated:
        click.echo(
            f"rowspace: warning: {added.truncated:,} of {added.passages:,} passages are longer "
            "than the model reads, and their ends are found by their words alone",
            err=True,
        )


def _has_vectors_for(space: Space, corpus: tuple[str, ...], fingerprint: str | None) -> bool:
    """Whether the corpus is a table whose vectors are of the space's encoder."""
    path = file_path(corpus[0])
    is_table = len(corpus) == 1 and path.suffix in TABLE_SUFFIXES
    if fingerprint is not None:
        if not is_table:
            raise ConfigError("--fingerprint goes with one .parquet or .arrow file; leave it out")
        return True
    if not is_table or not path.is_file():
        return False
    with open_table(corpus[0]) as table:
        found = about_space(table.schema).get("fingerprint")
        own = {model.fingerprint for model in space.models.values()}
        return "vector" in table.schema.names and found in own


def _shorten(names: list[str], n: int = 5) -> str:
    return ", ".join(names[:n]) + (f" and {len(names) - n:,} more" if len(names) > n else "")


@click.command()
@space_argument
@click.argument("document_ids", metavar="[ID]...", nargs=-1)
@where_option("Delete the documents that meet this instead.")
@_timeout
@json_option
def delete(
    path: str, document_ids: tuple[str, ...], where: str | None, timeout: float, as_json: bool
) -> None:
    """Delete documents of SPACE by ID (`-` reads ids from stdin, one a line) or by filter."""
    ids = list(document_ids)
    if ids == ["-"]:
        ids = [line.rstrip("\n") for line in sys.stdin]
    if bool(document_ids) == (where is not None):
        raise ConfigError("give document ids or --where, one of the two")
    n_deleted = open_space(path).delete(
        None if where is not None else ids, where=where, timeout=timeout
    )
    if as_json:
        emit_json({"deleted": n_deleted})
    else:
        asked = f" of {len(ids):,}" if where is None else ""
        click.echo(f"deleted {n_deleted:,}{asked} documents")


@click.command()
@space_argument
@json_option
def status(path: str, as_json: bool) -> None:
    """Tell what SPACE holds and in which state it is."""
    state = open_space(path).status()
    if as_json:
        emit_json(state)
        return
    width = max(map(len, state))
    for name, value in state.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_show(value)}")


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name} ({_show_part(part)})" for name, part in value.items()) or "none"
    return "none" if value is None else str(value)


def _show_part(part: Any) -> str:
    """The type of a field, or what a model is."""
    return f"{part['encoder']}, {part['dim']} dimensions" if isinstance(part, dict) else str(part)


@click.command()
@space_argument
@json_option
def verify(path: str, as_json: bool) -> None:
    """Check every file of SPACE for damage."""
    folder = locate(path)
    problems = Space(folder, read_manifest(folder)).verify()  # unchecked, to name all damage
    if as_json:
        emit_json({"problems": problems})
    else:
        for problem in problems or [f"{path} is whole"]:
            click.echo(problem)
    if problems:
        raise SpaceCorruptError(f"{path} is damaged: {len(problems):,} problems")


@click.command()
@space_argument
@_timeout
@json_option
def compact(path: str, timeout: float, as_json: bool) -> None:
    """Write the store of SPACE anew, without deleted passages and older versions."""
    space = open_space(path)
    before = space.status()["bytes"]
    space.compact(timeout)
    state = space.status()
    after, to_free = state["bytes"], state["bytes_to_free"]
    if as_json:
        emit_json({"bytes_before": before, "bytes": after})
        return
    click.echo(f"{before:,} bytes before, {after:,} now")
    if to_free and is_address(path):
        click.echo(f"{to_free:,} may still be read; a compaction in a day or more removes them")


@click.command()
@space_argument
@click.option(
    "--from",
    "sources",
    metavar="FOLDER",
    multiple=True,
    help="Look for whole copies below it: a backup, or where the model came from. May be repeated.",
)
@_timeout
@json_option
def repair(path: str, sources: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Put right what is damaged in SPACE: from a copy, or made anew where it can be."""
    must_be_here(locate(path), "repair it")
    result = repair_space(path, sources, timeout)
    if as_json:
        emit_json(asdict(result))
    else:
        for name, how in [*result.repaired.items(), *result.left.items()]:
            click.echo(f"{name}: {how}")
        if not result.repaired and not result.left:
            click.echo(f"{path} is whole")
    if result.left:
        raise SpaceCorruptError(f"{path} is still damaged: {len(result.left):,} files")

"""`rowspace retrieve`: passages with citations, for a prompt."""

from __future__ import annotations

from typing import Any

import click

from rowspace.cli.output import emit_json, json_option, shown
from rowspace.cli.search import (
    dense_weight_option,
    load_reranker,
    model_option,
    read_queries,
    rerank_options,
    space_argument,
    where_option,
)
from rowspace.search.request import MODES
from rowspace.search.retrieval import Retrieved
from rowspace.search.space import open_space


@click.command()
@space_argument
@click.argument("query")
@click.option("-k", default=10, show_default=True, help="How many passages to take, at most.")
@click.option("--max-tokens", default=2000, show_default=True, help="Of all that is printed.")
@click.option("--mode", type=click.Choice(MODES), default="hybrid", show_default=True)
@where_option("Only passages that meet this, as in `rowspace search`.")
@dense_weight_option
@click.option(
    "--diversity",
    default=0.0,
    show_default=True,
    help="How much passages are to differ from each other, 0 to 1.",
)
@model_option
@rerank_options
@json_option
def retrieve(path: str, query: str, rerank: str | None, as_json: bool, **asked: Any) -> None:
    """Print the passages of SPACE that answer QUERY, numbered, for a prompt of limited tokens.

    Tokens are counted by the space's sentence encoder, or estimated from above where it has word
    vectors. `-` reads queries from stdin, one a line.
    """
    space = open_space(path)
    reranker = load_reranker(rerank)
    for place, text in enumerate(read_queries(query)):
        found = space.retrieve(text, rerank=reranker, **asked)
        if as_json:
            emit_json(found.as_dict())
        else:
            asked_for = ("\n" if place else "") + f"> {text}\n" if query == "-" else ""
            click.echo(shown(asked_for + (found.text or _nothing(found, asked["max_tokens"]))))


def _nothing(found: Retrieved, max_tokens: int) -> str:
    if not found.n_found:
        return "nothing found"
    return f"no passage fits {max_tokens:,} tokens; give --max-tokens more"

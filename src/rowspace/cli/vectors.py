"""`rowspace neighbors`, `analogy` and `similarity`: questions to trained vectors."""

from __future__ import annotations

from typing import Any

import click

from rowspace.cli.output import emit_json, json_option, shown
from rowspace.space.formats import load
from rowspace.space.similarity import METRICS

MODEL_HELP = "MODEL is a folder of vectors, a space, or a file of any format of `rowspace convert`."

_k_option = click.option(
    "-k", default=10, show_default=True, type=click.IntRange(min=1), help="How many to show."
)
_min_count_option = click.option(
    "--min-count",
    default=2,
    show_default=True,
    type=click.IntRange(min=0),
    help="Show no word that occurs less often, where the model tells: a word seen once has "
    "hardly a place yet.",
)


@click.command(epilog=MODEL_HELP)
@click.argument("model")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@_k_option
@click.option(
    "--metric",
    default="cosine",
    show_default=True,
    type=click.Choice(METRICS),
    help="Cosine and dot are similarities, euclidean is a distance.",
)
@_min_count_option
@json_option
def neighbors(
    model: str, words: tuple[str, ...], k: int, metric: str, min_count: int, as_json: bool
) -> None:
    """The words nearest to each WORD."""
    vectors = load(model)
    answers = vectors.most_similar_batch(
        words, topn=k, metric=metric, restrict_vocab=vectors.n_frequent(min_count)
    )
    score = "distance" if metric == "euclidean" else "score"
    if as_json:
        emit_json(
            [
                {"word": printable(word), "neighbors": _records(found, score)}
                for word, found in zip(words, answers, strict=True)
            ]
        )
        return
    for place, (word, found) in enumerate(zip(words, answers, strict=True)):
        if len(words) > 1:
            click.echo(("\n" if place else "") + f"{printable(word)}:")
        _print_columns(found)


@click.command(epilog=MODEL_HELP)
@click.argument("model")
@click.argument("a")
@click.argument("b")
@click.argument("c")
@_k_option
@click.option(
    "--method",
    default="3cosadd",
    show_default=True,
    type=click.Choice(["3cosadd", "3cosmul"]),
    help="Add cosines (Mikolov et al. 2013) or multiply them (Levy & Goldberg 2014).",
)
@_min_count_option
@json_option
def analogy(
    model: str, a: str, b: str, c: str, k: int, method: str, min_count: int, as_json: bool
) -> None:
    """The words nearest to A - B + C: `analogy MODEL king man woman`."""
    vectors = load(model)
    ask = vectors.most_similar if method == "3cosadd" else vectors.most_similar_cosmul
    frequent = vectors.n_frequent(min_count)
    found = ask(positive=[a, c], negative=[b], topn=k, restrict_vocab=frequent)
    if as_json:
        question = f"{printable(a)} - {printable(b)} + {printable(c)}"
        emit_json({"question": question, "method": method, "answers": _records(found, "score")})
        return
    _print_columns(found)


@click.command(epilog=MODEL_HELP)
@click.argument("model")
@click.argument("a")
@click.argument("b")
@json_option
def similarity(model: str, a: str, b: str, as_json: bool) -> None:
    """The cosine of A and B, from -1 to 1."""
    cosine = load(model).similarity(a, b)
    if as_json:
        emit_json({"a": printable(a), "b": printable(b), "similarity": cosine})
        return
    click.echo(f"{cosine:.4f}")


def printable(key: str) -> str:
    """`key` with a question mark for each byte that was not UTF-8, so that it can be printed."""
    return key.encode("utf-8", "replace").decode()


def _records(found: list[tuple[str, float]], score: str) -> list[dict[str, Any]]:
    return [{"word": printable(key), score: value} for key, value in found]


def _print_columns(found: list[tuple[str, float]]) -> None:
    """A key and its score a line, the scores below each other."""
    from rich.cells import cell_len  # a Chinese character takes two columns

    keys = [shown(key) for key, _ in found]
    width = max(map(cell_len, keys), default=0)
    for key, (_, value) in zip(keys, found, strict=True):
        click.echo(f"{key}{' ' * (width - cell_len(key))}  {value:7.4f}")

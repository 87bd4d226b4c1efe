"""`rowspace geometry`: what a space looks like, in figures and drawings."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from rowspace.cli.layers import measure_model, tell_table_of_tokens
from rowspace.cli.options import whole_numbers
from rowspace.cli.output import emit_json, json_option
from rowspace.cli.vectors import MODEL_HELP, printable
from rowspace.errors import ConfigError
from rowspace.space.bias import parse_pairs
from rowspace.space.clusters import METHODS
from rowspace.space.formats import load
from rowspace.space.geometry import TOP, Geometry, findings, measure_geometry, to_record

_N_SHOWN = 8


_OF_WORDS = ("other", "clusters", "clustering", "bias", "top")
_OF_LAYERS = ("layers", "max_words", "max_sentences", "seed")


@click.command(
    epilog=f"{MODEL_HELP} With --text it is the folder of a transformer, or its name on the hub."
)
@click.argument("model")
@click.option(
    "--text",
    multiple=True,
    metavar="CORPUS",
    help="Measure the layers of a transformer: how contextual its vectors of words are in the "
    "sentences of this text, UTF-8 files, folders or -; may be repeated.",
)
@click.option(
    "--layers",
    callback=whole_numbers,
    metavar="N,N",
    help="With --text: only these; 0 is the embeddings, -1 the last.",
)
@click.option(
    "--max-words",
    default=200,
    show_default=True,
    type=click.IntRange(min=1),
    help="With --text: words drawn, of those in five sentences or more.",
)
@click.option(
    "--max-sentences",
    default=5000,
    show_default=True,
    type=click.IntRange(min=2),
    help="With --text: sentences drawn to look for words in.",
)
@click.option("--seed", default=0, show_default=True, help="With --text: seed of what is drawn.")
@click.option("--other", metavar="MODEL", help="A second space: which words moved between the two?")
@click.option(
    "--clusters",
    default="auto",
    show_default=True,
    metavar="N",
    help="How many clusters of words; auto takes the number with the best silhouette, none none.",
)
@click.option(
    "--clustering",
    default="kmeans",
    show_default=True,
    type=click.Choice(METHODS),
    help="Spherical k-means, or a hierarchy with average or Ward's linkage.",
)
@click.option(
    "--bias",
    metavar="PAIRS",
    help='Pairs that give a direction, "he:she,man:woman", or a file with a pair a line.',
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Draw it: a page (.html), or a folder for SVG drawings.",
)
@click.option(
    "--top",
    default=TOP,
    show_default=True,
    type=click.IntRange(min=2),
    help="Measure only the most frequent so many words.",
)
@json_option
def geometry(
    model: str,
    text: tuple[str, ...],
    layers: tuple[int, ...] | None,
    max_words: int,
    max_sentences: int,
    seed: int,
    other: str | None,
    clusters: str,
    clustering: str,
    bias: str | None,
    out: Path | None,
    top: int,
    as_json: bool,
) -> None:
    """Measure how a space is shaped: directions, hubs, clusters, drift, bias.

    With --text: how contextual the layers of a transformer are, and how even.
    """
    _check_given(_OF_WORDS if text else _OF_LAYERS, with_text=bool(text))
    if text:
        measure_model(
            model,
            text,
            layers=layers,
            max_words=max_words,
            max_sentences=max_sentences,
            seed=seed,
            out=out,
            as_json=as_json,
        )
        return
    tell_table_of_tokens(model)
    n_clusters = _number(clusters)
    pairs = None if bias is None else parse_pairs(_text(bias))
    if out is not None:
        from rowspace.space.geometry_report import check_drawings, write_geometry

        check_drawings(out)  # before the work, not after
    vectors = load(model)
    found = measure_geometry(
        vectors,
        top=top,
        n_clusters=n_clusters or None,
        clustering=None if n_clusters == 0 else clustering,
        other=None if other is None else load(other),
        pairs=pairs,
    )
    written = []
    if out is not None:
        written = write_geometry(found, out, Path(model).name)
    if as_json:
        emit_json(to_record(found) | {"out": list(map(str, written))})
        return
    _print(found)
    for path in written:
        click.echo(f"wrote {path}")


def _check_given(names: tuple[str, ...], *, with_text: bool) -> None:
    """Raise for an option that is for the other of the two: words, or layers."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) != ParameterSource.DEFAULT:
            option = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{option} is for the space of words; leave it out, or --text"
                if with_text
                else f"{option} is for the layers of a transformer; add --text CORPUS"
            )


def _number(clusters: str) -> int | None:
    """Clusters asked for: None is auto, 0 is none."""
    if clusters == "auto":
        return None
    if clusters == "none":
        return 0
    if clusters.isdecimal() and int(clusters) >= 1:
        return int(clusters)
    raise ConfigError(f"--clusters {clusters} is no number; give 1 or more, auto or none")


def _text(bias: str) -> str:
    """Pairs as they are, or what the file holds that they name."""
    path = Path(bias)
    try:
        is_file = path.is_file()
    except OSError:  # a long list of pairs is no file name
        is_file = False
    if not is_file:
        if path.suffix == ".txt":
            raise ConfigError(f"there is no file {bias!r}; give one, or pairs as he:she,man:woman")
        return bias
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{bias} is not UTF-8 ({error.reason}); save it as UTF-8") from error


def _print(found: Geometry) -> None:
    from rowspace.space.geometry_report import cluster_tree_text

    measured, zero = len(found.sample), found.n_zero
    which = "" if measured + zero == found.n_words else ", the most frequent (--top)"
    click.echo(
        f"{measured:,} of {found.n_words:,} vectors of {found.sample.dim} numbers measured{which}"
    )
    if zero:
        click.echo(f"zero vectors, which have no direction, left out: {zero:,}")
    for figure in findings(found):
        click.echo(f"\n{figure.name}: {printable(figure.value)}\n    {figure.meaning}")
    if found.clusters is not None:
        click.echo("\nclusters by their central words, joined by cosine distance:")
        click.echo(printable(cluster_tree_text(found)))
    if found.bias is not None:
        first, second = found.bias.direction.pairs[0]
        for side, words in ((first, found.bias.toward_first), (second, found.bias.toward_second)):
            shown = ", ".join(f"{word} {cosine:.2f}" for word, cosine in words[:_N_SHOWN])
            click.echo(f"\ntoward {printable(side)}: {printable(shown)}")

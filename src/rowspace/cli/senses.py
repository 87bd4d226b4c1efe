"""`rowspace senses`: what a word means in a text, by a transformer's vectors."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rowspace.cli.corpus import make_corpus
from rowspace.cli.options import whole_numbers
from rowspace.cli.output import emit_json, json_option
from rowspace.cli.vectors import printable
from rowspace.errors import ConfigError, FormatError
from rowspace.extras import require_torch
from rowspace.space import folder as vectors_folder
from rowspace.space.clusters import METHODS
from rowspace.space.pages import write_page
from rowspace.text.passages import read_sentences

if TYPE_CHECKING:
    from rowspace.transformer.senses.find import Sense, Senses

_N_SHOWN = 5  # sentences of a sense
_N_DOUBTFUL = 5

EPILOG = """\b
MODEL is the folder of a transformer, as `rowspace train mlm` makes it, or the name of one on the
Hugging Face hub. SENTENCES are files, folders, .jsonl, .gz, .xz, .zst, or - for stdin; longer texts
are cut into sentences. WORD is found in whatever case, but not within or as another form ("banks");
it may be a phrase. FILE of --examples has one a line:
  sense TAB sentence, the word found in it; or
  sense TAB index TAB sentence, tokens with spaces between, as CoarseWSD-20 has them.
"""


@click.command(epilog=EPILOG)
@click.argument("model")
@click.argument("word")
@click.argument("sentences", nargs=-1, required=True)
@click.option(
    "--senses",
    "n_senses",
    type=click.IntRange(min=1),
    help="How many; if not given, 1 to 8 by silhouette, and 1 where no groups stand out.",
)
@click.option(
    "--examples",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Labelled sentences: each occurrence is given a sense of theirs.",
)
@click.option(
    "--by",
    type=click.Choice(["mean", "nearest"]),
    default="mean",
    show_default=True,
    help="With --examples: the sense with the nearest mean, or that of the nearest example.",
)
@click.option(
    "--layers",
    default="-1",
    show_default=True,
    callback=whole_numbers,
    help="Whose mean is a vector, with commas between: 0 is the embeddings, -1 the last layer.",
)
@click.option(
    "--hidden",
    is_flag=True,
    help="Read with the mask token in the word's place; better for small masked models.",
)
@click.option(
    "--max-occurrences",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Of more, an even sample is read.",
)
@click.option(
    "--clustering",
    default="ward",
    show_default=True,
    type=click.Choice(METHODS),
    help="A hierarchy with Ward's or average linkage, or spherical k-means.",
)
@click.option("--seed", default=0, show_default=True, help="Of the sample and the clusters.")
@click.option("--out", type=click.Path(path_type=Path), help="Draw it: a page (.html).")
@click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the text.")
@click.option(
    "--errors",
    type=click.Choice(["strict", "replace"]),
    default="strict",
    show_default=True,
    help="Stop at a byte that does not decode, or put U+FFFD in its place.",
)
@json_option
def senses(
    model: str,
    word: str,
    sentences: tuple[str, ...],
    n_senses: int | None,
    examples: Path | None,
    by: str,
    layers: tuple[int, ...],
    hidden: bool,
    max_occurrences: int,
    clustering: str,
    seed: int,
    out: Path | None,
    encoding: str,
    errors: str,
    as_json: bool,
) -> None:
    """Part the occurrences of WORD in SENTENCES by what it means there."""
    require_torch("rowspace senses")
    _check(model, n_senses, examples, out)
    from rowspace.transformer.load_encoder import load_encoder
    from rowspace.transformer.senses.examples import read_examples
    from rowspace.transformer.senses.find import find_senses
    from rowspace.transformer.senses.page import render_senses, to_record

    corpus = make_corpus(sentences, "file", encoding, errors)
    labelled = None if examples is None else read_examples(examples, word)
    found = find_senses(
        load_encoder(model),
        word,
        read_sentences(corpus),
        n_senses=n_senses,
        examples=labelled,
        by="mean" if by == "mean" else "nearest",
        layers=layers,
        hidden=hidden,
        max_occurrences=max_occurrences,
        method=clustering,
        seed=seed,
    )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_page(out, render_senses(found, Path(model).name, datetime.now(UTC)))
    if as_json:
        emit_json(to_record(found) | {"out": None if out is None else str(out)})
        return
    _print(found)
    if out is not None:
        click.echo(f"\nwrote {out}")


def _check(model: str, n_senses: int | None, examples: Path | None, out: Path | None) -> None:
    """Raise for what cannot work, before the work."""
    if examples is not None and n_senses is not None:
        raise ConfigError("--examples says how many senses there are; leave --senses out")
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out {out} is no page; give a name that ends in .html")
    from rowspace.transformer.model_folder import CONFIG

    path = Path(model)
    if path.is_file() or (vectors_folder.is_in(path) and not (path / CONFIG).exists()):
        what = "is a file" if path.is_file() else "holds word vectors"
        raise FormatError(
            f"{model} {what}, and a word's senses need a vector for each place it stands in; "
            "give the folder of a transformer, or its name on the hub"
        )


def _print(found: Senses) -> None:
    from rowspace.transformer.senses.page import doubtful_rows, reason

    collected = found.found
    sample = (
        "" if len(found.vectors) == collected.n_occurrences else f", {len(found.vectors):,} read"
    )
    repeated = f", {collected.n_repeated:,} repeated" if collected.n_repeated else ""
    click.echo(
        f"{printable(found.word)}: {_counted(len(found), 'sense')} in "
        f"{_counted(collected.n_occurrences, 'occurrence')}{sample} "
        f"({_counted(collected.n_sentences, 'sentence')}{repeated})"
    )
    click.echo(reason(found))
    for sense in found.senses:
        _print_sense(found, sense)
    if found.n_examples and doubtful_rows(found):
        click.echo("\ndoubtful, by how much nearer the sense is than the next:")
        for row in doubtful_rows(found)[:_N_DOUBTFUL]:
            name = printable(found.senses[int(found.assignments[row])].name)
            label = f"  {found.margins[row]:.3f} {name}: "
            click.echo(label + _line(found, row, len(label)))


def _print_sense(found: Senses, sense: Sense) -> None:
    from rowspace.transformer.senses.page import heading

    title = f"{heading(found, sense)}: {sense.size:,} ({100 * sense.share:.0f} %)"
    click.echo("\n" + click.style(printable(title), bold=True))
    for what, words in (("nearest", sense.near), ("around", sense.around)):
        if words:
            click.echo(f"  {what}: {printable(', '.join(word for word, _ in words))}")
    for row in sense.typical[:_N_SHOWN]:
        click.echo("    " + _line(found, row, 4))


def _line(found: Senses, row: int, indent: int) -> str:
    """A sentence cut around the word, which stands in brackets."""
    from rowspace.transformer.senses.excerpt import cut_around

    width = max(20, shutil.get_terminal_size((100, 24)).columns - indent - 2)
    cut = cut_around(found.found.sentences[row], found.found.spans[row], width)
    word = click.style(f"[{printable(cut.word)}]", bold=True)
    return printable(cut.before) + word + printable(cut.after)


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"

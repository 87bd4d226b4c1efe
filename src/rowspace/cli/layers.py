"""`rowspace geometry MODEL --text CORPUS`: the layers of a transformer, in figures and plots."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rowspace.cli.output import aligned, emit_json
from rowspace.errors import ConfigError, CorpusError
from rowspace.extras import require_torch
from rowspace.progress import track
from rowspace.sentence.kinds import is_transformer
from rowspace.text.corpus import Corpus
from rowspace.text.passages import split_sentences

if TYPE_CHECKING:
    from rowspace.evaluate.layers import LayerGeometry, LayersGeometry, Measures

_MOST_CHARACTERS = 50_000_000
"""Of the text that sentences are drawn from: some seconds to go through."""


def measure_model(
    model: str,
    text: tuple[str, ...],
    *,
    layers: tuple[int, ...] | None,
    max_words: int,
    max_sentences: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure the layers of a transformer, and print or draw them."""
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{str(out)!r} is no .html page; with --text give one")
    require_torch("a transformer")
    from rowspace.evaluate.layers import findings, measure_layers, to_record
    from rowspace.transformer.load_encoder import load_encoder

    encoder = load_encoder(model)
    sentences = draw_sentences(Corpus([Path(path) for path in text]), max_sentences, seed)
    found = measure_layers(encoder, sentences, layers=layers, max_words=max_words, seed=seed)
    if out is not None:
        from rowspace.evaluate.layers_page import write_layers

        write_layers(found, out, Path(model).name)
    if as_json:
        emit_json(to_record(found) | {"out": [] if out is None else [str(out)]})
        return
    _print(found)
    for figure in findings(found):
        click.echo(f"\n{figure.name}: {figure.value}\n    {figure.meaning}")
    if out is not None:
        click.echo(f"wrote {out}")


def tell_table_of_tokens(model: str) -> None:
    """Say, where MODEL is a transformer, that its words have no vectors without sentences."""
    if is_transformer(model):
        click.echo(
            f"{model} is a transformer, and this is its table of tokens; to measure its layers, "
            "add --text CORPUS",
            err=True,
        )


def draw_sentences(corpus: Corpus, n: int, seed: int) -> list[str]:
    """Sentences of a corpus at random, in its order, of so much as takes seconds to go through.

    Raises
    ------
    CorpusError
        If there are none.
    """
    rng = random.Random(seed)  # noqa: S311
    drawn: list[tuple[int, str]] = []
    for place, sentence in enumerate(_sentences(corpus)):  # algorithm R
        if len(drawn) < n:
            drawn.append((place, sentence))
        elif (slot := rng.randrange(place + 1)) < n:
            drawn[slot] = place, sentence
    if not drawn:
        raise CorpusError("the text has no sentence in it; give some text")
    return [sentence for _, sentence in sorted(drawn)]


def _sentences(corpus: Corpus) -> Iterator[str]:
    n_characters = 0
    with track("drawing sentences", total=_MOST_CHARACTERS) as tracker:
        for document in corpus:
            for sentence in split_sentences(corpus.text_of(document)):
                n_characters += len(sentence)
                if n_characters > _MOST_CHARACTERS:
                    return
                tracker.advance(len(sentence))
                yield sentence


_TABLE = (
    "layer", "random words", "same word", "above", "in sentence", "above", "static", "above",
    "IsoScore",
)  # fmt: skip
_MENDED = ("layer", "random words", "same word above", "in sentence above", "IsoScore")


def _print(found: LayersGeometry) -> None:
    click.echo(
        f"{found.n_occurrences:,} occurrences of {found.n_words:,} words and "
        f"{found.n_sentence_words:,} words of {found.n_sentences:,} sentences, drawn of "
        f"{found.n_texts:,}; {found.dim} numbers a vector"
    )
    click.echo("\ncosines, and how far they are above those of random words:")
    for line in aligned([_TABLE, *map(_row, found.layers)], n_left=0):
        click.echo(line)
    for title, mended in (
        (
            f"without the mean and {found.n_removed} directions (all-but-the-top)",
            [(layer.layer, layer.all_but_the_top) for layer in found.layers],
        ),
        (
            f"whitened, {found.n_whitened} axes at most",
            [(layer.layer, layer.whitened) for layer in found.layers],
        ),
    ):
        if not all(_is_measured(measures) for _, measures in mended):
            continue  # the sample is too small, as the findings say
        click.echo(f"\n{title}:")
        rows = [_mended_row(layer, measures) for layer, measures in mended]
        for line in aligned([_MENDED, *rows], n_left=0):
            click.echo(line)


def _is_measured(measures: Measures) -> bool:
    return not math.isnan(measures.isotropy.isoscore)


def _row(layer: LayerGeometry) -> tuple[str, ...]:
    figures, isotropy = layer.raw.contextuality, layer.raw.isotropy
    values = (
        figures.baseline,
        figures.self_similarity,
        figures.adjusted_self_similarity,
        figures.intra_sentence,
        figures.adjusted_intra_sentence,
        figures.explainable,
        figures.adjusted_explainable,
        isotropy.isoscore,
    )
    return (str(layer.layer), *(f"{value:z.3f}" for value in values))


def _mended_row(layer: int, measures: Measures) -> tuple[str, ...]:
    figures = measures.contextuality
    values = (
        figures.baseline,
        figures.adjusted_self_similarity,
        figures.adjusted_intra_sentence,
        measures.isotropy.isoscore,
    )
    return (str(layer), *(f"{value:z.3f}" for value in values))

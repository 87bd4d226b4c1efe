"""`rowspace distill`: static word vectors, or a static embedder, out of a transformer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.distill_embedder import embedder, read_words
from rowspace.cli.options import field_options, run_options
from rowspace.cli.output import emit_json
from rowspace.extras import require_torch
from rowspace.transformer.distill_config import MIXES, DistillConfig
from rowspace.transformer.reading_options import POOLINGS

_CHOICES = {"mix": MIXES, "subword_pooling": POOLINGS}
_HELP = {
    "max_words": "At most this many words, the most frequent ones.",
    "min_count": "Leave out words that occur less often.",
    "max_occurrences": "Sentences that are read of a word, at most.",
    "layers": "Layers of the teacher, with commas between; 0 is the embeddings, -1 the last.",
    "mix": "Of several layers the mean, or all side by side.",
    "subword_pooling": "What is made of a word's several tokens.",
    "remove_top": "Take out the mean and this many strongest directions in the end "
    "(all-but-the-top), which helps some teachers; 0 for nothing.",
    "case_sensitive": "Tell Bank from bank.",
}


class _Either(click.Command):
    """The command itself, or where `--embedder` is among the arguments the other one."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        if "--embedder" in args:
            return embedder.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Either)
@click.argument("teacher")
@run_options
@click.option("--embedder", is_flag=True, help="Make a static embedder of texts instead; its "
              "options: rowspace distill --embedder --help.")  # fmt: skip
@click.option(
    "--words",
    type=click.Path(path_type=Path),
    help="A file of the words wanted, one a line, in place of the most frequent ones.",
)
@field_options(dataclasses.fields(DistillConfig), _HELP, _CHOICES, {})
@corpus_options
def distill(
    teacher: str,
    corpus: tuple[str, ...],
    out: Path,
    resume: bool,
    words: Path | None,
    embedder: bool,
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Average a transformer's vectors of each word over the sentences of CORPUS.

    TEACHER is the folder of a transformer, or its name on the hub; --out is a folder of vectors
    for `neighbors`, `analogy`, `eval` and the rest. With --embedder it is a static embedder of
    texts, for `encode`, `eval` and `build`.
    """
    require_torch("a transformer")
    from rowspace.transformer.distill_static import distill_static
    from rowspace.transformer.load_encoder import load_encoder

    config = DistillConfig(**settings)
    wanted = None if words is None else read_words(words)
    text = make_corpus(corpus, documents, encoding, errors)
    vectors = distill_static(
        load_encoder(teacher), text, config, words=wanted, out=out, resume=resume
    )
    if as_json:
        emit_json({"out": str(out), "words": len(vectors), "dim": vectors.dim})
        return
    click.echo(f"{len(vectors):,} vectors of {vectors.dim} numbers in {out}")
    click.echo(f"try: rowspace neighbors {out} WORD")

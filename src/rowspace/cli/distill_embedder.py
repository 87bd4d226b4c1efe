"""`rowspace distill --embedder`: a static embedder out of a transformer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.options import field_options
from rowspace.cli.output import emit_json, json_option
from rowspace.errors import ConfigError
from rowspace.extras import require_torch
from rowspace.sentence.distill_config import TABLE_DTYPES, StaticDistillConfig
from rowspace.space.plots import duration

if TYPE_CHECKING:
    from rowspace.sentence.distill import StaticDistillReport

_HELP = {
    "dim": "Numbers of a vector.",
    "sif": "a of SIF's weights a / (a + p); 0 weighs all tokens alike.",
    "remove_top": "Take the tokens' strongest directions out (all-but-the-top); 0 for none.",
    "max_words": "Whole words of the corpus that become tokens, at most.",
    "min_count": "Leave out words that occur less often.",
    "max_texts": "Sentences of the corpus that the teacher reads, drawn at random.",
    "epochs": "Times that the table is fitted to the teacher's vectors of these; 0 for none.",
    "batch_size": "Sentences of a step.",
    "learning_rate": "Step size at first, as a share of the table's root mean square.",
    "table_dtype": "Of the table that is written.",
    "seed": "Seed of the random numbers.",
}


@click.command(name="distill")
@click.argument("teacher")
@click.argument("corpus", nargs=-1)
@click.option("--embedder", is_flag=True, help="Make a static embedder, not word vectors.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="To write.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@json_option
@click.option(
    "--words",
    type=click.Path(path_type=Path),
    help="A file of whole words that become tokens, one a line, in place of the corpus's.",
)
@field_options(dataclasses.fields(StaticDistillConfig), _HELP, {"table_dtype": TABLE_DTYPES}, {})
@corpus_options
def embedder(
    teacher: str,
    corpus: tuple[str, ...],
    embedder: bool,
    out: Path,
    resume: bool,
    words: Path | None,
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Make a static embedder of a transformer: each token gets one vector, a text their mean.

    TEACHER is the folder of a sentence embedder, or its name on the hub; --out is a folder that
    model2vec and sentence-transformers read too. With a CORPUS, text like that which is to be
    embedded, the vectors are fitted to the teacher's of whole sentences, which helps much.
    """
    require_torch("distilling")
    from rowspace.sentence.distill import distill_embedder
    from rowspace.sentence.loading import load_encoder

    config = StaticDistillConfig(**settings)
    wanted = None if words is None else read_words(words)
    text = make_corpus(corpus, documents, encoding, errors) if corpus else None
    report = distill_embedder(load_encoder(teacher), out, text, config, words=wanted, resume=resume)
    if as_json:
        emit_json({"out": str(out), **dataclasses.asdict(report)})
    else:
        _tell(report, out)


def _tell(report: StaticDistillReport, out: Path) -> None:
    click.echo(
        f"{report.n_tokens:,} tokens of {report.dim} numbers in {out}, "
        f"in {duration(report.seconds)}"
    )
    if report.agreement is not None:
        click.echo(
            f"cosine to the teacher, of sentences kept apart: {report.agreement_before:.3f} "
            f"before fitting to {report.n_texts:,} others, {report.agreement:.3f} after"
        )
    click.echo(f"try: rowspace encode {out} TEXTS --out vectors.npy")


def read_words(path: Path) -> list[str]:
    """The words of a file, one a line.

    Raises
    ------
    ConfigError
        If it is not UTF-8, or has none.
    """
    try:
        found = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    words = [word for word in found if word]
    if not words:
        raise ConfigError(f"{path} has no word in it; give one a line")
    return words

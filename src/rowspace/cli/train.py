"""`rowspace train word2vec`: word vectors from text."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.output import emit_json, json_option
from rowspace.errors import ConfigError
from rowspace.static.word2vec import Word2Vec, Word2VecConfig

Command = TypeVar("Command", bound=Callable[..., Any])

_DEFAULTS = Word2VecConfig()
_CHOICES = {
    "architecture": ["skipgram", "cbow"],
    "cbow_gradient": ["corrected", "classic"],
    "sigmoid": ["polynomial", "exact"],
    "tokenizer": ["words", "whitespace"],
}
_HELP = {
    "architecture": "Predict the center from each context word, or from all together.",
    "dim": "Length of a vector.",
    "window": "Words considered on each side.",
    "n_negative": "Noise words for each center word.",
    "epochs": "Times the corpus is read; `build` chooses by the corpus.",
    "learning_rate": "Step size at the start.",
    "min_learning_rate": "Step size at the end.",
    "min_count": "Leave out words that occur less often; `build` chooses by the corpus.",
    "max_words": "At most this many words.",
    "subsample": "Thin out words above this share of the text; 0 keeps all.",
    "noise_exponent": "Noise words are drawn by count ** this.",
    "dynamic_window": "Draw each window's reach from 1 to the window.",
    "cbow_mean": "Average the contexts in CBOW, else sum them.",
    "cbow_gradient": "Divide the gradient as the average does, or not, as word2vec.c.",
    "sigmoid": "A ratio of polynomials, or exp.",
    "tokenizer": "Lower-case words, or what stands between spaces.",
    "seed": "Seed of the random numbers.",
    "n_threads": "Threads; every core if not given. One is reproducible.",
}


def word2vec_options(**defaults: Any) -> Callable[[Command], Command]:
    """Add one option for each field of Word2VecConfig, with these defaults instead of its own."""

    def add(command: Command) -> Command:
        for field in reversed(dataclasses.fields(Word2VecConfig)):
            default = defaults.get(field.name, getattr(_DEFAULTS, field.name))
            command = _option(field, default)(command)
        return command

    return add


def _option(field: dataclasses.Field[Any], default: Any) -> Callable[[Command], Command]:
    name = "--" + field.name.replace("_", "-")
    if isinstance(default, bool):
        name = f"{name}/--no-{name[2:]}"
        return click.option(name, default=default, show_default=True, help=_HELP[field.name])
    kind: Any = int if default is None else type(default)
    if field.name in _CHOICES:
        kind = click.Choice(_CHOICES[field.name])
    return click.option(
        name, type=kind, default=default, show_default=default is not None, help=_HELP[field.name]
    )


@click.group()
def train() -> None:
    """Train word vectors on text."""


@train.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@word2vec_options()
@corpus_options
@json_option
def word2vec(
    corpus: tuple[str, ...],
    out: Path,
    resume: bool,
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train word2vec on CORPUS: files, folders, or - for stdin; a line's end ends a sentence."""
    config = Word2VecConfig(**settings)
    work = out.with_name(out.name + ".training")
    if out.exists():
        raise ConfigError(f"{out} exists; give another --out, or remove it")
    if work.exists() and not resume:
        raise ConfigError(f"{work} holds a run that did not finish; add --resume, or remove it")
    trainer = Word2Vec(config)
    try:
        vectors = trainer.fit_in(make_corpus(corpus, documents, encoding, errors), work)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
    vectors.save(out, format="rowspace")
    shutil.rmtree(work)
    report = trainer.history[-1]
    if as_json:
        emit_json(
            {
                "out": str(out),
                "words": len(vectors),
                "dim": vectors.dim,
                "epochs": [dataclasses.asdict(epoch) for epoch in trainer.history],
            }
        )
        return
    for epoch in trainer.history:
        click.echo(
            f"epoch {epoch.epoch}: loss {epoch.loss:.4f}, "
            f"{epoch.words_per_second / 1e6:.2f} M words/s"
        )
    click.echo(f"{len(vectors):,} vectors of {vectors.dim} numbers in {out}")
    click.echo(f"loss of the last epoch {report.loss:.4f}; try: rowspace neighbors {out} WORD")

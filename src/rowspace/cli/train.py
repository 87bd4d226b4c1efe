"""`rowspace train word2vec`, `fasttext` and `glove`: word vectors from text."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.options import cluster_config, engine_options, field_options, run_options
from rowspace.cli.output import emit_json
from rowspace.cli.train_lm import lm, mlm
from rowspace.cli.train_sentence import sentence
from rowspace.cli.vectors import printable
from rowspace.errors import ClusterError, ConfigError, RowspaceError
from rowspace.space.vectors import Vectors
from rowspace.static.averaging import AveragingConfig
from rowspace.static.fasttext import FastText, FastTextConfig
from rowspace.static.fitting import Fitter
from rowspace.static.glove import OUTPUTS, GloVe, GloVeConfig, GloVeEpochReport
from rowspace.static.phrasing import PhraseSettings, settings_of
from rowspace.static.run import RunConfig
from rowspace.static.trainer import Trainer
from rowspace.static.training import EpochReport
from rowspace.static.word2vec import Word2Vec, Word2VecConfig
from rowspace.text.corpus import Corpus
from rowspace.text.phrases import SCORES
from rowspace.text.runs import work_folder_of

if TYPE_CHECKING:
    from rowspace.scale.cluster import ClusterConfig

Command = TypeVar("Command", bound=Callable[..., Any])

_CHOICES = {
    "architecture": ["skipgram", "cbow"],
    "loss": ["negative_sampling", "hierarchical_softmax"],
    "cbow_gradient": ["corrected", "classic"],
    "sigmoid": ["polynomial", "exact"],
    "tokenizer": ["words", "whitespace"],
    "output": list(OUTPUTS),
    "phrase_score": list(SCORES),
}
_HELP = {
    "architecture": "Predict the center from each context word, or from all together.",
    "loss": "Against noise words, or over a Huffman tree of all words.",
    "dim": "Length of a vector.",
    "window": "Words considered on each side.",
    "n_negative": "Noise words for each center word.",
    "epochs": "Times the corpus (GloVe: its counts) is read.",
    "learning_rate": "Step size at the start.",
    "min_learning_rate": "Step size at the end.",
    "min_count": "Leave out words that occur less often.",
    "max_words": "At most this many words.",
    "subsample": "Thin out words above this share of the text; 0 keeps all.",
    "noise_exponent": "Noise words are drawn by count ** this.",
    "dynamic_window": "Draw each window's reach from 1 to the window.",
    "cbow_mean": "Average the contexts in CBOW, else sum them.",
    "cbow_gradient": "Divide the gradient as the average does, or not, as word2vec.c.",
    "sigmoid": "A ratio of polynomials, or exp.",
    "shuffle": "Read pieces of the text in a random order, else in its own.",
    "tokenizer": "Lower-case words, or what stands between spaces.",
    "held_out": "Share of the text kept aside to measure the loss on; then training stops early.",
    "patience": "Epochs without a lower held-out loss before training stops.",
    "minn": "Shortest n-gram, in characters.",
    "maxn": "Longest n-gram; 0 for whole words only.",
    "bucket": "N-grams that share a hash modulo this share a row.",
    "symmetric": "Contexts on both sides, else only on the left.",
    "distance_weighting": "A context d words away counts 1/d, else 1.",
    "x_max": "A pair that counts this much has the full weight; 10 for a small corpus.",
    "alpha": "A pair that counts less weighs (count / x_max) ** this.",
    "output": "A word's vector and context vector: their sum, the first, or both in a row.",
    "memory_mb": "MiB that counting may take; the rest goes to the disk beside --out.",
    "phrases": "Times to go through the text and join words that stand together often (new_york); "
    "0 joins none.",
    "phrase_score": "How pairs are scored: as gensim, as word2phrase.c, or from -1 to 1.",
    "phrase_threshold": "Join pairs that score more; usually 10 for original, 100 for word2phrase, "
    "0.5 for npmi, which are the defaults.",
    "phrase_min_count": "Join no pair that occurs less often.",
    "phrase_connectors": "Words that a phrase may have inside (bank_of_america): `english`, or a "
    "list with spaces between.",
    "seed": "Seed of the random numbers.",
    "n_threads": "Threads; every core if not given. One is reproducible.",
}


def config_options(
    config_class: type[RunConfig], *, with_phrases: bool = True, **defaults: Any
) -> Callable[[Command], Command]:
    """Add one option for each field of a config, with these defaults instead of its own."""
    of_phrases = {field.name for field in dataclasses.fields(PhraseSettings)}
    shown = [
        field for field in settings_of(config_class) if with_phrases or field.name not in of_phrases
    ]
    return field_options(shown, _HELP, _CHOICES, defaults)


@click.group()
def train() -> None:
    """Train word vectors or a language model on text."""


train.add_command(lm)
train.add_command(mlm)
train.add_command(sentence)


def training_options(command: Command) -> Command:
    """The options of trainers that go on: where to write, and what to go on from."""
    return run_options(
        command,
        click.option("--freeze", is_flag=True, help="With --start: no vector of before moves."),
        click.option(
            "--start",
            type=click.Path(path_type=Path, exists=True),
            help="A model that this command wrote, to go on from with new text and new words; "
            "its own settings are the defaults then.",
        ),
    )


@train.command()
@training_options
@config_options(Word2VecConfig)
@corpus_options
@click.option(
    "--sync",
    type=click.IntRange(min=1),
    help="With --engine: times an epoch that the workers' vectors are averaged; "
    f"{AveragingConfig().sync} if not given.",
)
@engine_options
def word2vec(**options: Any) -> None:
    """Train word2vec on CORPUS: files, folders, or - for stdin; a line's end ends a sentence."""
    _run(Word2Vec, **options)


@train.command()
@training_options
@config_options(FastTextConfig)
@corpus_options
@click.option("--engine", hidden=True, help="Refused: one process trains fastText.")
def fasttext(**options: Any) -> None:
    """Train fastText on CORPUS, with vectors for unknown words; --out is a .bin file.

    The file is the official program's format, and so --start takes one of its own.
    """
    out: Path = options["out"]
    if out.name and out.suffix.lower() != ".bin":
        raise ConfigError(f"a fastText model is a .bin file; give --out {out}.bin")
    _run(FastText, **options)


@train.command()
@run_options
@config_options(GloVeConfig)
@corpus_options
@engine_options
def glove(**options: Any) -> None:
    """Train GloVe on CORPUS: how often words stand near each other, then vectors that tell it.

    Counting and training need all text at once, so there is no --start. With --engine the workers
    count, --memory-mb is of each, and this process trains.
    """
    _run(GloVe, **options)


def _run(
    trainer_class: type[Fitter[Any, Any]],
    *,
    corpus: tuple[str, ...],
    out: Path,
    start: Path | None = None,
    freeze: bool = False,
    resume: bool,
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
    engine: str | None = None,
    address: str | None = None,
    workers: int | None = None,
    sync: int | None = None,
    **settings: Any,
) -> None:
    """Train in a work folder beside `out`, save, and tell what happened."""
    if freeze and start is None:
        raise ConfigError("--freeze needs --start, the model whose vectors shall stay")
    cluster = cluster_config(engine, address, workers, settings["n_threads"] or 1)
    if cluster is None and sync is not None:
        raise ConfigError("--sync is for --engine ray; give that too, or leave it out")
    if cluster is not None and start is not None:
        raise ConfigError("--start goes on in one process; leave --engine out")
    work = work_folder_of(out)
    text = make_corpus(corpus, documents, encoding, errors)
    trainer = trainer_class(**settings) if start is None else _started(trainer_class, start)
    if work.exists() and not resume:
        raise ConfigError(f"{work} holds a run that did not finish; add --resume, or remove it")
    is_new = not work.exists()
    try:
        if isinstance(trainer, Trainer) and start is not None:
            vectors = trainer.update_in(text, work, freeze=freeze)
        elif cluster is not None:
            vectors = _fit_on_ray(trainer, text, work, cluster, sync)
        else:
            vectors = trainer.fit_in(text, work)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
    except ClusterError:  # what was done before it failed stays, to go on with
        raise
    except RowspaceError:
        if is_new:  # the same again would fail again, and with other settings it cannot go on
            shutil.rmtree(work, ignore_errors=True)
        raise
    trainer.save(out)
    shutil.rmtree(work)
    if as_json:
        emit_json(_record(trainer, vectors, out))
    else:
        _tell(trainer, vectors, out)


def _fit_on_ray(
    trainer: Fitter[Any, Any], text: Corpus, work: Path, cluster: ClusterConfig, sync: int | None
) -> Vectors:
    from rowspace.scale.training import fit_on_ray

    averaging = AveragingConfig() if sync is None else AveragingConfig(sync=sync)
    return fit_on_ray(
        trainer, text, work, cluster, averaging, tell=lambda line: click.echo(line, err=True)
    )


def _started(trainer_class: type[Fitter[Any, Any]], start: Path) -> Trainer:
    """The saved model with the settings that the command line names."""
    assert issubclass(trainer_class, Trainer)
    context = click.get_current_context()
    names = {field.name for field in settings_of(trainer_class.config_class)}
    given = {
        name: value
        for name, value in context.params.items()
        if name in names and context.get_parameter_source(name) != ParameterSource.DEFAULT
    }
    return trainer_class.load(start, **given)


def _record(trainer: Fitter[Any, Any], vectors: Vectors, out: Path) -> dict[str, Any]:
    record: dict[str, Any] = {
        "out": str(out),
        "words": len(vectors),
        "dim": vectors.dim,
        "epochs": [dataclasses.asdict(epoch) for epoch in trainer.history],
    }
    if trainer.phrases is not None:
        record["phrases"] = len(trainer.phrases)
    if isinstance(trainer, Trainer) and trainer.update_report is not None:
        record["update"] = dataclasses.asdict(trainer.update_report)
    return record


def _tell(trainer: Fitter[Any, Any], vectors: Vectors, out: Path) -> None:
    if trainer.phrases is not None:
        names = [phrase.name for phrase in trainer.phrases]
        click.echo(f"{len(names):,} phrases joined{_some(names)}")
    update = trainer.update_report if isinstance(trainer, Trainer) else None
    if update is not None:
        click.echo(
            f"{len(update.added):,} words added{_some(update.added)}, "
            f"{len(update.dropped):,} dropped{_some(update.dropped)}, "
            f"{len(update.unseen):,} not in this text; "
            f"{update.n_rare_words:,} words too rare to add"
        )
    for epoch in trainer.history:
        click.echo(f"epoch {epoch.epoch}: loss {epoch.loss:.4f}{_more(epoch)}")
    if len(trainer.history) < trainer.config.epochs:
        click.echo("stopped early: the held-out loss no longer fell")
    best = _best_epoch(trainer)
    if best < len(trainer.history):
        click.echo(f"these are the vectors of epoch {best}, whose held-out loss is the lowest")
    click.echo(f"{len(vectors):,} vectors of {vectors.dim} numbers in {out}")
    click.echo(f"try: rowspace neighbors {out} WORD")


def _best_epoch(trainer: Fitter[Any, Any]) -> int:
    """The epoch whose vectors were kept, from 1: the last, where nothing was held out."""
    if not isinstance(trainer, Trainer) or not trainer.config.held_out:
        return len(trainer.history)
    losses = [
        math.inf if epoch.held_out_loss is None else epoch.held_out_loss
        for epoch in trainer.history
    ]
    return losses.index(min(losses)) + 1


def _more(epoch: EpochReport | GloVeEpochReport) -> str:
    if isinstance(epoch, GloVeEpochReport):
        return f", {epoch.pairs_per_second / 1e6:.2f} M pairs/s"
    held_out = "" if epoch.held_out_loss is None else f", held out {epoch.held_out_loss:.4f}"
    return f"{held_out}, {epoch.words_per_second / 1e6:.2f} M words/s"


def _some(words: list[str]) -> str:
    if not words:
        return ""
    shown = " ".join(printable(word) for word in words[:5])
    return f" ({shown}{' ...' if len(words) > 5 else ''})"

"""`rowspace encode`: vectors of texts, or of words where they occur in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from rowspace.cli.corpus import line_corpus_options, make_corpus
from rowspace.cli.encode_texts import counted, encode_texts
from rowspace.cli.options import cluster_config, engine_options, shard_option, whole_numbers
from rowspace.cli.output import emit_json, json_option
from rowspace.cli.vectors import printable
from rowspace.errors import ConfigError
from rowspace.extras import require_torch
from rowspace.sentence.kinds import holds_word_vectors, is_transformer, told_of_the_name
from rowspace.sentence.precision import PRECISIONS
from rowspace.sentence.runtime_choice import DTYPES
from rowspace.sentence.text_encoding import EncodingSettings
from rowspace.space.plots import duration
from rowspace.text.corpus import Corpus
from rowspace.transformer.reading_options import ON_TRUNCATE, POOLINGS

if TYPE_CHECKING:
    from rowspace.transformer.contextual import ContextualEncoder
    from rowspace.transformer.extraction import Extraction

_OF_WORDS = ("limit", "layers", "mix", "subword_pooling")
_OF_TEXTS = ("truncate_dim", "role", "prompt_name", "prompt", "threads")
_OF_MANY = ("shard", "engine", "address", "workers")
_OPTIONS = {"subword_pooling": "pooling", "role": "as"}
"""Where an option has another name."""


@click.command()
@click.argument("model")
@click.argument("texts", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path),
              help="To write: a .npy file, or with --words or --every-word a folder.")  # fmt: skip
@click.option("--words", help="Words whose occurrences get vectors, with commas between.")
@click.option("--every-word", is_flag=True, help="Give every occurrence of every word a vector.")
@click.option("--limit", type=click.IntRange(min=1),
              help="Occurrences of each word, the first ones; all if not given.")  # fmt: skip
@click.option("--layers", default="-1", show_default=True, callback=whole_numbers,
              help="0 is the embeddings, -1 the last; several with commas between.")  # fmt: skip
@click.option("--mix", default="mean", show_default=True,
              help="Of several layers: mean, concat, none, or weights, as 0.2,0.8.")  # fmt: skip
@click.option("--pooling", "subword_pooling", default="mean", show_default=True,
              type=click.Choice(POOLINGS),
              help="What is made of a word's several tokens.")  # fmt: skip
@click.option("--on-truncate", default="warn", show_default=True,
              type=click.Choice(ON_TRUNCATE),
              help="Of texts longer than the model reads: cut them and say how many, stop, or "
              "read them in windows.")  # fmt: skip
@click.option("--max-length", type=click.IntRange(min=1),
              help="Tokens read at once; the model's own if not given.")  # fmt: skip
@click.option("--truncate-dim", type=click.IntRange(min=1),
              help="Numbers of a text's vector that are kept, the first ones; the model's own if "
              "not given.")  # fmt: skip
@click.option("--as", "role", type=click.Choice(["query", "document"]),
              help="Which of the model's prompts is read before each text.")  # fmt: skip
@click.option("--prompt-name", help="The same, by the prompt's own name.")
@click.option("--prompt", help="What is read before each text; '' for nothing.")
@click.option("--dtype", default="auto", show_default=True, type=click.Choice(DTYPES),
              help="What the model computes in; auto is bfloat16 where the processor has it, and "
              "float32 with --words.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), help="As many as cores if not given.")
@click.option("--precision", "--store", "precision", default="float32", show_default=True,
              type=click.Choice(PRECISIONS), help="What is written.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@shard_option
@engine_options
@line_corpus_options
@json_option
@click.pass_context
def encode(
    context: click.Context,
    /,
    model: str,
    texts: tuple[str, ...],
    out: Path,
    words: str | None,
    every_word: bool,
    documents: str,
    encoding: str,
    errors: str,
    resume: bool,
    shard: tuple[int, int] | None,
    engine: str | None,
    address: str | None,
    workers: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Write the vectors of TEXTS, a row each, or of words where they occur in TEXTS.

    MODEL is the folder of a sentence encoder (sentence-transformers, model2vec) or of a
    transformer, or its name on the Hugging Face hub, or word vectors of any format of `rowspace
    convert`, whose weighted average (SIF) is a text's vector.
    """
    corpus = make_corpus(texts, documents, encoding, errors)
    if words is not None and every_word:
        raise ConfigError("give --words or --every-word, not both")
    if words is not None or every_word:
        _check_not_given(context, _OF_TEXTS, "is for vectors of whole texts; leave it out")
        wanted = None if words is None else [word for word in words.split(",") if word.strip()]
        _check_not_given(context, _OF_MANY, "is for vectors of whole texts; leave it out")
        of_words = {name: value for name, value in settings.items() if name not in _OF_TEXTS}
        _occurrences(model, corpus, out, wanted, as_json, resume=resume, **of_words)
        return
    _check_not_given(context, _OF_WORDS, "is for --words or --every-word; give one of them too")
    if holds_word_vectors(model):
        _check_not_given(context, _OF_TEXTS, "is for encoders, and these are word vectors")
    of_texts = {name: value for name, value in settings.items() if name not in _OF_WORDS}
    encode_texts(
        EncodingSettings(model=model, **of_texts),
        corpus,
        out,
        share=shard,
        cluster=cluster_config(engine, address, workers, of_texts["threads"] or 1),
        resume=resume,
        as_json=as_json,
    )


def _check_not_given(context: click.Context, names: Sequence[str], reason: str) -> None:
    for name in names:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise ConfigError(f"--{_OPTIONS.get(name, name).replace('_', '-')} {reason}")


def _occurrences(
    model: str,
    corpus: Corpus,
    out: Path,
    words: list[str] | None,
    as_json: bool,
    *,
    dtype: str,
    max_length: int | None,
    mix: str,
    precision: str,
    **settings: Any,
) -> None:
    if Path(model).exists() and not is_transformer(model):
        raise ConfigError(
            f"{model} is no transformer, and word vectors are the same in every text; give a "
            "transformer"
        )
    if not precision.startswith("float"):
        raise ConfigError(
            f"--precision is {precision}, and vectors of words are written as float32 or float16; "
            "give one of them"
        )
    encoder = _load_transformer(
        model, dtype="float32" if dtype == "auto" else dtype, max_length=max_length
    )
    from rowspace.transformer.extraction import extract

    found = extract(encoder, corpus, out, words, mix=_mix(mix), dtype=precision, **settings)
    counts = np.bincount(found.word_ids, minlength=len(found.words))
    record = {
        "out": str(out),
        **counted(found.report),
        "seconds": found.seconds,
        "texts_per_second": found.texts_per_second,
    }
    if words is not None:
        record["words"] = dict(zip(map(printable, found.words), counts.tolist(), strict=True))
    if as_json:
        emit_json(record)
        return
    _tell(found, out)
    for word, count in zip(found.words, counts, strict=True):
        if words is not None:
            click.echo(f"{printable(word)}: {count:,}")


def _tell(found: Extraction, out: Path) -> None:
    report = found.report
    click.echo(
        f"{report.n_rows:,} vectors of {' x '.join(map(str, found.vectors.shape[1:]))} numbers, "
        f"of {len(found.words):,} words in {report.n_read:,} of {report.n_texts:,} texts, in "
        f"{duration(found.seconds)}"
    )
    click.echo(f"they are in {out}; see rowspace.transformer.open_extraction")


def _load_transformer(model: str, **settings: Any) -> ContextualEncoder:
    require_torch("a transformer")
    from rowspace.transformer.load_encoder import load_encoder

    with told_of_the_name(model):
        return load_encoder(model, **settings)


def _mix(text: str) -> Any:
    """A name, or weights with commas between."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text

"""`rowspace encode`: vectors of texts, or of words where they occur in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from rowspace.cli.corpus import line_corpus_options, make_corpus
from rowspace.cli.models import is_transformer
from rowspace.cli.options import whole_numbers
from rowspace.cli.output import emit_json, json_option
from rowspace.cli.vectors import printable
from rowspace.errors import ConfigError, FormatError
from rowspace.extras import require_torch
from rowspace.space.encoding import Encode, encode_corpus
from rowspace.space.plots import duration
from rowspace.text.corpus import Corpus
from rowspace.transformer.reading_options import ON_TRUNCATE, POOLINGS

if TYPE_CHECKING:
    from rowspace.transformer.contextual import ContextualEncoder
    from rowspace.transformer.extraction import Extraction

_OF_WORDS = ("limit", "layers", "mix", "subword_pooling")


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
@click.option("--dtype", default="float32", show_default=True,
              type=click.Choice(["float32", "bfloat16", "float16"]),
              help="What the model computes in.")  # fmt: skip
@click.option("--store", default="float32", show_default=True,
              type=click.Choice(["float32", "float16"]), help="What is written.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
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
    as_json: bool,
    **settings: Any,
) -> None:
    """Write the vectors of TEXTS, a row each, or of words where they occur in TEXTS.

    MODEL is a transformer's folder or its name on the Hugging Face hub, or word vectors of any
    format of `rowspace convert`, whose weighted average (SIF) is a text's vector.
    """
    corpus = make_corpus(texts, documents, encoding, errors)
    if words is not None and every_word:
        raise ConfigError("give --words or --every-word, not both")
    if words is not None or every_word:
        wanted = None if words is None else [word for word in words.split(",") if word.strip()]
        _occurrences(model, corpus, out, wanted, as_json, **settings)
        return
    for name in _OF_WORDS:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = "pooling" if name == "subword_pooling" else name
            raise ConfigError(f"--{option} is for --words or --every-word; give one of them too")
    _texts(model, corpus, out, as_json, **settings)


def _texts(
    model: str,
    corpus: Corpus,
    out: Path,
    as_json: bool,
    *,
    store: str,
    resume: bool,
    on_truncate: str,
    **settings: Any,
) -> None:
    of_model = {name: settings[name] for name in ("max_length", "dtype")}
    encode, dim, identity = _text_encoder(model, corpus, on_truncate, of_model)
    report = encode_corpus(
        encode, corpus, out, dim=dim, identity=identity, dtype=store, resume=resume
    )
    if report.n_truncated:
        click.echo(
            f"rowspace: warning: {report.n_truncated:,} of {report.n_texts:,} texts are longer "
            "than the model reads, and the rest was not read; --on-truncate chunk reads all",
            err=True,
        )
    if report.n_renamed:
        click.echo(
            f"rowspace: warning: {report.n_renamed:,} of {report.n_texts:,} documents have the id "
            'of one before; their keys have "#2" and so on after it',
            err=True,
        )
    if as_json:
        emit_json({"out": str(out), **_record(report)})
        return
    click.echo(
        f"{report.n_texts:,} vectors of {report.dim} numbers in {out}, in "
        f"{duration(report.seconds)}, {report.texts_per_second:,.0f} texts/s"
    )


def _text_encoder(
    model: str, corpus: Corpus, on_truncate: str, settings: dict[str, Any]
) -> tuple[Encode, int, dict[str, Any]]:
    """What encodes texts, how long its vectors are, and what decides them."""
    if _holds_word_vectors(model):
        return _word_averages(model, corpus)
    encoder = _load_transformer(model, **settings)

    def encode(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        return encoder.encode_quietly(texts, on_truncate=on_truncate, names=names)

    return encode, encoder.dim, {"encoder": encoder.fingerprint, "on_truncate": on_truncate}


def _word_averages(model: str, corpus: Corpus) -> tuple[Encode, int, dict[str, Any]]:
    from rowspace.space.formats import load
    from rowspace.static.sif import SIFEncoder

    if any(str(path) == "-" for path, _ in corpus.files()):
        raise ConfigError(
            "word vectors need the text twice, and stdin comes once; save it to a file first"
        )
    sample = (corpus.text_of(document) for document in corpus)
    averages = SIFEncoder.from_vectors(load(model), sample)

    def encode(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        return averages.encode(texts), 0

    return encode, averages.dim, {"encoder": averages.fingerprint}


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
    store: str,
    **settings: Any,
) -> None:
    if _holds_word_vectors(model):
        raise ConfigError(
            f"{model} is no transformer, and word vectors are the same in every text; give a "
            "transformer"
        )
    encoder = _load_transformer(model, dtype=dtype, max_length=max_length)
    from rowspace.transformer.extraction import extract

    found = extract(encoder, corpus, out, words, mix=_mix(mix), dtype=store, **settings)
    counts = np.bincount(found.word_ids, minlength=len(found.words))
    record = {
        "out": str(out),
        **_record(found.report),
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


def _record(report: Any) -> dict[str, Any]:
    """Its fields, without the prefix of counts."""
    return {name.removeprefix("n_"): value for name, value in dataclasses.asdict(report).items()}


def _holds_word_vectors(model: str) -> bool:
    """Whether it is a path, and no transformer's; what is no path may be a name of the hub."""
    return Path(model).exists() and not is_transformer(model)


def _load_transformer(model: str, **settings: Any) -> ContextualEncoder:
    require_torch("a transformer")
    from rowspace.transformer.load_encoder import load_encoder

    try:
        return load_encoder(model, **settings)
    except FormatError as error:
        if Path(model).exists():
            raise
        raise FormatError(
            f"there is no path {model}, and as the name of a transformer: {error}"
        ) from error


def _mix(text: str) -> Any:
    """A name, or weights with commas between."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text

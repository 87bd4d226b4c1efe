"""What encodes the texts of a corpus: a model with all that decides its vectors, by its settings.

The settings pickle and the models do not, so that other processes load their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError
from rowspace.sentence.kinds import holds_word_vectors, told_of_the_name
from rowspace.sentence.precision import check_precision, dtype_of, n_columns, quantize
from rowspace.space.encoder import encode_documents
from rowspace.space.encoding import Encode
from rowspace.text.corpus import Corpus

if TYPE_CHECKING:
    from rowspace.sentence.encoder import SentenceEncoder


@dataclass(frozen=True, kw_only=True)
class EncodingSettings:
    """Which model encodes texts, and how."""

    model: str
    """A sentence encoder, a transformer, a name on the hub, or word vectors."""
    precision: str = "float32"
    """Of what is written."""
    on_truncate: str = "warn"
    """What is done with texts longer than the model reads."""
    role: str | None = None
    """`query` or `document`, whose prompt is read before each text."""
    prompt_name: str | None = None
    prompt: str | None = None
    max_length: int | None = None
    truncate_dim: int | None = None
    dtype: str = "auto"
    """What the model computes in."""
    threads: int | None = None
    """As many as cores if not given."""

    def __post_init__(self) -> None:
        given = (self.role, self.prompt_name, self.prompt)
        if sum(one is not None for one in given) > 1:
            raise ConfigError("give --as, --prompt-name or --prompt, one of the three")


@dataclass(frozen=True)
class TextEncoding:
    """What encodes texts."""

    encode: Encode
    dim: int
    """Columns of a row, in the precision that is written."""
    dtype: str
    """Of the rows."""
    identity: dict[str, Any]
    """What decides the vectors, as JSON can hold it."""


def load_encoding(settings: EncodingSettings, corpus: Corpus) -> TextEncoding:
    """Load the model of some settings.

    Parameters
    ----------
    settings : EncodingSettings
    corpus : Corpus
        What is to be encoded: word vectors are weighted by its first 20,000 texts.

    Raises
    ------
    ConfigError
        If a setting does not fit the model, or word vectors would need standard input twice.
    FormatError
        If there is no such model.
    """
    precision, ranges = settings.precision, None
    if holds_word_vectors(settings.model):
        encode, dim, identity = _word_averages(settings.model, corpus)
    else:
        encoder = _load(settings)
        ranges = encoder.config.ranges
        encode, dim, identity = _sentences(encoder, settings)
    check_precision(precision, ranges, dim)
    return TextEncoding(
        _in_precision(encode, precision, ranges),
        n_columns(dim, precision),
        dtype_of(precision).name,
        {**identity, "precision": precision},
    )


def _in_precision(encode: Encode, precision: str, ranges: NDArray[np.float32] | None) -> Encode:
    """What gives whole numbers or bits; float16 is made, and checked, where it is written."""
    if precision.startswith("float"):
        return encode

    def encode_in_precision(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[Any], int]:
        vectors, n_truncated = encode(texts, names)
        return quantize(vectors, precision, ranges), n_truncated

    return encode_in_precision


def _load(settings: EncodingSettings) -> SentenceEncoder:
    from rowspace.sentence.loading import load_encoder

    with told_of_the_name(settings.model):
        return load_encoder(
            settings.model,
            max_length=settings.max_length,
            truncate_dim=settings.truncate_dim,
            dtype=settings.dtype,
            threads=settings.threads,
        )


def _sentences(
    encoder: SentenceEncoder, settings: EncodingSettings
) -> tuple[Encode, int, dict[str, Any]]:
    prompts, on_truncate = encoder.config.prompts, settings.on_truncate
    if settings.role is not None:
        before = prompts.query if settings.role == "query" else prompts.document
    else:
        before = prompts.resolve(settings.prompt_name, settings.prompt)

    def encode(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        try:
            return encode_documents(encoder, texts, prompt=before, on_truncate=on_truncate)
        except CorpusError:
            for text, name in zip(texts, names, strict=True):
                _check_length(encoder, before + text, name, on_truncate)
            raise

    identity = {
        "encoder": encoder.fingerprint,
        "prompt": before,
        "runtime": getattr(getattr(encoder.embedding, "runtime", None), "name", ""),
        "on_truncate": on_truncate,
    }
    return encode, encoder.dim, identity


def _check_length(encoder: SentenceEncoder, text: str, name: str, on_truncate: str) -> None:
    """Raise the error of a text that is too long again, with its name."""
    try:
        encoder.embedding.read([text], on_truncate)
    except CorpusError as error:
        raise CorpusError(str(error).replace("text 0", name, 1)) from None


def _word_averages(model: str, corpus: Corpus) -> tuple[Encode, int, dict[str, Any]]:
    from rowspace.space.formats import load
    from rowspace.static.sif import SIFEncoder

    if any(part.path.name == "-" for part in corpus.listed()):
        raise ConfigError(
            "word vectors need the text twice, and stdin comes once; save it to a file first"
        )
    sample = (corpus.text_of(document) for document in corpus)
    averages = SIFEncoder.from_vectors(load(model), sample)

    def encode(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        return averages.encode(texts), 0

    return encode, averages.dim, {"encoder": averages.fingerprint}

"""Sentence encoders: texts to vectors, as sentence-transformers gives them, and faster on a CPU.

Reimers & Gurevych (2019), https://arxiv.org/abs/1908.10084. `load_encoder` reads folders of
sentence-transformers, model2vec and bare transformers. Texts are tokenised once, sorted by their
tokens and run in batches of like length; a long list goes through in chunks, so that memory does
not follow it, and the next chunk is tokenised while one is computed.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError
from rowspace.progress import track
from rowspace.sentence.batches import batches_of
from rowspace.sentence.checked_runtime import CheckedRuntime
from rowspace.sentence.folder import SentenceConfig, read_modules
from rowspace.sentence.precision import check_precision, dtype_of, n_columns, quantize, ranges_of
from rowspace.sentence.prepared import Prepared, embed_prepared
from rowspace.sentence.reading import Pieces, TokenReader
from rowspace.sentence.runtime import Runtime
from rowspace.space.similarity import row_norms
from rowspace.transformer.tokenizer import check_text

if TYPE_CHECKING:
    from rowspace.transformer.contextual import ContextualEncoder, WordVectors
    from rowspace.transformer.tokenizer import SubwordTokenizer

TEXTS_AT_ONCE = 4096
"""Texts that are tokenised and sorted together."""
_FIRST_TEXTS = 256
"""Of the first chunk, which nothing is computed beside."""
_COSINE = ("cosine", "cos_sim")
_NORMS = {"euclidean": 2, "manhattan": 1}


class Embedding(Protocol):
    """Texts to their vectors, before layers, length and precision: a transformer, or a table."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def fingerprint(self) -> str:
        """What decides the vectors."""

    @property
    def tokenizer(self) -> SubwordTokenizer:
        """What cuts texts into tokens."""

    def read(self, texts: Sequence[str], on_truncate: str, first: int = 0) -> Pieces:
        """Texts as tokens, `first` the number of the first; done beside the computing of others."""

    def vectors(
        self, pieces: Pieces, n_prompt: int, is_fixed: bool
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Which pieces, and their (n, dim) vectors; those without any token are left out."""

    def read_ids(self, texts: Sequence[Sequence[int]], prompt: str, on_truncate: str) -> Pieces:
        """Texts that are token ids already, without special ones, as `read` gives them."""

    def n_prompt(self, prompt: str) -> int:
        """Tokens that a prompt takes at the beginning."""


class TransformerEmbedding:
    """The pooled states of a transformer.

    Parameters
    ----------
    runtime : Runtime
    reader : TokenReader
    poolings : sequence of str
    weights : callable
        Gives what tells these weights from others'.
    """

    def __init__(
        self,
        runtime: Runtime,
        reader: TokenReader,
        poolings: Sequence[str],
        weights: Callable[[], str],
    ) -> None:
        self.runtime, self.reader, self.poolings = runtime, reader, tuple(poolings)
        self._weights, self._checked = weights, CheckedRuntime(runtime)
        self.read, self.read_ids = reader.read, reader.read_ids
        self.n_prompt = reader.n_prompt

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.runtime.dim * len(self.poolings)

    @property
    def tokenizer(self) -> SubwordTokenizer:
        """What cuts texts into tokens."""
        return self.reader.tokenizer

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the weights, the tokens and the pooling; not of what computes it, nor how exactly."""
        return json.dumps([self._weights(), self.reader.fingerprint, self.poolings])

    def vectors(
        self, pieces: Pieces, n_prompt: int, is_fixed: bool
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """As `Embedding.vectors`."""
        batches = batches_of(pieces, self.poolings, n_prompt=n_prompt, is_fixed=is_fixed)
        runtime = self._checked if is_fixed else self.runtime
        for batch, pooled in runtime.run(batches):
            scaled = (pooled * batch.scales[:, :, None])[: len(batch.rows)]
            yield batch.rows, scaled.reshape(len(scaled), -1)


class SentenceEncoder:
    """Turns texts into vectors; `load_encoder` makes one.

    Parameters
    ----------
    embedding : Embedding
    config : SentenceConfig
    folder : Path, optional
        Where it was read from.
    deterministic : bool
        Whether a text's vector is to be the same to the last bit whichever texts are encoded with
        it.
    is_alone : bool
        Whether texts are tokenised in the thread that computes, not beside it.
    """

    def __init__(
        self,
        embedding: Embedding,
        config: SentenceConfig,
        *,
        folder: Path | None = None,
        deterministic: bool = False,
        is_alone: bool = False,
    ) -> None:
        self.embedding, self.config, self.folder = embedding, config, folder
        self.deterministic, self.is_alone = deterministic, is_alone
        self.n_truncated = 0
        """Texts of the last call whose end was not read."""
        _check_width(config, self._full_dim)

    @property
    def _full_dim(self) -> int:
        dense = self.config.dense
        return len(dense[-1].weight) if dense else self.embedding.dim

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.config.truncate_dim or self._full_dim

    @property
    def max_length(self) -> int | None:
        """Tokens of a text that are read, special ones included; None for all."""
        return self.config.max_length

    @property
    def prompts(self) -> dict[str, str]:
        """What is read before texts, by name."""
        return dict(self.config.prompts.texts)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what determines the vectors; two runtimes of one model have the same."""
        config = self.config
        digest = hashlib.sha256(self.embedding.fingerprint.encode())
        settings = [config.include_prompt, config.normalize, self.dim, config.prompts.as_dict()]
        digest.update(json.dumps(settings).encode())
        for layer in config.dense:
            digest.update(layer.activation.encode() + layer.weight.tobytes())
            digest.update(b"" if layer.bias is None else layer.bias.tobytes())
        return digest.hexdigest()

    def encode(
        self,
        texts: str | Iterable[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        precision: str = "float32",
        truncate_dim: int | None = None,
        normalize: bool | None = None,
        on_truncate: str = "warn",
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Vectors of texts.

        Parameters
        ----------
        texts : str or iterable of str
            One text gives one vector. An iterator is read a chunk at a time.
        prompt_name : str, optional
            One of `prompts`, which is read before each text; the model's default if not given.
        prompt : str, optional
            The prompt itself; "" for none.
        precision : {"float32", "float16", "int8", "uint8", "binary", "ubinary"}
        truncate_dim : int, optional
            Numbers of a vector that are kept (Matryoshka); the model's own if not given.
        normalize : bool, optional
            Whether vectors get unit length; as the model says if not given.
        on_truncate : {"warn", "error", "chunk"}
            A longer text is cut, with one warning that says how many were; or is an error; or is
            read in windows that overlap, whose vectors are averaged.
        out : array, optional
            To be filled, such as a memory-mapped file; (n_texts, dim) in the precision's type.

        Returns
        -------
        (n_texts, dim) array, or (dim,) of one text
            A zero row where a text has no token.

        Raises
        ------
        ConfigError
            If the model reads queries and documents with different prompts and none was asked for,
            or a setting cannot be.
        CorpusError
            If a text is no text, or too long for "error"; or its vector is not finite.

        Examples
        --------
        >>> encoder = rowspace.load_encoder("models/minilm")
        >>> encoder.encode(["a text", "another"]).shape
        (2, 384)
        """
        before = self.config.prompts.resolve(prompt_name, prompt)
        dim = self._dim_of(truncate_dim)
        check_precision(precision, self.config.ranges, dim)
        one = isinstance(texts, str)
        run = _Run(self, before, on_truncate)
        parts: list[NDArray[Any]] = []
        n_rows = 0
        for vectors in run.chunks([texts] if isinstance(texts, str) else texts):
            full = self.finished(vectors, dim, normalize)
            finished = quantize(full, precision, self.config.ranges)
            if out is None:
                parts.append(finished)
            else:
                _fill(out, finished, n_rows)
            n_rows += len(finished)
        self.n_truncated = run.n_truncated
        run.warn(n_rows)
        if out is not None:
            return out
        shape = (0, n_columns(dim, precision))
        found = np.concatenate(parts) if parts else np.zeros(shape, dtype=dtype_of(precision))
        return found[0] if one else found

    def encode_query(self, texts: str | Iterable[str], **settings: Any) -> NDArray[Any]:
        """As `encode`, with the prompt of queries."""
        if settings.keys().isdisjoint(("prompt", "prompt_name")):
            settings["prompt"] = self.config.prompts.query
        return self.encode(texts, **settings)

    def encode_document(self, texts: str | Iterable[str], **settings: Any) -> NDArray[Any]:
        """As `encode`, with the prompt of documents."""
        if settings.keys().isdisjoint(("prompt", "prompt_name")):
            settings["prompt"] = self.config.prompts.document
        return self.encode(texts, **settings)

    # In two steps, for a server

    def prepare(
        self,
        texts: Sequence[str] | Sequence[Sequence[int]],
        prompt: str,
        *,
        truncate_dim: int | None = None,
        on_truncate: str = "warn",
    ) -> Prepared:
        """Tokenise texts, for `embed` to compute.

        Parameters
        ----------
        texts : sequence of str, or of sequences of int
            Of ids of this model's tokens; special ones are put around them.
        prompt : str
            Read before each; "" for none.
        truncate_dim, on_truncate
            As for `encode`; nothing warns, `pieces.n_truncated` says how many were cut.

        Raises
        ------
        ConfigError, CorpusError
            As for `encode`.
        VocabularyError
            If an id is none of the model's.
        """
        dim = self._dim_of(truncate_dim)
        if texts and not isinstance(texts[0], str):
            ids = cast("Sequence[Sequence[int]]", texts)
            pieces = self.embedding.read_ids(ids, prompt, on_truncate)
        else:
            for number, text in enumerate(texts):
                check_text(text, number)
            prompted = [prompt + text for text in cast("Sequence[str]", texts)]
            pieces = self.embedding.read(prompted, on_truncate)
        return Prepared(pieces, len(texts), self.n_left_out(prompt), dim)

    def embed(self, prepared: Sequence[Prepared]) -> list[NDArray[np.float32]]:
        """Compute what `prepare` gave, together: (n_texts, dim) vectors of each.

        With a deterministic encoder they have the bits that `encode` gives each text.
        """
        return embed_prepared(self, prepared)

    def n_left_out(self, prompt: str) -> int:
        """Tokens of a prompt that are read, and not pooled."""
        return 0 if self.config.include_prompt else self.embedding.n_prompt(prompt)

    def unfinished(
        self, pieces: Pieces, n_texts: int, n_prompt: int, first: int = 0
    ) -> NDArray[np.float32]:
        """(n_texts, dim) vectors before they are cut and normalised; `first` numbers errors."""
        embedding, is_fixed = self.embedding, self.deterministic
        found = np.zeros((n_texts, embedding.dim), dtype=np.float32)
        n_tokens = np.zeros(n_texts, dtype=np.int64)
        n_pieces = np.bincount(pieces.text_ids, minlength=n_texts)
        for rows, vectors in embedding.vectors(pieces, n_prompt, is_fixed):
            texts, lengths = pieces.text_ids[rows], pieces.lengths[rows]
            is_whole = n_pieces[texts] == 1
            found[texts[is_whole]] = vectors[is_whole]
            if not is_whole.all():  # several pieces of a text: the mean by their tokens
                weighted = vectors[~is_whole] * lengths[~is_whole, None]
                np.add.at(found, texts[~is_whole], weighted)
            np.add.at(n_tokens, texts, lengths)
        several = n_pieces > 1
        found[several] /= np.maximum(n_tokens[several], 1)[:, None]
        for layer in self.config.dense:
            found = layer(found, row_by_row=is_fixed)
        found[n_tokens == 0] = 0
        _check_finite(found, first)
        return found

    def finished(
        self, vectors: NDArray[np.float32], dim: int, normalize: bool | None = None
    ) -> NDArray[np.float32]:
        """What `unfinished` gave, cut to `dim` numbers, and of unit length if the model says so."""
        is_normal = self.config.normalize if normalize is None else normalize
        cut = vectors[:, :dim]
        return normalized(cut) if is_normal else np.ascontiguousarray(cut)

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has, without special ones and prompts, however long it is."""
        return len(self.embedding.tokenizer.encode(text))

    def similarity(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float32]:
        """How alike each vector of `a`, (n, dim), is to each of `b`, (m, dim): (n, m).

        The cosine, unless the model says dot product, or the negated Euclidean or Manhattan
        distance.
        """
        return similarities(a, b, self.config.similarity)

    def fit_ranges(self, texts: Iterable[str], **settings: Any) -> None:
        """Set the ranges of int8 by some hundred texts; `save` keeps them."""
        vectors = self.encode(texts, **settings)
        if len(vectors) < 2:
            which = "text tells" if len(vectors) == 1 else "texts tell"
            raise CorpusError(f"{len(vectors)} {which} no range; give some hundred")
        self.config = dataclasses.replace(self.config, ranges=ranges_of(vectors))

    def save(self, folder: Path | str) -> None:
        """Write the folder anew, with this encoder's settings, in one step."""
        from rowspace.sentence.saving import save_encoder

        save_encoder(self, Path(folder))

    # Of words

    @functools.cached_property
    def words(self) -> ContextualEncoder:
        """The same transformer as what gives words their vectors in their texts; needs torch."""
        from rowspace.transformer.load_encoder import load_encoder as load_contextual

        if self.folder is None or not isinstance(self.embedding, TransformerEmbedding):
            raise ConfigError(
                "this encoder has no folder of a transformer, which gives a word its vector in a "
                "sentence; load one"
            )
        return load_contextual(read_modules(self.folder)[0].path)

    def contextual(self, *arguments: Any, **settings: Any) -> WordVectors:
        """The vectors of words in their texts: see `ContextualEncoder.contextual`; needs torch."""
        return self.words.contextual(*arguments, **settings)

    def _dim_of(self, truncate_dim: int | None) -> int:
        dim = self.dim if truncate_dim is None else truncate_dim
        if not 1 <= dim <= self._full_dim:
            raise ConfigError(
                f"truncate_dim is {dim}, and vectors have {self._full_dim} numbers; give one of "
                f"1 to {self._full_dim}"
            )
        return dim


@dataclass(frozen=True)
class _Chunk:
    """Some texts that are being tokenised."""

    first: int
    """The number of the first."""
    n_texts: int
    reading: Future[Pieces]


class _InTurn:
    """Does what it is given at once, as a pool of no threads."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """The result, which is there already."""
        done: Future[Any] = Future()
        done.set_result(function(*arguments))
        return done


class _Run:
    """Texts on their way, once."""

    def __init__(self, encoder: SentenceEncoder, prompt: str, on_truncate: str) -> None:
        self.encoder, self.prompt, self.on_truncate = encoder, prompt, on_truncate
        self.n_truncated = 0
        self.n_prompt = encoder.n_left_out(prompt)

    def chunks(self, texts: Iterable[str]) -> Iterator[NDArray[np.float32]]:
        """The vectors of some texts at a time, before they are cut and normalised."""
        total = len(texts) if isinstance(texts, Sized) else None
        pool = nullcontext(_InTurn()) if self.encoder.is_alone else ThreadPoolExecutor(1)
        with pool as beside, track("encoding", total) as tracker:
            before: _Chunk | None = None
            for chunk in self._readings(texts, beside.submit):
                if before is not None:
                    yield self._vectors(before)
                    tracker.advance(before.n_texts)
                before = chunk
            if before is not None:
                yield self._vectors(before)
                tracker.advance(before.n_texts)

    def _readings(self, texts: Iterable[str], submit: Callable[..., Any]) -> Iterator[_Chunk]:
        """Chunks of texts, each being tokenised."""
        left, first, size = iter(texts), 0, _FIRST_TEXTS
        while chunk := list(islice(left, size)):
            for number, text in enumerate(chunk, first):
                check_text(text, number)
            prompted = [self.prompt + text for text in chunk] if self.prompt else chunk
            reading = submit(self.encoder.embedding.read, prompted, self.on_truncate, first)
            yield _Chunk(first, len(chunk), reading)
            first, size = first + len(chunk), TEXTS_AT_ONCE

    def _vectors(self, chunk: _Chunk) -> NDArray[np.float32]:
        pieces = chunk.reading.result()
        self.n_truncated += pieces.n_truncated
        return self.encoder.unfinished(pieces, chunk.n_texts, self.n_prompt, chunk.first)

    def warn(self, n_texts: int) -> None:
        """Say how many texts were cut."""
        if self.n_truncated:
            are = "is" if self.n_truncated == 1 else "are"
            warnings.warn(
                f"{self.n_truncated:,} of {n_texts:,} texts {are} longer than "
                f"{self.encoder.max_length:,} tokens, and the rest was not read; "
                "on_truncate='chunk' reads all",
                stacklevel=3,
            )


def _check_finite(vectors: NDArray[np.float32], first: int) -> None:
    is_finite = np.isfinite(vectors).all(axis=1)
    if not is_finite.all():
        n = int((~is_finite).sum())
        which = f"text {first + int(is_finite.argmin()):,}"
        others = f" and {n - 1:,} of the next" if n > 1 else ""
        raise CorpusError(
            f"the vector of {which}{others} is not finite, so the model's weights hold NaN or are "
            "too large for this dtype; copy or download it again, or give dtype='float32'"
        )


def similarities(a: NDArray[Any], b: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """As `SentenceEncoder.similarity`."""
    from scipy.spatial.distance import cdist

    a, b = np.atleast_2d(a).astype(np.float32), np.atleast_2d(b).astype(np.float32)
    found: NDArray[Any]
    if kind in _COSINE:
        found = normalized(a) @ normalized(b).T
    elif kind == "dot":
        found = a @ b.T
    elif kind == "euclidean":
        found = -cdist(a, b, "euclidean")
    elif kind == "manhattan":
        found = -cdist(a, b, "cityblock")
    else:
        raise _unknown_similarity(kind)
    return found.astype(np.float32)


def pair_similarities(a: NDArray[Any], b: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """How alike each row of `a`, (n, dim), is to the same row of `b`: (n,); see `similarities`."""
    a, b = np.atleast_2d(a).astype(np.float32), np.atleast_2d(b).astype(np.float32)
    if kind in _COSINE:
        a, b = normalized(a), normalized(b)
    found: NDArray[Any]
    if kind in (*_COSINE, "dot"):
        found = np.einsum("nd,nd->n", a, b)
    elif kind in _NORMS:
        found = -np.linalg.norm(a - b, ord=_NORMS[kind], axis=1)
    else:
        raise _unknown_similarity(kind)
    return found.astype(np.float32)


def _unknown_similarity(kind: str) -> ConfigError:
    return ConfigError(f"the model's similarity is {kind!r}, which is not known; compare by dot")


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, dim) vectors of unit length; one of zeros stays so."""
    norms = row_norms(vectors)
    return (vectors / np.where(norms > 0, norms, 1)[:, None]).astype(np.float32)


def _fill(out: NDArray[Any], rows: NDArray[Any], start: int) -> None:
    if out.shape[1:] != rows.shape[1:] or len(out) < start + len(rows) or out.dtype != rows.dtype:
        raise ConfigError(
            f"out has the shape {out.shape} and type {out.dtype}, and row "
            f"{start + len(rows) - 1:,}, of {rows.shape[1]} {rows.dtype} numbers, does not fit; "
            "give an array of that type with a row a text"
        )
    out[start : start + len(rows)] = rows


def _check_width(config: SentenceConfig, dim: int) -> None:
    if config.truncate_dim is not None and not 1 <= config.truncate_dim <= dim:
        raise ConfigError(
            f"truncate_dim is {config.truncate_dim}, and vectors have {dim} numbers; give one of "
            f"1 to {dim}"
        )

"""Readers of words for sequence models: word vectors, tables of subwords, transformers.

A transformer's vector of a word is the mean of the states of its tokens, in its text. That of a
table is the same in every text.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import VocabularyError
from rowspace.evaluate.sequence import TokenVectors
from rowspace.extras import require_torch
from rowspace.progress import track
from rowspace.sentence.kinds import is_text_encoder
from rowspace.space.formats import load
from rowspace.space.subword import SubwordVectors
from rowspace.space.vectors import Vectors

if TYPE_CHECKING:
    from rowspace.sentence.static import StaticEmbedding
    from rowspace.transformer.contextual import ContextualEncoder

_TEXTS_AT_ONCE = 512
_SAME = 1e-3
"""Of a state's largest number: what rounding may change."""


class WordTokens:
    """The vectors of words.

    Parameters
    ----------
    vectors : Vectors
        A word is looked up in lower case, then as it stands; fastText's gives unknown ones the
        mean of their n-grams.
    """

    is_contextual = False
    looks_ahead = False

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.vectors.dim

    def read(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """As `TokenVectors.read`."""
        return _looked_up(texts, self._rows)

    def _rows(self, words: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(words), self.dim), dtype=np.float32)
        for row, word in enumerate(words):
            known = next((key for key in (word.lower(), word) if key in self.vectors), None)
            if known is not None:
                rows[row] = self.vectors[known]
            elif isinstance(self.vectors, SubwordVectors):
                rows[row] = _by_ngrams(self.vectors, word.lower())
        return rows


class SubwordTokens:
    """The means of the rows of each word's tokens, in a static embedder's table.

    Parameters
    ----------
    embedding : StaticEmbedding
    """

    is_contextual = False
    looks_ahead = False

    def __init__(self, embedding: StaticEmbedding) -> None:
        self.embedding = embedding

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.embedding.dim

    def read(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """As `TokenVectors.read`."""
        return _looked_up(texts, self._rows)

    def _rows(self, words: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(words), self.dim), dtype=np.float32)
        pieces = self.embedding.read(words, "chunk")
        for found, vectors in self.embedding.vectors(pieces, 0, False):
            rows[found] = vectors
        return rows


class ContextualTokens:
    """A transformer's states of words, in their texts.

    What reads both ways reads a long text in windows. A causal one reads the beginning, so that no
    vector depends, by where windows stand, on what comes after it; later words have a zero row.

    Parameters
    ----------
    encoder : ContextualEncoder
    layers : int or sequence of int
        As `ContextualEncoder.contextual` takes them; of several, the mean.
    lowercase : bool
        Whether words are read in lower case.
    """

    is_contextual = True

    def __init__(
        self,
        encoder: ContextualEncoder,
        *,
        layers: int | Sequence[int] = -1,
        lowercase: bool = False,
    ) -> None:
        self.encoder, self.layers, self.lowercase = encoder, layers, lowercase

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.dim

    @functools.cached_property
    def looks_ahead(self) -> bool:
        """Whether a token's state changes with the tokens after it, which is tried."""
        import torch

        states = self.encoder.states
        last = states.n_rows - 1
        ids = torch.tensor([[last, max(0, last - 1), i] for i in (last, max(0, last - 2))])
        with torch.inference_mode():
            one, other = states.read(ids.to(states.device), None, [states.n_layers])[0][:, :2]
        return bool((one - other).abs().max() > _SAME * one.abs().max())

    def read(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """As `TokenVectors.read`; a zero row where the tokenizer leaves a word out too."""
        found: list[NDArray[np.float32]] = []
        with track("reading texts", total=len(texts)) as tracker:
            for start in range(0, len(texts), _TEXTS_AT_ONCE):
                part = texts[start : start + _TEXTS_AT_ONCE]
                found += self._read(part)
                tracker.advance(len(part))
        return found

    def _read(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        from rowspace.transformer.occurrences import Occurrences

        if self.lowercase:
            texts = [[word.lower() for word in words] for words in texts]
        kept, read = self.encoder.vectors_at(
            [" ".join(words) for words in texts],
            Occurrences.of(map(_spans, texts)),
            layers=self.layers,
            on_truncate="chunk" if self.looks_ahead else "warn",
        )
        lengths = [len(words) for words in texts]
        rows = np.zeros((sum(lengths), self.dim), dtype=np.float32)
        rows[kept] = read.vectors
        return np.split(rows, np.cumsum(lengths)[:-1])


def open_token_vectors(model: Path | str) -> TokenVectors:
    """A model of any kind as a reader of words.

    Parameters
    ----------
    model : path or str
        Word vectors in any format that `load` reads; the folder of a transformer, of
        sentence-transformers or of model2vec.

    Raises
    ------
    FormatError
        If it cannot be read.
    MissingExtraError
        If it needs torch, which is not installed.
    """
    if not is_text_encoder(model):
        return WordTokens(load(str(model)))
    from rowspace.sentence.folder import read_config, read_modules
    from rowspace.sentence.static_files import load_static

    folder = Path(model)
    modules = read_modules(folder)
    if modules[0].kind == "StaticEmbedding":
        return SubwordTokens(load_static(folder, modules, str(model), None)[0])
    require_torch("the states of a transformer")
    from rowspace.transformer.load_encoder import load_encoder

    lowercase = read_config(folder, modules).lowercase
    return ContextualTokens(load_encoder(modules[0].path), lowercase=lowercase)


def _looked_up(
    texts: Sequence[Sequence[str]], rows_of: Callable[[Sequence[str]], NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """The vectors of words that are the same in every text; each word is looked up once."""
    places: dict[str, int] = {}
    for words in texts:
        for word in words:
            places.setdefault(word, len(places))
    rows = rows_of(list(places))
    return [rows[np.array([places[word] for word in words], dtype=np.int64)] for words in texts]


def _by_ngrams(vectors: SubwordVectors, word: str) -> NDArray[np.float32] | float:
    try:
        return vectors.get_vector(word)
    except VocabularyError:  # too short for an n-gram
        return 0.0


def _spans(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where each word stands in the words joined by spaces."""
    start = 0
    for word in words:
        yield start, start + len(word)
        start += len(word) + 1

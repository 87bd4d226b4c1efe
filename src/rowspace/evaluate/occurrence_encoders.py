"""What gives a word in its sentence a vector: a transformer, or word vectors in two ways.

A word's own static vector is the same in every sentence, so it cannot tell senses apart; the mean
of its neighbors' vectors can (Schütze 1998, https://aclanthology.org/J98-1004).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.space.encoder import Encoder
from rowspace.space.similarity import unit_rows
from rowspace.space.vectors import Vectors

if TYPE_CHECKING:
    from rowspace.static.sif import SIFEncoder
    from rowspace.transformer.contextual import ContextualEncoder
    from rowspace.transformer.reading_options import Pooling

Sentences = Sequence[Sequence[str]]
"""Each a list of tokens."""

# Chosen on words of CoarseWSD-20, Senseval and Word-in-Context: docs/decisions/senses.md.
WINDOW = 10
N_LAYERS = 4
SENTENCE_WEIGHT = 0.5
_SENTENCES_AT_ONCE = 512


class OccurrenceEncoder(Protocol):
    """Words in their sentences to vectors."""

    def occurrences(self, sentences: Sentences, indices: Sequence[int]) -> NDArray[np.float32]:
        """The vector of one word of each sentence.

        Parameters
        ----------
        sentences : sequence of sequence of str
            Tokens.
        indices : sequence of int
            Which token of each, from 0.

        Returns
        -------
        (n, dim) float32 array
            A zero row where there is nothing to go by.
        """


class TransformerOccurrences:
    """A word's states in a transformer that reads the sentence, and those of the sentence.

    The word's vector is the mean of its layers' unit vectors, since layers differ in length. To its
    unit vector, that of the sentence (the mean of the last layer) times a weight is added. With
    weight 0 it is the word's alone, as papers have it.

    Parameters
    ----------
    encoder : ContextualEncoder
    layers : int or sequence of int, optional
        As `ContextualEncoder.contextual` takes them; the last four if not given, or as many as
        there are after the embeddings.
    subword_pooling
        As `contextual` takes it. Sentences that are longer than the model reads at once are read in
        windows.
    hidden : bool
        Read the sentence with the word hidden behind the mask token, so that what is told apart is
        what stands around it; for masked language models. The sentence's vector is then of the
        sentence without the word.
    sentence_weight : float
        0 or more; above 0 each sentence is read twice.

    Raises
    ------
    ConfigError
        If the weight is below 0, or there is no such layer.
    """

    def __init__(
        self,
        encoder: ContextualEncoder,
        *,
        layers: int | Sequence[int] | None = None,
        subword_pooling: Pooling = "mean",
        hidden: bool = False,
        sentence_weight: float = SENTENCE_WEIGHT,
    ) -> None:
        if not 0 <= sentence_weight < math.inf:
            raise ConfigError(f"sentence_weight is {sentence_weight}; give 0 or more")
        from rowspace.transformer.layer_mix import LayerMix

        if layers is None:
            layers = range(-min(N_LAYERS, encoder.n_layers), 0)
        self.layers = LayerMix.of(layers, "none", encoder.n_layers).layers
        self.encoder = encoder
        self.subword_pooling: Pooling = subword_pooling
        self.hidden, self.sentence_weight = hidden, sentence_weight

    def occurrences(self, sentences: Sentences, indices: Sequence[int]) -> NDArray[np.float32]:
        """As `OccurrenceEncoder.occurrences`.

        A zero row where the tokenizer leaves the word out, or a window cannot hold its tokens.
        """
        found = np.zeros((len(sentences), self.encoder.dim), dtype=np.float32)
        with track("reading sentences", total=len(sentences)) as tracker:
            for start in range(0, len(sentences), _SENTENCES_AT_ONCE):
                rows = slice(start, start + _SENTENCES_AT_ONCE)
                found[rows] = self._read(sentences[rows], indices[rows])
                tracker.advance(len(found[rows]))
        return found

    def _read(self, sentences: Sentences, indices: Sequence[int]) -> NDArray[np.float32]:
        from rowspace.transformer.occurrences import Occurrences

        texts = [" ".join(tokens) for tokens in sentences]
        spans = Occurrences.of([span] for span in map(character_span, sentences, indices))
        kept, read = self.encoder.vectors_at(
            texts,
            spans,
            layers=self.layers,
            mix="none",
            subword_pooling=self.subword_pooling,
            hidden=self.hidden,
            on_truncate="chunk",
        )
        found = np.zeros((len(texts), self.encoder.dim), dtype=np.float32)
        found[kept] = _mean_of_units(read.vectors)
        if self.sentence_weight and len(kept):
            around = [self._sentence(sentences[i], indices[i]) for i in kept]
            of_sentences, _ = self.encoder.encode_quietly(around, on_truncate="chunk")
            found[kept] = unit_rows(found[kept]) + self.sentence_weight * unit_rows(of_sentences)
        return found

    def _sentence(self, tokens: Sequence[str], index: int) -> str:
        """The sentence; if the word is hidden, without it."""
        return " ".join([*tokens[:index], *tokens[index + 1 :]] if self.hidden else tokens)


class StaticOccurrences:
    """The word's own vector, the same in every sentence.

    Parameters
    ----------
    vectors : Vectors
        A word is looked up in lower case, then as it stands.
    """

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    def occurrences(self, sentences: Sentences, indices: Sequence[int]) -> NDArray[np.float32]:
        """As `OccurrenceEncoder.occurrences`; a zero row for an unknown word."""
        found = np.zeros((len(sentences), self.vectors.dim), dtype=np.float32)
        for row, (tokens, index) in enumerate(zip(sentences, indices, strict=True)):
            for key in _known(self.vectors, tokens[index : index + 1]):
                found[row] = self.vectors[key]
        return found


class NeighborOccurrences:
    """The weighted mean of the unit vectors of the words around it, frequent ones counting less.

    Arora et al. (2017), https://openreview.net/forum?id=SyK00v5xx, give the weights.

    Parameters
    ----------
    vectors : Vectors
        Words are looked up in lower case, then as they stand; unknown ones are left out.
    window : int, optional
        Tokens on each side that count; None for the whole sentence.

    Raises
    ------
    ConfigError
        If `window` is below 1.
    """

    def __init__(self, vectors: Vectors, *, window: int | None = WINDOW) -> None:
        if window is not None and window < 1:
            raise ConfigError(f"window is {window}, so a word has no neighbors; give 1 or more")
        self.vectors, self.window = vectors, window

    @functools.cached_property  # weighs every word, so not before it is needed
    def _encoder(self) -> SIFEncoder:
        from rowspace.static.sif import SIFEncoder

        return SIFEncoder(self.vectors)

    def occurrences(self, sentences: Sentences, indices: Sequence[int]) -> NDArray[np.float32]:
        """As `OccurrenceEncoder.occurrences`; a zero row where no neighbor is known."""
        around = map(self._neighbors, sentences, indices)
        return self._encoder.encode_tokens([_known(self.vectors, tokens) for tokens in around])

    def _neighbors(self, tokens: Sequence[str], index: int) -> list[str]:
        n = len(tokens) if self.window is None else self.window
        return [*tokens[max(0, index - n) : index], *tokens[index + 1 : index + 1 + n]]


class TextOccurrences:
    """The vector of the whole sentence, for what gives no other: the same for each of its words.

    Parameters
    ----------
    encoder : Encoder
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def occurrences(self, sentences: Sentences, indices: Sequence[int]) -> NDArray[np.float32]:
        """As `OccurrenceEncoder.occurrences`."""
        return self.encoder.encode([" ".join(tokens) for tokens in sentences])


def _mean_of_units(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, dim): the mean of the unit vectors of (n, n_layers, dim)."""
    n, n_layers, dim = vectors.shape
    units = unit_rows(vectors.reshape(n * n_layers, dim)).reshape(vectors.shape)
    mean: NDArray[np.float64] = units.mean(axis=1)
    return mean


def character_span(tokens: Sequence[str], index: int) -> tuple[int, int]:
    """Where a token stands in the tokens joined by spaces.

    Examples
    --------
    >>> character_span(["a", "river", "bank"], 1)
    (2, 7)
    """
    start = sum(len(token) + 1 for token in tokens[:index])
    return start, start + len(tokens[index])


def _known(vectors: Vectors, tokens: Sequence[str]) -> list[str]:
    """The keys of the tokens that have a vector."""
    spellings = ((token.lower(), token) for token in tokens)
    found = (next((key for key in pair if key in vectors), None) for pair in spellings)
    return [key for key in found if key is not None]

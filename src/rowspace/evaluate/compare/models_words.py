"""Word vectors in a comparison: words are looked up, texts are averages of their words."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.lookup import fold, row_of_words
from rowspace.evaluate.occurrence_encoders import NeighborOccurrences, OccurrenceEncoder
from rowspace.evaluate.sequence_tokens import WordTokens
from rowspace.space.encoder import Encoder
from rowspace.space.formats import load
from rowspace.space.subword import SubwordVectors
from rowspace.space.vectors import Vectors
from rowspace.static.composed import ComposedEncoder, has_vector
from rowspace.static.mean import MeanEncoder
from rowspace.static.sif import SIFEncoder

if TYPE_CHECKING:
    from rowspace.evaluate.sequence import TokenVectors


class WordModel:
    """Word vectors in any format, or those of a space with the weights it was built with.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def vectors(self) -> Vectors:
        """All of them, mapped where the format allows it."""
        return load(self.path)

    @functools.cached_property
    def _rows(self) -> dict[str, int]:
        return row_of_words(self.vectors.index_to_key, case_insensitive=True)

    def load_encoder(self, average: str) -> Encoder:
        """What averages the words of a text: "sif" or "mean"."""
        if isinstance(self.vectors, SubwordVectors):
            return ComposedEncoder(self.vectors, "mean" if average == "mean" else "sif")
        if average == "mean":
            return MeanEncoder(self.vectors)
        if (self.path / "encoder.json").exists():
            return SIFEncoder.load(self.path)
        return SIFEncoder.from_vectors(self.vectors)

    def words(self, words: Sequence[str]) -> NDArray[np.float32]:
        """(n, dim); a word is looked up as it stands, then with case folded, then composed."""
        found = np.zeros((len(words), self.vectors.dim), dtype=np.float32)
        for row, word in zip(found, words, strict=True):
            key = self._key_of(word)
            if key is not None:
                row[:] = self.vectors.get_vector(key)
        return found

    def _key_of(self, word: str) -> str | None:
        if word in self.vectors:
            return word
        row = self._rows.get(fold(word, case_insensitive=True))
        if row is not None:
            return self.vectors.index_to_key[row]
        is_composed = isinstance(self.vectors, SubwordVectors) and has_vector(self.vectors, word)
        return word if is_composed else None

    def occurrences(self) -> OccurrenceEncoder:
        """The words around a word: its own vector is the same in every sentence."""
        return NeighborOccurrences(self.vectors)

    def token_vectors(self) -> TokenVectors:
        """Each word's own."""
        return WordTokens(self.vectors)

    def close(self) -> None:
        """Let go of the vectors."""
        for name in ("vectors", "_rows"):
            self.__dict__.pop(name, None)

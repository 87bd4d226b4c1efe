"""One loaded encoder for several readings: each text goes through the model once.

The vectors of the last lists of texts are kept, so that `mean`, `mean+whiten` and `cls` of one
transformer cost one pass, and so do an embedder and the row in which it is fused with BM25.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder, Sentences
from rowspace.sentence.alike import encode_alike
from rowspace.space.encoder import Encoder, encode_documents, encode_queries

Way = Literal["alike", "query", "document"]
_MOST_BYTES = 1 << 28
"""Of vectors that are kept."""


@dataclass(frozen=True)
class Encoded:
    """What a list of texts came to."""

    vectors: NDArray[np.float32]
    """(n_texts, dim)"""
    n_truncated: int = 0
    """Texts that were not read to their end."""
    notes: tuple[str, ...] = ()
    """How they were read, where there was a choice."""


class Memory:
    """What was made last, by what it was made of; the oldest goes where it takes too much room."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Encoded] = OrderedDict()

    def get(self, key: bytes, make: Callable[[], Encoded]) -> Encoded:
        """What is kept under the key; made and kept if there is nothing."""
        found = self._kept.pop(key, None) or make()
        self._kept[key] = found  # the one that was used last goes last
        while len(self._kept) > 1 and self._n_bytes() > _MOST_BYTES:
            self._kept.popitem(last=False)
        return found

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def _n_bytes(self) -> int:
        return sum(encoded.vectors.nbytes for encoded in self._kept.values())


class SharedEncoder:
    """An encoder that is loaded when it is first needed, and remembers.

    Parameters
    ----------
    load : callable
        Gives the encoder.
    remembers : bool
        Whether vectors are kept; not where it is timed.
    """

    def __init__(self, load: Callable[[], Encoder], *, remembers: bool = True) -> None:
        self._load, self._remembers = load, remembers
        self._encoder: Encoder | None = None
        self._memory = Memory()

    @property
    def encoder(self) -> Encoder:
        """What encodes, loaded."""
        if self._encoder is None:
            self._encoder = self._load()
        return self._encoder

    def encoded(self, texts: Sequence[str], way: Way) -> Encoded:
        """The vectors of texts, those of queries or documents where the model tells them apart."""
        if not self._remembers:
            return self._encode(texts, way)
        return self._memory.get(_key(way, texts), lambda: self._encode(texts, way))

    def close(self) -> None:
        """Let go of the encoder, and of what was kept."""
        self._encoder = None
        self._memory.clear()

    def _encode(self, texts: Sequence[str], way: Way) -> Encoded:
        encoder, texts = self.encoder, list(texts)
        notes: tuple[str, ...] = ()
        if way == "document":
            vectors, _ = encode_documents(encoder, texts)
        elif way == "query":
            vectors = encode_queries(encoder, texts)
        else:
            vectors, notes = encode_alike(encoder, texts)
        vectors.flags.writeable = False
        return Encoded(vectors, getattr(encoder, "n_truncated", 0), notes)


class ReadEncoder:
    """A reading of a shared encoder: some of its numbers; satisfies the `Encoder` protocol.

    Parameters
    ----------
    shared : SharedEncoder
    fingerprint : str
    place, n_places : int
        Which part of the vectors, of how many of equal length.
    """

    def __init__(
        self, shared: SharedEncoder, fingerprint: str, place: int = 0, n_places: int = 1
    ) -> None:
        self._shared, self._place, self._n_places = shared, place, n_places
        self.fingerprint = fingerprint
        self.n_truncated = 0

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._shared.encoder.dim // self._n_places

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts of which none is the query, (n_texts, dim)."""
        return self.encode_alike(texts)[0]

    def encode_alike(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """As `encode`, and how the texts were read, where there was a choice."""
        return self._read(texts, "alike")

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `encode`, with the prompt of queries where the model has one."""
        return self._read(texts, "query")[0]

    def encode_document(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `encode`, with the prompt of documents where the model has one."""
        return self._read(texts, "document")[0]

    def _read(self, texts: Sequence[str], way: Way) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        encoded = self._shared.encoded(texts, way)
        self.n_truncated = encoded.n_truncated
        first = self._place * self.dim
        return encoded.vectors[:, first : first + self.dim], encoded.notes


class RememberedOccurrences:
    """What another gives of words in their sentences, made once for several readings.

    Parameters
    ----------
    occurrences : OccurrenceEncoder
    """

    def __init__(self, occurrences: OccurrenceEncoder) -> None:
        self._occurrences, self._memory = occurrences, Memory()

    def occurrences(self, sentences: Sentences, indices: Sequence[int]) -> NDArray[np.float32]:
        """As `OccurrenceEncoder.occurrences`."""
        parts = ["\0".join([*tokens, str(i)]) for tokens, i in zip(sentences, indices, strict=True)]

        def make() -> Encoded:
            return Encoded(self._occurrences.occurrences(sentences, indices))

        return self._memory.get(_key("occurrences", parts), make).vectors


def _key(way: str, texts: Sequence[str]) -> bytes:
    digest = hashlib.sha256(way.encode())
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(content) + content)
    return digest.digest()

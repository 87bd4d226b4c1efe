"""What searches and additions ask for vectors, where many threads share one encoder."""

from __future__ import annotations

import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.search.rerank import Reranker
from rowspace.space.encoder import Encoder, encode_documents, encode_queries

_AT_ONCE = 32
"""Texts that are encoded before another thread has its turn."""


class Queue(Protocol):
    """What encodes the texts of all requests together."""

    def queued_for(self, encoder: Encoder, /) -> Encoder:
        """An encoder that blocks until what it is given was encoded with the rest."""


def encoders_through(queue: Queue | None) -> Callable[[str, Encoder], Encoder]:
    """Gives, for a model's name and encoder, what threads may use in its place.

    It is the queue's where there is one; else the encoder itself, by one thread at a time.
    """
    locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def through(name: str, encoder: Encoder) -> Encoder:
        if queue is not None:
            return queue.queued_for(encoder)
        return OneAtATime(encoder, locks[encoder.fingerprint])

    return through


class OneAtATime:
    """An encoder that is used by one thread at a time, a few texts each.

    Parameters
    ----------
    encoder : Encoder
        It gives a text the same vector whichever are encoded with it.
    lock : threading.Lock
        Of all that use it.
    """

    def __init__(self, encoder: Encoder, lock: threading.Lock) -> None:
        self._encoder, self._lock = encoder, lock
        self.n_truncated = 0
        """Documents of the last call that were not read to their end."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._encoder.dim

    @property
    def fingerprint(self) -> str:
        """That of the encoder."""
        return self._encoder.fingerprint

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dim) vectors of texts, as the encoder's `encode`."""
        return self._in_turns(self._encoder.encode, texts)

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dim) vectors of queries."""
        return self._in_turns(lambda some: encode_queries(self._encoder, some), texts)

    def encode_document(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dim) vectors of documents."""
        self.n_truncated = 0
        return self._in_turns(self._documents, texts)

    def _documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors, n_truncated = encode_documents(self._encoder, texts)
        self.n_truncated += n_truncated
        return vectors

    def _in_turns(
        self, encode: Callable[[Sequence[str]], NDArray[np.float32]], texts: Sequence[str]
    ) -> NDArray[np.float32]:
        parts = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(texts), _AT_ONCE):
            with self._lock, untold():
                parts.append(encode(texts[start : start + _AT_ONCE]))
        return np.concatenate(parts)


class OneRerankAtATime:
    """A reranker that is used by one thread at a time.

    Parameters
    ----------
    reranker : Reranker
    """

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._lock = threading.Lock()

    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[Any]:
        """(n_pairs,) scores, as the reranker's."""
        with self._lock, untold():
            return self._reranker.predict(pairs)


@contextmanager
def untold() -> Iterator[None]:
    """Say nothing of texts that are cut: a client is told, and not who started the server."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the rest was not read")
        yield

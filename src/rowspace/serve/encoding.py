"""What searches and additions ask for vectors, where many threads share one encoder."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import CorpusError
from rowspace.search.rerank import Reranker
from rowspace.serve.batching import Batcher
from rowspace.serve.errors import ApiError
from rowspace.serve.queued_encoder import QueuedEncoder
from rowspace.space.encoder import Encoder

_AT_ONCE = 64
"""Documents' passages that wait to be encoded together."""
_LOOK = 0.1
"""Seconds until a full queue is asked again."""


def encoders_through(batcher: Batcher, deadline: float) -> Callable[[str, Encoder], Encoder]:
    """Gives, for a model's name and encoder, what threads may use in its place: the batcher's.

    Parameters
    ----------
    batcher : Batcher
    deadline : float
        Seconds that an addition waits for room in its queue.
    """

    def through(name: str, encoder: Encoder) -> Encoder:
        return PatientEncoder(batcher.queued_for(encoder), deadline)

    return through


class PatientEncoder:
    """The batcher's encoder for one search or addition; documents wait where its queue is full.

    An addition goes on for long, and would be lost whole if it were refused in its midst.

    Parameters
    ----------
    queued : QueuedEncoder
    deadline : float
        Seconds that some documents wait for room, at most.
    """

    def __init__(self, queued: QueuedEncoder, deadline: float) -> None:
        self._queued, self._deadline = queued, deadline
        self.n_truncated = 0
        """Documents of the last call that were not read to their end."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._queued.dim

    @property
    def fingerprint(self) -> str:
        """That of the encoder."""
        return self._queued.fingerprint

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dim) vectors of texts."""
        return self._queued.encode(texts)

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dim) vectors of queries."""
        return self._queued.encode_query(texts)

    def encode_document(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dim) vectors of documents."""
        self.n_truncated = 0
        parts = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(texts), _AT_ONCE):
            parts.append(self._some(texts[start : start + _AT_ONCE]))
            self.n_truncated += self._queued.n_truncated
        return np.concatenate(parts)

    def _some(self, texts: Sequence[str]) -> NDArray[np.float32]:
        end = time.monotonic() + self._deadline
        while True:
            try:
                return self._queued.encode_document(texts)
            except ApiError as error:
                if error.status != 429 or time.monotonic() > end:
                    raise
                time.sleep(_LOOK)


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
        """(n_pairs,) scores, as the reranker's.

        Raises
        ------
        ApiError
            500 if one is not finite, which is no fault of the client's.
        """
        try:
            with self._lock, _untold():
                scores = np.asarray(self._reranker.predict(pairs))
        except CorpusError as error:
            raise ApiError(500, str(error), code="reranker_failed") from error
        if not np.isfinite(scores).all():
            raise ApiError(
                500, "the reranker gave a score that is not finite", code="reranker_failed"
            )
        return scores


@contextmanager
def _untold() -> Iterator[None]:
    """Say nothing of texts that are cut: who started the server cannot change them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the rest was not read")
        yield

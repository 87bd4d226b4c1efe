"""The batcher: what all requests want is computed together, in one thread.

Each request is tokenised once when it comes, so that the queue is bounded by what it costs. What a
client that left wanted is taken out of it, and what waits too long is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.search.snapshot import Signature, signature_of
from rowspace.serve.computing import Computing
from rowspace.serve.config import ServeConfig
from rowspace.serve.embedder import Embedder, Inputs, Vectors, Work, embedder_of
from rowspace.serve.errors import CLIENT_LEFT, ApiError
from rowspace.serve.models import find_model
from rowspace.serve.queue import FairQueue, Job
from rowspace.serve.queued_encoder import QueuedEncoder
from rowspace.serve.served import Served
from rowspace.space.encoder import Encoder

_INLINE = 1024
"""Tokens, about, of a request that is tokenised at once; a longer one is in a thread."""
_LOOK = 0.1
"""Seconds between looks at those that wait: whether the client is there, and for how long."""
_MOST_RETRY = 60
"""Seconds after which a client is told to come again, at most."""

IsGone = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Embedded:
    """Vectors of a request."""

    vectors: Vectors
    """(n, dim) float32."""
    n_tokens: NDArray[np.int64]
    """(n,) tokens that were read of each text."""
    n_truncated: int
    """Texts that were not read to their end."""


@dataclass(frozen=True)
class BatcherStats:
    """What the batcher has before it and has done."""

    queued_tokens: int
    """Being read, waiting or being computed."""
    queued_requests: int
    """Of which something waits."""
    tokens_per_second: float
    """Of the last batches; 0 before the first."""
    batches: int
    tokens: int
    texts: int
    failed: int
    """Requests at which the model failed."""
    refused: int
    """Requests for which the queue was full."""
    expired: int
    """Requests that waited too long."""
    dropped: int
    """Requests whose clients left."""


class Batcher:
    """Computes vectors for all requests.

    Parameters
    ----------
    served : Served
    config : ServeConfig, optional
    """

    def __init__(self, served: Served, config: ServeConfig | None = None) -> None:
        self._served, self._config = served, config or ServeConfig()
        queue = FairQueue(self._config.queue_tokens, self._config.batch_tokens)
        self._computing = Computing(queue, self._config.deadline)
        self._embedders: dict[str, Embedder] = {}
        """By fingerprint; replaced and never changed, since threads read it."""
        self._known: dict[tuple[str, Signature], Embedder] = {}
        """By what clients call a model, and the version of the space in which it is that."""
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="rowspace-read")
        self._waiting: dict[Job, tuple[asyncio.Future[Job], IsGone | None]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._is_closed = False
        self._n_refused = self._n_expired = self._n_dropped = 0

    # Asking

    async def embed(
        self,
        model: str,
        inputs: Inputs,
        *,
        input_type: str | None = None,
        on_truncate: str = "error",
        dimensions: int | None = None,
        is_gone: IsGone | None = None,
    ) -> Embedded:
        """Vectors of texts, computed together with those of other requests.

        Parameters
        ----------
        model : str
            A name that is served.
        inputs : sequence of str, or of sequences of int
        input_type : str, optional
            "query", "document", or a prompt of the model.
        on_truncate : {"error", "cut", "chunk"}
            What is made of a text that is longer than the model reads.
        dimensions : int, optional
            Numbers of a vector that are kept (Matryoshka).
        is_gone : callable, optional
            Tells whether the client left; then nothing more is computed for it.

        Raises
        ------
        ApiError
            400 for what the model cannot read, 404 for a model that is not served, 429 if the queue
            is full, 503 if it waited too long or the server ends.
        """
        embedder = await self._embedder(model)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Job] = loop.create_future()

        def settle(job: Job) -> None:
            if not future.done():
                future.set_result(job)

        def read() -> Work:
            return embedder.read(
                inputs, input_type=input_type, on_truncate=on_truncate, dim=dimensions
            )

        with self._room(embedder.most_tokens(inputs, on_truncate)) as n_about:
            is_short = n_about <= _INLINE
            work = read() if is_short else await loop.run_in_executor(self._readers, read)
        job = Job(embedder, work, settle, loop)
        self._check_size(job)
        self._add(job)
        await self._wait(job, future, is_gone)
        return _answer(job)

    def queued(self, model: str) -> QueuedEncoder:
        """The encoder of a model, which blocks the thread that asks until its batch is done.

        For searches, which run in threads of their own. It has the encoder's fingerprint and dim;
        a text that is longer than the model reads is cut.
        """
        return QueuedEncoder(self, self._load(find_model(self._served, model)))

    def queued_for(self, encoder: Encoder) -> QueuedEncoder:
        """As `queued`, for an encoder that the space has loaded."""
        return QueuedEncoder(self, self._keep(encoder.fingerprint, encoder))

    def embed_here(
        self, embedder: Embedder, texts: Sequence[str], input_type: str | None
    ) -> Embedded:
        """As `embed`, in a thread that waits; of texts of any number, cut at what is read."""
        with self._room(embedder.most_tokens(texts, "cut")):
            work = embedder.read(texts, input_type=input_type, on_truncate="cut", dim=None)
        future: Future[Job] = Future()
        job = Job(embedder, work, future.set_result)
        self._add(job)
        while not future.done():
            with contextlib.suppress(TimeoutError):
                future.result(min(1.0, self._config.deadline))
                break
            self._check_deadline(job)
        return _answer(job)

    # Watching

    def on_batch(self, tell: Callable[[int, int], None]) -> None:
        """Have `tell` called after each batch, with its numbers of texts and tokens."""
        self._computing.on_batch = tell

    @property
    def is_alive(self) -> bool:
        """Whether what is asked for will be computed."""
        return self._computing.is_alive and not self._is_closed

    @property
    def last_progress(self) -> float:
        """When a batch was finished last, by `time.monotonic`."""
        return self._computing.last_progress

    @property
    def busy_seconds(self) -> float:
        """How long the batch under way has been computed; 0 if there is none."""
        return self._computing.busy_seconds

    @property
    def stats(self) -> BatcherStats:
        """For metrics."""
        computing = self._computing
        return BatcherStats(
            queued_tokens=computing.queued_tokens,
            queued_requests=computing.n_waiting,
            tokens_per_second=computing.rate,
            batches=computing.n_batches,
            tokens=computing.n_tokens,
            texts=computing.n_texts,
            failed=computing.n_failed,
            refused=self._n_refused,
            expired=self._n_expired,
            dropped=self._n_dropped,
        )

    # Starting and ending

    def start(self) -> None:
        """Begin to compute."""
        self._computing.start()

    async def close(self, drain: float = 0.0) -> None:
        """Take nothing more, give what is there `drain` seconds to be computed, and end."""
        self._is_closed = True
        end = time.monotonic() + drain
        while self._computing.queued_tokens and self._computing.is_alive:
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.01)
        self._computing.end(_ending())
        self._readers.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._computing.join, 1.0)

    # Models

    async def _embedder(self, model: str) -> Embedder:
        """What runs the model of a name; in a thread where a space has to be read for it."""
        space = self._served.space
        version = () if space is None else signature_of(space.path)
        found = self._known.get((model, version))
        return await asyncio.to_thread(self._find, model, version) if found is None else found

    def _find(self, model: str, version: Signature) -> Embedder:
        embedder = self._load(find_model(self._served, model))
        known = {key: one for key, one in self._known.items() if key[1] == version}
        self._known = {**known, (model, version): embedder}
        return embedder

    def _load(self, name: str) -> Embedder:
        """What runs a model; kept, until the space has another of this name."""
        key = self._key(name)
        return self._embedders.get(key) or self._keep(key, self._served.encoder_of(name))

    def _keep(self, key: str, encoder: Encoder) -> Embedder:
        found = self._embedders.get(key)
        if found is None:
            found = embedder_of(encoder)
            space = self._served.space
            models = {} if space is None else space.models
            there = {model.fingerprint for model in models.values()}
            kept = {name: one for name, one in self._embedders.items() if name in there}
            self._embedders = {**kept, key: found}
        return found

    def _key(self, name: str) -> str:
        space = self._served.space
        return name if space is None else space.models[name].fingerprint

    # The queue

    @contextlib.contextmanager
    def _room(self, n_tokens: int) -> Iterator[int]:
        """Room for about so many tokens while they are read."""
        if self._is_closed:
            raise _ending()
        if not self._computing.reserve(n_tokens):
            raise self._full()
        try:
            yield n_tokens
        finally:
            self._computing.release(n_tokens)

    def _add(self, job: Job) -> None:
        if self._is_closed:
            raise _ending()
        if not self._computing.add(job):
            raise self._full()

    def _full(self) -> ApiError:
        self._n_refused += 1
        n_tokens, rate = self._computing.queued_tokens, self._computing.rate
        after = min(_MOST_RETRY, max(1, math.ceil(n_tokens / rate))) if rate else 1
        return ApiError(
            429,
            f"the server has {n_tokens:,} tokens to compute and takes no more now; try again in "
            f"{after} s",
            code="rate_limit_exceeded",
            headers={"Retry-After": str(after)},
        )

    def _check_size(self, job: Job) -> None:
        if job.n_tokens > self._config.max_tokens:
            raise ApiError(
                400,
                f"the request has {job.n_tokens:,} tokens, and the most is "
                f"{self._config.max_tokens:,}; send the texts in several requests",
                param="input",
            )

    async def _wait(self, job: Job, future: asyncio.Future[Job], is_gone: IsGone | None) -> None:
        """Until the job is over, the client left, or it has waited too long."""
        self._waiting[job] = future, is_gone
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            await future
        except asyncio.CancelledError:
            self._drop(job)
            raise
        finally:
            del self._waiting[job]

    async def _watch(self) -> None:
        """Look after all that wait, now and then, as long as there are any."""
        while self._waiting:
            await asyncio.sleep(min(_LOOK, self._config.deadline))
            for job, (future, is_gone) in list(self._waiting.items()):
                try:
                    self._check_deadline(job)
                    if is_gone is not None and not future.done() and await is_gone():
                        self._drop(job)
                        raise ApiError(CLIENT_LEFT, "the client left")
                except Exception as error:
                    if not future.done():
                        future.set_exception(error)

    def _drop(self, job: Job) -> None:
        self._n_dropped += self._computing.drop(job)

    def _check_deadline(self, job: Job) -> None:
        """Give a job up that has waited too long since it came, or since part of it was done."""
        has_expired = time.monotonic() - job.progressed > self._config.deadline
        if has_expired and self._computing.drop(job):
            self._n_expired += 1
            raise ApiError(
                503,
                f"nothing of the request was computed for {self._config.deadline:g} s; try again "
                "later",
                code="deadline_exceeded",
                headers={"Retry-After": "1"},
            )


def _answer(job: Job) -> Embedded:
    if job.error is not None:
        raise job.error
    return Embedded(job.vectors, job.work.n_tokens, getattr(job.work, "n_truncated", 0))


def _ending() -> ApiError:
    message = "the server is about to end; try again later"
    return ApiError(503, message, code="draining", headers={"Retry-After": "1"})

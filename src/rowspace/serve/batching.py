"""The batcher: one thread computes what all requests want, together.

Each request is tokenised once when it comes, so that the queue is bounded by what it costs. The
thread takes what is there and never waits for more; while it computes, the next batch gathers.
What a client that left wanted is taken out, what waits too long is given up, and what fails fails
alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import RemoteError, SpaceError
from rowspace.serve.config import ServeConfig
from rowspace.serve.embedder import Embedder, Inputs, Vectors, Work, embedder_of
from rowspace.serve.errors import ApiError
from rowspace.serve.models import find_model
from rowspace.serve.queue import FairQueue, Job, Slice
from rowspace.serve.queued_encoder import QueuedEncoder
from rowspace.serve.served import Served
from rowspace.space.encoder import Encoder

_logger = logging.getLogger("rowspace")
_INLINE = 1024
"""Tokens, about, of a request that is tokenised at once; a longer one is in a thread."""
_LOOK = 0.1
"""Seconds after which it is looked whether a client that waits is still there."""
_SMOOTHING = 0.2
"""How much the last batch counts in the rate."""
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
    """What the batcher has done and has before it."""

    queued_tokens: int
    """Waiting or being computed."""
    queued_requests: int
    """Of which something waits."""
    batches: int
    tokens: int
    """Computed so far."""
    texts: int
    refused: int
    """Requests for which the queue was full."""
    expired: int
    """Requests that were given up after the deadline."""
    dropped: int
    """Requests whose clients left."""
    failed: int
    tokens_per_second: float
    """Of the last batches; 0 before the first."""


class Batcher:
    """Computes vectors for all requests.

    Parameters
    ----------
    served : Served
    config : ServeConfig, optional
    """

    def __init__(self, served: Served, config: ServeConfig | None = None) -> None:
        self._served, self._config = served, config or ServeConfig()
        self._queue = FairQueue(self._config.queue_tokens, self._config.batch_tokens)
        self._changed = threading.Condition()
        self._embedders: dict[str, Embedder] = {}
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="rowspace-read")
        self._thread = threading.Thread(target=self._run, name="rowspace-compute", daemon=True)
        self._is_closed = self._ends = False
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._rate = 0.0
        self._busy_since: float | None = None
        self.on_batch: Callable[[int, int], None] | None = None
        """Told of each batch how many texts and tokens it had."""
        self.last_progress = time.monotonic()
        """When a batch was finished last, by `time.monotonic`."""

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
        guess = self._reserve(embedder.most_tokens(inputs))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Job] = loop.create_future()

        def settle(job: Job) -> None:
            if not future.done():
                future.set_result(job)

        def read() -> Work:
            return embedder.read(
                inputs, input_type=input_type, on_truncate=on_truncate, dim=dimensions
            )

        try:
            is_short = guess <= _INLINE
            work = read() if is_short else await loop.run_in_executor(self._readers, read)
        except BaseException:
            self._release(guess)
            raise
        job = Job(embedder, work, settle, loop)
        self._enter(job, guess, self._config.max_tokens)
        await self._wait(job, future, is_gone)
        return _answer(job)

    def queued(self, model: str) -> QueuedEncoder:
        """The encoder of a model, which blocks the thread that asks until its batch is done.

        For searches, which run in threads of their own. It has the encoder's fingerprint and dim;
        a text that is longer than the model reads is cut.
        """
        name = find_model(self._served, model)
        return QueuedEncoder(self, self._load(name))

    def queued_for(self, encoder: Encoder) -> QueuedEncoder:
        """As `queued`, for an encoder that the space has loaded."""
        return QueuedEncoder(self, self._keep(encoder.fingerprint, encoder))

    def embed_here(
        self, embedder: Embedder, texts: Sequence[str], input_type: str | None
    ) -> Embedded:
        """As `embed`, in a thread that waits; texts are cut at what the model reads."""
        guess = self._reserve(embedder.most_tokens(texts))
        try:
            work = embedder.read(texts, input_type=input_type, on_truncate="cut", dim=None)
        except BaseException:
            self._release(guess)
            raise
        future: Future[Job] = Future()
        job = Job(embedder, work, future.set_result)
        self._enter(job, guess)
        while not future.done():
            with contextlib.suppress(TimeoutError):
                future.result(timeout=min(1.0, self._config.deadline))
                break
            self._check_deadline(job)
        return _answer(job)

    # Watching

    @property
    def is_alive(self) -> bool:
        """Whether the thread that computes is there."""
        return self._thread.is_alive() and not self._is_closed

    @property
    def busy_seconds(self) -> float:
        """How long the batch under way has been computed; 0 if there is none."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def stats(self) -> BatcherStats:
        """For metrics."""
        counts = self._counts
        names = ("batches", "tokens", "texts", "refused", "expired", "dropped", "failed")
        with self._changed:
            return BatcherStats(
                queued_tokens=self._queue.n_tokens,
                queued_requests=len(self._queue),
                tokens_per_second=self._rate,
                **{name: counts[name] for name in names},
            )

    # Starting and ending

    def start(self) -> None:
        """Begin to compute."""
        self._thread.start()

    async def close(self, drain: float = 0.0) -> None:
        """Take nothing more, give what waits `drain` seconds to be computed, and end."""
        with self._changed:
            self._is_closed = True
        end = time.monotonic() + drain
        while self._queue.n_tokens and time.monotonic() < end and self._thread.is_alive():
            await asyncio.sleep(0.01)
        with self._changed:
            self._ends = True
            given_up = self._queue.clear()
            for job in given_up:
                job.error = _ending()
                self._queue.end(job)
            self._changed.notify_all()
        self._settle(given_up)
        self._readers.shutdown(wait=False, cancel_futures=True)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, 1.0)

    # The queue

    async def _embedder(self, model: str) -> Embedder:
        name = find_model(self._served, model)
        found = self._embedders.get(self._key(name))
        return await asyncio.to_thread(self._load, name) if found is None else found

    def _load(self, name: str) -> Embedder:
        """What runs a model; kept, until the space has another of this name."""
        key = self._key(name)
        if key not in self._embedders:
            encoder = self._served.encoder_of(name)  # a space gives it through `queued_for`
            return self._keep(key, encoder)
        return self._embedders[key]

    def _keep(self, key: str, encoder: Encoder) -> Embedder:
        if key not in self._embedders:
            self._embedders[key] = embedder_of(encoder)
        return self._embedders[key]

    def _key(self, name: str) -> str:
        space = self._served.space
        return name if space is None else space.models[name].fingerprint

    def _reserve(self, n_tokens: int) -> int:
        with self._changed:
            if self._is_closed:
                raise _ending()
            if self._queue.reserve(n_tokens):
                return n_tokens
            self._counts["refused"] += 1
            raise self._full()

    def _release(self, n_tokens: int) -> None:
        with self._changed:
            self._queue.release(n_tokens)

    def _full(self) -> ApiError:
        seconds = self._queue.n_tokens / self._rate if self._rate else 1
        after = min(_MOST_RETRY, max(1, math.ceil(seconds)))
        return ApiError(
            429,
            f"the server has {self._queue.n_tokens:,} tokens to compute and takes no more now; try "
            f"again in {after} s",
            code="rate_limit_exceeded",
            headers={"Retry-After": str(after)},
        )

    def _enter(self, job: Job, guess: int, n_most: int | None = None) -> None:
        """Let a job wait, now that it is known what it costs."""
        with self._changed:
            self._queue.release(guess)
            if n_most is not None and job.n_tokens > n_most:
                raise ApiError(
                    400,
                    f"the request has {job.n_tokens:,} tokens, and the most is {n_most:,}; send "
                    "the texts in several requests",
                    param="input",
                    code="context_length_exceeded",
                )
            if self._is_closed:
                raise _ending()
            if not self._queue.reserve(job.n_tokens):
                self._counts["refused"] += 1
                raise self._full()
            self._queue.add(job)
            self._changed.notify_all()

    async def _wait(self, job: Job, future: asyncio.Future[Job], is_gone: IsGone | None) -> None:
        """Until the job is over, the client left, or it has waited too long."""
        try:
            while not future.done():
                await asyncio.wait((future,), timeout=min(_LOOK, self._config.deadline))
                if future.done():
                    return
                if is_gone is not None and await is_gone():
                    self._drop(job, "dropped")
                    raise ApiError(499, "the client left")
                self._check_deadline(job)
        except asyncio.CancelledError:
            self._drop(job, "dropped")
            raise

    def _check_deadline(self, job: Job) -> None:
        if time.monotonic() - job.progressed > self._config.deadline and not job.is_over:
            self._drop(job, "expired")
            raise ApiError(
                503,
                f"the request waited for {self._config.deadline:g} s and nothing was computed of "
                "it; try again later",
                code="deadline_exceeded",
                headers={"Retry-After": "1"},
            )

    def _drop(self, job: Job, why: str) -> None:
        with self._changed:
            if not job.is_over:
                self._queue.drop(job)
                self._counts[why] += 1

    # The thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ends and not len(self._queue):
                    self._changed.wait()
                if self._ends:
                    return
                slices = self._queue.take()
                self._busy_since = time.monotonic()
            try:
                self._compute(slices)
            except Exception as error:  # whatever comes, the thread goes on
                _logger.exception("the computing thread met an error")
                self._fail(slices, error)
            self._busy_since = None
            self.last_progress = time.monotonic()

    def _compute(self, slices: Sequence[Slice]) -> None:
        """A batch: the slices of each encoder together."""
        started = time.monotonic()
        groups: dict[int, list[Slice]] = {}
        for part in slices:
            groups.setdefault(id(part.job.embedder), []).append(part)
        for group in groups.values():
            self._compute_group(group)
        self._note(slices, time.monotonic() - started)

    def _compute_group(self, group: Sequence[Slice]) -> None:
        try:
            found = group[0].job.embedder.embed([part.work for part in group])
        except Exception as error:
            if len(group) > 1:  # one of them is to blame, and the others are not
                for part in group:
                    self._compute_group([part])
                return
            _logger.warning("a request could not be computed", exc_info=error)
            self._fail(group, error)
            return
        now = time.monotonic()
        with self._changed:
            for part, vectors in zip(group, found, strict=True):
                part.job.progressed = now
                self._queue.computed(part, vectors)
        self._settle([part.job for part in group if part.job.is_over])

    def _note(self, slices: Sequence[Slice], seconds: float) -> None:
        n_tokens = sum(part.n_tokens for part in slices)
        n_texts = sum(part.stop - part.start for part in slices)
        if self.on_batch is not None:
            self.on_batch(n_texts, n_tokens)
        rate = n_tokens / max(seconds, 1e-6)
        with self._changed:
            self._rate += (_SMOOTHING if self._rate else 1.0) * (rate - self._rate)
            self._counts["batches"] += 1
            self._counts["tokens"] += n_tokens
            self._counts["texts"] += n_texts

    def _fail(self, slices: Sequence[Slice], error: Exception) -> None:
        with self._changed:
            failed = [part.job for part in slices if not part.job.is_over]
            for job in failed:
                job.error = _told(error)
                self._queue.drop(job)
            self._counts["failed"] += len(failed)
        self._settle(failed)

    def _settle(self, jobs: Sequence[Job]) -> None:
        """Tell who waits; of an event loop all at once, which wakes it once."""
        by_loop: dict[asyncio.AbstractEventLoop | None, list[Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, own in by_loop.items():
            if loop is None:
                _settle_all(own)
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(_settle_all, own)


def _answer(job: Job) -> Embedded:
    if job.error is not None:
        raise job.error
    return Embedded(job.vectors, job.work.n_tokens, getattr(job.work, "n_truncated", 0))


def _settle_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle(job)


def _told(error: Exception) -> Exception:
    """What a client is told of an error in computing: of those inside, only that there was one."""
    if isinstance(error, RemoteError | SpaceError | ApiError):
        return error
    return ApiError(
        500,
        "the model could not compute this request; others go on. The server's log says why "
        f"({type(error).__name__})",
    )


def _ending() -> ApiError:
    return ApiError(
        503, "the server is about to end; try again later", headers={"Retry-After": "1"}
    )

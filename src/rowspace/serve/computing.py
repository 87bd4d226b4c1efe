"""The thread that computes: batches out of the queue, one after the other.

It takes what is there and never waits for more: while a batch is computed, the next one gathers.
Waiting a moment after a batch, for those who ask again, made batches no larger.
What fails fails alone, and the thread goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

from rowspace.errors import RemoteError, SpaceError
from rowspace.serve.errors import ApiError, told_to_log
from rowspace.serve.queue import FairQueue, Job, Slice

_logger = logging.getLogger("rowspace")
_MEMORY = 2.0
"""Seconds of computing after which what came before counts little in the rate."""
_BATCH_SECONDS = 0.1
"""That a batch takes about, so that nobody waits long for the one under way."""
_LEAST_TOKENS = 512
"""Of a batch's budget, and a queue's."""


class Computing:
    """A queue and the thread that empties it; its methods may be called from any thread.

    Parameters
    ----------
    queue : FairQueue
        Nobody else's. Its bounds are the most there may be; they are lower while less is computed
        in a batch's tenth of a second, or before half the deadline.
    deadline : float
        Seconds that a request may wait.
    """

    def __init__(self, queue: FairQueue, deadline: float) -> None:
        self._most, self._deadline = (queue.most_tokens, queue.batch_tokens), deadline
        self._recent = (0.0, 0.0)  # tokens and seconds
        self._queue, self._changed = queue, threading.Condition()
        self._thread = threading.Thread(target=self._run, name="rowspace-compute", daemon=True)
        self._ends = False
        self._busy_since: float | None = None
        self.n_batches = self.n_tokens = self.n_texts = self.n_failed = 0
        """Computed so far; n_failed are requests."""
        self.rate = 0.0
        """Tokens a second of the last batches; 0 before the first."""
        self.last_progress = time.monotonic()
        """When a batch was finished last."""
        self.on_batch: Callable[[int, int], None] = lambda n_texts, n_tokens: None
        """Told of each batch how many texts and tokens it had."""

    @property
    def is_alive(self) -> bool:
        """Whether the thread is there."""
        return self._thread.is_alive()

    @property
    def busy_seconds(self) -> float:
        """How long the batch under way has been computed; 0 if there is none."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def queued_tokens(self) -> int:
        """Being read, waiting or being computed."""
        return self._queue.n_tokens

    @property
    def n_waiting(self) -> int:
        """Jobs of which something waits."""
        return len(self._queue)

    def start(self) -> None:
        """Begin to compute."""
        self._thread.start()

    def reserve(self, n_tokens: int) -> bool:
        """Make room for texts that are being read; False if the queue is full."""
        with self._changed:
            return self._queue.reserve(n_tokens)

    def release(self, n_tokens: int) -> None:
        """Give back room."""
        with self._changed:
            self._queue.release(n_tokens)

    def add(self, job: Job) -> bool:
        """Let a job wait; False if the queue is full."""
        with self._changed:
            if self._ends or not self._queue.reserve(job.n_tokens):
                return False
            self._queue.add(job)
            self._changed.notify_all()
            return True

    def drop(self, job: Job) -> bool:
        """Give a job up before it is computed; False if it is over."""
        with self._changed:
            if job.is_over:
                return False
            self._queue.drop(job)
            return True

    def end(self, error: ApiError) -> None:
        """End after the batch under way; what waits gets `error`."""
        with self._changed:
            self._ends = True
            waiting = self._queue.clear()
            for job in waiting:
                job.error = error
                self._queue.drop(job)
            self._changed.notify_all()
        _settle(waiting)

    def join(self, seconds: float) -> None:
        """Wait for the thread, so long at most."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    # In the thread

    def _run(self) -> None:
        while slices := self._next():
            try:
                self._compute(slices)
            except Exception as error:  # whatever comes, the thread goes on
                self._fail(slices, error)
            self._busy_since = None
            self.last_progress = time.monotonic()

    def _next(self) -> list[Slice]:
        """The next batch, as soon as there is one; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ends or len(self._queue))
            slices = self._queue.take()
        self._busy_since = time.monotonic() if slices else None
        return slices

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
            if len(group) == 1:
                self._fail(group, error)
                return
            for part in group:  # one of them is to blame, and the others are not
                self._compute_group([part])
            return
        with self._changed:
            for part, vectors in zip(group, found, strict=True):
                self._queue.computed(part, vectors)
            over = [part.job for part in group if part.job.is_over]
        _settle(over)

    def _note(self, slices: Sequence[Slice], seconds: float) -> None:
        n_texts = sum(part.stop - part.start for part in slices)
        n_tokens = sum(part.n_tokens for part in slices)
        self._measure(n_tokens, max(seconds, 1e-6))
        self.n_batches += 1
        self.n_tokens += n_tokens
        self.n_texts += n_texts
        self.on_batch(n_texts, n_tokens)

    def _measure(self, n_tokens: int, seconds: float) -> None:
        """Set the rate and by it the bounds: who would wait too long is better refused at once."""
        kept = math.exp(-seconds / _MEMORY)
        tokens, busy = self._recent
        self._recent = kept * tokens + n_tokens, kept * busy + seconds
        self.rate = self._recent[0] / self._recent[1]
        most_waiting, most_batch = self._most
        with self._changed:
            batch = max(_LEAST_TOKENS, int(self.rate * _BATCH_SECONDS))
            waiting = max(_LEAST_TOKENS, int(self.rate * self._deadline / 2))
            self._queue.batch_tokens = min(most_batch, batch)
            self._queue.most_tokens = min(most_waiting, waiting)

    def _fail(self, slices: Sequence[Slice], error: Exception) -> None:
        _logger.warning("a request could not be computed: %s", told_to_log(error))
        with self._changed:
            failed = [part.job for part in slices if not part.job.is_over]
            for job in failed:
                job.error = _told(error)
                self._queue.drop(job)
        self.n_failed += len(failed)
        _settle(failed)


def _settle(jobs: Sequence[Job]) -> None:
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


def _settle_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle(job)


def _told(error: Exception) -> Exception:
    """What a client is told: of errors inside, only that there was one."""
    if isinstance(error, RemoteError | SpaceError | ApiError):
        return error
    return ApiError(
        500,
        f"the model failed at this request ({type(error).__name__}); the server's log says more",
    )

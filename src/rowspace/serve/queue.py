"""What waits to be computed: bounded in tokens, and every request gets its turn.

Deficit round robin (Shreedhar & Varghese 1995, https://doi.org/10.1145/217382.217453) without the
deficit: each request in turn gives a share of the next batch, so that a request of thousands of
texts goes on beside small ones and does not hold them up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from rowspace.serve.embedder import Embedder, Vectors, Work

SHARES = 8
"""Requests between which a batch is divided; a share that nobody takes goes to the others."""


class Job:
    """A request's texts on their way.

    Parameters
    ----------
    embedder : Embedder
    work : Work
    settle : callable
        Called once with the job, when it is done or has failed.
    loop : asyncio.AbstractEventLoop, optional
        In which it is called; in the computing thread if not given.
    """

    def __init__(
        self,
        embedder: Embedder,
        work: Work,
        settle: Callable[[Job], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.embedder, self.work, self.settle, self.loop = embedder, work, settle, loop
        self.tokens = np.maximum(work.n_tokens, 1)
        """(n,) of each text, one at least."""
        self.n_tokens = int(self.tokens.sum())
        self.n_left = self.n_tokens
        """Tokens not computed yet, which the queue counts."""
        self.next = 0
        """The first text that is in no batch yet."""
        self.parts: list[Vectors] = []
        self.error: Exception | None = None
        self.is_over = False
        """Whether it is done, has failed or was given up."""
        self.progressed = time.monotonic()
        """When it came, or something of it was computed last."""
        self._ends = np.cumsum(self.tokens)

    @property
    def n(self) -> int:
        """Texts."""
        return len(self.tokens)

    @property
    def vectors(self) -> Vectors:
        """(n, dim), when it is done."""
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)

    def upto(self, n_tokens: int) -> int:
        """After which text the next `n_tokens` end; one text at least."""
        if self.n == 1:
            return 1
        done = int(self._ends[self.next - 1]) if self.next else 0
        stop = int(np.searchsorted(self._ends, done + n_tokens, side="right"))
        return max(stop, self.next + 1)

    def between(self, start: int, stop: int) -> int:
        """Tokens of the texts from `start` to before `stop`."""
        return int(self._ends[stop - 1]) - (int(self._ends[start - 1]) if start else 0)


class Slice:
    """Some texts of a job, which go into a batch."""

    def __init__(self, job: Job, start: int, stop: int) -> None:
        self.job, self.start, self.stop = job, start, stop

    @property
    def work(self) -> Any:
        """Of these texts."""
        return self.job.work.part(self.start, self.stop)

    @property
    def n_tokens(self) -> int:
        """Of these texts."""
        return self.job.between(self.start, self.stop)


class FairQueue:
    """Jobs that wait. Not locked: its user is.

    Parameters
    ----------
    most_tokens : int
        That wait or are computed at once.
    batch_tokens : int
        Of a batch; a single text may have more.
    """

    def __init__(self, most_tokens: int, batch_tokens: int) -> None:
        self.most_tokens, self.batch_tokens = most_tokens, batch_tokens
        self.n_tokens = 0
        """Waiting, being read or being computed."""
        self._waiting: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def reserve(self, n_tokens: int) -> bool:
        """Make room for a request; one that is larger than the queue has it when it is alone."""
        if self.n_tokens and self.n_tokens + n_tokens > self.most_tokens:
            return False
        self.n_tokens += n_tokens
        return True

    def release(self, n_tokens: int) -> None:
        """Give back room."""
        self.n_tokens -= n_tokens

    def add(self, job: Job) -> None:
        """Let a job wait, which there is room for."""
        self._waiting.append(job)

    def drop(self, job: Job) -> None:
        """Give a job up; what of it is being computed goes nowhere."""
        job.is_over = True
        self.n_tokens -= job.n_left
        job.n_left = 0
        if job in self._waiting:
            self._waiting.remove(job)

    def computed(self, part: Slice, vectors: Vectors) -> None:
        """Note the vectors of a slice."""
        job, n = part.job, part.n_tokens
        if job.is_over:
            return
        job.parts.append(vectors)
        job.progressed = time.monotonic()
        job.n_left -= n
        self.n_tokens -= n
        job.is_over = part.stop == job.n

    def clear(self) -> list[Job]:
        """Take all out that wait."""
        jobs = list(self._waiting)
        self._waiting.clear()
        return jobs

    def take(self) -> list[Slice]:
        """The next batch, of every request in turn; empty where none waits."""
        room, share = self.batch_tokens, max(1, self.batch_tokens // SHARES)
        slices: dict[Job, Slice] = {}
        while self._waiting and room > 0:
            job = self._waiting[0]
            stop = job.upto(min(share, room))
            n = job.between(job.next, stop)
            if n > room and slices:
                break  # it is the first of the next batch
            if job in slices:
                slices[job].stop = stop
            else:
                slices[job] = Slice(job, job.next, stop)
            room -= n
            job.next = stop
            self._waiting.popleft()
            if stop < job.n:
                self._waiting.append(job)
        return list(slices.values())

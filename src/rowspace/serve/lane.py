"""A few threads for one kind of work, and a queue before them that has an end.

Work that blocks leaves the event loop this way: searches, rerankings, writes each have a lane, so
that one kind does not hold up another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import Request

from rowspace.serve.errors import CLIENT_LEFT, ApiError

T = TypeVar("T")

_RETRY_AFTER = {"Retry-After": "1"}


class Lane:
    """Runs work in threads of its own.

    Parameters
    ----------
    what : str
        What is worked on, as in "searches", for messages.
    n_threads : int
        How many are worked on at once.
    max_waiting : int
        How many more may wait.
    deadline : float
        Seconds that one waits, at most.
    """

    def __init__(self, what: str, n_threads: int, max_waiting: int, deadline: float) -> None:
        self.what = what
        self.max_waiting = max_waiting
        self.deadline = deadline
        self._threads = n_threads
        self._inside = 0
        """Waiting or worked on."""
        self._limiter: CapacityLimiter | None = None

    async def run(self, request: Request, work: Callable[[], T]) -> T:
        """What `work` returns; its errors are raised here.

        Work that began is always brought to its end, whether or not the client stays for it.

        Parameters
        ----------
        request : Request
            Its body has been read. If its client leaves before the work began, it never begins.
        work : callable

        Raises
        ------
        ApiError
            429 if too many wait, 503 if there was no thread in time, 499 if the client left.
        """
        if self._inside >= self._threads + self.max_waiting:
            raise ApiError(
                429,
                f"{self.max_waiting} {self.what} wait already; try again later",
                code="overloaded",
                headers=_RETRY_AFTER,
            )
        self._inside += 1
        try:
            return await self._run(request, work)
        finally:
            self._inside -= 1

    async def _run(self, request: Request, work: Callable[[], T]) -> T:
        if self._limiter is None:  # which belongs to the event loop
            self._limiter = CapacityLimiter(self._threads)
        outcome: _Outcome[T] = _Outcome()
        with anyio.move_on_after(self.deadline) as waiting:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_watch, request, outcome, tasks.cancel_scope)
                # A thread that has begun is not given up: only the wait for it can be cancelled.
                await to_thread.run_sync(
                    functools.partial(outcome.keep, work), limiter=self._limiter
                )
                tasks.cancel_scope.cancel()
        if outcome.began:
            return outcome.result()
        if waiting.cancelled_caught and not outcome.left:
            raise ApiError(
                503,
                f"no thread for {self.what} was free for {self.deadline:g} s; try again later",
                code="deadline",
                headers=_RETRY_AFTER,
            )
        raise ApiError(CLIENT_LEFT, "the client closed the connection", code="client_left")


@dataclass
class _Outcome(Generic[T]):
    """What became of some work."""

    began: bool = False
    left: bool = False
    """Whether the client did, before it began."""
    values: list[T] = field(default_factory=list)
    error: BaseException | None = None

    def keep(self, work: Callable[[], T]) -> None:
        self.began = True
        try:
            self.values.append(work())
        except BaseException as error:  # raised where the request is answered
            self.error = error

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.values[0]


async def _watch(request: Request, outcome: _Outcome[T], scope: anyio.CancelScope) -> None:
    """Give the wait up when the client leaves."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    if not outcome.began:
        outcome.left = True
        scope.cancel()

"""Takes connections from a socket that several workers share, so that each holds about as many.

An event loop's own server takes all that wait at once: of clients that come together, one worker
would get most or all, and the others would idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import multiprocessing
import socket
from collections.abc import Callable

LOOK_SECONDS = 0.001
"""Between looks whether a worker that holds fewer connections has taken the one that waits."""
LOOKS = 100
"""After which it is taken all the same, and all that follow until that worker moves: it hangs."""
PAUSE_SECONDS = 0.1
"""After a connection that could not be taken, as where too many files are open."""


AWAY = 1 << 30
"""In place of a worker's count while it takes none."""

Counts = ctypes.Array[ctypes.c_int]


def shared_counts(n_workers: int) -> Counts:
    """How many connections each worker holds, in memory that processes spawned with it share."""
    return multiprocessing.get_context("spawn").RawArray(ctypes.c_int, [AWAY] * n_workers)


class FairListener:
    """Takes one connection at a time, and lets workers that hold fewer take it first.

    It has what uvicorn asks of a server: `close` and `wait_closed`.

    Parameters
    ----------
    listener : socket
        That listens; shared with the other workers.
    make_protocol : callable
        Gives the protocol of a new connection.
    n_held : callable
        Gives how many connections this worker holds.
    counts : array of int
        Of `shared_counts`: how many each worker holds.
    place : int
        Of this worker in `counts`.
    """

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        n_held: Callable[[], int],
        counts: Counts,
        place: int,
    ) -> None:
        listener.setblocking(False)
        self._listener, self._make, self._n_held = listener, make_protocol, n_held
        self._counts, self._place = counts, place
        self._hang: list[int] | None = None
        self._came = asyncio.Event()
        self.tell()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def tell(self) -> None:
        """Let the other workers know how many are held."""
        self._counts[self._place] = self._n_held()

    def close(self) -> None:
        """Take no more; the socket is left open."""
        self._task.cancel()
        self._counts[self._place] = AWAY
        asyncio.get_running_loop().remove_reader(self._listener.fileno())

    async def wait_closed(self) -> None:
        """Nothing is left to wait for once `close` was called."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            await self._wait()
            await self._let_others()
            await self._take()

    async def _wait(self) -> None:
        """Until a connection waits, or seems to: another worker may be quicker."""
        loop = asyncio.get_running_loop()
        self._came.clear()
        loop.add_reader(self._listener.fileno(), self._came.set)
        await self._came.wait()
        loop.remove_reader(self._listener.fileno())

    async def _let_others(self) -> None:
        """Until no other worker holds fewer, or those that do have not moved for long."""
        for _ in range(LOOKS):
            self.tell()
            others = [count for place, count in enumerate(self._counts) if place != self._place]
            if others == self._hang or self._counts[self._place] <= min(others, default=AWAY):
                return
            await asyncio.sleep(LOOK_SECONDS)
        self._hang = others

    async def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another worker has it; the client left
            return
        except OSError:
            await asyncio.sleep(PAUSE_SECONDS)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._make, connection)
        except OSError:  # it left at once
            connection.close()
        self.tell()

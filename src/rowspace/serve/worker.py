"""One of several processes that answer at one address: loads what is served, and answers.

It is uvicorn's worker process. What differs: it drains as a single server does, it tells the
parent why it cannot start, and it ends when the parent is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Process

from rowspace.errors import RowspaceError
from rowspace.serve.accepting import Counts, FairListener
from rowspace.serve.config import ServeConfig
from rowspace.serve.health import stuck
from rowspace.serve.metrics import SHARED
from rowspace.serve.run import DrainingServer, prepare
from rowspace.serve.served import load_served

HUNG_SECONDS = 60.0
"""Without a sign of life, after which a worker is replaced."""
_IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""A terminal sends these to all processes; the parent hears them, and tells its workers to end."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What each worker serves. It reaches them by a pipe: no token stands on a command line."""

    path: str
    """Of a space, or the folder of an encoder."""
    config: ServeConfig
    rerank: str | None = None
    """A cross-encoder."""
    name: str | None = None
    """What the model is called; as its folder, or in the space, if None."""
    threads: int = 1
    """Of each worker's encoder."""


class Worker(Process):
    """A worker as its parent sees it, and what runs in it (`target`).

    Parameters
    ----------
    settings : uvicorn.Config
    listener : socket
        Of the parent, which all workers take connections from.
    plan : Plan
    counts : array of int
        Connections that each worker holds, of `shared_counts`.
    place : int
        Of this one in `counts`.
    """

    def __init__(
        self,
        settings: uvicorn.Config,
        listener: socket.socket,
        plan: Plan,
        counts: Counts,
        place: int,
    ) -> None:
        super().__init__(settings, [listener])
        self._plan, self._counts, self._place = plan, counts, place
        self._failure, self._tell = Pipe(duplex=False)
        self._answered, self._is_asked = time.monotonic(), False
        self.is_ready_now = False
        """Whether it takes requests, when it last said so."""
        self.was_ready = False
        """Whether it ever did."""

    # In the parent

    def look(self) -> None:
        """Take the answer to the question asked last, and ask anew; this never waits."""
        with contextlib.suppress(OSError, EOFError):  # it is gone, which its process tells
            while self.parent_conn.poll():
                self.is_ready_now = bool(self.parent_conn.recv())
                self.was_ready |= self.is_ready_now
                self._answered, self._is_asked = time.monotonic(), False
            if not self._is_asked:
                self.parent_conn.send(b"ping")
                self._is_asked = True

    @property
    def is_gone(self) -> bool:
        """Whether the process ended, or shows no sign of life."""
        is_hung = time.monotonic() - self._answered > HUNG_SECONDS
        return is_hung or not self.process.is_alive()

    def why_not_started(self) -> str | None:
        """What kept it from starting, after it ended for that; None if it ended otherwise."""
        if self.exitcode != STARTUP_FAILURE or not self._failure.poll():
            return None
        return str(self._failure.recv())

    def release(self) -> None:
        """Close what connects to it, once it has ended."""
        for connection in (self.parent_conn, self.child_conn, self._failure, self._tell):
            connection.close()

    # In the process

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Load and answer until the end."""
        assert sockets is not None
        for ignored in _IGNORED:
            signal.signal(ignored, signal.SIG_IGN)
        warnings.showwarning = _show_warning
        threading.Thread(target=self.always_pong, daemon=True).start()
        try:
            server = self._load(sockets[0])
        except (RowspaceError, OSError) as error:
            self._tell.send(_described(error))
            sys.exit(STARTUP_FAILURE)
        except MemoryError:
            self._tell.send("out of memory; start fewer --workers")
            sys.exit(STARTUP_FAILURE)
        self._server = server
        server.run_to_end(sockets[0])

    def pong(self) -> None:
        """Answer the parent once: whether requests are taken. A stuck worker says nothing."""
        self.child_conn.recv()
        server = self._server
        if server is None:
            self.child_conn.send(False)
        elif not (isinstance(server, WorkerServer) and server.is_stuck):
            self.child_conn.send(server.started)

    def _load(self, listener: socket.socket) -> DrainingServer:
        plan = self._plan
        served = load_served(plan.path, plan.rerank, plan.threads)
        if plan.name is not None:
            served.name = plan.name
        kind = partial(WorkerServer, counts=self._counts, place=self._place)
        return prepare(served, plan.config, listener, kind)


class WorkerServer(DrainingServer):
    """The server in a worker."""

    def __init__(
        self, settings: uvicorn.Config, *arguments: Any, counts: Counts, place: int
    ) -> None:
        super().__init__(settings, *arguments)
        self._metrics = settings.app.state.metrics  # type: ignore[union-attr]
        self._parent = multiprocessing.parent_process()
        self._counts, self._place = counts, place
        self._fair: FairListener | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests; of the connections that come, a worker's share."""
        assert sockets is not None
        await super().startup([])  # without the loop's own server, which takes all that wait
        self._fair = FairListener(
            sockets[0],
            self._new_protocol,
            lambda: len(self.server_state.connections),
            self._counts,
            self._place,
        )
        self.servers.append(self._fair)  # type: ignore[arg-type]

    @property
    def is_stuck(self) -> bool:
        """Whether it takes requests and computes none."""
        return self.started and not self.life.draining and stuck(self.batcher) is not None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain, however often that is said: who stops a group tells its parent and each process.

        A second signal to the parent ends all at once.
        """
        if sig == signal.SIGTERM and not self.life.draining:
            self.begin_drain()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        self._metrics.refresh()
        if self._fair is not None:
            self._fair.tell()
        if self._is_orphan and not self.life.draining:
            shutil.rmtree(Path(os.environ[SHARED]), ignore_errors=True)  # nobody else does now
            self.begin_drain()
        return await super().on_tick(counter)

    def _new_protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @property
    def _is_orphan(self) -> bool:
        return self._parent is not None and not self._parent.is_alive()


def _described(error: Exception) -> str:
    """One line, as the program prints it."""
    if isinstance(error, RowspaceError) or not isinstance(error, OSError):
        return str(error)
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"rowspace: warning: {message}", file=sys.stderr, flush=True)

"""Several processes at one address: uvicorn's supervisor, which replaces a worker that ends.

The parent listens and computes nothing; workers are spawned and take connections from its socket.
The first is started alone: what is made at the first start (an export, compiled kernels) is made
once, and what cannot be served is told once. A worker that cannot start ends all of them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import Multiprocess

from rowspace.errors import ConfigError, RowspaceError
from rowspace.machine import n_cores
from rowspace.serve.accepting import AWAY, shared_counts
from rowspace.serve.config import ServeConfig
from rowspace.serve.metrics import SHARED
from rowspace.serve.run import address_of, listen
from rowspace.serve.worker import Plan, Worker

MOST_DEATHS = 3
"""Workers that end one after the other before they are ready; then all end."""
THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS"),
)
"""By which libraries are told how many threads a worker has; those that are set are left."""


def serve_workers(
    path: Path | str,
    n_workers: int,
    config: ServeConfig | None = None,
    listener: socket.socket | None = None,
    started: Callable[[str], None] | None = None,
    *,
    rerank: str | None = None,
    name: str | None = None,
) -> None:
    """Answer requests by several processes until SIGINT or SIGTERM; for a main thread.

    Parameters
    ----------
    path : path
        A space, or the folder of a sentence encoder.
    n_workers : int
        Each computes on its share of the cores. The limits of `config` are each worker's.
    config : ServeConfig, optional
        The explorer, whose jobs are one process's, is left out.
    listener : socket, optional
        Of `listen`, where it was called before.
    started : callable, optional
        Called with the address once all workers take requests.
    rerank : str, optional
        A cross-encoder's folder or name.
    name : str, optional
        What the model is called.

    Raises
    ------
    ConfigError
        If the address cannot be listened to, or there is no worker.
    RowspaceError
        If a worker cannot start; the others have ended then.
    KeyboardInterrupt
        If a second signal came while they were ending.
    """
    if n_workers < 1:
        raise ConfigError(f"workers is {n_workers}; give 1 or more")
    config = replace(config or ServeConfig(), explorer=False)
    plan = Plan(
        path=str(path),
        config=config,
        rerank=rerank,
        name=name,
        threads=max(1, n_cores() // n_workers),
    )
    with contextlib.closing(listener or listen(config)) as listener, _shared(plan.threads):
        Workers(plan, n_workers, listener, started).run()


class Workers(Multiprocess):
    """Uvicorn's supervisor with workers of ours.

    Parameters
    ----------
    plan : Plan
    n_workers : int
    listener : socket
    started : callable, optional
        Called with the address once all take requests.
    """

    def __init__(
        self,
        plan: Plan,
        n_workers: int,
        listener: socket.socket,
        started: Callable[[str], None] | None = None,
    ) -> None:
        settings = uvicorn.Config("", workers=n_workers, log_config=None, log_level="error")
        super().__init__(settings, [listener])
        self._plan, self._listener, self._started = plan, listener, started
        self._workers: list[Worker] = []
        self._counts = shared_counts(n_workers)
        self._n_deaths = 0
        self._failure: str | None = None
        self._is_hurried = False

    def run(self) -> None:
        """Start, watch and end the workers.

        Raises
        ------
        RowspaceError
            If one cannot start.
        KeyboardInterrupt
            If a second signal came.
        """
        super().run()
        if self._failure is not None:
            raise RowspaceError(self._failure)
        if self._is_hurried:
            raise KeyboardInterrupt

    def init_processes(self) -> None:
        """Start the first worker; the others follow when it is ready."""
        self._add()

    def keep_subprocess_alive(self) -> None:
        """Look at each worker, twice a second; replace one that is gone."""
        if self.should_exit.is_set():
            return
        for place, worker in enumerate(self._workers):
            worker.look()
            if worker.is_gone:
                self._replace(place)
        if not all(worker.is_ready_now for worker in self._workers):
            return
        self._n_deaths = 0
        while len(self._workers) < self.processes_num:
            self._add()
        if all(worker.is_ready_now for worker in self._workers) and self._started is not None:
            self._started(address_of(self._listener))
            self._started = None

    def terminate_all(self) -> None:
        """Tell all to end; what runs is answered."""
        for worker in self._workers:
            worker.terminate()

    def join_all(self) -> None:
        """Wait for all to end; a second signal ends them at once."""
        for worker in self._workers:
            while worker.process.is_alive():
                worker.process.join(0.1)
                if self.signal_queue and not self._is_hurried:
                    self._is_hurried = True
                    for one in self._workers:
                        one.process.kill()
            worker.release()

    def handle_hup(self) -> None:
        """The terminal is gone: end."""
        self.should_exit.set()

    def handle_quit(self) -> None:
        """As SIGINT."""
        self.should_exit.set()

    def handle_ttin(self) -> None:
        """The number of workers stays."""

    def handle_ttou(self) -> None:
        """The number of workers stays."""

    def _add(self) -> None:
        self._workers.append(self._new(len(self._workers)))

    def _new(self, place: int) -> Worker:
        self._counts[place] = AWAY
        worker = Worker(self.config, self._listener, self._plan, self._counts, place)
        worker.start()
        return worker

    def _replace(self, place: int) -> None:
        """Start another one for a worker that is gone, unless it could not start either."""
        gone = self._workers[place]
        gone.process.kill()
        gone.join()
        mark_process_dead(gone.pid)  # type: ignore[no-untyped-call]
        self._failure = gone.why_not_started()
        if not gone.was_ready:
            self._n_deaths += 1
        if self._failure is None and self._n_deaths >= MOST_DEATHS:
            self._failure = (
                f"{MOST_DEATHS} workers ended ({_how(gone.exitcode)}) before they were ready; "
                "start it with --workers 1 to see why, or give it more memory"
            )
        if self._failure is not None:
            self.should_exit.set()
            return
        warnings.warn(
            f"worker {gone.pid} ended ({_how(gone.exitcode)}); another is started", stacklevel=2
        )
        gone.release()
        self._workers[place] = self._new(place)


def _how(code: int | None) -> str:
    """How a process ended."""
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"status {code}"


@contextlib.contextmanager
def _shared(threads: int) -> Iterator[None]:
    """What workers find in their environment: threads, and the folder of their counts."""
    with tempfile.TemporaryDirectory(
        prefix="rowspace-serve-", ignore_cleanup_errors=True
    ) as folder:
        given = {SHARED: folder}
        for name in THREAD_VARIABLES:
            given[name] = os.environ.get(name, str(threads))
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

"""Runs the server until it is told to end.

SIGINT and SIGTERM let what runs end: `/ready` says no at once, what comes is refused, and the
server is gone when the last answer is sent, or after `config.drain` seconds. A second signal ends
it at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from rowspace.errors import ConfigError
from rowspace.serve.app import create_app
from rowspace.serve.batching import Batcher
from rowspace.serve.config import ServeConfig
from rowspace.serve.life import Life
from rowspace.serve.protocol import BoundedProtocol
from rowspace.serve.served import Served
from rowspace.space.encoder import encode_documents

BACKLOG = 512
"""Connections that wait to be taken on."""
KEEP_SECONDS = 15
"""How long a connection is kept for a next request."""
LAST_SECONDS = 2
"""What a drain that is over may still take before the process is ended from without."""


def serve(
    served: Served,
    config: ServeConfig | None = None,
    listener: socket.socket | None = None,
    started: Callable[[str], None] | None = None,
) -> None:
    """Answer requests until SIGINT or SIGTERM; for the main thread of a process of its own.

    Work that does not end in time does not keep the process: it exits, with status 0.

    Parameters
    ----------
    served : Served
    config : ServeConfig, optional
    listener : socket, optional
        Of `listen`, where it was called before.
    started : callable, optional
        Called with the address once requests are taken.

    Raises
    ------
    ConfigError
        If the address cannot be listened to.
    """
    config = config or ServeConfig()
    listener = listener or listen(config)
    server = prepare(served, config, listener)
    server.started_call = started
    server.run_to_end(listener)


@contextlib.contextmanager
def running(served: Served, config: ServeConfig | None = None) -> Iterator[str]:
    """A server in a thread of this process, for notebooks and tests: gives its address.

    Parameters
    ----------
    served : Served
    config : ServeConfig, optional
        By default any free port of 127.0.0.1 is taken.

    Examples
    --------
    ::

        with running(load_served("docs.space")) as address:
            httpx.get(f"{address}/health")
    """
    config = config or ServeConfig(port=0)
    listener = listen(config)
    server = prepare(served, config, listener)
    begun = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            server.run([listener])
        except BaseException as error:  # handed to the caller below
            failed.append(error)
        finally:
            begun.set()

    server.started_call = lambda _: begun.set()
    thread = threading.Thread(target=run, name="rowspace-serve", daemon=True)
    thread.start()
    begun.wait()
    try:
        if not failed:
            yield address_of(listener)
    finally:
        server.life.drain()
        thread.join(config.drain + LAST_SECONDS)
    if failed:
        raise failed[0]


def listen(config: ServeConfig) -> socket.socket:
    """A socket that listens to the address of `config`.

    Raises
    ------
    ConfigError
        If the port is in use, or the host is none of this machine's.
    """
    host = config.host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(
            f"cannot listen to {config.host}: {error.strerror}; give an address of this machine"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen to {config.host}:{config.port}: {error.strerror}; give another "
            "--port, or 0 for a free one"
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Where a server that listens is called, as `http://127.0.0.1:8000`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def warm(served: Served) -> None:
    """Load what answers the first request, so that it takes no longer than the others."""
    for name in served.model_names[:1]:
        encode_documents(served.encoder_of(name), ["warm"])


def prepare(
    served: Served,
    config: ServeConfig,
    listener: socket.socket,
    kind: Callable[..., DrainingServer] | None = None,
) -> DrainingServer:
    """A server that is loaded and warm, and takes no requests yet; closes `listener` if it fails.

    Parameters
    ----------
    served : Served
    config : ServeConfig
    listener : socket
        Of `listen`.
    kind : callable, optional
        Makes the server, as `DrainingServer` does.
    """
    try:
        warm(served)
        app = create_app(served, config)
    except BaseException:
        listener.close()
        raise
    settings = uvicorn.Config(
        app,
        http=BoundedProtocol,
        limit_concurrency=2 * config.max_requests,
        timeout_keep_alive=KEEP_SECONDS,
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=1,
    )
    return (kind or DrainingServer)(settings, config, app, listener)


class DrainingServer(uvicorn.Server):
    """Uvicorn's server, which answers on while it drains.

    Parameters
    ----------
    settings : uvicorn.Config
    config : ServeConfig
    app : FastAPI
        Of `create_app`.
    listener : socket
    """

    def __init__(
        self, settings: uvicorn.Config, config: ServeConfig, app: FastAPI, listener: socket.socket
    ) -> None:
        super().__init__(settings)
        self.life: Life = app.state.life
        self.batcher: Batcher = app.state.batcher
        self._drain = config.drain
        self._address = address_of(listener)
        self.started_call: Callable[[str], None] | None = None

    def run_to_end(self, listener: socket.socket) -> None:
        """Answer until the end; work that does not end in time does not keep the process."""
        self.run([listener])
        if self.batcher.busy_seconds:  # the interpreter's end would abort a thread in foreign code
            _end()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests."""
        await super().startup(sockets)
        if self.started_call is not None and self.started:
            self.started_call(self._address)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second ends the process as if it were not caught."""
        if self.life.draining:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        self.begin_drain()

    def begin_drain(self) -> None:
        """Take on no more; end when what runs is answered, or by force when that takes too long."""
        self.life.drain()
        watch = threading.Timer(self._drain + LAST_SECONDS, _end)
        watch.daemon = True
        watch.start()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if self.life.draining:
            self.life.sending = sum(map(_is_sending, self.server_state.connections))
        self.should_exit = self.should_exit or self.life.is_over(self._drain)
        return await super().on_tick(counter)


def _is_sending(connection: Any) -> bool:
    """Whether some of an answer waits for its client to read."""
    return bool(connection.transport.get_write_buffer_size())


def _end() -> None:
    """Leave threads behind that compute what nobody waits for any more."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)

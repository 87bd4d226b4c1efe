"""A Ray cluster: joined or started here, and looked over before work is sent to it.

Rowspace starts no machine and places no work itself: Ray does. What is checked here is what would
otherwise give wrong vectors or an unreadable error: nobody at the address, and workers that have
another Rowspace than the one that asks.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rowspace.errors import ClusterError, ConfigError
from rowspace.extras import need

CONNECT_SECONDS = 5.0
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""Of HTTP/2, which Ray speaks (RFC 9113, 3.4); who speaks it too answers at once in kind."""
_SETTINGS = 4
"""What kind of frame the answer is: its fourth byte."""
PACKAGES = ("rowspace", "numpy")
"""Of which every worker must have the version that asks; Ray sees to its own and Python's."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would be sent over the network
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",  # there is one of ours
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # it would write to stderr; workers that die are told of
}


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """Where the work is done, and by how many."""

    address: str | None = None
    """Of a cluster that runs, as host and port, or `auto` for the one that runs on this machine;
    None starts one on this machine and ends it."""
    workers: int | None = None
    """Processes that work at once; as many as there are processors if not given."""
    threads: int = 1
    """Of each."""

    def __post_init__(self) -> None:
        for name in ("workers", "threads"):
            n = getattr(self, name)
            if n is not None and n < 1:
                raise ConfigError(f"{name} is {n}; give 1 or more")


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process has joined."""

    n_cpus: int
    node_ids: tuple[str, ...]
    workers: int
    """Processes that work at once."""
    threads: int
    """Of each."""
    address: str | None = None
    """None where it was started here."""

    def describe(self) -> str:
        """Where the work is done, and by how many, in one line."""
        workers = f"{self.workers} worker{'s' * (self.workers > 1)}"
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        nodes = f"{len(self.node_ids)} node{'s' * (len(self.node_ids) > 1)}"
        where = "started here" if self.address is None else f"at {self.address}"
        return f"{workers} of {threads} on {nodes} of the Ray cluster {where}"


@contextlib.contextmanager
def connected(config: ClusterConfig | None = None) -> Iterator[Cluster]:
    """Join a cluster while the block runs; one that was started here ends with it.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    ClusterError
        If nobody answers at the address, or a worker has other versions than this process.
    ConfigError
        If the address is none, or the cluster has not as many processors as are asked for.
    """
    config = config or ClusterConfig()
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    ray = need("ray", "ray")
    if ray.is_initialized():
        raise ClusterError("this process has joined a cluster already; leave it by ray.shutdown()")
    _join(ray, config)
    try:
        alive = [node for node in ray.nodes() if node["Alive"]]
        node_ids = tuple(node["NodeID"] for node in alive)
        if config.address is not None:  # one that was started here is of this Python
            _check_versions(ray, node_ids)
        n_cpus = int(ray.cluster_resources().get("CPU", 0))
        workers = config.workers or max(1, n_cpus // config.threads)
        if workers * config.threads > n_cpus:
            raise ConfigError(
                f"{workers} workers of {config.threads} threads are asked for, and the cluster has "
                f"{n_cpus} processors; give fewer --workers"
            )
        with contextlib.redirect_stdout(sys.stderr):  # Ray tells of lost workers where results go
            yield Cluster(n_cpus, node_ids, workers, config.threads, config.address)
    finally:
        ray.shutdown()


def _join(ray: Any, config: ClusterConfig) -> None:
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    if config.address is None:
        with _quiet_stderr():
            ray.init("local", include_dashboard=False, num_cpus=_wanted_cpus(config), **quiet)
        return
    _check_somebody_listens(config.address)
    try:
        with _quiet_stderr():
            ray.init(address=config.address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise ClusterError(
            f"cannot join the cluster at {config.address} ({line}); start it with `ray start "
            "--head`, and join it on this machine with `ray start --address`, with the Python and "
            "the Ray that this process has"
        ) from error


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep from stderr what Ray's compiled code writes there when it starts."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _wanted_cpus(config: ClusterConfig) -> int | None:
    return None if config.workers is None else config.workers * config.threads


def _check_somebody_listens(address: str) -> None:
    """Say at once what Ray would say after half a minute."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"address is {address!r}; give host:port, or auto")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as connection:
            is_ray = _answers_as_ray(connection)
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"no cluster answers at {address} ({error}); start one with `ray start --head`, or "
            "leave --address out to use this machine alone"
        ) from error
    if not is_ray:
        raise ClusterError(
            f"what listens at {address} is no Ray cluster; give the address that `ray start "
            "--head` tells, whose port is 6379 if not given"
        )


def _answers_as_ray(connection: socket.socket) -> bool:
    """Whether a server speaks as Ray's do; Ray itself would ask anything else for minutes."""
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return True  # it greets in another way
    try:
        connection.sendall(_GREETING)
        answer = connection.makefile("rb").read(4)
    except OSError:
        return False
    return len(answer) == 4 and answer[3] == _SETTINGS


def versions() -> dict[str, str]:
    """What decides the vectors beside the model."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _check_versions(ray: Any, node_ids: tuple[str, ...]) -> None:
    """See that every node would compute with what this process has."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as OnNode

    packages = PACKAGES

    def look() -> dict[str, str]:  # sent whole, as a node may have no Rowspace to import it from
        import platform
        from importlib.metadata import PackageNotFoundError, version

        found = {"python": platform.python_version()}
        for name in packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = "none"
        return found

    here = versions()
    task = ray.remote(num_cpus=0, max_retries=0)(look)
    strategies = [OnNode(node_id, soft=False) for node_id in node_ids]
    answers = ray.get([task.options(scheduling_strategy=one).remote() for one in strategies])
    for node_id, there in zip(node_ids, answers, strict=True):
        for name, wanted in here.items():
            if there[name] != wanted:
                raise ClusterError(
                    f"node {node_id[:8]} has {name} {there[name]}, and this process {wanted}; "
                    "install the same on every node, or the vectors would not be the same"
                )

"""Joining a cluster, and what is said where that cannot be."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from rowspace.errors import ClusterError, ConfigError
from rowspace.scale import cluster
from rowspace.scale.cluster import ClusterConfig, connected


def test_nobody_at_the_address_is_one_line() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else takes the port
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(ClusterError, match=f"no cluster answers at {address}.*ray start"),
            connected(ClusterConfig(address=address)),
        ):
            pass


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 505 HTTP Version Not Supported\r\n\r\n", b"", b"hi"], ids=repr
)
def test_who_listens_and_is_no_ray_is_told_at_once(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 10)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with (
            pytest.raises(ClusterError, match=f"what listens at {address} is no Ray cluster"),
            connected(ClusterConfig(address=address)),
        ):
            pass
        thread.join()


def test_who_listens_and_says_nothing_is_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(ClusterError, match="is no Ray cluster"),
            connected(ClusterConfig(address=address)),
        ):
            pass


@pytest.mark.parametrize("address", ["here", "host:", ":1", "host:port"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with (
        pytest.raises(ConfigError, match="give host:port, or auto"),
        connected(ClusterConfig(address=address)),
    ):
        pass


@pytest.mark.slow
def test_both_nodes_are_seen(nodes: Any) -> None:
    with connected(ClusterConfig(address=nodes.address)) as joined:
        assert (joined.n_cpus, len(joined.node_ids), joined.workers) == (2, 2, 2)


@pytest.mark.slow
def test_more_workers_than_processors_are_refused(nodes: Any) -> None:
    with (
        pytest.raises(ConfigError, match=r"3 workers.*the cluster has 2 processors"),
        connected(ClusterConfig(address=nodes.address, workers=3)),
    ):
        pass


@pytest.mark.slow
def test_a_worker_of_another_version_is_named(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = cluster.versions()
    monkeypatch.setattr(cluster, "versions", lambda: here | {"rowspace": "9.9"})
    with (
        pytest.raises(ClusterError, match=f"has rowspace {here['rowspace']}, and this process 9.9"),
        connected(ClusterConfig(address=nodes.address)),
    ):
        pass

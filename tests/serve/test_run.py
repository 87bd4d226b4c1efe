from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from rowspace.errors import ConfigError
from rowspace.serve.config import ServeConfig
from rowspace.serve.run import address_of, listen, running
from rowspace.serve.served import Served
from tests.search.stub import HashEncoder


def stub() -> Served:
    return Served("stub", Path(), encoder=HashEncoder())


def test_a_server_runs_in_a_thread_until_its_block_ends() -> None:
    with running(stub()) as address:
        assert httpx.get(f"{address}/health").json() == {"status": "ok"}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health")


def test_a_port_in_use_is_told() -> None:
    with listen(ServeConfig(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen to 127\.0\.0\.1:{port}: .*in use"):
            listen(ServeConfig(port=port))


def test_a_host_of_another_machine_is_told() -> None:
    config = ServeConfig(host="192.0.2.1", token="t" * 16)  # of RFC 5737: nobody's
    with pytest.raises(ConfigError, match=r"cannot listen to 192\.0\.2\.1:8000: "):
        listen(config)


def test_ipv6_is_written_with_brackets() -> None:
    try:
        listener = listen(ServeConfig(host="::1", port=0))
    except ConfigError:
        pytest.skip("this machine has no ::1")
    with listener:
        assert address_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"
        assert listener.family is socket.AF_INET6

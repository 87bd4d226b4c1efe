from __future__ import annotations

import math
from typing import Any

import pytest

from rowspace.errors import ConfigError
from rowspace.serve.config import ServeConfig, is_loopback


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 65536}, "port is 65536"),
        ({"max_body": 0}, "max_body is 0"),
        ({"deadline": -1.0}, r"deadline is -1\.0"),
        ({"deadline": math.inf}, "deadline is inf; give a number"),
        ({"drain": math.nan}, "drain is nan; give a number"),
        ({"token": "short"}, "the token has 5 characters, which can be guessed"),
        ({"token": "two words of a token"}, "spaces or characters that cannot be printed"),
        ({"token": "a-line-\n-and-another"}, "spaces or characters that cannot be printed"),
        ({"host": "0.0.0.0"}, r"0\.0\.0\.0 can be reached from other machines, and there is no"),
        ({"host": "box.lan"}, "can be reached from other machines"),
        ({"hosts": ("http://a.example",)}, "'http://a.example' is no name of a host"),
        ({"hosts": ("*",)}, "is no name of a host"),
        ({"origins": ("*",)}, "'\\*' is no origin"),
        ({"origins": ("https://a.example/",)}, "is no origin"),
        ({"origins": ("null",)}, "'null' is no origin"),
    ],
)
def test_what_cannot_work_is_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ServeConfig(**settings)


def test_what_works_is_taken() -> None:
    ServeConfig(
        host="0.0.0.0",
        token="t" * 16,
        hosts=("a.example", "b.example:8000", "[2001:db8::1]"),
        origins=("https://a.example", "http://localhost:3000", "http://[::1]:3000"),
    )


def test_a_token_is_not_shown() -> None:
    assert "tttt" not in repr(ServeConfig(token="t" * 16))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "localhost.evil.example", ""])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)

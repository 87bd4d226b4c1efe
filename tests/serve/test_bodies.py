from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rowspace.serve.bodies import HELD, Bodies, ClientLeftError, replay
from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import ApiError


class Client:
    """Sends parts, and counts those that were taken."""

    def __init__(self, parts: Sequence[bytes], leaves: bool = False) -> None:
        self.parts, self.taken, self.leaves = parts, 0, leaves

    async def receive(self) -> dict[str, Any]:
        if self.taken == len(self.parts):
            return {"type": "http.disconnect"}
        self.taken += 1
        more = self.leaves or self.taken < len(self.parts)
        return {"type": "http.request", "body": self.parts[self.taken - 1], "more_body": more}


def _read(bodies: Bodies, client: Client, declared: int | None = None) -> bytes:
    return asyncio.run(bodies.read(client.receive, declared))


def _refused(bodies: Bodies, client: Client, declared: int | None = None) -> ApiError:
    with pytest.raises(ApiError) as refused:
        _read(bodies, client, declared)
    return refused.value


def test_a_body_of_just_what_is_allowed_is_read() -> None:
    assert _read(Bodies(ServeConfig(max_body=10)), Client([b"12345", b"67890"])) == b"1234567890"


def test_reading_stops_at_the_part_that_is_too_much() -> None:
    client = Client([b"12345"] * 100)
    assert _refused(Bodies(ServeConfig(max_body=10)), client).status == 413
    assert client.taken == 3


def test_of_a_body_that_says_it_is_too_large_nothing_is_read() -> None:
    client = Client([b"1"])
    error = _refused(Bodies(ServeConfig(max_body=10)), client, declared=11)
    assert (error.status, error.code, client.taken) == (413, "request_too_large", 0)


def test_a_client_that_leaves_is_told_apart() -> None:
    with pytest.raises(ClientLeftError):
        _read(Bodies(ServeConfig()), Client([b"half"], leaves=True))


def test_all_bodies_together_are_bounded_until_they_are_forgotten() -> None:
    bodies = Bodies(ServeConfig(max_body=10))
    kept = [_read(bodies, Client([b"0123456789"])) for _ in range(HELD)]
    assert _refused(bodies, Client([b"1"])).status == 503
    for refused in (Client([b"12345"] * 3), Client([b"1"], leaves=True)):  # leave nothing behind
        with pytest.raises((ApiError, ClientLeftError)):
            _read(bodies, refused)
    bodies.forget(kept[0])
    assert _read(bodies, Client([b"9876543210"])) == b"9876543210"
    assert _refused(bodies, Client([b"1"])).status == 503


def test_a_body_that_does_not_come_is_given_up() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(ApiError, match=r"did not arrive in 0\.05 seconds") as refused:
        asyncio.run(Bodies(ServeConfig(body_seconds=0.05)).read(never, None))
    assert refused.value.status == 408


def test_what_was_read_is_told_once_and_then_that_the_client_left() -> None:
    async def both() -> list[dict[str, Any]]:
        again = replay(b"body", Client([]).receive)
        return [dict(await again()), dict(await again())]

    first, second = asyncio.run(both())
    assert first == {"type": "http.request", "body": b"body", "more_body": False}
    assert second == {"type": "http.disconnect"}

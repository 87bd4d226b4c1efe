"""Several workers at one socket: each takes its share of the connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from rowspace.serve.accepting import AWAY, Counts, FairListener, shared_counts


class Worker:
    """What takes connections, and holds them."""

    def __init__(self, listener: socket.socket, counts: Counts, place: int) -> None:
        self.held: list[Held] = []
        self.fair = FairListener(
            listener.dup(), lambda: Held(self.held), lambda: len(self.held), counts, place
        )


class Held(asyncio.Protocol):
    """A connection, in the list of those that are held."""

    def __init__(self, held: list[Held]) -> None:
        self._held = held

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._held.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._held.remove(self)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as made:
        yield made


async def connect(listener: socket.socket, n: int) -> list[asyncio.StreamWriter]:
    address = listener.getsockname()
    made = await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(n)))
    return [writer for _, writer in made]


async def until(workers: list[Worker], n: int) -> None:
    async with asyncio.timeout(10):
        while sum(len(worker.held) for worker in workers) != n:
            await asyncio.sleep(0.001)


async def end(workers: list[Worker], clients: list[asyncio.StreamWriter]) -> None:
    for client in clients:
        client.close()
    await until(workers, 0)
    for worker in workers:
        worker.fair.close()
        await worker.fair.wait_closed()
        worker.fair._listener.close()


def test_connections_that_come_together_are_shared_evenly(listener: socket.socket) -> None:
    async def run() -> None:
        counts = shared_counts(2)
        workers = [Worker(listener, counts, place) for place in range(2)]
        clients = await connect(listener, 32)
        await until(workers, 32)
        assert [len(worker.held) for worker in workers] == [16, 16]
        await end(workers, clients)
        assert list(counts) == [AWAY, AWAY]

    asyncio.run(run())


def test_who_holds_more_waits_for_who_holds_fewer(listener: socket.socket) -> None:
    async def run() -> None:
        counts = shared_counts(2)
        first = Worker(listener, counts, 0)
        clients = await connect(listener, 6)
        await until([first], 6)  # alone it takes all
        workers = [first, Worker(listener, counts, 1)]
        clients += await connect(listener, 8)
        await until(workers, 14)
        assert [len(worker.held) for worker in workers] == [7, 7]
        await end(workers, clients)

    asyncio.run(run())


def test_a_connection_is_taken_though_who_holds_fewer_does_nothing(
    listener: socket.socket,
) -> None:
    async def run() -> None:
        counts = shared_counts(2)
        counts[1] = 0  # a worker that hangs
        worker = Worker(listener, counts, 0)
        clients = await connect(listener, 40)
        await until([worker], 40)
        await end([worker], clients)

    asyncio.run(run())

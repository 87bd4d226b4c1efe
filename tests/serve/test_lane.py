from __future__ import annotations

import asyncio
import threading
from typing import Any

import anyio
import pytest
from fastapi import Request

from rowspace.errors import FilterError
from rowspace.serve.errors import CLIENT_LEFT, ApiError
from rowspace.serve.lane import Lane


def _request(left: asyncio.Event | None = None) -> Request:
    """A request whose body was read, and whose client leaves at `left`, or never."""

    async def receive() -> dict[str, Any]:
        await (left or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http"}, receive)


class Held:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self.go.wait(10)
        return "done"

    async def has_begun(self) -> None:
        while not self.began.is_set():
            await anyio.sleep(0.001)


async def _refused(lane: Lane, request: Request) -> ApiError:
    with pytest.raises(ApiError) as refused:
        await lane.run(request, lambda: pytest.fail("it began"))
    return refused.value


def test_work_runs_in_another_thread_and_its_errors_are_its_own() -> None:
    async def main() -> None:
        lane = Lane("searches", 1, 1, 10)
        ident = await lane.run(_request(), threading.get_ident)
        assert ident != threading.get_ident()

        def fail() -> None:
            raise FilterError("no such field")

        with pytest.raises(FilterError, match="no such field"):
            await lane.run(_request(), fail)
        assert await lane.run(_request(), lambda: 5) == 5  # the thread is free again

    asyncio.run(main())


def test_what_waits_too_long_is_given_up_and_never_begins() -> None:
    async def main() -> None:
        lane, held = Lane("searches", 1, 5, 0.05), Held()
        first = asyncio.create_task(lane.run(_request(), held))
        await held.has_begun()
        error = await _refused(lane, _request())
        assert error.status == 503
        assert "no thread for searches was free for 0.05 s" in error.message
        assert "Retry-After" in error.headers
        held.go.set()
        assert await first == "done"  # which has taken longer than the deadline

    asyncio.run(main())


def test_what_comes_when_too_many_wait_is_refused() -> None:
    async def main() -> None:
        lane, held = Lane("searches", 1, 2, 10), Held()
        tasks = [asyncio.create_task(lane.run(_request(), held)) for _ in range(3)]
        await held.has_begun()
        error = await _refused(lane, _request())
        assert error.status == 429
        assert "2 searches wait already" in error.message
        held.go.set()
        assert await asyncio.gather(*tasks) == ["done"] * 3
        assert await lane.run(_request(), lambda: 1) == 1

    asyncio.run(main())


def test_work_whose_client_left_while_it_waited_never_begins() -> None:
    async def main() -> None:
        lane, held, left = Lane("searches", 1, 5, 10), Held(), asyncio.Event()
        first = asyncio.create_task(lane.run(_request(), held))
        await held.has_begun()
        second = asyncio.create_task(_refused(lane, _request(left)))
        await anyio.sleep(0.01)
        left.set()
        assert (await second).status == CLIENT_LEFT
        held.go.set()
        assert await first == "done"

    asyncio.run(main())


def test_work_that_began_is_brought_to_its_end_when_its_client_leaves() -> None:
    async def main() -> None:
        lane, held, left = Lane("writes", 1, 5, 10), Held(), asyncio.Event()
        task = asyncio.create_task(lane.run(_request(left), held))
        await held.has_begun()
        left.set()
        await anyio.sleep(0.02)
        assert not task.done()
        held.go.set()
        assert await task == "done"

    asyncio.run(main())

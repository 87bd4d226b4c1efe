"""`/health`: the process answers. `/ready`: it takes requests, and can compute."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from rowspace.errors import RowspaceError
from rowspace.serve.batching import Batcher
from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import ApiError
from rowspace.serve.served import Served

STUCK_SECONDS = 120.0
"""Of one batch, after which the computing thread counts as stuck."""
OPEN_SECONDS = 5.0
"""What the space may take to be opened in a version that another process wrote."""


def routes(served: Served, config: ServeConfig) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Whether the process answers; for what restarts it."""
        return {"status": "ok"}

    @router.get("/ready")
    async def ready(request: Request) -> dict[str, str]:
        """Whether it takes requests (503 if not); for what sends them to it."""
        amiss = _of_work(request.app.state) or await _of_space(served)
        if amiss is not None:
            raise ApiError(503, amiss, code="not_ready")
        return {"status": "ready"}

    return router


def _of_work(state: Any) -> str | None:
    """What keeps the server from computing; None if nothing does."""
    return "the server is ending" if state.life.draining else stuck(state.batcher)


def stuck(batcher: Batcher) -> str | None:
    """What is wrong with the thread that computes; None if nothing is."""
    if not batcher.is_alive:
        return "the thread that computes has ended; start the server anew"
    if batcher.busy_seconds > STUCK_SECONDS:
        return f"one batch has been computed for {batcher.busy_seconds:.0f} seconds"
    return None


async def _of_space(served: Served) -> str | None:
    """What is wrong with the space; None if it opens."""
    if served.space is None:
        return None
    space = served.space
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await asyncio.to_thread(lambda: space.models)
    except TimeoutError:
        return f"the space did not open in {OPEN_SECONDS:g} seconds"
    except RowspaceError as error:
        return str(error)
    return None

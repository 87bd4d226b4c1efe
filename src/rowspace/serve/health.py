"""`/health`: the process answers. `/ready`: it takes requests."""

from __future__ import annotations

from fastapi import APIRouter

from rowspace.serve.config import ServeConfig
from rowspace.serve.served import Served


def routes(served: Served, config: ServeConfig) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    return router

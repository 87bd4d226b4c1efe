"""Routes of what this server has not: they say how it would be had."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter

from rowspace.serve.errors import ApiError

NO_SPACE = "there is no space to search, only an encoder; start `rowspace serve` with a space"
NO_RERANKER = "there is no cross-encoder; start `rowspace serve` with --rerank MODEL"


def refuse(router: APIRouter, paths: Iterable[str], message: str) -> None:
    """Answer 404 with `message` on some paths, which are left out of the description."""

    async def missing() -> None:
        raise ApiError(404, message, code="not_served")

    for path in paths:
        router.add_api_route(
            path, missing, methods=["GET", "POST", "DELETE"], include_in_schema=False
        )

"""`GET /v1/models` and `GET /v1/models/{id}`: the models that are served, as OpenAI lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter

from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import ApiError
from rowspace.serve.served import Served

OWNER = "rowspace"
_SHOWN = 100
"""Characters of a wrong name that are told."""


def find_model(served: Served, name: str) -> str:
    """The model that clients mean by a name: its own, or the served folder's for the default one.

    Raises
    ------
    ApiError
        404 if there is none.
    """
    names = served.model_names
    if name in names:
        return name
    if names and name == served.name:
        return names[0]
    known = ", ".join(repr(one) for one in _embedding(served)) or "none"
    shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
    raise ApiError(
        404,
        f"the model {shown!r} is not served; there is {known}",
        param="model",
        code="model_not_found",
    )


def routes(served: Served, config: ServeConfig) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["models"])
    created = _created(served.path)

    def described(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": created, "owned_by": OWNER}

    @router.get("/v1/models")
    def models() -> dict[str, Any]:
        """The models that are served, the default one first."""
        return {"object": "list", "data": [described(name) for name in _listed(served)]}

    @router.get("/v1/models/{model:path}")
    def model(model: str) -> dict[str, Any]:
        """One model."""
        if model not in _listed(served):
            find_model(served, model)
        return described(model)

    return router


def _listed(served: Served) -> list[str]:
    """What clients may name: models that embed, the folder's name, and the reranker."""
    reranker = [served.reranker_name] if served.reranker is not None else []
    return list(dict.fromkeys([*_embedding(served), *reranker]))


def _embedding(served: Served) -> list[str]:
    """The names of models that make vectors, that of the folder too."""
    names = served.model_names
    return list(dict.fromkeys([*names, served.name])) if names else []


def _created(path: Path) -> int:
    """Seconds since 1970 at which what is served was made."""
    try:
        return int(path.stat().st_mtime)
    except OSError:
        return 0

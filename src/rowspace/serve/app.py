"""The server as an ASGI application: routes of each file, the guard around all of them."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from rowspace.serve import docs, documents, health, rerank, search
from rowspace.serve.config import ServeConfig
from rowspace.serve.describe import describe
from rowspace.serve.encoding import OneRerankAtATime, Queue, encoders_through
from rowspace.serve.errors import add_error_handlers
from rowspace.serve.served import Served
from rowspace.version import __version__

DESCRIPTION = "Embeddings, search and reranking, by a space or a model of your own."


def create_app(served: Served, config: ServeConfig | None = None) -> FastAPI:
    """The application; `run.serve` runs it.

    Parameters
    ----------
    served : Served
    config : ServeConfig, optional
    """
    config = config or ServeConfig()
    app = FastAPI(
        title="Rowspace",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
    )
    app.state.served, app.state.config = served, config
    add_error_handlers(app)
    describe(app)
    _share(served, None)
    for router in _routers(served, config):
        app.include_router(router)
    if config.explorer and served.subjects:
        from rowspace.explore.routes import mount_explorer

        mount_explorer(app, served.subjects)
    return app


def _share(served: Served, queue: Queue | None) -> None:
    """Let threads use the models of `served` at the same time."""
    if served.space is not None:
        served.space.through = encoders_through(queue)
    if served.reranker is not None and not isinstance(served.reranker, OneRerankAtATime):
        served.reranker = OneRerankAtATime(served.reranker)


def _routers(served: Served, config: ServeConfig) -> list[APIRouter]:
    """The routes, a file each."""
    return [
        health.routes(served, config),
        search.routes(served, config),
        documents.routes(served, config),
        rerank.routes(served, config),
        docs.routes(served, config),
    ]

"""The server as an ASGI application: routes of each file, the guard around all of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI

from rowspace.search.space import Space
from rowspace.serve import (
    docs,
    documents,
    embeddings,
    health,
    metrics,
    models,
    rerank,
    search,
)
from rowspace.serve.batching import Batcher
from rowspace.serve.config import ServeConfig
from rowspace.serve.describe import describe
from rowspace.serve.encoding import OneRerankAtATime, encoders_through
from rowspace.serve.errors import add_error_handlers
from rowspace.serve.guard import Guard
from rowspace.serve.life import Life
from rowspace.serve.metrics import Metrics
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
    batcher = Batcher(served, config)
    app = FastAPI(
        title="Rowspace",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(served, batcher, config),
    )
    app.state.served, app.state.config, app.state.batcher = served, config, batcher
    app.state.life, app.state.metrics = life, counts = Life(), Metrics(served.space)
    counts.watch(life, batcher)
    add_error_handlers(app)
    describe(app)
    if served.reranker is not None and not isinstance(served.reranker, OneRerankAtATime):
        served.reranker = OneRerankAtATime(served.reranker)
    for router in [*_routers(served, config), metrics.routes(counts)]:
        app.include_router(router)
    if config.explorer and served.subjects:
        from rowspace.explore.routes import mount_explorer

        mount_explorer(app, served.subjects)
    # Added last, it is outermost: it stands before every other middleware.
    app.add_middleware(Guard, config=config, life=life, metrics=counts)
    return app


def _routers(served: Served, config: ServeConfig) -> list[APIRouter]:
    """The routes, a file each."""
    files = (health, models, embeddings, search, documents, rerank, docs)
    return [file.routes(served, config) for file in files]


def _lifespan(served: Served, batcher: Batcher, config: ServeConfig) -> Callable[[FastAPI], Any]:
    """Computes between the start and the end of the server."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        with _shared(served.space, batcher, config):
            try:
                yield
            finally:
                await batcher.close(config.drain)

    return lifespan


@contextlib.contextmanager
def _shared(space: Space | None, batcher: Batcher, config: ServeConfig) -> Iterator[None]:
    """Let searches and additions ask the batcher for vectors; afterwards as before."""
    if space is None:
        yield
        return
    before, space.through = space.through, encoders_through(batcher, config.deadline)
    try:
        yield
    finally:
        space.through = before

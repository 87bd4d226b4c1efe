"""The server as an ASGI application: routes of each file, the guard around all of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, FastAPI

from rowspace.serve import embeddings, health, metrics, models
from rowspace.serve.batching import Batcher
from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import add_error_handlers
from rowspace.serve.guard import Guard
from rowspace.serve.life import Life
from rowspace.serve.metrics import Metrics
from rowspace.serve.served import Served
from rowspace.version import __version__


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
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(batcher, config),
    )
    app.state.served, app.state.config, app.state.batcher = served, config, batcher
    app.state.life, app.state.metrics = life, counts = Life(), Metrics(served.space)
    counts.watch(running=lambda: life.running)
    add_error_handlers(app)
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
    files = (health, models, embeddings)
    return [file.routes(served, config) for file in files]


def _lifespan(batcher: Batcher, config: ServeConfig) -> Callable[[FastAPI], Any]:
    """Computes between the start and the end of the server."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        try:
            yield
        finally:
            await batcher.close(config.drain)

    return lifespan

"""Runs the server until it is told to end."""

from __future__ import annotations

import uvicorn

from rowspace.serve.app import create_app
from rowspace.serve.config import ServeConfig
from rowspace.serve.served import Served


def serve(served: Served, config: ServeConfig | None = None) -> None:
    """Answer requests until SIGINT or SIGTERM.

    Parameters
    ----------
    served : Served
    config : ServeConfig, optional
    """
    config = config or ServeConfig()
    app = create_app(served, config)
    settings = uvicorn.Config(
        app, config.host, config.port, log_level="warning", server_header=False, access_log=False
    )
    uvicorn.Server(settings).run()

"""The explorer's addresses: the page under `/explore/`, its data under `/explore/api/`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from rowspace.explore import (
    about,
    color_routes,
    compare,
    map_routes,
    point_routes,
    positions,
    questions,
    senses,
    tokens,
    training,
)
from rowspace.explore.atlas import Atlas
from rowspace.explore.jobs import Jobs
from rowspace.explore.subject import Subject

HOME = "/explore/"


def mount_explorer(app: FastAPI, subjects: Sequence[Subject]) -> None:
    """Add the explorer to `app`.

    Parameters
    ----------
    app : FastAPI
    subjects : sequence of Subject
        What is shown: one, or two that are compared.
    """
    for router in _routers(subjects):
        app.include_router(router, prefix=f"{HOME}api")
    static = Path(str(files("rowspace.explore"))) / "static"

    @app.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse(HOME)

    app.mount(HOME, StaticFiles(directory=static, html=True), name="explorer")


def _routers(subjects: Sequence[Subject]) -> list[APIRouter]:
    """The routes, a file each."""
    atlas = Atlas(Jobs())
    return [
        about.routes(subjects, atlas),
        map_routes.routes(subjects, atlas),
        color_routes.routes(subjects, atlas),
        point_routes.routes(subjects, atlas),
        questions.routes(subjects),
        tokens.routes(subjects),
        positions.routes(subjects),
        senses.routes(subjects),
        training.routes(subjects),
        compare.routes(subjects),
    ]

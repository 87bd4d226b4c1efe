"""`points`: what is known of some rows. `export`: rows as a table, with where they are on a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from rowspace.explore.asked import MAX_DETAILS, MAX_ROWS, Asked, AskedMap, rows_of
from rowspace.explore.atlas import Atlas
from rowspace.explore.bodies import FirstWrong
from rowspace.explore.export import csv_lines
from rowspace.explore.jobs import Computing
from rowspace.explore.replies import computing
from rowspace.explore.subject import Subject

RowNumbers = Annotated[list[Annotated[int, Field(ge=0, lt=1 << 62)]], FirstWrong()]


class AskedPoints(Asked):
    """The body of `points`."""

    rows: RowNumbers = Field(max_length=MAX_DETAILS)


class AskedExport(AskedMap):
    """The body of `export`."""

    rows: RowNumbers | None = Field(None, max_length=MAX_ROWS)
    """None for all."""


def routes(subjects: Sequence[Subject], atlas: Atlas) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["explorer"])

    @router.post("/points")
    def points(asked: AskedPoints) -> list[dict[str, Any]]:
        """What is known of some points."""
        found = asked.points(subjects)
        rows = rows_of(found, asked.rows)
        told = zip(asked.rows, found.details(rows), strict=True)
        return [{"row": row, **details} for row, details in told]

    @router.post("/export")
    def export(asked: AskedExport) -> Response:
        """Points as a table in CSV, of up to a million rows by number, or of all."""
        points = asked.points(subjects)
        rows = np.arange(len(points)) if asked.rows is None else rows_of(points, asked.rows)
        found = atlas.grouped(subjects[asked.subject], points, asked.method, asked.seed)
        if isinstance(found, Computing):
            return computing(found)
        lines = csv_lines(points, rows, *found)
        name = f"{points.kind}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    return router

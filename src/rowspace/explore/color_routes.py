"""`colors`: the legend of a fact by which points are coloured. `colors.bin`: each point's value."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import Field

from rowspace.explore.asked import AskedMap
from rowspace.explore.atlas import Atlas
from rowspace.explore.colors import Colors, cluster_colors, field_colors
from rowspace.explore.jobs import Computing
from rowspace.explore.points import Points, return_read_memory
from rowspace.explore.replies import computing, tagged, tagged_json
from rowspace.explore.subject import Subject

CLUSTER = "cluster"

_KEEP = 8  # facts in memory


class AskedColors(AskedMap):
    """What a request about colours says."""

    by: str = Field(CLUSTER, max_length=200)


class Palette:
    """The colours of points, those asked for last being in memory."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Colors] = {}

    def of(
        self, subject: Subject, points: Points, by: str, seed: int, level: int
    ) -> Colors | Computing:
        """Colours by group or by a fact; 404 where there is no such fact."""
        if by == CLUSTER:
            clusters = self._atlas.clusters(subject, points, seed)
            if isinstance(clusters, Computing):
                return clusters
            return cluster_colors(clusters, level)
        if by not in points.fields:
            known = ", ".join([CLUSTER, *points.fields])
            raise HTTPException(404, f"{points.kind} have no {by!r}; give one of {known}")
        key = points.fingerprint, by
        with self._lock:
            if key not in self._known:
                self._known[key] = field_colors(points.values(by), points.fields[by])
                return_read_memory()
            while len(self._known) > _KEEP:
                del self._known[next(iter(self._known))]
            return self._known[key]


def routes(subjects: Sequence[Subject], atlas: Atlas) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["explorer"])
    palette = Palette(atlas)

    def colors_of(asked: AskedColors) -> Colors | Computing:
        points = asked.points(subjects)
        return palette.of(subjects[asked.subject], points, asked.by, asked.seed, asked.level)

    @router.get("/colors")
    def legend(request: Request, asked: Annotated[AskedColors, Query()]) -> Response:
        """The names of a category, or the range of a number; 202 while groups are made."""
        colors = colors_of(asked)
        if isinstance(colors, Computing):
            return computing(colors)
        return tagged_json(request, colors.legend)

    @router.get("/colors.bin")
    def values(request: Request, asked: Annotated[AskedColors, Query()]) -> Response:
        """Of each point: uint16 places in the names, 65535 for none; or float32 in [0, 1], NaN."""
        colors = colors_of(asked)
        if isinstance(colors, Computing):
            return computing(colors)
        return tagged(request, colors.tobytes(), pack=colors.legend["kind"] == "category")

    return router

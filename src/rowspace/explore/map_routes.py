"""`map`: where every point is. `labels`: what its groups are called and where they are."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from starlette.background import BackgroundTask

from rowspace.errors import SpaceError
from rowspace.explore.asked import AskedMap
from rowspace.explore.atlas import Atlas
from rowspace.explore.cluster_labels import cluster_labels
from rowspace.explore.jobs import Computing
from rowspace.explore.layouts import Layout
from rowspace.explore.map_clusters import Clusters
from rowspace.explore.points import Points
from rowspace.explore.replies import computing, tagged, tagged_json
from rowspace.explore.subject import Subject


def routes(subjects: Sequence[Subject], atlas: Atlas) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["explorer"])

    @router.get("/map")
    def coordinates(request: Request, asked: Annotated[AskedMap, Query()]) -> Response:
        """Float32, little-endian: x and y of each point in [-1, 1]; 202 while they are made."""
        points = asked.points(subjects)
        layout = atlas.layout(subjects[asked.subject], points, asked.method, asked.seed)
        if isinstance(layout, Computing):
            return computing(layout)
        answer = tagged(request, layout.content, pack=False, digest=layout.digest)
        answer.background = BackgroundTask(_get_ready, points)
        return answer

    @router.get("/labels")
    def labels(request: Request, asked: Annotated[AskedMap, Query()]) -> Response:
        """The groups' names and places on a map: of level 0, or the finer ones of level 1."""
        points = asked.points(subjects)
        found = atlas.grouped(subjects[asked.subject], points, asked.method, asked.seed)
        if isinstance(found, Computing):
            return computing(found)
        return tagged_json(request, _labels(*found, asked.level))

    return router


@functools.lru_cache(maxsize=8)  # a tenth of a second of a million points
def _labels(layout: Layout, clusters: Clusters, level: int) -> list[dict[str, Any]]:
    return cluster_labels(layout.places, clusters.codes[:, level], clusters.names[level])


def _get_ready(points: Points) -> None:
    """Read what the first label needs, which a pointer on the map asks for next."""
    with contextlib.suppress(SpaceError):
        points.labels(np.zeros(1, np.int64))

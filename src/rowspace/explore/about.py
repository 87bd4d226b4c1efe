"""`about`: what there is to look at, which the page asks first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from rowspace.explore.subject import Subject
from rowspace.version import __version__


def routes(subjects: Sequence[Subject]) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["explorer"])

    @router.get("/about")
    def about() -> dict[str, Any]:
        """What there is to look at."""
        return {"rowspace": __version__, "subjects": [describe(subject) for subject in subjects]}

    return router


def describe(subject: Subject) -> dict[str, Any]:
    """A subject as the page knows it."""
    return {
        "name": subject.name,
        "is_space": subject.space is not None,
        "sets": [
            {"id": kind, "n": len(points), "dim": points.dim, "fields": dict(points.fields)}
            for kind, points in subject.sets.items()
        ],
    }

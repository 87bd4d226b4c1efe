"""`about`: what there is to look at, which the page asks first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from rowspace.explore.asked import ModelName, SubjectNumber, sets_of
from rowspace.explore.atlas import Atlas
from rowspace.explore.histories import trained
from rowspace.explore.layouts import METHODS, LayoutRecord
from rowspace.explore.points import Points
from rowspace.explore.sense_models import has_senses
from rowspace.explore.subject import Subject
from rowspace.version import __version__


def routes(subjects: Sequence[Subject], atlas: Atlas) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["explorer"])

    @router.get("/about")
    def about() -> dict[str, Any]:
        """What there is to look at."""
        told = [describe(subject, atlas) for subject in subjects]
        return {"rowspace": __version__, "subjects": told}

    @router.get("/sets")
    def sets(subject: SubjectNumber = 0, model: ModelName = None) -> list[dict[str, Any]]:
        """The sets of points of one of a space's models."""
        chosen = sets_of(subjects, subject, model)
        return [_set(subjects[subject], points, atlas) for points in chosen.values()]

    return router


def describe(subject: Subject, atlas: Atlas) -> dict[str, Any]:
    """A subject as the page knows it."""
    sets = subject.sets
    space = subject.space
    return {
        "name": subject.name,
        "is_space": space is not None,
        "models": subject.models,
        "sets": [_set(subject, points, atlas) for points in sets.values()],
        "has": {
            "search": space is not None,
            "tokens": True,
            "senses": has_senses(subject),
            "training": trained(subject) is not None,
        },
    }


def _set(subject: Subject, points: Points, atlas: Atlas) -> dict[str, Any]:
    """A set of points, and the maps of it."""
    return {
        "id": points.kind,
        "n": len(points),
        "dim": points.dim,
        "fingerprint": points.fingerprint,
        "fields": dict(points.fields),
        "layouts": [_layout(method, record) for method, record in atlas.records(subject, points)],
    }


def _layout(method: str, record: LayoutRecord | None) -> dict[str, Any]:
    known = {"method": method, "label": METHODS[method].label, "ready": record is not None}
    if record is None:
        return known | {"seed": 0, "n_fitted": None}
    return known | {
        "seed": record.seed,
        "n": record.n,
        "n_fitted": record.n_fitted,
        "n_empty": record.n_empty,
        "trustworthiness": record.trustworthiness,
        "seconds": record.seconds,
        "parameters": record.parameters,
        "versions": record.versions,
    }

"""`compare`: two models side by side, by the points that both have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from rowspace.explore.asked import SetName
from rowspace.explore.background import Background
from rowspace.explore.compared import Comparison, compare_points
from rowspace.explore.jobs import Computing
from rowspace.explore.points import Points
from rowspace.explore.replies import BYTES, computing, tagged_json
from rowspace.explore.sides import Side, keys_of, sides_of
from rowspace.explore.subject import Subject
from rowspace.explore.words import WordPoints

SideName = Annotated[str | None, Query(max_length=300)]
PointNumber = Annotated[int, Query(ge=0)]
LISTED = 20
"""Points that changed most and least."""


def routes(subjects: Sequence[Subject]) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(prefix="/compare", tags=["explorer"])
    background: Background[Comparison] = Background()

    def compared(pair: tuple[Points, Points]) -> Comparison | Computing:
        one, other = pair
        key = (one.kind, one.fingerprint, other.fingerprint)
        return background.ask(key, lambda tell: compare_points(one, other, tell))

    @router.get("/sides")
    def sides(a: SideName = None, b: SideName = None) -> dict[str, Any]:
        """The models that can be compared, and what the two have."""
        chosen = _sides(subjects, a, b)
        return {
            "sides": [side.name for side in sides_of(subjects)],
            "a": chosen[0].name,
            "b": chosen[1].name,
            "sets": _common_sets(subjects, chosen),
        }

    @router.get("")
    def about(
        request: Request, a: SideName = None, b: SideName = None, kind: SetName = None
    ) -> Response:
        """How alike the two are; 202 while it is computed."""
        sides, pair = _pair(subjects, a, b, kind)
        found = compared(pair)
        if isinstance(found, Computing):
            return computing(found)
        return tagged_json(request, _summary(sides, pair, found))

    @router.get("/data")
    def data(a: SideName = None, b: SideName = None, kind: SetName = None) -> Response:
        """Float32, little-endian: places in A, places in B, overlaps; or 202."""
        found = compared(_pair(subjects, a, b, kind)[1])
        if isinstance(found, Computing):
            return computing(found)
        parts = (found.places_a, found.places_b, found.overlaps)
        content = b"".join(part.astype("<f4").tobytes() for part in parts)
        return Response(content, media_type=BYTES)

    @router.get("/labels")
    def labels(
        request: Request, a: SideName = None, b: SideName = None, kind: SetName = None
    ) -> Response:
        """What each point is called, and its key where that is something else; or 202."""
        _, pair = _pair(subjects, a, b, kind)
        found = compared(pair)
        if isinstance(found, Computing):
            return computing(found)
        names = pair[0].labels(found.rows_a)
        keys = None if isinstance(pair[0], WordPoints) else keys_of(pair[0], found.rows_a)
        return tagged_json(request, {"labels": names, "keys": keys})

    @router.get("/point")
    def point(
        i: PointNumber, a: SideName = None, b: SideName = None, kind: SetName = None
    ) -> Response:
        """The neighbours of a point in both; or 202."""
        found = compared(_pair(subjects, a, b, kind)[1])
        if isinstance(found, Computing):
            return computing(found)
        if i >= len(found.shared):
            raise HTTPException(404, f"there is no point {i}; give 0 to {len(found.shared) - 1}")
        near = {
            "a": _neighbors(found.near_a[i], found.cosines_a[i]),
            "b": _neighbors(found.near_b[i], found.cosines_b[i]),
        }
        return JSONResponse({"i": i, "shared": int(found.shared[i]), **near})

    return router


def _neighbors(rows: Any, cosines: Any) -> list[dict[str, Any]]:
    return [
        {"i": int(row), "similarity": round(float(cosine), 4)}
        for row, cosine in zip(rows, cosines, strict=True)
    ]


def _sides(subjects: Sequence[Subject], a: str | None, b: str | None) -> tuple[Side, Side]:
    """The two that are meant; the first two where none is named.

    Raises
    ------
    HTTPException
        404 if there is none of a name, or there is but one in all.
    """
    known = {side.name: side for side in sides_of(subjects)}
    if len(known) < 2:
        raise HTTPException(
            404, "there is one model here, so nothing to compare; start with two: explore A B"
        )
    for name in (a, b):
        if name is not None and name not in known:
            raise HTTPException(404, f"there is no model {name!r}; give two of {', '.join(known)}")
    first = known[a] if a is not None else next(s for n, s in known.items() if n != b)
    second = known[b] if b is not None else next(s for n, s in known.items() if n != first.name)
    return first, second


def _common_sets(subjects: Sequence[Subject], sides: tuple[Side, Side]) -> list[str]:
    """The kinds of points that both have."""
    one, other = (subjects[side.subject].sets_of(side.model) for side in sides)
    return [kind for kind in one if kind in other]


def _pair(
    subjects: Sequence[Subject], a: str | None, b: str | None, kind: str | None
) -> tuple[tuple[Side, Side], tuple[Points, Points]]:
    """The two sides and their points."""
    sides = _sides(subjects, a, b)
    kinds = _common_sets(subjects, sides)
    if not kinds:
        raise HTTPException(
            404, f"{sides[0].name} and {sides[1].name} have nothing of one kind to compare"
        )
    if kind is not None and kind not in kinds:
        raise HTTPException(404, f"the two have no {kind} both; give one of {', '.join(kinds)}")
    chosen = kinds[0] if kind is None else kind
    one, other = (subjects[side.subject].sets_of(side.model)[chosen] for side in sides)
    return sides, (one, other)


def _summary(
    sides: tuple[Side, Side], pair: tuple[Points, Points], found: Comparison
) -> dict[str, Any]:
    n = len(found.shared)
    least_first = np.argsort(found.shared, kind="stable")  # of equal ones the more frequent
    most_first = np.argsort(-found.shared, kind="stable")
    return {
        **{
            name: {"name": side.name, "n": len(points), "dim": points.dim}
            for name, side, points in zip("ab", sides, pair, strict=True)
        },
        "set": pair[0].kind,
        "n_common": found.n_common,
        "n": n,
        "k": found.k,
        "mean": round(float(found.overlaps.mean()), 4),
        "chance": found.k / (n - 1),
        "histogram": np.bincount(found.shared, minlength=found.k + 1).tolist(),
        "is_turned": found.is_turned,
        "residual": round(found.residual, 4),
        "changed": least_first[:LISTED].tolist(),
        "kept": most_first[:LISTED].tolist(),
    }

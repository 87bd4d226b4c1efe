"""`find`, `neighbors`, `analogy`: what people ask of points, answered in the original space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Query
from numpy.typing import NDArray

from rowspace.explore.asked import (
    Fingerprint,
    ModelName,
    SetName,
    SubjectNumber,
    points_of,
    rows_of,
)
from rowspace.explore.points import Points, Rows
from rowspace.explore.subject import Subject
from rowspace.explore.words import WordPoints
from rowspace.space.similarity import unit_rows

K = Annotated[int, Query(ge=1, le=1000)]
Text = Annotated[str, Query(min_length=1, max_length=1000)]
SIGNS = np.array([[1.0], [-1.0], [1.0]])
"""Of the terms of an analogy, a - b + c."""


def routes(subjects: Sequence[Subject]) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["explorer"])

    @router.get("/find")
    def find(
        q: Text,
        k: K = 20,
        subject: SubjectNumber = 0,
        kind: SetName = None,
        model: ModelName = None,
        fingerprint: Fingerprint = None,
    ) -> list[dict[str, Any]]:
        """Points that a text finds: words by their beginning, passages as a search finds them."""
        points = points_of(subjects, subject, kind, model, fingerprint)
        found = points.find(q, k)
        labels = points.labels(np.array([row for row, _ in found], np.int64))
        pairs = zip(found, labels, strict=True)
        return [{"row": row, "label": label, "score": score} for (row, score), label in pairs]

    @router.get("/neighbors")
    def neighbors(
        row: Annotated[int, Query(ge=0)],
        k: K = 10,
        subject: SubjectNumber = 0,
        kind: SetName = None,
        model: ModelName = None,
        fingerprint: Fingerprint = None,
    ) -> list[dict[str, Any]]:
        """The points nearest to one, by cosine."""
        points = points_of(subjects, subject, kind, model, fingerprint)
        asked = rows_of(points, [row])
        return _nearest(points, points.vectors(asked), asked, k)

    @router.get("/analogy")
    def analogy(
        a: Text,
        b: Text,
        c: Text,
        k: K = 10,
        subject: SubjectNumber = 0,
        kind: SetName = None,
        model: ModelName = None,
        fingerprint: Fingerprint = None,
    ) -> dict[str, Any]:
        """The points nearest to a - b + c, each of length 1 (3CosAdd, Mikolov et al. 2013)."""
        points = points_of(subjects, subject, kind, model, fingerprint)
        asked = np.array([row_of(points, term.strip()) for term in (a, b, c)], np.int64)
        total = (SIGNS * unit_rows(points.vectors(asked))).sum(axis=0, keepdims=True)
        labels = zip(asked.tolist(), points.labels(asked), strict=True)
        return {
            "terms": [{"row": row, "label": label} for row, label in labels],
            "answers": _nearest(points, total, asked, k),
        }

    return router


def row_of(points: Points, term: str) -> int:
    """The row of a word, or of a row number where points are no words.

    Raises
    ------
    VocabularyError
        If there is no such word; it names a near miss.
    HTTPException
        400 if a number is none of a row.
    """
    if isinstance(points, WordPoints):
        return points.word_vectors.get_index(term)
    if not term.isdecimal():
        raise HTTPException(400, f"{term!r} is no row of the {points.kind}; give a number")
    return int(rows_of(points, [int(term[:18])])[0])


def _nearest(
    points: Points, query: NDArray[np.floating[Any]], asked: Rows, k: int
) -> list[dict[str, Any]]:
    """The k points nearest to a query (1, dim), those that were asked about left out.

    Nothing is near a query of zeros, which has no direction.
    """
    if not query.any():
        return []
    rows, cosines = points.nearest(query.astype(np.float32), k + len(set(asked.tolist())))
    is_answer = (rows[0] >= 0) & ~np.isin(rows[0], asked)
    found, similarities = rows[0][is_answer][:k], cosines[0][is_answer][:k].tolist()
    answers = zip(found.tolist(), points.labels(found), similarities, strict=True)
    return [{"row": row, "label": label, "similarity": value} for row, label, value in answers]

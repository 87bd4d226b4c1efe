"""`find`, `neighbors`, `analogy`: what people ask of points, answered in the original space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Query
from numpy.typing import NDArray
from pydantic import Field

from rowspace.explore.asked import Asked, rows_of
from rowspace.explore.points import Points, Rows
from rowspace.explore.subject import Subject
from rowspace.explore.words import WordPoints
from rowspace.space.similarity import unit_rows

MAX_K = 1000
MAX_TEXT = 1000
"""Characters of what is looked for."""
SIGNS = np.array([[1.0], [-1.0], [1.0]])
"""Of the terms of an analogy, a - b + c."""


class AskedFind(Asked):
    """What `find` is asked."""

    q: str = Field(min_length=1, max_length=MAX_TEXT)
    k: int = Field(20, ge=1, le=MAX_K)


class AskedNeighbors(Asked):
    """What `neighbors` is asked."""

    row: int = Field(ge=0)
    k: int = Field(10, ge=1, le=MAX_K)


class AskedAnalogy(Asked):
    """What `analogy` is asked."""

    a: str = Field(min_length=1, max_length=MAX_TEXT)
    b: str = Field(min_length=1, max_length=MAX_TEXT)
    c: str = Field(min_length=1, max_length=MAX_TEXT)
    k: int = Field(10, ge=1, le=MAX_K)


def routes(subjects: Sequence[Subject]) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["explorer"])

    @router.get("/find")
    def find(asked: Annotated[AskedFind, Query()]) -> list[dict[str, Any]]:
        """Points that a text finds: words by their beginning, passages as a search finds them."""
        points = asked.points(subjects)
        found = points.find(asked.q, asked.k)
        labels = points.labels(np.array([row for row, _ in found], np.int64))
        pairs = zip(found, labels, strict=True)
        return [{"row": row, "label": label, "score": score} for (row, score), label in pairs]

    @router.get("/neighbors")
    def neighbors(asked: Annotated[AskedNeighbors, Query()]) -> list[dict[str, Any]]:
        """The points nearest to one, by cosine."""
        points = asked.points(subjects)
        rows = rows_of(points, [asked.row])
        return _nearest(points, points.vectors(rows), rows, asked.k)

    @router.get("/analogy")
    def analogy(asked: Annotated[AskedAnalogy, Query()]) -> dict[str, Any]:
        """The points nearest to a - b + c, each of length 1 (3CosAdd, Mikolov et al. 2013)."""
        points = asked.points(subjects)
        terms = (asked.a, asked.b, asked.c)
        rows = np.array([row_of(points, term.strip()) for term in terms], np.int64)
        total = (SIGNS * unit_rows(points.vectors(rows))).sum(axis=0, keepdims=True)
        labels = zip(rows.tolist(), points.labels(rows), strict=True)
        return {
            "terms": [{"row": row, "label": label} for row, label in labels],
            "answers": _nearest(points, total, rows, asked.k),
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

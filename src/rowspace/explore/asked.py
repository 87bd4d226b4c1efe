"""What a request asks of: the points it means, checked.

Parameters that all data have in common: `subject`, `set`, `model`, and `fingerprint`, by which a
page says which points it has seen; where these have changed since, it is told to load anew (409).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from fastapi import HTTPException, Query
from pydantic import ConfigDict, Field

from rowspace.explore.bodies import FirstUnknown
from rowspace.explore.points import Points, Rows
from rowspace.explore.subject import Subject

MAX_DETAILS = 1000
"""Rows of one request for details."""
MAX_ROWS = 1_000_000
"""Rows of one export that are named; all can be without names."""

SubjectNumber = Annotated[int, Query(ge=0)]
SetName = Annotated[str | None, Query(alias="set", max_length=40)]
ModelName = Annotated[str | None, Query(max_length=200)]


class Asked(FirstUnknown):
    """What every request about points says, in its address or its body."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    subject: int = Field(0, ge=0)
    kind: str | None = Field(None, alias="set", max_length=40)
    model: str | None = Field(None, max_length=200)
    fingerprint: str | None = Field(None, max_length=128)

    def points(self, subjects: Sequence[Subject]) -> Points:
        """The points that are meant."""
        return points_of(subjects, self.subject, self.kind, self.model, self.fingerprint)


class AskedMap(Asked):
    """What a request about a map says."""

    method: str = Field("umap", max_length=20)
    seed: int = Field(0, ge=0, lt=1 << 32)
    level: int = Field(0, ge=0, le=1)
    """Of groups: 1 for the finer ones."""


def subject_of(subjects: Sequence[Subject], number: int) -> Subject:
    """A subject by its number; 404 where there is none."""
    if not 0 <= number < len(subjects):
        raise HTTPException(404, f"there is no subject {number}; give 0 to {len(subjects) - 1}")
    return subjects[number]


def sets_of(
    subjects: Sequence[Subject], number: int = 0, model: str | None = None
) -> Mapping[str, Points]:
    """The sets of points of a subject's model; 404 where there is none of that name."""
    subject = subject_of(subjects, number)
    if model and model not in subject.models:
        there = f"give one of {', '.join(subject.models)}" if subject.models else "leave it out"
        raise HTTPException(404, f"{subject.name} has no model {model!r}; {there}")
    return subject.sets_of(model)


def points_of(
    subjects: Sequence[Subject],
    number: int = 0,
    kind: str | None = None,
    model: str | None = None,
    fingerprint: str | None = None,
) -> Points:
    """The points that a request means.

    Raises
    ------
    HTTPException
        404 if there is no such subject, set or model; 409 if the points are others than those of
        the fingerprint.
    """
    subject = subject_of(subjects, number)
    sets = sets_of(subjects, number, model)
    if not sets or (kind is not None and kind not in sets):
        there = f"give one of {', '.join(sets)}" if sets else "it has no passages and no words"
        raise HTTPException(404, f"{subject.name} has no {kind or 'points'}; {there}")
    points = next(iter(sets.values())) if kind is None else sets[kind]
    if fingerprint and fingerprint != points.fingerprint:
        raise HTTPException(
            409, f"the {points.kind} of {subject.name} have changed; load the page again"
        )
    return points


def rows_of(points: Points, rows: Sequence[int]) -> Rows:
    """Row numbers as an array; 400 where one is not there."""
    try:
        wanted: Rows = np.asarray(rows, np.int64)
    except OverflowError:
        raise HTTPException(400, "a row's number has more than 64 bits") from None
    wrong = np.flatnonzero((wanted < 0) | (wanted >= len(points)))
    if len(wrong):
        raise HTTPException(
            400,
            f"there is no row {wanted[wrong[0]]} among {len(points):,} {points.kind}; give 0 to "
            f"{len(points) - 1}",
        )
    return wanted

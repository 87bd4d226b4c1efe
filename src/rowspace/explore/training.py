"""`training`: how words came to their places, from before training to its end, step by step.

How they are placed on a plane is told in `training_places`, and on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response
from numpy.typing import NDArray

from rowspace.explore.asked import ModelName, SubjectNumber, sets_of
from rowspace.explore.histories import Trained, Trainings, trained
from rowspace.explore.jobs import Computing
from rowspace.explore.replies import computing, tagged, tagged_json
from rowspace.explore.subject import Subject
from rowspace.space.similarity import unit_rows

StepNumber = Annotated[int, Query(ge=0)]
Word = Annotated[str, Query(max_length=1000)]
HowMany = Annotated[int, Query(ge=1, le=100)]


def routes(subjects: Sequence[Subject]) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(prefix="/training", tags=["explorer"])
    trainings = Trainings()

    @router.get("")
    def about(request: Request, subject: SubjectNumber = 0, model: ModelName = None) -> Response:
        """The words, the most frequent first, and the steps."""
        of = _trained(subjects, subject, model)
        return tagged_json(
            request,
            {
                "words": of.history.words,
                "steps": [asdict(step) for step in of.history.steps],
                "unit": of.history.unit,
                "dim": of.history.matrices.shape[2],
            },
        )

    @router.get("/places")
    def places(request: Request, subject: SubjectNumber = 0, model: ModelName = None) -> Response:
        """Float32, little-endian: of each step x and y of each word in [-1, 1]; or 202."""
        of = _trained(subjects, subject, model)
        found = trainings.places(subjects[subject], of)
        if isinstance(found, Computing):
            return computing(found)
        return tagged(request, found.places.swapaxes(0, 1).astype("<f4").tobytes())

    @router.get("/groups")
    def groups(request: Request, subject: SubjectNumber = 0, model: ModelName = None) -> Response:
        """The groups of the last step, and how it was laid out; or 202."""
        of = _trained(subjects, subject, model)
        found = trainings.places(subjects[subject], of)
        if isinstance(found, Computing):
            return computing(found)
        return tagged_json(request, found.record())

    @router.get("/neighbors")
    def neighbors(
        word: Word,
        step: StepNumber,
        k: HowMany = 10,
        subject: SubjectNumber = 0,
        model: ModelName = None,
    ) -> dict[str, Any]:
        """The nearest of the words at a step, and at the last one."""
        history = _trained(subjects, subject, model).history
        if word not in history.words:
            raise HTTPException(404, f"there is no {word!r} in this history; give one of its words")
        if step >= len(history.steps):
            raise HTTPException(404, f"there is no step {step}; give 0 to {len(history.steps) - 1}")
        row = history.words.index(word)
        return {
            "word": word,
            "step": step,
            "then": _nearest(history.words, history.matrices[step], row, k),
            "finally": _nearest(history.words, history.matrices[-1], row, k),
        }

    return router


def _trained(subjects: Sequence[Subject], number: int, model: str | None) -> Trained:
    sets_of(subjects, number, model)  # 404 where there is no such subject or model
    found = trained(subjects[number], model)
    if found is None:
        raise HTTPException(
            404,
            f"{subjects[number].name} has no history of its training; train it with this Rowspace",
        )
    return found


def _nearest(
    words: list[str], matrix: NDArray[np.float16], row: int, k: int
) -> list[dict[str, Any]]:
    """The nearest other words by cosine, best first."""
    units = unit_rows(matrix.astype(np.float32))
    cosines = units @ units[row]
    cosines[row] = -np.inf
    order = np.argsort(-cosines, kind="stable")[: min(k, len(words) - 1)]
    return [
        {"row": int(other), "label": words[other], "similarity": round(float(cosines[other]), 4)}
        for other in order
    ]

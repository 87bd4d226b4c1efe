"""`positions`: how models are told which token stands where, in numbers that the page draws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from rowspace.explore import position_values as values
from rowspace.explore.asked import subject_of
from rowspace.explore.extrapolation import COMMAND, FOLDER, RESULTS, read_extrapolation
from rowspace.explore.subject import Subject


def routes(subjects: Sequence[Subject]) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(prefix="/positions", tags=["explorer"])

    @router.get("/sinusoidal")
    def sinusoidal(
        dim: int = 64, length: int = 128, base: float = 10_000.0, layout: str = "interleaved"
    ) -> dict[str, Any]:
        """Sines and cosines of the position."""
        return values.sinusoidal(dim, length, base, layout)

    @router.get("/rope")
    def rope(
        head_dim: int = 64,
        base: float = 10_000.0,
        train_length: int = 128,
        factor: float = 4.0,
        span: int = 512,
        vector: str = "ones",
        seed: int = 0,
    ) -> dict[str, Any]:
        """Turns of queries and keys, and what scalings make of them."""
        return values.rope(head_dim, base, train_length, factor, span, vector, seed)

    @router.get("/alibi")
    def alibi(n_heads: int = 8, length: int = 256) -> dict[str, Any]:
        """Penalties by distance."""
        return values.alibi(n_heads, length)

    @router.get("/t5")
    def t5(
        n_buckets: int = 32, max_distance: int = 128, length: int = 160, bidirectional: bool = True
    ) -> dict[str, Any]:
        """Buckets of distances."""
        return values.t5(n_buckets, max_distance, length, bidirectional)

    @router.get("/extrapolation")
    def extrapolation(subject: int = 0) -> dict[str, Any]:
        """What an experiment found, or how to make one."""
        folder = _experiment(subject_of(subjects, subject))
        found = None if folder is None else read_extrapolation(folder)
        return {"command": COMMAND, "found": found}

    return router


def _experiment(subject: Subject) -> Path | None:
    """The folder that was given at the start, or the one inside what is looked at."""
    if subject.extrapolation is not None:
        return subject.extrapolation
    inside = subject.path / FOLDER
    return inside if (inside / RESULTS).is_file() else None

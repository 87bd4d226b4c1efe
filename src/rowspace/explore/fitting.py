"""Places by UMAP or t-SNE: of a sample where the points are many, and of the others beside it.

Each step is a piece that can be kept (`unfinished`): where the sample starts, where the method put
it, and where the others went, some thousand at a time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from rowspace.explore.layout_methods import FITS, Tell
from rowspace.explore.placing import place_by_neighbors
from rowspace.explore.points import Points, Rows
from rowspace.explore.principal import principal_places
from rowspace.explore.unfinished import Begin
from rowspace.explore.units import units_of
from rowspace.space.similarity import Doubles


@dataclass(frozen=True)
class Placed:
    """Where points are, and how they came there."""

    places: Doubles
    """(n, 2)"""
    n_fitted: int
    parameters: dict[str, Any]
    versions: dict[str, str]
    seconds_before: float = 0.0
    """That steps took which were there."""


def fit_and_place(
    points: Points,
    filled: Rows,
    method: str,
    seed: int,
    chosen: Rows,
    begin: Begin,
    tell: Tell,
) -> Placed:
    """Place points that have a direction.

    Parameters
    ----------
    points : Points
    filled : (n,) int array
        Rows with a direction.
    method : str
        A key of `FITS`.
    seed : int
    chosen : (n_fitted,) int array
        Which of `filled` are fitted.
    begin : callable
        Gives what keeps the steps.
    tell : callable
    """
    fit = FITS[method]
    parameters, versions = fit.parameters(len(chosen)), fit.versions()
    pieces = begin(
        {
            "method": method,
            "seed": seed,
            "n": len(filled),
            "sample": hashlib.sha256(filled[chosen].tobytes()).hexdigest(),
            "parameters": parameters,
            "versions": versions,
        }
    )
    shape = (len(chosen), 2)
    start = pieces.get(
        "start",
        shape,
        lambda: principal_places(
            points, filled, lambda share: tell(0.1 * share, "reading vectors")
        )[chosen],
    )
    units = units_of(points, filled[chosen])
    places = pieces.get(
        "fitted",
        shape,
        lambda: fit.fit(
            units, start, seed, lambda share, message: tell(0.1 + 0.6 * share, message)
        ),
    )
    if len(chosen) < len(filled):
        places = place_by_neighbors(
            units,
            places,
            chosen,
            lambda part: units_of(points, filled[part]),
            len(filled),
            seed,
            pieces,
            lambda share: tell(0.7 + 0.27 * share, "placing the other points"),
        )
    return Placed(places, len(chosen), parameters, versions, pieces.before)

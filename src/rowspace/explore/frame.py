"""Coordinates into the square that is drawn, so that a few far points do not crowd the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rowspace.space.similarity import Doubles

LINEAR = 0.92
"""Up to here a place is scaled alone; what lies further out is drawn in, and stays in order."""
SHARE = 0.998
"""Of the points, that lie within."""


def fit_in_square(places: Doubles) -> NDArray[np.float32]:
    """Places scaled into [-1, 1], both axes alike, about their middle.

    Parameters
    ----------
    places : (n, 2) float64
        Finite.
    """
    if not len(places):
        return np.zeros((0, 2), np.float32)
    low, high = np.quantile(places, [(1 - SHARE) / 2, (1 + SHARE) / 2], axis=0)
    centered = places - (low + high) / 2
    reach = float(np.max(high - low)) / 2
    if reach <= 0:
        reach = float(np.abs(centered).max()) or 1.0
    scaled = centered * (LINEAR / reach)
    beyond = np.abs(scaled) - LINEAR
    rest = 1.0 - LINEAR
    further = np.maximum(beyond, 0.0)
    drawn_in = np.sign(scaled) * (LINEAR + rest * further / (rest + further))
    drawn: NDArray[np.float32] = np.where(beyond > 0, drawn_in, scaled).astype(np.float32)
    return drawn

"""Where the name of a group stands on a map: in the middle of where most of it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = 48
"""Of the map's side, in which points are counted."""


def cluster_labels(
    places: NDArray[np.float32], codes: NDArray[np.uint16], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Name, place and size of each group.

    Parameters
    ----------
    places : (n, 2) float32
        In [-1, 1].
    codes : (n,) uint16
        The group of each point.
    names : sequence of str
    """
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    labels = []
    for group, name in enumerate(names):
        members = places[order[starts[group] : starts[group + 1]]]
        if len(members):
            x, y = dense_middle(members).tolist()
            labels.append(
                {
                    "text": name,
                    "x": round(x, 4),
                    "y": round(y, 4),
                    "n": len(members),
                    "cluster": group,
                }
            )
    return labels


def dense_middle(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2,) the median of the points in and around the cell that holds the most."""
    cells = np.clip(((places + 1) * (CELLS / 2)).astype(np.int64), 0, CELLS - 1)
    counts = np.zeros((CELLS + 2, CELLS + 2), np.int64)
    np.add.at(counts, (cells[:, 0] + 1, cells[:, 1] + 1), 1)
    around = sum(np.roll(counts, (dx, dy), (0, 1)) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
    x, y = np.unravel_index(np.argmax(around), counts.shape)
    near = np.abs(cells + 1 - np.array([x, y])).max(axis=1) <= 1
    middle: NDArray[np.float32] = np.median(places[near], axis=0)
    return middle

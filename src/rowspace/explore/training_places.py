"""Where words stand on a plane at each step of a training.

The last step is laid out by t-SNE (`space.projection`). At every step, the last among them, a word
stands in the middle of the places where its nearest words of that step are in that layout, itself
left out. So before training, when its neighbours are chance, it is near the centre of all; it moves
to its group as its neighbours become those that it ends with, and it does not move while they stay.
No place at an early step knows more of the end than that: nothing is pulled to where it will be.

As a mean draws points together, they are spread afterwards, all steps in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.explore.frame import fit_in_square
from rowspace.explore.layout_methods import Tell
from rowspace.space.history import History
from rowspace.space.projection import SEED, coordinates
from rowspace.space.similarity import unit_rows
from rowspace.space.wordmap import clusters

FEWEST_NEAR, MOST_NEAR = 4, 10
"""Neighbours whose places are averaged: a fortieth of the words, within these."""
N_NAMES = 3
LAYOUT_SHARE = 0.7
"""Of the time, that the last step's layout takes, about."""

Places = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingPlaces:
    """The places of all steps, and the groups of the last."""

    places: Places
    """(n_words, n_steps, 2) in [-1, 1]."""
    k: int
    """Neighbours whose places were averaged."""
    method: str
    """How the last step was laid out: "t-SNE" or "PCA"."""
    groups: list[int]
    """Of each word, by k-means of the last step; 0 is the largest."""
    names: list[str]
    """Of each group: its most frequent words."""

    def record(self) -> dict[str, Any]:
        """All but the places."""
        return {
            "method": self.method,
            "seed": SEED,
            "k": self.k,
            "groups": self.groups,
            "names": self.names,
        }


def make_places(history: History, tell: Tell) -> TrainingPlaces:
    """Place the words of every step; the same history has the same places."""
    tell(0.0, "placing the last step")
    last = unit_rows(history.matrices[-1].astype(np.float32))
    flat, method = coordinates(last)
    final = fit_in_square(flat).astype(np.float64)
    n_steps, k = len(history.steps), min(MOST_NEAR, max(FEWEST_NEAR, len(history.words) // 40))
    places = np.empty((len(history.words), n_steps, 2))
    for step in range(n_steps):
        tell(LAYOUT_SHARE + (1 - LAYOUT_SHARE) * step / n_steps, "placing the steps before")
        rows = nearest(history.matrices[step], k)
        places[:, step] = final[rows].mean(axis=1) if rows.shape[1] else final
    groups = clusters(last)
    spread = fit_in_square(places.reshape(-1, 2)).reshape(places.shape)
    return TrainingPlaces(spread, k, method, groups.tolist(), _names(history.words, groups))


def nearest(matrix: NDArray[Any], k: int) -> NDArray[np.int64]:
    """(n, k) the nearest other rows of each by cosine, best first; fewer where there are fewer."""
    with threadpool_limits(1):
        units = unit_rows(matrix.astype(np.float32))
        cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    k = min(k, len(units) - 1)
    some = np.argpartition(-cosines, max(0, k - 1), axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(cosines, some, 1), axis=1, kind="stable")
    return np.take_along_axis(some, order, 1).astype(np.int64)


def _names(words: list[str], groups: NDArray[np.int64]) -> list[str]:
    members = [np.flatnonzero(groups == group)[:N_NAMES] for group in range(groups.max() + 1)]
    return [", ".join(words[row] for row in rows.tolist()) for rows in members]

"""Several workers' matrices made one: what word2vec on many machines does a few times an epoch.

All workers begin a round with the same matrices, and each trains on its share of the round's
pieces. Then a row moves by the sum of the workers' steps, of which what points the same way counts
once: a step's part along the sum so far is left out (Maleki et al. 2017, "Parallel stochastic
gradient descent with sound combiners", https://arxiv.org/abs/1705.08030, in its first-order form,
as Gill et al. 2019 have it for word2vec, https://arxiv.org/abs/1909.03359). A row that one worker
has changed so keeps the whole step, and rows that all have pushed the same way move as one pushed
them. What the plain mean does instead is in docs/decisions/averaging.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError

Floats = NDArray[np.float32]

_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class AveragingConfig:
    """How often workers that train the same vectors meet."""

    sync: int = 16
    """Times an epoch. More is closer to one machine, and sends the matrices more often."""

    def __post_init__(self) -> None:
        if self.sync < 1:
            raise ConfigError(f"sync is {self.sync}; give 1 or more")


def end_of_round(n_done: int, n_pieces: int, sync: int) -> int:
    """After how many pieces of all epochs the round ends that begins after `n_done`.

    Rounds end at the same places whoever trains, so that any run can go on with other workers.
    """
    epoch, done = divmod(n_done, n_pieces)
    number = next(k for k in range(1, sync + 1) if k * n_pieces // sync > done)
    return epoch * n_pieces + number * n_pieces // sync


def share_of_round(first: int, last: int, worker: int, n_workers: int) -> range:
    """The pieces first to last that one worker trains: every n-th, so all see the same learning
    rates."""
    return range(first + worker, last, n_workers)


def combine_rows(before: Floats, after: Sequence[Floats]) -> Floats:
    """Where rows go that several workers have moved from the same place.

    Parameters
    ----------
    before : (n_rows, dim) float32 array
    after : sequence of (n_rows, dim) float32 arrays
        Those of each worker.

    Returns
    -------
    (n_rows, dim) float32 array
        With one worker, or where only one has changed a row, that worker's row to the bit.
    """
    combined = np.array(after[0])
    for other in after[1:]:
        for first in range(0, len(before), _ROWS):
            part = slice(first, first + _ROWS)
            combined[part] = _combine_two(before[part], combined[part], other[part])
    return combined


def _combine_two(before: Floats, one: Floats, other: Floats) -> Floats:
    """b + s + t - (s·t / s·s) s, row by row, with s and t the two steps."""
    s, t = one - before, other - before
    squares = np.einsum("ij,ij->i", s, s)
    along = np.einsum("ij,ij->i", s, t) / np.where(squares > 0, squares, 1)
    moved: Floats = one + (t - along[:, None] * s)
    only_other, only_one = ~s.any(axis=1), ~t.any(axis=1)
    moved[only_other], moved[only_one] = other[only_other], one[only_one]
    return moved

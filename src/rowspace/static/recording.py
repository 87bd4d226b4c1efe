"""Snapshots of some words while they train, which become the model's `History`.

They are copies, so what is trained does not depend on them. With several threads a snapshot inside
an epoch is taken while the others write, as Hogwild has it; at an epoch's end, none does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.space.history import FILE, History, Step, read_history, save_history
from rowspace.text.vocabulary import Vocabulary

N_WORDS = 2000
N_STEPS = 20
"""About as many steps as are kept, evenly over the training."""
MOST_BYTES = 20 << 20

_EARLY = (0.005, 0.01, 0.02)
"""Shares of the training at which more are kept, as vectors move most at first."""

Floats = NDArray[np.float32]
TakeVectors = Callable[[NDArray[np.int64]], Floats]


class Recorder:
    """Takes the snapshots of one run.

    Parameters
    ----------
    vocabulary : Vocabulary
    take : callable
        The vectors, (n, dim) float32, of words by their rows, as they are now.
    epochs, n_pieces : int
        Of the run; an epoch has so many pieces.
    piece : float
        Units in a piece.
    unit : str
        "words" or "pairs".
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        take: TakeVectors,
        epochs: int,
        n_pieces: int,
        piece: float,
        unit: str,
    ) -> None:
        self.take = take
        self.n_pieces, self.n_total, self.piece, self.unit = (
            n_pieces, epochs * n_pieces, piece, unit,
        )  # fmt: skip
        self.due = steps_of(epochs, n_pieces)
        dim = take(np.zeros(1, np.int64)).shape[1]
        n_words = min(N_WORDS, MOST_BYTES // (2 * dim * (len(self.due) + 1)))
        self.rows = _topical(vocabulary, max(1, n_words))
        self.words = [vocabulary.words[row] for row in self.rows.tolist()]
        self.steps: list[Step] = []
        self.matrices: list[NDArray[np.float16]] = []
        self.loss, self.n_predictions = 0.0, 0

    def add(self, n_done: int, learning_rate: float) -> None:
        """Take a snapshot, `n_done` pieces having been trained."""
        loss = self.loss / self.n_predictions if self.n_predictions else None
        self.steps.append(
            Step(
                share=n_done / self.n_total,
                epoch=n_done / self.n_pieces,
                n_read=round(n_done * self.piece),
                loss=loss,
                learning_rate=learning_rate,
            )
        )
        self.matrices.append(self._now())
        self.loss, self.n_predictions = 0.0, 0

    def follow(
        self,
        n_done: int,
        loss: float,
        n_predictions: int,
        rate: Callable[[int], float],
        n_new: int = 1,
    ) -> None:
        """Count the pieces trained last, up to the `n_done`-th, and take a snapshot if due."""
        self.loss += loss
        self.n_predictions += n_predictions
        if not self.due.isdisjoint(range(n_done - n_new + 1, n_done + 1)):
            self.add(n_done, rate(n_done))

    def finish(self, n_done: int, learning_rate: float) -> History:
        """The history up to the state that is kept as the model's, which is the present one.

        Parameters
        ----------
        n_done : int
            Pieces that had been trained when that state was reached.
        learning_rate : float
        """
        n_kept = sum(step.epoch <= n_done / self.n_pieces for step in self.steps)
        del self.steps[n_kept:], self.matrices[n_kept:]
        if self.steps[-1].epoch < n_done / self.n_pieces:
            self.add(n_done, learning_rate)
        else:
            self.matrices[-1] = self._now()
        return self.history()

    def history(self) -> History:
        """What was taken so far."""
        return History(self.words, list(self.steps), np.stack(self.matrices), self.unit)

    def _now(self) -> NDArray[np.float16]:
        largest = np.finfo(np.float16).max
        return np.clip(self.take(self.rows), -largest, largest).astype(np.float16)

    # Checkpoints

    def save(self, checkpoint: Path) -> None:
        """Write what was taken into a folder."""
        save_history(self.history(), checkpoint)

    def state(self) -> dict[str, Any]:
        """What `save` does not write."""
        return {"loss": self.loss, "n_predictions": self.n_predictions}

    def restore(self, checkpoint: Path, state: dict[str, Any]) -> None:
        """Go on from `save` and `state`."""
        history = read_history(checkpoint / FILE)
        self.steps, self.matrices = list(history.steps), list(history.matrices)
        self.loss, self.n_predictions = state["loss"], state["n_predictions"]


def steps_of(epochs: int, n_pieces: int) -> set[int]:
    """After how many pieces of the whole training snapshots are taken, besides before it."""
    total = epochs * n_pieces
    if epochs > N_STEPS:
        ends = {round(epoch) * n_pieces for epoch in np.linspace(0, epochs, N_STEPS + 1)}
    else:
        parts = N_STEPS // epochs
        ends = {round(n_pieces * part / parts) for part in range(epochs * parts + 1)}
    return (ends | {round(share * total) for share in _EARLY}) - {0}


def _topical(vocabulary: Vocabulary, n: int) -> NDArray[np.int64]:
    from rowspace.space.wordmap import topical_rows

    order = np.arange(len(vocabulary), dtype=np.int64)  # the most frequent come first
    return topical_rows(vocabulary.words, vocabulary.counts, order, n)

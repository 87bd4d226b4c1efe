"""The plots of chapter 2: the loss of a training, and how alike pairs of words are meanwhile.

Run as `python docs/plots/training.py`; a few seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawing import draw

import rowspace as rs
from rowspace.space.history import History
from rowspace.space.isotropy import mean_cosine
from rowspace.space.plots import Series

FACTBOOK = Path(__file__).parents[2] / "examples" / "factbook"
PAIRS = (("volcano", "volcanic"), ("coal", "gas"), ("volcano", "bank"))
EPOCHS = (0, 2, 4, 6, 8, 10)


def cosines(history: History, one: str, other: str) -> list[tuple[float, float]]:
    """(epoch, cosine) of two words at each step of the history."""
    rows = [history.words.index(word) for word in (one, other)]
    found = []
    for step, matrix in zip(history.steps, history.matrices[:, rows], strict=True):
        v, w = matrix.astype(np.float64)
        found.append((step.epoch, float(v @ w / np.linalg.norm(v) / np.linalg.norm(w))))
    return found


def main() -> None:
    """Train as the chapter does, and draw both."""
    trainer = rs.Word2Vec(dim=50, epochs=10, n_threads=1)
    trainer.fit(FACTBOOK)
    history = trainer.snapshots
    assert history is not None
    draw(
        "training-loss",
        [Series("loss", [(s.epoch, s.loss) for s in history.steps if s.loss is not None], 0)],
        "The loss since the snapshot before",
        "epoch",
        "loss",
        EPOCHS,
        x_is_log=False,
        reference=(6 * float(np.log(2)), "6 ln 2: knows nothing"),
    )
    means = [
        (step.epoch, mean_cosine(matrix.astype(np.float32)))
        for step, matrix in zip(history.steps, history.matrices, strict=True)
    ]
    draw(
        "training-cosines",
        [
            *(
                Series(" – ".join(pair), cosines(history, *pair), color)
                for color, pair in enumerate(PAIRS)
            ),
            Series("any two, mean", means, 4, is_dashed=True),
        ],
        "Cosines of words while they are trained",
        "epoch",
        "cosine",
        EPOCHS,
        x_is_log=False,
    )


if __name__ == "__main__":
    main()

"""A static table fitted to a teacher: the means of its rows point where the teacher's vectors do.

Tulkens & van Dongen (2024), https://github.com/MinishLab/tokenlearn, with 1 - cosine as the loss.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from rowspace.progress import track
from rowspace.sentence.distill_config import StaticDistillConfig
from rowspace.sentence.reading import Pieces
from rowspace.sentence.static_model import StaticModel

_HELD_OUT = 0.02
"""Share of the texts that tell how good the fit is."""


def fit_table(
    model: StaticModel, pieces: Pieces, targets: NDArray[np.float32], config: StaticDistillConfig
) -> tuple[float, float]:
    """Fit a table in place; Adam, whose step size falls linearly.

    Parameters
    ----------
    model : StaticModel
    pieces : Pieces
        Texts in random order, the first of which are not fitted to.
    targets : (n_texts, dim) float32 array
        The teacher's vectors of them.
    config : StaticDistillConfig

    Returns
    -------
    before, after : float
        Mean cosine to the teacher's vectors of the texts that were not fitted to.
    """
    n_held = max(1, int(_HELD_OUT * len(targets)))
    held, rest = np.arange(n_held), np.arange(n_held, len(targets))
    before = _agreement(model, pieces, targets, held)
    random = np.random.default_rng(config.seed)
    scale = float(model.table.weight.detach().square().mean().sqrt())
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate * scale)
    n_steps = config.epochs * -(-len(rest) // config.batch_size)
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / max(1, n_steps))
    with track("fitting", n_steps) as tracker:
        for _ in range(config.epochs):
            order = random.permutation(rest)
            for start in range(0, len(order), config.batch_size):
                rows = order[start : start + config.batch_size]
                loss = 1 - _cosines(model, pieces, targets, rows).mean()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                falling.step()
                tracker.advance(1, f"cosine {1 - loss.item():.4f}")
    return before, _agreement(model, pieces, targets, held)


def _agreement(
    model: StaticModel, pieces: Pieces, targets: NDArray[np.float32], rows: NDArray[np.int64]
) -> float:
    with torch.no_grad():
        return float(_cosines(model, pieces, targets, rows).mean())


def _cosines(
    model: StaticModel, pieces: Pieces, targets: NDArray[np.float32], rows: NDArray[np.int64]
) -> Tensor:
    """(B,) of texts to their targets; 0 where a text has no token."""
    some = Pieces([pieces.ids[row] for row in rows], np.arange(len(rows)), pieces.lengths[rows], 0)
    wanted = torch.from_numpy(targets[rows]).to(model.device)
    return F.cosine_similarity(model(model.bags(some)), wanted)

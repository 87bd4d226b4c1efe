"""The learning rate of each step: a rise, then half a cosine down.

Loshchilov & Hutter (2017), https://arxiv.org/abs/1608.03983, equation 5, without restarts.
"""

from __future__ import annotations

import math


def learning_rate_at(step: int, n_steps: int, warmup: int, highest: float, lowest: float) -> float:
    """The learning rate of the step, counted from 0.

    Parameters
    ----------
    step, n_steps : int
    warmup : int
        Steps of the rise; the first has highest / warmup, and the one after them `highest`.
    highest, lowest : float

    Examples
    --------
    >>> [round(learning_rate_at(step, 7, 2, 1.0, 0.0), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < warmup:
        return highest * (step + 1) / warmup
    share = (step - warmup) / max(1, n_steps - 1 - warmup)
    return lowest + (highest - lowest) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))

"""Numba kernel of vectors that are made of subwords."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def mean_rows(rows, ends, places, out):
    """out[i] = the mean of the rows places[ends[i]:ends[i + 1]]; -1 is a row of zeros.

    In the order and with the rounding of the official program, whose bits these are.
    """
    for i in range(out.shape[0]):
        out[i] = 0
        for p in range(ends[i], ends[i + 1]):
            if places[p] >= 0:
                out[i] += rows[places[p]]
        if ends[i + 1] > ends[i]:
            out[i] *= np.float32(1.0 / (ends[i + 1] - ends[i]))

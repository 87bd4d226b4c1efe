"""A slow oracle of averaged training: one worker after the other, rows in float64, one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rowspace.static.training import Training


def naive_combine(
    before: NDArray[np.float32], after: list[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Each row's steps added up, without the part of each that lies along the sum before it."""
    rows = before.astype(np.float64)
    for i in range(len(rows)):
        total = np.zeros(rows.shape[1])
        for matrix in after:
            step = matrix[i].astype(np.float64) - before[i]
            length = np.linalg.norm(total)
            if length > 0:
                unit = total / length
                step = step - (step @ unit) * unit
            total = total + step
        rows[i] += total
    return rows


def naive_averaged(
    make: Callable[[], Training], n_workers: int, sync: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both matrices after a run whose rounds are trained by one worker after the other."""
    state = make()
    for epoch in range(state.config.epochs):
        first = epoch * state.n_pieces
        for number in range(1, sync + 1):
            last = epoch * state.n_pieces + number * state.n_pieces // sync
            workers = []
            for worker in range(n_workers):
                copy = make()
                copy.w_in[:], copy.w_out[:] = state.w_in, state.w_out
                for piece in range(first, last):
                    if (piece - first) % n_workers == worker:
                        copy.train_piece(piece)
                workers.append(copy)
            for name in ("w_in", "w_out"):
                before = getattr(state, name).reshape(-1, state.row).copy()
                after = [getattr(worker, name).reshape(-1, state.row) for worker in workers]
                getattr(state, name)[:] = naive_combine(before, after).ravel()
            first = last
    method, words = state.method, state.config.dim
    w_in = state.w_in.reshape(-1, state.row)[: method.n_in, :words]
    w_out = state.w_out.reshape(-1, state.row)[: method.n_out, :words]
    return w_in, w_out

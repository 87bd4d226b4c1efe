"""Numba kernels of GloVe: AdaGrad on one piece of the co-occurrence counts.

Pennington, Socher & Manning (2014), https://aclanthology.org/D14-1162, eq. 8, with the steps of
Duchi et al. (2011). As in the authors' program, the learning rate is inside the squares that are
added up.

blocks : (n_words * 4 * row,) float32, four rows a word, together since a pair that counts both
    ways round needs all of both its words: the vector; the sums of its squared steps; the context
    vector; its sums. The sums are less the 1 that they start from, beside which float32 would lose
    small steps. row is a multiple of 8. Behind a vector's dim values stand its bias and a 1, behind
    a context vector's a 1 and its bias: so the product of two has both biases in it
records, counts : the same memory as int32 and as float32, three a record: word, context, count

One thread gives the same bits each time. More threads update the same blocks without locks
(Hogwild, Recht et al. 2011): rows that two threads write at once lose an update now and then.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from rowspace.static.kernels import random_below
from rowspace.static.simd import (
    fma,
    inverse_square_root,
    load,
    multiply,
    prefetch,
    splat,
    store,
    total,
)

AHEAD = 2  # records between asking for a block and using it


@njit(cache=True, nogil=True)
def order_by_tiles(records, n_words, tile, order, state):
    """Fill `order`, uint32, with the numbers of the records: by tiles of contexts, in random order.

    A tile is `tile` contexts whose blocks fit in a core's own cache; its records keep their order,
    so that those of one word follow one another.
    """
    n_tiles = (n_words + tile - 1) // tile
    places = np.empty(n_tiles, dtype=np.int64)
    for k in range(n_tiles):  # Fisher & Yates
        other = random_below(k + 1, state)
        places[k] = places[other]
        places[other] = k
    ends = np.zeros(n_tiles + 1, dtype=np.int64)
    for k in range(order.shape[0]):
        ends[places[records[3 * k + 1] // tile] + 1] += 1
    for t in range(n_tiles):
        ends[t + 1] += ends[t]
    for k in range(order.shape[0]):
        t = places[records[3 * k + 1] // tile]
        order[ends[t]] = k
        ends[t] += 1


@njit(cache=True, nogil=True)
def train_records(
    blocks, row, dim, records, counts, order, is_symmetric, x_max, alpha, learning_rate
):
    """One AdaGrad step for each record, in the given order; both ways round if is_symmetric.

    order : (n,) uint32, numbers of records
    x_max, alpha : the weight of a count x is min(1, (x / x_max) ** alpha)
    Returns the sum of 1/2 weight (prediction - log x)^2, each taken before its own step, and how
    many there were.
    """
    loss = 0.0
    n_steps = 0
    alpha, rate = np.float32(alpha), np.float32(learning_rate)
    log_max = np.float32(math.log(x_max))
    n = order.shape[0]
    for k in range(n):
        if k + AHEAD < n:
            upcoming = 3 * np.int64(order[k + AHEAD])
            ask_for(blocks, np.int64(records[upcoming + 1]) * 4 * row, row)
            if records[upcoming] != records[3 * np.int64(order[k])]:
                ask_for(blocks, np.int64(records[upcoming]) * 4 * row, row)
        at = 3 * np.int64(order[k])
        word, context = np.int64(records[at]), np.int64(records[at + 1])
        log_x = np.float32(math.log(counts[at + 2]))
        weight = np.float32(math.exp(min(np.float32(0.0), alpha * (log_x - log_max))))
        w, c = word * 4 * row, context * 4 * row
        loss += step(blocks, w, c + 2 * row, row, dim, log_x, weight, rate)
        n_steps += 1
        if is_symmetric and word != context:
            loss += step(blocks, c, w + 2 * row, row, dim, log_x, weight, rate)
            n_steps += 1
    return loss, n_steps


@njit(cache=True, nogil=True, inline="always")
def ask_for(blocks, first, row):
    """Prefetch the block that begins at `first`."""
    for d in range(first, first + 4 * row, 16):
        prefetch(blocks, d)


@njit(cache=True, nogil=True, inline="always")
def step(blocks, w, c, row, dim, log_x, weight, learning_rate):
    """One AdaGrad step of the vector at the offset w and the context vector at c: the loss."""
    difference = product(blocks, w, c, row) - log_x
    update(blocks, w, c, row, learning_rate * weight * difference)
    blocks[w + dim + 1] = 1
    blocks[c + dim] = 1
    return np.float64(np.float32(0.5) * weight * difference * difference)


@njit(cache=True, nogil=True, inline="always")
def product(blocks, w, c, row):
    """The scalar product of the rows at the offsets w and c."""
    even, odd = splat(np.float32(0.0)), splat(np.float32(0.0))
    for d in range(0, row - 8, 16):
        even = fma(load(blocks, w + d), load(blocks, c + d), even)
        odd = fma(load(blocks, w + d + 8), load(blocks, c + d + 8), odd)
    if row % 16:
        even = fma(load(blocks, w + row - 8), load(blocks, c + row - 8), even)
    return total(even) + total(odd)


@njit(cache=True, nogil=True, inline="always")
def update(blocks, w, c, row, step):
    """x -= step y / sqrt(1 + sums), sums += (step y)^2, for x and y each of the two rows."""
    one = splat(np.float32(1.0))
    minus = splat(-step)
    for d in range(0, row, 8):
        x, y = load(blocks, w + d), load(blocks, c + d)
        x_sums, y_sums = load(blocks, w + row + d), load(blocks, c + row + d)
        x_step, y_step = multiply(minus, y), multiply(minus, x)
        store(blocks, w + d, fma(x_step, inverse_square_root(fma(x_sums, one, one)), x))
        store(blocks, c + d, fma(y_step, inverse_square_root(fma(y_sums, one, one)), y))
        store(blocks, w + row + d, fma(x_step, x_step, x_sums))
        store(blocks, c + row + d, fma(y_step, y_step, y_sums))

"""Numba kernels of GloVe: AdaGrad on one piece of the co-occurrence counts.

Pennington, Socher & Manning (2014), https://aclanthology.org/D14-1162, eq. 8, with the steps of
Duchi et al. (2011). As in the authors' program, the learning rate is inside the squares that are
added up.

words, contexts : (n_words * 2 * row,) float32, a block a word: its vector, then the sums of its
    squared steps less the 1 that they start from (float32 would lose small ones beside a 1).
    row is a multiple of 8. Behind the vector's dim values stand, in `words`, the bias and a 1;
    in `contexts` a 1 and the bias: so the product of two rows has both biases in it
records, counts : the same memory as int32 and as float32, three a record: word, context, count

One thread gives the same bits each time. More threads update the same matrices without locks
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

AHEAD = 4  # records between asking for a row and using it


@njit(cache=True, nogil=True)
def shuffled(order, state):
    """Fill `order`, uint32, with 0..n-1 in a random order (Fisher & Yates)."""
    for k in range(order.shape[0]):
        other = random_below(k + 1, state)
        order[k] = order[other]
        order[other] = k


@njit(cache=True, nogil=True)
def train_records(words, contexts, row, dim, records, counts, order, x_max, alpha, learning_rate):
    """One AdaGrad step for each record, in the given order.

    order : (n,) uint32, numbers of records
    x_max, alpha : the weight of a count x is min(1, (x / x_max) ** alpha)
    Returns the sum of 1/2 weight (prediction - log x)^2, each taken before its own step.
    """
    loss = 0.0
    log_max = math.log(x_max)
    n = order.shape[0]
    for k in range(n):
        if k + AHEAD < n:
            upcoming = 3 * np.int64(order[k + AHEAD])
            word, context = records[upcoming] * 2 * row, records[upcoming + 1] * 2 * row
            for d in range(0, 2 * row, 16):
                prefetch(words, word + d)
                prefetch(contexts, context + d)
        at = 3 * np.int64(order[k])
        log_x = math.log(counts[at + 2])
        weight = math.exp(min(0.0, alpha * (log_x - log_max)))
        w, c = records[at] * 2 * row, records[at + 1] * 2 * row
        difference = product(words, w, contexts, c, row) - log_x
        loss += 0.5 * weight * difference * difference
        step = np.float32(learning_rate * weight * difference)
        update(words, w, contexts, c, row, step)
        words[w + dim + 1] = 1
        contexts[c + dim] = 1
    return loss


@njit(cache=True, nogil=True, inline="always")
def product(words, w, contexts, c, row):
    """The scalar product of the rows at the offsets w and c."""
    even, odd = splat(np.float32(0.0)), splat(np.float32(0.0))
    for d in range(0, row - 8, 16):
        even = fma(load(words, w + d), load(contexts, c + d), even)
        odd = fma(load(words, w + d + 8), load(contexts, c + d + 8), odd)
    if row % 16:
        even = fma(load(words, w + row - 8), load(contexts, c + row - 8), even)
    return total(even) + total(odd)


@njit(cache=True, nogil=True, inline="always")
def update(words, w, contexts, c, row, step):
    """x -= step y / sqrt(1 + sums), sums += (step y)^2, for x and y each of the two rows."""
    one = splat(np.float32(1.0))
    minus = splat(-step)
    for d in range(0, row, 8):
        x, y = load(words, w + d), load(contexts, c + d)
        x_sums, y_sums = load(words, w + row + d), load(contexts, c + row + d)
        x_step, y_step = multiply(minus, y), multiply(minus, x)
        store(words, w + d, fma(x_step, inverse_square_root(fma(x_sums, one, one)), x))
        store(contexts, c + d, fma(y_step, inverse_square_root(fma(y_sums, one, one)), y))
        store(words, w + row + d, fma(x_step, x_step, x_sums))
        store(contexts, c + row + d, fma(y_step, y_step, y_sums))

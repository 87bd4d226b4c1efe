"""Numba kernels of the co-occurrence count: pairs from tokens, and records from pairs.

Names, here and below:

tokens   : (n,) int32, word ids with SENTENCE_END between sentences
pair     : uint64, row << 36 | column << 8 | distance. Where both sides count alike the row is the
           smaller id, the more frequent word, so that a pair and its mirror image are one
weights  : (256,) uint64, what a pair at each distance counts, in units of 2^-30. Whole numbers add
           up to the same sum in any order, whatever the threads and the memory
dense    : (n_threads, n_cells) uint64, sums of pairs of frequent words, one table a thread; the
           cell of (row, column) is starts[row] + column, for columns below limits[row]
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rowspace.static.kernels import random_below
from rowspace.text.scan_kernels import SENTENCE_END

COLUMN_BITS = 28
DISTANCE_BITS = 8
UNIT = 2.0**-30

_ROW_SHIFT = np.uint64(COLUMN_BITS + DISTANCE_BITS)
_COLUMN_SHIFT = np.uint64(DISTANCE_BITS)
_COLUMN_MASK = np.uint64(2**COLUMN_BITS - 1)
_DISTANCE_MASK = np.uint64(2**DISTANCE_BITS - 1)


@njit(cache=True, nogil=True)
def count_pairs(
    tokens, first, last, window, is_symmetric, weights, starts, limits, dense, pairs, n
):
    """Count each token of tokens[first:last] with those up to `window` to its left.

    dense : (n_cells,) uint64, added to
    pairs : uint64, written from n on
    Returns (n, how far it came): less than `last` where `pairs` is too full for one more token.
    """
    left = first
    while left > 0 and first - left < window and tokens[left - 1] != SENTENCE_END:
        left -= 1
    most = pairs.shape[0] - window
    for t in range(first, last):
        center = tokens[t]
        if center == SENTENCE_END:
            left = t + 1
            continue
        if n > most:
            return n, t
        for c in range(t - 1, max(left, t - window) - 1, -1):
            row, column = center, tokens[c]
            if is_symmetric and column < row:
                row, column = column, row
            if column < limits[row]:
                dense[starts[row] + column] += weights[t - c]
            else:
                pairs[n] = (
                    (np.uint64(row) << _ROW_SHIFT)
                    | (np.uint64(column) << _COLUMN_SHIFT)
                    | np.uint64(t - c)
                )
                n += 1
    return n, last


@njit(cache=True, nogil=True)
def group_pairs(pairs, n, group_of_row, ends, grouped):
    """Bring pairs[:n] into the order of their rows' groups.

    ends    : (n_groups + 1,) int64, written: group g is grouped[ends[g]:ends[g + 1]]
    grouped : (n or more,) uint64, written
    """
    ends[:] = 0
    for k in range(n):
        ends[group_of_row[pairs[k] >> _ROW_SHIFT] + 1] += 1
    for g in range(ends.shape[0] - 1):
        ends[g + 1] += ends[g]
    place = ends[:-1].copy()
    for k in range(n):
        g = group_of_row[pairs[k] >> _ROW_SHIFT]
        grouped[place[g]] = pairs[k]
        place[g] += 1


@njit(cache=True, nogil=True)
def sum_sorted(pairs, weights, sums):
    """Add up equal pairs, in place.

    pairs : (n,) uint64 sorted, overwritten: the different ones, their distances cut off
    sums  : (n,) uint64, written
    Returns how many differ.
    """
    n = -1
    for k in range(pairs.shape[0]):
        pair = pairs[k]  # before it is overwritten
        key = pair >> _COLUMN_SHIFT
        if n < 0 or pairs[n] != key:
            n += 1
            pairs[n] = key
            sums[n] = 0
        sums[n] += weights[pair & _DISTANCE_MASK]
    return n + 1


@njit(cache=True, nogil=True)
def merge_sums(keys, sums, more_keys, more_sums, out_keys, out_sums):
    """Merge two sorted lists of different keys with their sums; returns how many there are."""
    i = j = n = 0
    while i < keys.shape[0] or j < more_keys.shape[0]:
        takes_first = j == more_keys.shape[0] or (i < keys.shape[0] and keys[i] <= more_keys[j])
        takes_second = i == keys.shape[0] or (j < more_keys.shape[0] and more_keys[j] <= keys[i])
        out_sums[n] = 0
        if takes_first:
            out_keys[n] = keys[i]
            out_sums[n] += sums[i]
            i += 1
        if takes_second:
            out_keys[n] = more_keys[j]
            out_sums[n] += more_sums[j]
            j += 1
        n += 1
    return n


@njit(cache=True, nogil=True)
def count_cells(dense, first_cell, last_cell):
    """How many cells of a range are not zero in all tables; adds the tables into the first."""
    n = 0
    for cell in range(first_cell, last_cell):
        for thread in range(1, dense.shape[0]):
            dense[0, cell] += dense[thread, cell]
        if dense[0, cell] != 0:
            n += 1
    return n


@njit(cache=True, nogil=True)
def write_records(dense, starts, limits, first_row, last_row, is_symmetric, keys, sums, out, out_x):
    """Write the counts of a range of rows, both ways round where pairs are symmetric.

    dense      : (n_cells,) uint64, the first table, which has the sum of all
    keys, sums : (n,) uint64, the other pairs of these rows, sorted
    out, out_x : the same memory as int32 and as float32; three a record: word, context, count
    Returns how many records.
    """
    n = 0
    for row in range(first_row, last_row):
        for column in range(row if is_symmetric else 0, limits[row]):
            total = dense[starts[row] + column]
            if total != 0:
                n = _write(out, out_x, n, row, column, total, is_symmetric)
    for k in range(keys.shape[0]):
        row = np.int64(keys[k] >> np.uint64(COLUMN_BITS))
        n = _write(out, out_x, n, row, np.int64(keys[k] & _COLUMN_MASK), sums[k], is_symmetric)
    return n


@njit(cache=True, nogil=True, inline="always")
def _write(out, out_x, n, row, column, total, is_symmetric):
    """One record, or two; a word beside itself is seen from both of its places."""
    count = np.float64(total) * UNIT
    if is_symmetric and row == column:
        count *= 2
    out[3 * n] = row
    out[3 * n + 1] = column
    out_x[3 * n + 2] = count
    n += 1
    if is_symmetric and row != column:
        out[3 * n] = column
        out[3 * n + 1] = row
        out_x[3 * n + 2] = count
        n += 1
    return n


@njit(cache=True, nogil=True)
def shuffle_records(out, n, state):
    """Bring the first n records of three int32 into a random order (Fisher & Yates)."""
    for k in range(n - 1, 0, -1):
        other = random_below(k + 1, state)
        for part in range(3):
            out[3 * k + part], out[3 * other + part] = out[3 * other + part], out[3 * k + part]

"""Numba kernels of the co-occurrence count: pairs from tokens, sums from pairs, records from sums.

Names, here and below:

tokens  : (n,) int32, word ids with SENTENCE_END between sentences
pair    : uint64, row << 36 | column << 8 | distance. Where both sides count alike the row is the
          smaller id, the more frequent word, so that a pair and its mirror image are one
key     : uint64, row << 28 | column: a pair without its distance
weights : (256,) uint64, what a pair at each distance counts, in units of 2^-30. Whole numbers add
          up to the same sum in any order, whatever the threads and the memory
dense   : (n_cells,) uint64, sums of pairs of frequent words; the cell of (row, column) is
          starts[row] + column, for columns below limits[row]
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rowspace.text.scan_kernels import SENTENCE_END

COLUMN_BITS = 28
DISTANCE_BITS = 8
UNIT = 2.0**-30

_ROW_SHIFT = np.uint64(COLUMN_BITS + DISTANCE_BITS)
_COLUMN_SHIFT = np.uint64(DISTANCE_BITS)
_KEY_SHIFT = np.uint64(COLUMN_BITS)
_COLUMN_MASK = np.uint64(2**COLUMN_BITS - 1)
_DISTANCE_MASK = np.uint64(2**DISTANCE_BITS - 1)


@njit(cache=True, nogil=True)
def count_pairs(
    tokens, first, last, window, is_symmetric, weights, starts, limits, dense, pairs, n
):
    """Count each token of tokens[first:last] with those up to `window` to its left.

    dense : added to
    pairs : uint64, written from n on
    Returns (n, how far it came, how many pairs that were): it comes less far than `last` where
    `pairs` is too full for one more token.
    """
    left = first
    while left > 0 and first - left < window and tokens[left - 1] != SENTENCE_END:
        left -= 1
    most = pairs.shape[0] - window
    n_seen = 0
    for t in range(first, last):
        center = tokens[t]
        if center == SENTENCE_END:
            left = t + 1
            continue
        if n > most:
            return n, t, n_seen
        left = max(left, t - window)
        n_seen += t - left
        for c in range(left, t):
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
    return n, last, n_seen


@njit(cache=True, nogil=True)
def sort_into_bins(pairs, n, bin_of_row, ends, sorted_pairs):
    """Bring pairs[:n] into the order of their rows' bins.

    ends         : (n_bins + 1,) int64, written: bin b is sorted_pairs[ends[b]:ends[b + 1]]
    sorted_pairs : (n or more,) uint64, written
    """
    ends[:] = 0
    for k in range(n):
        ends[bin_of_row[pairs[k] >> _ROW_SHIFT] + 1] += 1
    for b in range(ends.shape[0] - 1):
        ends[b + 1] += ends[b]
    place = ends[:-1].copy()
    for k in range(n):
        b = bin_of_row[pairs[k] >> _ROW_SHIFT]
        sorted_pairs[place[b]] = pairs[k]
        place[b] += 1


@njit(cache=True, nogil=True)
def sum_sorted(pairs, weights, sums):
    """Add up equal pairs, in place.

    pairs : (n,) uint64 sorted, overwritten: the different keys
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
def take_cells(dense, starts, limits, first_row, last_row, is_symmetric, keys, sums):
    """The cells of some rows that are not zero, as sorted keys and sums; returns how many."""
    n = 0
    for row in range(first_row, last_row):
        for column in range(row if is_symmetric else 0, limits[row]):
            total = dense[starts[row] + column]
            if total != 0:
                keys[n] = (np.uint64(row) << _KEY_SHIFT) | np.uint64(column)
                sums[n] = total
                n += 1
    return n


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
def count_pieces(keys, ends):
    """How many keys belong to each piece, added up.

    ends : (n_pieces + 1,) int64, written: piece p begins at ends[p], if pieces follow one another
    """
    n_pieces = ends.shape[0] - 1
    ends[:] = 0
    for k in range(keys.shape[0]):
        ends[piece_of(keys[k], n_pieces) + 1] += 1
    for p in range(n_pieces):
        ends[p + 1] += ends[p]


@njit(cache=True, nogil=True)
def write_records(keys, sums, is_symmetric, ends, out, out_x):
    """Write a record for each key, piece after piece, each in the order of the keys.

    ends       : (n_pieces + 1,) int64, of `count_pieces`
    out, out_x : the same memory as int32 and as float32; three a record: word, context, count
    """
    n_pieces = ends.shape[0] - 1
    place = ends[:-1].copy()
    for k in range(keys.shape[0]):
        row, column = np.int64(keys[k] >> _KEY_SHIFT), np.int64(keys[k] & _COLUMN_MASK)
        count = np.float64(sums[k]) * UNIT
        if is_symmetric and row == column:  # a word beside itself is seen from both places
            count *= 2
        p = piece_of(keys[k], n_pieces)
        at = 3 * place[p]
        out[at] = row
        out[at + 1] = column
        out_x[at + 2] = count
        place[p] += 1


@njit(cache=True, nogil=True, inline="always")
def piece_of(key, n_pieces):
    """A piece that the key belongs to, as good as drawn at random (splitmix64's last steps)."""
    x = (key + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(((x >> np.uint64(32)) * np.uint64(n_pieces)) >> np.uint64(32))

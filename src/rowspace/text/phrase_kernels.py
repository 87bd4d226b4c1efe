"""Numba kernels of phrases: pairs of neighbours counted, and pairs joined.

A pair is two words with nothing, or only connectors ("of the"), between them in one sentence. Its
key holds all of it in 64 bits and is then mixed, so that equal ranges of keys get equally many:

    key = MIX * (between << 2 * bits | first << bits | last)  modulo 2^64

between is a number whose digits, in base n_connectors + 1, are the connectors', 1 and up. A pair
with more than `most_between` connectors, which would not fit, is none.

digits : (n_ids,) uint8, each id's digit, 0 where it is no connector
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rowspace.text.scan_kernels import SENTENCE_END

MIX = 0x9E3779B97F4A7C15
_MIX = np.uint64(MIX)
_ONE = np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def pair_key(first, between, last, bits):
    """The key of a pair of ids; between is uint64."""
    shift = np.uint64(bits)
    packed = (between << shift | np.uint64(first)) << shift | np.uint64(last)
    return packed * _MIX


@njit(cache=True, nogil=True)
def pair_keys(ids, begin, digits, base, most_between, bits, keys):
    """The keys of the pairs whose last word is in ids[begin:], in order.

    ids : (n,) int32, what stands before `begin` with it;  keys : (n,) uint64, written
    Returns how many.
    """
    n_keys = 0
    first = np.int32(-1)
    between = np.uint64(0)
    n_between = 0
    for i in range(ids.shape[0]):
        word = ids[i]
        if word == SENTENCE_END:
            first = np.int32(-1)
        elif digits[word] > 0:
            n_between += 1
            between = between * np.uint64(base) + np.uint64(digits[word])
            if n_between > most_between:
                first = np.int32(-1)
        else:
            if first >= 0 and i >= begin:
                keys[n_keys] = pair_key(first, between, word, bits)
                n_keys += 1
            first = word
            between = np.uint64(0)
            n_between = 0
    return n_keys


@njit(cache=True, nogil=True)
def partition(keys, n_bits, ends, out):
    """Order keys by their first `n_bits`, and by nothing else.

    keys, out : (n,) uint64, out written;  ends : (2^n_bits,) int64, written: each part's end
    """
    shift = np.uint64(64 - n_bits)
    ends[:] = 0
    for i in range(keys.shape[0]):
        ends[np.int64(keys[i] >> shift)] += 1
    n_before = 0
    for part in range(ends.shape[0]):
        n_before += ends[part]
        ends[part] = n_before - ends[part]
    for i in range(keys.shape[0]):
        of = np.int64(keys[i] >> shift)
        out[ends[of]] = keys[i]
        ends[of] += 1


@njit(cache=True, nogil=True)
def count_parts(keys, counts, n_bits, ends, slots, slot_counts):
    """Count the keys of each part, and close the gaps.

    keys    : (n,) uint64, counts : (n,) uint32, both written: the different keys and their counts
    ends    : (2^n_bits,) int64, written: where each part ends then
    slots, slot_counts : scratch, a power of two, at least twice as many as the longest part
    Returns how many.
    """
    n_out = 0
    begin = 0
    for part in range(ends.shape[0]):
        end = ends[part]
        n = add_counts(keys[begin:end], counts[begin:end], n_bits, slots, slot_counts)
        for i in range(n):
            keys[n_out + i] = keys[begin + i]
            counts[n_out + i] = counts[begin + i]
        n_out += n
        ends[part] = n_out
        begin = end
    return n_out


@njit(cache=True, nogil=True)
def add_counts(keys, counts, n_bits, slots, slot_counts):
    """Add the counts of equal keys, in place; returns how many different keys there are.

    n_bits : how many first bits all keys have in common
    slots, slot_counts : uint64 and integer scratch, a power of two, at least 2 * n
    """
    size = 2
    shift = np.uint64(63)
    while size < 2 * keys.shape[0]:
        size *= 2
        shift -= _ONE
    mask = size - 1
    slot_counts[:size] = 0
    for i in range(keys.shape[0]):
        at = np.int64((keys[i] << np.uint64(n_bits)) >> shift)
        while slot_counts[at] > 0 and slots[at] != keys[i]:
            at = (at + 1) & mask
        slots[at] = keys[i]
        slot_counts[at] += counts[i]
    n = 0
    for slot in range(size):
        if slot_counts[slot] > 0:
            keys[n] = slots[slot]
            counts[n] = slot_counts[slot]
            n += 1
    return n


@njit(cache=True, nogil=True)
def fill_slots(keys, slots, places):
    """Make the hash table in which `join_pairs` looks pairs up.

    keys : (n,) uint64;  slots, places : uint64 and int32, a power of two, at least 2 * n, places
    all -1: which key a slot holds
    """
    mask = slots.shape[0] - 1
    for i in range(keys.shape[0]):
        at = np.int64(keys[i] >> np.uint64(40)) & mask
        while places[at] >= 0:
            at = (at + 1) & mask
        slots[at] = keys[i]
        places[at] = i


@njit(cache=True, nogil=True)
def join_pairs(
    ids, is_last, digits, base, most_between, bits, slots, places, new_ids, n_named, n_new, counts,
    out,
):  # fmt: skip
    """Join pairs from left to right, so that no word is in two, and count what comes out.

    ids     : (n,) int32;  is_last : whether no more ids follow these
    slots, places : of `fill_slots`;  new_ids : (n_pairs,) int32, the id of each pair joined
    n_named, n_new : ids from n_named on are moved up by n_new, to make room for new ones
    counts  : int64, added to: by new id;  out : (n,) int32, written
    Returns (ids read, ids written). Unless it is the last, what may go on is not read.
    """
    mask = slots.shape[0] - 1
    n_out = 0
    start = 0  # of what is not written yet: a word and its connectors
    first = np.int32(-1)
    between = np.uint64(0)
    for i in range(ids.shape[0]):
        word = ids[i]
        if word >= 0 and digits[word] > 0:
            if first >= 0 and i - start <= most_between:
                between = between * np.uint64(base) + np.uint64(digits[word])
                continue
        elif word >= 0:
            joined = np.int32(-1)
            if first >= 0:
                key = pair_key(first, between, word, bits)
                at = np.int64(key >> np.uint64(40)) & mask
                while places[at] >= 0:
                    if slots[at] == key:
                        joined = new_ids[places[at]]
                        break
                    at = (at + 1) & mask
            if joined >= 0:
                out[n_out] = joined
                counts[joined] += 1
                n_out += 1
                start = i + 1
                first = np.int32(-1)
                continue
            n_out = _copy(ids, start, i, n_named, n_new, counts, out, n_out)
            start = i
            first = word
            between = np.uint64(0)
            continue
        n_out = _copy(ids, start, i + 1, n_named, n_new, counts, out, n_out)
        start = i + 1
        first = np.int32(-1)
    if is_last or first < 0:
        n_out = _copy(ids, start, ids.shape[0], n_named, n_new, counts, out, n_out)
        start = ids.shape[0]
    return start, n_out


@njit(cache=True, nogil=True, inline="always")
def _copy(ids, begin, end, n_named, n_new, counts, out, n_out):
    """Write ids[begin:end] behind the first `n_out`; returns how many are written then."""
    for i in range(begin, end):
        word = ids[i]
        if word >= n_named:
            word += np.int32(n_new)
        out[n_out] = word
        n_out += 1
        if word >= 0:
            counts[word] += 1
    return n_out

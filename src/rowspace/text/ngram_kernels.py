"""Numba kernels of fastText's character n-grams: words as bytes in, bucket numbers out.

Words lie one after the other in an arena:

arena : (n_bytes,) uint8
ends  : (n_words + 1,) int64, word i is arena[ends[i] : ends[i + 1]]

A character is a byte and the bytes 10xxxxxx after it, as in fastText, so bytes that are not UTF-8
fall into characters too.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_FNV_OFFSET = np.uint32(2166136261)
_FNV_PRIME = np.uint32(16777619)
_OPEN, _CLOSE = np.uint8(ord("<")), np.uint8(ord(">"))


@njit(cache=True, nogil=True, inline="always")
def fnv1a_step(key, byte):
    """One byte more. fastText's `char` is signed, so bytes from 0x80 on also flip the high bits."""
    signed = np.uint32(byte) | (np.uint32(0xFFFFFF00) if byte >= 0x80 else np.uint32(0))
    return np.uint32((key ^ signed) * _FNV_PRIME)


@njit(cache=True, nogil=True)
def hash_bytes(data):
    """32-bit FNV-1a of (n,) uint8, as fastText computes it."""
    key = _FNV_OFFSET
    for byte in data:
        key = fnv1a_step(key, byte)
    return key


@njit(cache=True, nogil=True)
def count_ngrams(arena, ends, minn, maxn, out_ends):
    """How many n-grams each word has, summed up.

    out_ends : (n_words + 1,) int64, written: those of word i are out_ends[i] : out_ends[i + 1]
    """
    out_ends[0] = 0
    for word in range(ends.shape[0] - 1):
        n_chars = 2  # < and >
        for i in range(ends[word], ends[word + 1]):
            n_chars += (arena[i] & 0xC0) != 0x80
        n = 0
        if not _is_sentence_end(arena, ends[word], ends[word + 1]):
            for size in range(max(minn, 1), min(maxn, n_chars) + 1):
                n += n_chars - size + 1
            if minn <= 1 <= maxn:
                n -= 2  # the edges
        out_ends[word + 1] = out_ends[word] + n


@njit(cache=True, nogil=True)
def hash_ngrams(arena, ends, minn, maxn, bucket, out_ends, out):
    """The bucket of each n-gram of `<word>`, by first character and then by length.

    out_ends : (n_words + 1,) int64, from `count_ngrams`
    out      : (out_ends[-1],) int32, written
    """
    modulus = np.uint32(bucket)
    smallest = max(minn, 1)
    for word in range(ends.shape[0] - 1):
        at = out_ends[word]
        if at == out_ends[word + 1]:
            continue
        begin = ends[word] - 1  # where < would be
        size = ends[word + 1] - ends[word] + 2
        for i in range(size):
            if i > 0 and (_byte(arena, begin, size, i) & 0xC0) == 0x80:
                continue
            key = _FNV_OFFSET
            j = i
            for n in range(1, maxn + 1):
                if j >= size:
                    break
                key = fnv1a_step(key, _byte(arena, begin, size, j))
                j += 1
                while j < size and (_byte(arena, begin, size, j) & 0xC0) == 0x80:
                    key = fnv1a_step(key, _byte(arena, begin, size, j))
                    j += 1
                if n >= smallest and not (n == 1 and (i == 0 or j == size)):
                    out[at] = np.int32(key % modulus)
                    at += 1


@njit(cache=True, nogil=True, inline="always")
def _byte(arena, begin, size, i):
    """Byte `i` of `<word>`."""
    if i == 0:
        return _OPEN
    if i == size - 1:
        return _CLOSE
    return arena[begin + i]


@njit(cache=True, nogil=True, inline="always")
def _is_sentence_end(arena, begin, end):
    """Whether the word is `</s>`."""
    return (
        end - begin == 4
        and arena[begin] == ord("<")
        and arena[begin + 1] == ord("/")
        and arena[begin + 2] == ord("s")
        and arena[begin + 3] == ord(">")
    )

"""Numba kernels of the vocabulary scan: UTF-8 bytes in, word ids and counts out.

A word table is an open-addressing hash table over an arena of bytes:

slots  : (2^k, 2) uint64: a word's last eight bytes, and its length << 32 | its id + 1 (0: empty);
         together in one cache line, they settle a look-up of most words
hashes : (capacity,) uint32, FNV-1a of each word
starts : (capacity + 1,) int64, where each word begins in the arena; the next one's start ends it
counts : (capacity,) int64
arena  : (n_bytes,) uint8, the words' bytes, one after the other
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rowspace.text.tokenizer import CODE_POINT, IS_HAN, MAY_COMPOSE

SENTENCE_END = np.int32(-1)
_FNV_OFFSET = np.uint32(2166136261)
_FNV_PRIME = np.uint32(16777619)


@njit(cache=True, nogil=True)
def check_utf8(text, begin, fold):
    """Where `text`, from `begin` on, stops being UTF-8, or has a character that NFC may change.

    text : (n,) uint8;  fold : (0x110000,) uint32
    Returns (position, or n where there is none, and whether it is malformed).
    """
    n = text.shape[0]
    i = begin
    while i < n:
        if text[i] < 0x80:
            i += 1
            continue
        code_point, size = decode(text, i, n)
        if size == 0:
            return i, True
        if fold[code_point] & MAY_COMPOSE:
            return i, False
        i += size
    return n, False


@njit(cache=True, nogil=True)
def decode(text, i, n):
    """(code point, bytes) of the UTF-8 character at `i`; bytes is 0 where it is malformed."""
    lead = np.uint32(text[i])
    if lead < 0x80:
        return lead, 1
    if lead < 0xC2 or lead > 0xF4:
        return lead, 0
    size = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if i + size > n:
        return lead, 0
    code_point = lead & np.uint32((1 << (7 - size)) - 1)
    for j in range(1, size):
        byte = np.uint32(text[i + j])
        if byte & np.uint32(0xC0) != 0x80:
            return lead, 0
        code_point = (code_point << np.uint32(6)) | (byte & np.uint32(0x3F))
    too_short = (size == 3 and code_point < 0x800) or (size == 4 and code_point < 0x10000)
    if too_short or code_point > 0x10FFFF or 0xD800 <= code_point <= 0xDFFF:
        return lead, 0
    return code_point, size


@njit(cache=True, nogil=True)
def scan_words(text, begin, fold, ids, table, n_words):
    """Count the words of `text` from byte `begin` on, and write their ids.

    text : (n,) uint8, whole lines of UTF-8;  ids : int32, room for n + 1
    table : the word table's arrays, written. A line's end gives SENTENCE_END.

    Returns (byte reached, ids written, words in the table). The byte reached is under n where
    the table is too full: make it larger and go on from there.
    """
    slots, hashes, starts, counts, arena = table
    mask = np.uint32(slots.shape[0] - 1)
    n = text.shape[0]
    n_ids = 0
    i = begin
    word_begin = begin
    max_words = counts.shape[0]
    max_bytes = arena.shape[0] - 4
    while True:
        # One word, from its first character to the one after its last.
        tail = starts[n_words]
        length = 0
        key = _FNV_OFFSET
        last_bytes = np.uint64(0)
        entry = np.uint32(0)
        size = 1
        while i < n:
            byte = text[i]
            if byte < 0x80:  # letters and digits of ASCII, most of most texts
                entry = fold[byte]
                size = 1
            else:
                code_point, size = decode(text, i, n)
                entry = fold[code_point]
            if entry == 0 or ((entry & IS_HAN) != 0 and length > 0):
                break
            if length == 0:
                word_begin = i
            if tail + length > max_bytes:
                return word_begin, n_ids, n_words
            if entry < 0x80:
                arena[tail + length] = np.uint8(entry)
                key = np.uint32((key ^ entry) * _FNV_PRIME)
                last_bytes = (last_bytes << np.uint64(8)) | np.uint64(entry)
                length += 1
            else:
                added = _encode(entry & CODE_POINT, arena, tail + length)
                for j in range(added):
                    added_byte = arena[tail + length + j]
                    key = np.uint32((key ^ np.uint32(added_byte)) * _FNV_PRIME)
                    last_bytes = (last_bytes << np.uint64(8)) | np.uint64(added_byte)
                length += added
            i += size
            if entry & IS_HAN:
                break
        if length > 0:
            if n_words >= max_words:
                return word_begin, n_ids, n_words
            slot = (key ^ (key >> np.uint32(15))) & mask
            word = n_words
            while slots[slot, 1] != 0:
                if slots[slot, 0] == last_bytes and slots[slot, 1] >> np.uint64(32) == length:
                    word = np.int64(slots[slot, 1] & np.uint64(0xFFFFFFFF)) - 1
                    for j in range(length - 8):
                        if arena[starts[word] + j] != arena[tail + j]:
                            word = n_words
                            break
                    if word < n_words:
                        break
                slot = (slot + np.uint32(1)) & mask
            if word == n_words:
                slots[slot, 0] = last_bytes
                slots[slot, 1] = (np.uint64(length) << np.uint64(32)) | np.uint64(word + 1)
                hashes[word] = key
                counts[word] = 0
                starts[word + 1] = tail + length
                n_words += 1
            counts[word] += 1
            ids[n_ids] = word
            n_ids += 1
        # What separates it from the next.
        while i < n:
            byte = text[i]
            if byte < 0x80:
                if fold[byte] != 0:
                    break
                is_line_end = byte == 10 or byte == 13
                if is_line_end and (n_ids == 0 or ids[n_ids - 1] != SENTENCE_END):
                    ids[n_ids] = SENTENCE_END
                    n_ids += 1
                i += 1
            else:
                code_point, size = decode(text, i, n)
                if fold[code_point] != 0:
                    break
                i += size
        if i >= n:
            return n, n_ids, n_words


@njit(cache=True, nogil=True, inline="always")
def _encode(code_point, out, at):
    """Write `code_point` as UTF-8 at `out[at:]`; returns the number of bytes."""
    if code_point < 0x80:
        out[at] = np.uint8(code_point)
        return 1
    if code_point < 0x800:
        out[at] = np.uint8(0xC0 | (code_point >> 6))
        out[at + 1] = np.uint8(0x80 | (code_point & 0x3F))
        return 2
    if code_point < 0x10000:
        out[at] = np.uint8(0xE0 | (code_point >> 12))
        out[at + 1] = np.uint8(0x80 | ((code_point >> 6) & 0x3F))
        out[at + 2] = np.uint8(0x80 | (code_point & 0x3F))
        return 3
    out[at] = np.uint8(0xF0 | (code_point >> 18))
    out[at + 1] = np.uint8(0x80 | ((code_point >> 12) & 0x3F))
    out[at + 2] = np.uint8(0x80 | ((code_point >> 6) & 0x3F))
    out[at + 3] = np.uint8(0x80 | (code_point & 0x3F))
    return 4


@njit(cache=True, nogil=True)
def rebuild_slots(table, n_words):
    """Fill new, larger slots, all zero, from the words."""
    slots, hashes, starts, _, arena = table
    mask = np.uint32(slots.shape[0] - 1)
    for word in range(n_words):
        slot = (hashes[word] ^ (hashes[word] >> np.uint32(15))) & mask
        while slots[slot, 1] != 0:
            slot = (slot + np.uint32(1)) & mask
        length = starts[word + 1] - starts[word]
        slots[slot, 0] = _last_bytes(arena, starts[word], starts[word + 1])
        slots[slot, 1] = (np.uint64(length) << np.uint64(32)) | np.uint64(word + 1)


@njit(cache=True, nogil=True)
def _last_bytes(arena, begin, end):
    value = np.uint64(0)
    for i in range(max(begin, end - 8), end):
        value = (value << np.uint64(8)) | np.uint64(arena[i])
    return value


@njit(cache=True, nogil=True)
def remap_ids(ids, mapping, last, out):
    """Replace provisional ids by final ones, leaving out words with a mapping of -1.

    ids : (n,) int32;  mapping : (n_words,) int32;  out : (n,) int32, written
    last : the id written before, or SENTENCE_END at the start
    Returns the number of ids written; sentence ends stay, but none follows another.
    """
    n_out = 0
    for i in range(ids.shape[0]):
        word = ids[i]
        if word >= 0:
            word = mapping[word]
            if word < 0:
                continue
        elif last == SENTENCE_END:
            continue
        out[n_out] = last = word
        n_out += 1
    return n_out

"""Numba kernels that read word vectors: bytes of a file in, rows of a matrix out.

Decimal numbers become float32 as Python's float would make them: a number of at most 18 digits is
scaled by a power of ten in float64, and where what that may have rounded away could change the
float32, the line is left to the caller. Differs from Clinger (1990),
https://doi.org/10.1145/93548.93557, in stopping at float32.
"""

from __future__ import annotations

import numpy as np
from numba import njit

WHOLE, MORE, NO_WORD = 0, 1, 2  # why `split_rows` stopped
_NEWLINE, _RETURN, _TAB, _SPACE = 10, 13, 9, 32
_POWERS = np.array([float(f"1e{k}") for k in range(301)])
_EXACT = 22  # powers of ten up to this one are exact in float64
_MOST_DIGITS = 18  # always fit an int64
_LARGEST_SQUARE = 3.4e38  # of a norm that float32 can hold with its square
_DOUBT = 2.0**-50  # more than three float64 roundings


@njit(cache=True, nogil=True)
def split_rows(data, width, longest, newlines, ended, bounds):
    """Find whole rows of word2vec binary: a word, a space, `width` bytes, perhaps a newline.

    With `newlines` a word ends at the first space that a row ending in a newline can follow, so
    that words may hold spaces; without, it ends at its first space.

    data     : (n,) uint8, from the start of a row
    newlines : whether each row ends in one
    ended    : whether the file ends with `data`
    bounds   : (n_rows, 2) int64, written: where each word begins and ends
    Returns (rows found, bytes they take, WHOLE or why not all of `bounds` is filled).
    """
    size = data.shape[0]
    position = 0
    for row in range(bounds.shape[0]):
        begin = position
        while begin < size and data[begin] == _NEWLINE:
            begin += 1
        i = begin
        found = -1
        while i < size and i - begin < longest:
            if data[i] == _SPACE:
                end = i + 1 + width
                if end > size or (end == size and newlines and not ended):
                    return row, position, MORE
                if not newlines or end == size or data[end] == _NEWLINE:
                    found = i
                    break
            elif newlines and (
                data[i] == _NEWLINE or (data[i] < _SPACE and _has_space(data, begin, i))
            ):
                return row, position, NO_WORD  # these are bytes of numbers
            i += 1
        if found < 0:
            return row, position, NO_WORD if i - begin >= longest else MORE
        bounds[row, 0] = begin
        bounds[row, 1] = found
        position = found + 1 + width
    return bounds.shape[0], position, WHOLE


@njit(cache=True, nogil=True)
def _has_space(data, begin, end):
    for i in range(begin, end):  # noqa: SIM110
        if data[i] == _SPACE:
            return True
    return False


@njit(cache=True, nogil=True)
def join_words(data, bounds, separator, out, hashes):
    """Copy each word of `data` and a separator to `out`.

    out    : the words' bytes and one for each separator, written
    hashes : (n_words,) uint64, written: FNV-1a of each word
    """
    n = 0
    for row in range(bounds.shape[0]):
        code = np.uint64(0xCBF29CE484222325)
        for i in range(bounds[row, 0], bounds[row, 1]):
            out[n] = data[i]
            n += 1
            code = (code ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
        hashes[row] = code
        out[n] = separator
        n += 1


@njit(cache=True, nogil=True)
def fill_table(hashes, table):
    """Put each row into the first free slot from its hash on; returns hashes that came before.

    table : (2^k,) int32, more than the rows, written: -1 where nothing is
    """
    mask = np.uint64(table.shape[0] - 1)
    n_equal = 0
    for row in range(hashes.shape[0]):
        slot = np.int64(hashes[row] & mask)
        is_new = True
        while table[slot] >= 0:
            is_new = is_new and hashes[table[slot]] != hashes[row]
            slot = np.int64(np.uint64(slot + 1) & mask)
        n_equal += not is_new
        table[slot] = row
    return n_equal


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def copy_rows(data, bounds, matrix, raw, norms):
    """Copy the rows that follow the words to a matrix, and measure them.

    matrix : (n_rows, dim) float32;  raw : the same memory as (n_rows, 4·dim) uint8, written
    norms  : (n_rows,) float32, written: infinite for a row that is not finite
    """
    for row in range(bounds.shape[0]):
        start = bounds[row, 1] + 1
        source, target = data[start : start + raw.shape[1]], raw[row]
        for i in range(raw.shape[1]):  # becomes a memcpy; assigning the slices does not
            target[i] = source[i]
        total = 0.0
        for d in range(matrix.shape[1]):
            total += np.float64(matrix[row, d]) * np.float64(matrix[row, d])
        norms[row] = np.sqrt(total) if total <= _LARGEST_SQUARE else np.inf


@njit(cache=True, nogil=True)
def find_lines(data, ends):
    """Where each line of `data` ends, as many as `ends` holds; returns how many there are."""
    n = 0
    for i in range(data.shape[0]):
        if data[i] == _NEWLINE:
            ends[n] = i
            n += 1
            if n == ends.shape[0]:
                break
    return n


@njit(cache=True, nogil=True)
def parse_lines(data, ends, matrix, norms, bounds):
    """Lines of a word and `dim` numbers, as rows of a matrix; numbers are counted from the right.

    data   : (n,) uint8;  ends : (n_lines,) int64, of the newlines
    matrix : (n_lines, dim) float32, written
    norms  : (n_lines,) float32, written, as in `copy_rows`; -1 for a line to be read another way
    bounds : (n_lines, 2) int64, written: where each word begins and ends
    """
    begin = 0
    for line in range(ends.shape[0]):
        end = ends[line]
        while end > begin and (data[end - 1] == _RETURN or _is_separator(data[end - 1])):
            end -= 1
        word_end = begin
        while word_end < end and not _is_separator(data[word_end]):
            word_end += 1
        total = _parse_values(data, word_end + 1, end, matrix[line])
        if total < 0.0:  # the word may hold spaces
            word_end = _from_right(data, begin, end, matrix.shape[1])
            total = _parse_values(data, word_end + 1, end, matrix[line]) if word_end >= 0 else -1.0
        bounds[line, 0] = begin
        bounds[line, 1] = word_end
        if total < 0.0:
            norms[line] = -1.0
        else:
            norms[line] = np.sqrt(total) if total <= _LARGEST_SQUARE else np.inf
        begin = ends[line] + 1


@njit(cache=True, nogil=True)
def _is_separator(byte):
    return byte in (_SPACE, _TAB)


@njit(cache=True, nogil=True)
def _from_right(data, begin, end, dim):
    """Where the separator is that stands before the last `dim` fields; -1 if there are fewer."""
    n = 0
    for i in range(end - 1, begin - 1, -1):
        if _is_separator(data[i]):
            n += 1
            if n == dim:
                return i
    return -1


@njit(cache=True, nogil=True)
def _parse_values(data, begin, end, row):
    """Numbers that fill `row` (dim,) exactly; returns their sum of squares, or -1."""
    total = 0.0
    i = begin
    for d in range(row.shape[0]):
        value, i, is_sure = _parse_number(data, i, end)
        if not is_sure or (i < end) != (d < row.shape[0] - 1):
            return -1.0
        row[d] = value
        total += np.float64(row[d]) * np.float64(row[d])
        i += 1
    return total


@njit(cache=True, nogil=True)
def _parse_number(data, i, end):
    """(number, where the separator after it is, whether it is one and rounds to float32 safely)."""
    is_negative = False
    if i < end and (data[i] == 45 or data[i] == 43):  # - +
        is_negative = data[i] == 45
        i += 1
    digits = np.int64(0)
    n_digits = np.int64(0)  # after leading zeros
    exponent = np.int64(0)
    n_seen = 0
    after_point = False
    while i < end:
        byte = data[i]
        if 48 <= byte <= 57:
            n_seen += 1
            if n_digits < _MOST_DIGITS:
                digits = digits * 10 + np.int64(byte - 48)
                n_digits += digits > 0
                exponent -= after_point
            else:
                exponent += not after_point
        elif byte == 46 and not after_point:
            after_point = True
        else:
            break
        i += 1
    if n_seen == 0:
        return 0.0, i, False
    if i < end and (data[i] == 101 or data[i] == 69):  # e E
        i += 1
        sign = 1
        if i < end and (data[i] == 45 or data[i] == 43):
            sign = -1 if data[i] == 45 else 1
            i += 1
        power = np.int64(0)
        first = i
        while i < end and 48 <= data[i] <= 57 and power < 10_000:
            power = power * 10 + np.int64(data[i] - 48)
            i += 1
        if i == first:
            return 0.0, i, False
        exponent += sign * power
    if i < end and not _is_separator(data[i]):
        return 0.0, i, False
    if digits == 0:
        return (-0.0 if is_negative else 0.0), i, True
    if exponent > 300 or exponent < -300:
        return 0.0, i, False
    value = np.float64(digits)
    value = value * _POWERS[exponent] if exponent >= 0 else value / _POWERS[-exponent]
    is_sure = np.float32(value * (1.0 - _DOUBT)) == np.float32(value * (1.0 + _DOUBT))
    if digits <= 1 << 53 and -_EXACT <= exponent <= _EXACT:
        is_sure = True  # one rounding, the right one
    return (-value if is_negative else value), i, is_sure

"""Numba kernels of the sketch: rows as bytes, their integer products with queries, what may win.

A row is kept as bytes 128 + z, with z = round(u / scale) in [-127, 127] of the unit row u. Where
the processor has AVX512-VNNI one instruction multiplies 64 of them with signed bytes and adds up:
`scan_tiles` uses it, for many queries. `scan_rows` is for one or a few, and for any processor; it
is bound by memory.

Both keep, for each query, the rows whose score could be among the k best. A score is known to
`error_slope * errors[row] + error_base`; the k-th largest of what scores are at least is the floor
that the others must be able to reach.
"""

from __future__ import annotations

from typing import Any

import numba.extending
import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.core import config as numba_config

intrinsic: Any = numba.extending.intrinsic
_config: Any = numba_config

BIAS = 128
LARGEST_CODE = 127
LANES = 16
_VECTORS = 2
TILE_QUERIES = LANES * _VECTORS
"""Queries of one tile; they are packed in groups of this many."""
TILE_ROWS = 10
"""20 sums, 2 vectors of queries and some rows' bytes fit the 32 registers of AVX512; two rows more
took twice as long, as LLVM then moves sums to memory and back."""
_BLOCK_ROWS = 30 * TILE_ROWS  # meet all groups of queries before the next ones: they fit a cache


def _has_vnni() -> bool:
    if _config.CPU_NAME or _config.CPU_FEATURES:  # compiled for some other processor
        return False
    features = binding.get_host_cpu_features()
    return bool(features.get("avx512f") and features.get("avx512vnni"))


HAS_VNNI = _has_vnni()

_INT32 = ir.IntType(32)
_SUMS = ir.VectorType(_INT32, LANES)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def sketch_rows(matrix, codes, scales, errors):
    """Rows as bytes.

    matrix : (n, dim) float32
    codes  : (n, width) uint8, width >= dim, written: 128 + z, and 128 beyond dim
    scales : (n,) float32, written: u is about scale * z
    errors : (n,) float32, written: at least |u - scale * z|; 0 for a zero row
    """
    dim = matrix.shape[1]
    for row in range(matrix.shape[0]):
        values, code = matrix[row], codes[row]
        square = 0.0
        largest = np.float32(0.0)
        for d in range(dim):
            square += np.float64(values[d]) * np.float64(values[d])
            largest = max(largest, abs(values[d]))
        code[:] = BIAS
        scales[row] = errors[row] = 0.0
        if largest == 0.0:
            continue
        shrink = 1.0 / np.sqrt(square)
        scale = np.float64(np.float32(np.float64(largest) * shrink / LARGEST_CODE))
        to_code = shrink / scale
        left = 0.0
        for d in range(dim):
            z = np.float64(values[d]) * to_code
            z = np.float64(np.int32(z + np.copysign(0.5, z)))
            code[d] = np.uint8(np.int32(z) + BIAS)
            gap = np.float64(values[d]) * shrink - scale * z
            left += gap * gap
        scales[row] = scale
        errors[row] = np.sqrt(left) * (1.0 + 1e-6)


@njit(cache=True, nogil=True)
def scan_rows(codes, scales, errors, begin, queries, steps, slopes, bases, k, found):
    """What may be among the k nearest rows of each query, one query after the other.

    codes, scales, errors : rows of the sketch
    begin   : the number of the first of them
    queries : (m, width) int16, y = round(q / step)
    steps, slopes, bases : (m,) float32; the score is scale * step * (z . y)
    found   : (rows, lows, highs, counts, limits, floors), written, as `_keep` says
    """
    floors = found[5]
    for first in range(0, codes.shape[0], _BLOCK_ROWS):
        last = min(first + _BLOCK_ROWS, codes.shape[0])
        for q in range(queries.shape[0]):
            query = queries[q]
            offset = np.int32(0)
            for i in range(query.shape[0]):
                offset += np.int32(BIAS) * np.int32(query[i])
            for row in range(first, last):
                code = codes[row]
                total = np.int32(0)
                for i in range(query.shape[0]):
                    product = np.int32(np.int32(code[i]) * np.int32(query[i]))
                    total = np.int32(total + product)  # wider sums would take three times as long
                score = np.float32(total - offset) * (scales[row] * steps[q])
                error = errors[row] * slopes[q] + bases[q]
                if score + error >= floors[q]:
                    _keep(q, begin + row, score, error, k, found)


@njit(cache=True, nogil=True, fastmath={"contract"})
def scan_tiles(codes, scales, errors, begin, packed, starts, steps, slopes, bases, k, found, sums):
    """`scan_rows` for many queries, where `HAS_VNNI`.

    codes   : (n, width) uint8, at least TILE_ROWS rows that follow each other in memory
    packed  : (n_groups * width * TILE_QUERIES,) int8: for each group and each 4 bytes of its
              queries, those 4 of each query
    starts  : (n_groups * TILE_QUERIES,) int32, -128 times the sum of each query
    steps, slopes, bases : (n_groups * TILE_QUERIES,) float32
    sums    : (TILE_ROWS * TILE_QUERIES,) int32 scratch
    """
    n, width = codes.shape
    flat, floors = codes.reshape(n * width), found[5]
    for first in range(0, n, _BLOCK_ROWS):
        last = min(first + _BLOCK_ROWS, n)
        for group in range(len(starts) // TILE_QUERIES):
            q = group * TILE_QUERIES
            for at in range(first, last, TILE_ROWS):
                tile = min(at, n - TILE_ROWS)  # the last one goes over some rows again
                multiply_tile(
                    flat, tile * width, width, packed, q * width, width // 4, starts, q, sums
                )
                for row in range(at, min(at + TILE_ROWS, last)):
                    place = (row - tile) * TILE_QUERIES
                    scale, error = scales[row], errors[row]
                    reached = False
                    for j in range(TILE_QUERIES):
                        score = np.float32(sums[place + j]) * (scale * steps[q + j])
                        reached |= score + (error * slopes[q + j] + bases[q + j]) >= floors[q + j]
                    if reached:
                        for j in range(TILE_QUERIES):
                            score = np.float32(sums[place + j]) * (scale * steps[q + j])
                            bound = error * slopes[q + j] + bases[q + j]
                            if score + bound >= floors[q + j]:
                                _keep(q + j, begin + row, score, bound, k, found)


@njit(cache=True, nogil=True)
def _keep(query, row, score, error, k, found):
    """Add a row to those of a query.

    rows         : (m, room) int64
    lows, highs  : (m, room) float32, what the score is at least and at most
    counts       : (m,) int64, how many of `room` are used
    limits       : (m,) int64, how many may be, until some are dropped; grows up to `room`
    floors       : (m,) float32, what `highs` must reach; infinite for a query with more rows near
                   its k-th than there is room for, which keeps nothing any more
    """
    rows, lows, highs, counts, limits, floors = found
    if counts[query] == limits[query]:
        _drop(query, k, found)
        if score + error < floors[query]:
            return
    n = counts[query]
    rows[query, n] = row
    lows[query, n] = score - error
    highs[query, n] = score + error
    counts[query] = n + 1


@njit(cache=True, nogil=True)
def _drop(query, k, found):
    """Raise a query's floor and drop the rows that do not reach it."""
    rows, lows, highs, counts, limits, floors = found
    n = counts[query]
    floor = np.partition(lows[query, :n], n - k)[n - k]
    left = 0
    for i in range(n):
        if highs[query, i] >= floor:
            rows[query, left] = rows[query, i]
            lows[query, left] = lows[query, i]
            highs[query, left] = highs[query, i]
            left += 1
    if left > n // 2:
        if n == rows.shape[1]:
            floor, left = np.float32(np.inf), 0
        limits[query] = min(2 * n, rows.shape[1])
    floors[query] = floor
    counts[query] = left


def _pointer(context, builder, array_type, array, position):
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.gep(data, [position], inbounds=True)


@intrinsic
def multiply_tile(typingctx, rows, first, stride, packed, group, n_steps, starts, query, sums):
    """Products of TILE_ROWS rows and one group of TILE_QUERIES queries, to `sums`.

    rows    : uint8, flat; the first row begins at `first`, the next ones `stride` on each
    packed  : int8, flat; the group begins at `group`: for each of `n_steps` steps of 4 bytes, each
              query's 4 bytes
    starts  : int32; from `query` on, what each query's sums start from
    sums    : (TILE_ROWS * TILE_QUERIES,) int32, overwritten
    """

    def generate(context, builder, signature, args):
        kinds = signature.args
        zero = ir.Constant(context.get_value_type(types.intp), 0)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_SUMS, [_SUMS] * 3),
            "llvm.x86.avx512.vpdpbusd.512",
        )

        def vectors(index, position):
            start = _pointer(context, builder, kinds[index], args[index], position)
            return builder.bitcast(start, _SUMS.as_pointer())

        def vector(base, v):
            return builder.gep(base, [ir.Constant(_INT32, v)])

        begin = vectors(6, args[7])
        totals = []
        for _ in range(TILE_ROWS):
            for v in range(_VECTORS):
                start = builder.load(vector(begin, v), align=4)
                totals.append(cgutils.alloca_once_value(builder, start))
                builder.store(start, totals[-1])
        first_row = _pointer(context, builder, kinds[0], args[0], args[1])
        row_starts = [
            builder.gep(first_row, [builder.mul(args[2], ir.Constant(args[2].type, i))])
            for i in range(TILE_ROWS)
        ]
        undefined = ir.Constant(_SUMS, ir.Undefined)
        with cgutils.for_range(builder, args[5]) as loop:
            place = builder.mul(loop.index, ir.Constant(loop.index.type, 4 * TILE_QUERIES))
            step = vectors(3, builder.add(args[4], place))
            queries = [builder.load(vector(step, v), align=1) for v in range(_VECTORS)]
            offset = builder.mul(loop.index, ir.Constant(loop.index.type, 4))
            for i in range(TILE_ROWS):
                address = builder.gep(row_starts[i], [offset])
                four = builder.load(builder.bitcast(address, _INT32.as_pointer()), align=1)
                four = builder.insert_element(undefined, four, ir.Constant(_INT32, 0))
                four = builder.shuffle_vector(four, undefined, ir.Constant(_SUMS, [0] * LANES))
                for v in range(_VECTORS):
                    total = totals[i * _VECTORS + v]
                    more = builder.call(function, [builder.load(total), four, queries[v]])
                    builder.store(more, total)
        out = vectors(8, zero)
        for i, total in enumerate(totals):
            builder.store(builder.load(total), vector(out, i), align=4)
        return context.get_dummy_value()

    position = types.intp
    signature = types.void(
        rows, position, position, packed, position, position, starts, position, sums
    )
    return signature, generate

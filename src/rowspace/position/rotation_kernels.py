"""The turn of halves on a processor, in one pass over memory: numba kernels and their threads.

Operations of torch pass over it three times in float32 and five in bfloat16, which widens to new
tensors; memory is what takes the time.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

SMALLEST_SHARE = 1 << 16  # values worth a thread


@njit(cache=True, nogil=True)
def turn_floats(x, cos, sin, out, shape, strides, sign, first, last):
    """Tokens `first` to `last` of all texts.

    x, out       : flat float32, what a tensor of `shape` (B, H, T, head_dim) views by its strides
                   (of x, then of out: of a text, a head, a token)
    cos, sin     : (1 or B, T, dim/2) float32
    sign         : -1 to turn back
    first, last  : of the B * T tokens of all texts
    """
    half = cos.shape[2]
    values = np.empty(shape[3], dtype=np.float32)
    for token in range(first, last):
        b, t = token // shape[2], token % shape[2]
        c, s = cos[b % cos.shape[0], t], sin[b % cos.shape[0], t]
        for h in range(shape[1]):
            start = b * strides[0] + h * strides[1] + t * strides[2]
            row = x[start : start + shape[3]]
            start = b * strides[3] + h * strides[4] + t * strides[5]
            to = out[start : start + shape[3]]
            for i in range(shape[3]):
                values[i] = row[i]
            for i in range(half):
                left, right = values[i], values[i + half]
                values[i] = left * c[i] - right * s[i] * sign
                values[i + half] = right * c[i] + left * s[i] * sign
            for i in range(shape[3]):
                to[i] = values[i]


@njit(cache=True, nogil=True)
def turn_bfloats(x, cos, sin, out, shape, strides, sign, first, last):
    """The same for bfloat16, as uint16: widened, turned in float32, rounded to nearest even."""
    half = cos.shape[2]
    bits = np.empty(shape[3], dtype=np.uint32)
    values = bits.view(np.float32)
    for token in range(first, last):
        b, t = token // shape[2], token % shape[2]
        c, s = cos[b % cos.shape[0], t], sin[b % cos.shape[0], t]
        for h in range(shape[1]):
            start = b * strides[0] + h * strides[1] + t * strides[2]
            row = x[start : start + shape[3]]
            start = b * strides[3] + h * strides[4] + t * strides[5]
            to = out[start : start + shape[3]]
            for i in range(shape[3]):
                bits[i] = np.uint32(row[i]) << np.uint32(16)
            for i in range(half):
                left, right = values[i], values[i + half]
                values[i] = left * c[i] - right * s[i] * sign
                values[i + half] = right * c[i] + left * s[i] * sign
            for i in range(shape[3]):
                odd = (bits[i] >> np.uint32(16)) & np.uint32(1)
                rounded = np.uint16((bits[i] + np.uint32(0x7FFF) + odd) >> np.uint32(16))
                # The sum would carry a NaN over into the sign.
                is_nan = (bits[i] & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
                to[i] = np.uint16(0x7FC0) if is_nan else rounded


def turn_halves(x: Tensor, cos: Tensor, sin: Tensor, sign: float) -> Tensor:
    """Turn by the angles of the tables, or back where `sign` is -1.

    Parameters
    ----------
    x : (B, H, T, head_dim) float32 or bfloat16 tensor
    cos, sin : (T, dim/2) or (1 or B, 1, T, dim/2) float32 tensors, contiguous

    Returns
    -------
    tensor like `x`
        In the same order in memory.
    """
    x = x if x.stride(-1) == 1 else x.contiguous()
    out = torch.empty_like(x)
    if out.stride(-1) != 1:
        out = torch.empty(x.shape, dtype=x.dtype)
    kernel = turn_floats if x.dtype == torch.float32 else turn_bfloats
    tables = [table.view(-1, *table.shape[-2:]).numpy() for table in (cos, sin)]
    strides = np.array([*x.stride()[:3], *out.stride()[:3]])
    arguments = (flat(x), *tables, flat(out), tuple(x.shape), strides, np.float32(sign))
    in_shares(kernel, arguments, x.shape[0] * x.shape[2], x.numel() // SMALLEST_SHARE)
    return out


def in_shares(kernel: Any, arguments: tuple[Any, ...], n_tokens: int, n_shares: int) -> None:
    """Call kernel(*arguments, first, last) for shares of all tokens, on threads of our own."""
    n_threads = torch.get_num_threads()
    n_shares = max(1, min(n_threads, n_shares, n_tokens))
    borders = [n_tokens * share // n_shares for share in range(n_shares + 1)]

    def work(share: int) -> None:
        kernel(*arguments, borders[share], borders[share + 1])

    others = [pool(n_threads).submit(work, share) for share in range(1, n_shares)]
    work(0)
    for other in others:
        other.result()


def flat(x: Tensor) -> Any:
    """The memory that `x` views, from its first value to its last: a 1-D array."""
    span = 1 + sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True))
    line = x.detach().as_strided((span,), (1,))
    return line.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else line.numpy()


@lru_cache(maxsize=1)
def pool(n_threads: int) -> ThreadPoolExecutor:
    """Threads that wait for the next turn."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="rowspace-rope")


os.register_at_fork(after_in_child=pool.cache_clear)  # a child process has none of the threads

"""Vectors as fewer bits: float16, int8 with ranges that were fixed before, and one bit a number.

The ranges belong to the model: fitted to each call's own vectors, a query's bytes and a document's
would mean different numbers.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError

Precision = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_LEVELS = 255


def check_precision(precision: str, ranges: NDArray[np.float32] | None, dim: int) -> None:
    """Raise ConfigError for a precision that there is not, or int8 without ranges of `dim`."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}; give one of {', '.join(PRECISIONS)}")
    if precision not in ("int8", "uint8"):
        return
    if ranges is None:
        raise ConfigError(
            f"precision is {precision!r}, and the model has no ranges for it; set them once with "
            "encoder.fit_ranges(some hundred texts) and encoder.save(folder)"
        )
    if ranges.shape[1] != dim:
        raise ConfigError(
            f"precision is {precision!r} of {dim} numbers, and the model's ranges are of "
            f"{ranges.shape[1]}; set them anew with encoder.fit_ranges(texts, truncate_dim={dim})"
        )


def ranges_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, dim): the least and greatest value of each number of (n, dim) vectors."""
    return np.stack([vectors.min(axis=0), vectors.max(axis=0)])


def n_columns(dim: int, precision: str) -> int:
    """Numbers of a row: `dim`, or a byte for eight bits."""
    return -(-dim // 8) if precision in ("binary", "ubinary") else dim


def dtype_of(precision: str) -> np.dtype[Any]:
    """numpy's name of what a row is made of."""
    return np.dtype({"binary": "int8", "ubinary": "uint8"}.get(precision, precision))


def quantize(
    vectors: NDArray[np.float32], precision: str, ranges: NDArray[np.float32] | None = None
) -> NDArray[Any]:
    """Vectors in another precision.

    Parameters
    ----------
    vectors : (n, dim) float32 array
    precision : {"float32", "float16", "int8", "uint8", "binary", "ubinary"}
        A byte is one of 256 even steps of its number's range, those beyond it at its ends; a bit
        is whether a number is above 0, eight to a byte, the first the highest.
    ranges : (2, dim) float32 array, optional
        For int8 and uint8.

    Returns
    -------
    (n, dim) array, or (n, ceil(dim / 8)) for bits
    """
    if precision == "float32":
        return vectors
    if precision == "float16":
        return vectors.astype(np.float16)
    if precision in ("binary", "ubinary"):
        bits: NDArray[Any] = np.packbits(vectors > 0, axis=1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    assert ranges is not None
    low, high = ranges
    step = np.where(high > low, (high - low) / _LEVELS, 1)
    levels = np.clip((vectors - low) / step, 0, _LEVELS)
    if precision == "int8":
        levels = np.trunc(levels) - 128
    found: NDArray[Any] = levels.astype(precision)
    return found

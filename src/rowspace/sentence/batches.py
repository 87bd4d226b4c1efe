"""Pieces of texts to batches: like lengths together, so many as fit in a number of tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rowspace.sentence.pooling import pooling_weights
from rowspace.sentence.reading import Pieces

TOKENS_AT_ONCE = 2048
"""Of a batch, padding included: measured best of 512 to 8,192, MiniLM on two cores."""
_EXACT_BITS = 5
_STEP = 8
_OWN_TOKENS = 256
"""Of a batch whose width is each piece's own: more makes hardly any difference."""
_OWN_ROWS = 8
"""Of such a batch, at most, so that there are several, for several threads."""


@dataclass(frozen=True)
class Batch:
    """Pieces that go through a model together."""

    rows: NDArray[np.int64]
    """(B,) which pieces; where fewer than the arrays have rows, the last rows are filling."""
    token_ids: NDArray[np.int64]
    """(B, T), 0 on padding."""
    mask: NDArray[np.bool_]
    """(B, T), False on padding."""
    is_padded: bool
    """Whether the mask says anything; always so where batches are computed one way."""
    weights: NDArray[np.float32]
    """(B, K, T), as `pooling_weights` gives them; of pairs, K = 1, each token's type."""
    scales: NDArray[np.float32]
    """(B, K)"""

    def singles(self) -> Iterator[Batch]:
        """The same pieces, a batch each."""
        for i in range(len(self.rows)):
            own = slice(i, i + 1)
            yield Batch(
                self.rows[own],
                self.token_ids[own],
                self.mask[own],
                self.is_padded,
                self.weights[own],
                self.scales[own],
            )


def batches_of(
    pieces: Pieces,
    poolings: Sequence[str],
    *,
    n_prompt: int = 0,
    n_tokens: int = TOKENS_AT_ONCE,
    is_fixed: bool = False,
) -> Iterator[Batch]:
    """Pieces sorted by their tokens, the longest first.

    Parameters
    ----------
    pieces : Pieces
        Those without any token after the prompt are left out.
    poolings : sequence of str
    n_prompt : int
        Tokens at the beginning that are not pooled.
    n_tokens : int
        Of a batch, at most, but for a single longer piece.
    is_fixed : bool
        Give batches as wide as each of their pieces asks for, whatever else there is, with 1, 2,
        4 or 8 rows. See `CheckedRuntime`, which makes sure that the number is of no account.
    """
    order = np.argsort(-pieces.lengths, kind="stable")
    order = order[(pieces.lengths > pieces.prompt_tokens(n_prompt))[order]]
    if is_fixed:
        yield from _of_own_width(pieces, order, poolings, n_prompt)
        return
    start = 0
    while start < len(order):
        width = _rounded(int(pieces.lengths[order[start]]))
        n_rows = max(1, n_tokens // width)
        rows = order[start : start + n_rows]
        start += n_rows
        shape = min(n_rows, _power_of_two(len(rows))), width
        yield padded(pieces, rows, poolings, n_prompt=n_prompt, shape=shape)


def _rounded(width: int) -> int:
    """The width of a batch: exact up to 32 tokens, and then at most 1/16 more than it needs.

    A runtime builds kernels for each shape it meets, and keeps them: with shapes of all kinds
    memory would grow with the number of texts.
    """
    step = 1 << max(0, (width - 1).bit_length() - _EXACT_BITS)
    return -(-width // step) * step


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()


def _of_own_width(
    pieces: Pieces, order: NDArray[np.int64], poolings: Sequence[str], n_prompt: int
) -> Iterator[Batch]:
    """Batches whose width follows from the length of each piece in them, the widest first."""
    widths = np.array([_own_width(n) for n in pieces.lengths[order].tolist()], dtype=np.int64)
    for width in np.unique(widths)[::-1].tolist():
        alike, start = order[widths == width], 0
        while start < len(alike):
            most = min(_OWN_ROWS, max(1, _OWN_TOKENS // width), len(alike) - start)
            n_rows = 1 << (most.bit_length() - 1)
            rows = alike[start : start + n_rows]
            start += n_rows
            batch = padded(pieces, rows, poolings, n_prompt=n_prompt, shape=(n_rows, width))
            yield dataclasses.replace(batch, is_padded=True)


def _own_width(n_tokens: int) -> int:
    return -(-_rounded(n_tokens) // _STEP) * _STEP


def padded(
    pieces: Pieces,
    rows: NDArray[np.int64],
    poolings: Sequence[str],
    *,
    n_prompt: int = 0,
    shape: tuple[int, int] | None = None,
) -> Batch:
    """Some pieces in one batch, as wide as the longest of them, or of another shape."""
    n_rows, width = shape or (len(rows), max(1, int(pieces.lengths[rows].max(initial=1))))
    lengths = np.ones(n_rows, dtype=np.int64)  # of what is filling, one token
    lengths[: len(rows)] = pieces.lengths[rows]
    mask = np.arange(width) < lengths[:, None]
    token_ids = np.zeros((n_rows, width), dtype=np.int64)
    own = mask.copy()
    own[len(rows) :] = False
    token_ids[own] = np.fromiter(chain.from_iterable(pieces.ids[row] for row in rows), np.int64)
    left_out = np.zeros(n_rows, dtype=np.int64)
    left_out[: len(rows)] = pieces.prompt_tokens(n_prompt)[rows]
    weights, scales = pooling_weights(poolings, lengths, width, left_out)
    return Batch(rows, token_ids, mask, not mask.all(), weights, scales)

"""The loss of a language model on text that is read in windows, at each place of a window.

A window's first tokens are told from little context, so a longer window has a lower loss even if
the model uses nothing of what lies far back (Press, Smith & Lewis 2022, appendix B,
https://arxiv.org/abs/2108.12409). That is why the loss is kept for each place, and why there are
windows that overlap, in which each token that counts has a nearly full context.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.replicas import single_threads

BATCH_TOKENS = 1 << 12
"""Read at a time, if not one window is longer: with 4,096 words their logits take 64 MiB."""


@dataclass(frozen=True)
class Window:
    """Tokens that are read at once, to tell the token after each of them."""

    start: int
    stop: int
    """Those from `start` to this, less one."""
    n_skipped: int = 0
    """The first so many are read, but what they tell does not count: another window has it."""

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class PlaceLosses:
    """Summed loss at each place of a window, and of how many windows."""

    totals: NDArray[np.float64]
    """(length,) nats; at place p, p + 1 tokens are known."""
    counts: NDArray[np.int64]
    """(length,)"""

    @property
    def loss(self) -> float:
        """Nats per token, of all."""
        return float(self.totals.sum() / self.counts.sum())

    @property
    def perplexity(self) -> float:
        """exp(loss)."""
        return math.exp(min(self.loss, 700.0))

    def between(self, first: int, last: int) -> float:
        """Nats per token at the places from `first` to `last`, less one."""
        return float(self.totals[first:last].sum() / self.counts[first:last].sum())


def disjoint_windows(n_predicted: int, length: int) -> list[Window]:
    """Windows one after another, the last one shorter where `length` does not divide.

    Examples
    --------
    >>> [(w.start, w.stop) for w in disjoint_windows(10, 4)]
    [(0, 4), (4, 8), (8, 10)]
    """
    return [
        Window(start, min(start + length, n_predicted)) for start in range(0, n_predicted, length)
    ]


def sliding_windows(n_predicted: int, length: int, stride: int) -> list[Window]:
    """Windows that start `stride` apart; what counts of each are the tokens that are new in it.

    After the first window, a token that counts has from length − stride + 1 to `length` tokens
    of context.

    Examples
    --------
    >>> [(w.start, w.stop, w.n_skipped) for w in sliding_windows(10, 4, 2)]
    [(0, 4, 0), (2, 6, 2), (4, 8, 2), (6, 10, 2)]
    """
    windows = [Window(0, min(length, n_predicted))]
    while windows[-1].stop < n_predicted:
        known = windows[-1].stop
        stop = min(known + stride, n_predicted)
        start = max(0, stop - length)
        windows.append(Window(start, stop, known - start))
    return windows


def place_losses(
    model: LanguageModel, ids: NDArray[np.integer], windows: Sequence[Window]
) -> PlaceLosses:
    """Read a text in windows, on a processor in as many threads as torch is set to.

    Parameters
    ----------
    model : LanguageModel
        As it is: in evaluation mode, if it has dropout.
    ids : (n_tokens,) int array
    windows : sequence of Window
        The token after a window's last one must be in the text.

    Returns
    -------
    PlaceLosses
        As long as the longest window.
    """
    length = max(len(window) for window in windows)
    totals, counts = np.zeros(length), np.zeros(length, dtype=np.int64)
    batches = list(_batches(windows))
    # Threads of which each reads its own windows: inside small operations they would wait for
    # each other at the end of each.
    n_threads = torch.get_num_threads() if model.head.weight.device.type == "cpu" else 1
    with single_threads(n_threads) as pool:
        found = pool.map(lambda batch: _losses(model, ids, batch), batches)
        for batch, losses in zip(batches, found, strict=True):  # (B, T), in the text's order
            for row, window in zip(losses, batch, strict=True):
                counted = slice(window.n_skipped, len(window))
                totals[counted] += row[counted]
                counts[counted] += 1
    return PlaceLosses(totals, counts)


def _batches(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Windows that follow each other and are equally long, as many as may be read at once."""
    batch: list[Window] = []
    for window in windows:
        is_full = (len(batch) + 1) * len(window) > BATCH_TOKENS
        if batch and (is_full or len(window) != len(batch[0])):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


@torch.no_grad()
def _losses(
    model: LanguageModel, ids: NDArray[np.integer], batch: Sequence[Window]
) -> NDArray[np.float64]:
    """(B, T) nats, of the token after each."""
    places = np.arange(len(batch[0]) + 1)
    starts = np.array([window.start for window in batch])
    blocks = torch.from_numpy(ids[starts[:, None] + places].astype(np.int64))  # (B, T + 1)
    blocks = blocks.to(model.head.weight.device)
    logits = model(blocks[:, :-1]).flatten(0, 1).float()  # (B T, V)
    losses = F.cross_entropy(logits, blocks[:, 1:].flatten(), reduction="none")
    found: NDArray[np.float64] = losses.view(len(batch), -1).double().cpu().numpy()
    return found


def place_buckets(length: int) -> list[tuple[int, int]]:
    """Places of a window in octaves: 0 to 15, 16 to 31, 32 to 63, and so on to `length`.

    Examples
    --------
    >>> place_buckets(100)
    [(0, 16), (16, 32), (32, 64), (64, 100)]
    """
    edges = [0, *(1 << k for k in range(4, length.bit_length()) if 1 << k < length), length]
    return list(itertools.pairwise(edges))


def check_text(n_tokens: int, length: int) -> None:
    """Raise EvaluationError where a text has not one window of `length`."""
    if n_tokens <= length:
        raise EvaluationError(
            f"the held-out text has {n_tokens:,} tokens, and the longest window takes "
            f"{length + 1:,}; give more text, a larger held_out or shorter eval_lengths"
        )

"""Losses in windows the slow way: each window by itself, each token by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from rowspace.transformer.model import LanguageModel


def naive_token_loss(model: LanguageModel, context: Sequence[int], token_id: int) -> float:
    """Nats of a token after a context, which is all that the model is given."""
    with torch.no_grad():
        logits = model(torch.tensor([list(context)]))[0, -1].double()
    return float(torch.logsumexp(logits, 0) - logits[token_id])


def naive_place_losses(
    model: LanguageModel, ids: NDArray[Any], n_predicted: int, length: int
) -> list[tuple[float, int]]:
    """(summed nats, tokens) at each place of windows that follow one another."""
    found = [(0.0, 0) for _ in range(length)]
    for i in range(n_predicted):
        place = i % length
        loss = naive_token_loss(model, ids[i - place : i + 1].tolist(), int(ids[i + 1]))
        total, count = found[place]
        found[place] = total + loss, count + 1
    return found


def naive_sliding_loss(
    model: LanguageModel, ids: NDArray[Any], n_predicted: int, length: int, stride: int
) -> float:
    """Mean nats where windows move on by `stride`, and each token is told in the first it is in.

    The token after i is told from all tokens that lie in its window up to i. The first window is
    the first `length` tokens; window w ends `w * stride` later, or with the text.
    """
    total = 0.0
    for i in range(n_predicted):
        steps = max(0, -(-(i + 1 - length) // stride))
        end = min(length + steps * stride, n_predicted)
        start = max(0, end - length)
        total += naive_token_loss(model, ids[start : i + 1].tolist(), int(ids[i + 1]))
    return total / n_predicted

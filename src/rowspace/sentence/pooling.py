"""Pooling: the states of a text's tokens to one vector.

Reimers & Gurevych (2019), https://arxiv.org/abs/1908.10084, section 3; the weighted mean is of
Muennighoff (2022), https://arxiv.org/abs/2202.08904. All but the maximum are weighted sums, so a
runtime multiplies weights with states and knows no more of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Pooling = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
"""In the order in which several are put side by side."""


def check_poolings(poolings: Sequence[str]) -> None:
    """Raise ConfigError for a pooling that there is not."""
    for pooling in poolings or ("",):
        if pooling not in POOLINGS:
            raise ConfigError(f"the pooling is {pooling!r}; give one of {', '.join(POOLINGS)}")


def pooling_weights(
    poolings: Sequence[str],
    lengths: NDArray[np.int64],
    n_tokens: int,
    n_prompt: NDArray[np.int64] | int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What each token's state is multiplied by, and each sum afterwards.

    The weights are whole numbers, so that they are exact in bfloat16 up to 256.

    Parameters
    ----------
    poolings : sequence of str
        K of `POOLINGS`.
    lengths : (B,) int array
        Tokens of each text; the rest of `n_tokens` is padding.
    n_tokens : int
        T, of the batch.
    n_prompt : (B,) int array or int
        Tokens at the beginning that are not counted in.

    Returns
    -------
    weights : (B, K, T) float32 array
        For the maximum, 1 where a token takes part.
    scales : (B, K) float32 array
    """
    places, first = np.arange(n_tokens), np.reshape(n_prompt, (-1, 1))
    takes_part = (places < lengths[:, None]) & (places >= first)  # (B, T)
    weights = np.zeros((len(lengths), len(poolings), n_tokens), dtype=np.float32)
    scales = np.ones(weights.shape[:2], dtype=np.float32)
    count = np.maximum(takes_part.sum(axis=1), 1)
    for k, pooling in enumerate(poolings):
        if pooling == "cls":
            weights[:, k] = takes_part & (places == first)
        elif pooling == "lasttoken":
            weights[:, k] = takes_part & (places == lengths[:, None] - 1)
        elif pooling == "weightedmean":
            weights[:, k] = takes_part * (places + 1)
            scales[:, k] = 1 / np.maximum(weights[:, k].sum(axis=1), 1)
        else:
            weights[:, k] = takes_part
            if pooling == "mean":
                scales[:, k] = 1 / count
            elif pooling == "mean_sqrt_len_tokens":
                scales[:, k] = 1 / np.sqrt(count)
    return weights, scales


def pool(states: Tensor, weights: Tensor, poolings: Sequence[str]) -> Tensor:
    """(B, T, D) states to (B, K, D): weighted sums, or the maximum of those with a weight."""
    if "max" not in poolings:
        return weights @ states
    import torch

    pooled = []
    for k, pooling in enumerate(poolings):
        weight = weights[:, k, :, None]  # (B, T, 1)
        if pooling == "max":
            pooled.append(states.masked_fill(weight == 0, float("-inf")).amax(dim=1))
        else:
            pooled.append((weight * states).sum(dim=1))
    return torch.stack(pooled, dim=1)

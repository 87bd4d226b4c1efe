"""Matryoshka learning: vectors whose first numbers are vectors too.

Kusupati et al. (2022), https://arxiv.org/abs/2205.13147, eq. 1: the loss of each of several
leading lengths, weighted and summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rowspace.errors import ConfigError

EmbeddingLoss = Callable[..., Tensor]
"""Takes embeddings (…, D) in order, all else by name."""


def matryoshka(
    loss: EmbeddingLoss,
    dims: Sequence[int],
    weights: Sequence[float] | None = None,
    *,
    normalize: bool = True,
) -> EmbeddingLoss:
    """The weighted sum of `loss` over embeddings that are cut to their first `dims` numbers.

    Parameters
    ----------
    loss : function of embeddings (…, D), given in order, and of other things by name
        Only what is given in order is cut.
    dims : sequence of int
        Lengths; give the whole one too, or it is not trained.
    weights : sequence of float, optional
        Of each length; 1 if not given.
    normalize : bool
        Scale what is cut to length 1, the whole vector too; a loss of cosines does by itself.

    Returns
    -------
    function as `loss`

    Raises
    ------
    ConfigError
        If there is no length, one is below 1 or given twice, or weights are not as many; when
        called, if one is more than D.

    Examples
    --------
    >>> from rowspace.sentence.losses import info_nce
    >>> loss = matryoshka(info_nce, dims=[2, 1], weights=[1.0, 0.5])
    >>> one = torch.eye(2)
    >>> loss(one, one, scale=1.0).shape
    torch.Size([])
    """
    weights = [1.0] * len(dims) if weights is None else list(weights)
    _check(dims, weights)

    def of_all_lengths(*embeddings: Tensor | None, **settings: Any) -> Tensor:
        losses = [
            weight * loss(*(_cut(each, dim, normalize) for each in embeddings), **settings)
            for dim, weight in zip(dims, weights, strict=True)
        ]
        return torch.stack(losses).sum()

    return of_all_lengths


def _cut(embeddings: Tensor | None, dim: int, normalize: bool) -> Tensor | None:
    if embeddings is None:
        return None
    if dim > embeddings.shape[-1]:
        raise ConfigError(
            f"dims has {dim}, but the vectors have {embeddings.shape[-1]} numbers; give no more"
        )
    cut = embeddings[..., :dim]
    return functional.normalize(cut, dim=-1) if normalize else cut


def _check(dims: Sequence[int], weights: Sequence[float]) -> None:
    if not dims or min(dims) < 1 or len(set(dims)) < len(dims):
        raise ConfigError(f"dims is {list(dims)}; give different lengths of 1 or more")
    if len(weights) != len(dims):
        raise ConfigError(f"there are {len(weights)} weights for {len(dims)} dims; give as many")

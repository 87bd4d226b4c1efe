"""Attention's mixing of values in bfloat16 on a processor, where torch's own is slow.

torch's fused kernel saves the memory of the (T, T) weights, but its backward pass for bfloat16
takes five times as long as for float32 on texts of 64 tokens. Products of matrices and a softmax,
with the gradients written out (Vaswani et al. 2017, equation 1), are faster up to 512 tokens at the
least: docs/decisions/lm-speed.md.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_MOST_WEIGHTS = 1 << 25
"""Weights that are kept for the backward pass of one layer: 64 MiB of bfloat16."""


def prefers_products(queries: Tensor, keys: Tensor) -> bool:
    """Whether `mix_by_products` is the faster way, and its memory is no matter.

    Parameters
    ----------
    queries : (B, H, T_query, d) tensor
    keys : (B, H or fewer, T_key, d) tensor
    """
    return (
        queries.device.type == "cpu"
        and queries.dtype == torch.bfloat16
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and queries.shape[:-1].numel() * keys.shape[-2] <= _MOST_WEIGHTS
    )


def mix_by_products(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    scores: Tensor | None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(q kᵀ · scale + scores) v, with the weights kept for the backward pass.

    Parameters
    ----------
    queries : (B, H, T_query, d) tensor
    keys, values : (B, H_kv, T_key, d) tensors
        Each of their heads serves H / H_kv of queries, one beside the other.
    scores : tensor, optional
        Added to the scores, or bool, False where one does not look. Broadcasts to
        (B, H, T_query, T_key). Its gradient is worked out where it wants one (T5).
    is_causal : bool
        A token sees itself and those before it.
    scale : float, optional
        1/√d if not given.

    Returns
    -------
    (B, H, T_query, d) tensor
    """
    B, H, T, d = queries.shape
    n_keys = keys.shape[2]
    n_groups = H // keys.shape[1]
    if n_groups > 1:
        keys, values = (x.repeat_interleave(n_groups, dim=1) for x in (keys, values))
    added = _added(queries, n_keys, scores, is_causal)  # broadcasts to (B, H, T, T_key)
    if added.dim() > 2:
        added = added.expand(B, H, T, n_keys).reshape(B * H, T, n_keys)
    flat = (x.reshape(B * H, x.shape[2], d) for x in (queries, keys, values))
    scale = d**-0.5 if scale is None else scale
    mixed: Tensor = _Mix.apply(*flat, added, scale)  # type: ignore[no-untyped-call]
    return mixed.view(B, H, T, d)


def _added(queries: Tensor, n_keys: int, scores: Tensor | None, is_causal: bool) -> Tensor:
    """What is added to the scores, in the dtype of `queries`."""
    if scores is not None and scores.dtype != torch.bool:
        return scores.to(queries.dtype)
    n_new = queries.shape[2]
    if scores is None:
        later = queries.new_full((n_new, n_keys), float("-inf") if is_causal else 0.0)
        return later.triu_(1)
    return torch.zeros_like(scores, dtype=queries.dtype).masked_fill_(~scores, float("-inf"))


class _Mix(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, added: Tensor, scale: float
    ) -> Tensor:
        scores = torch.baddbmm(added, queries, keys.mT, alpha=scale)  # (B·H, T_query, T_key)
        weights = torch.softmax(scores, dim=-1)
        ctx.save_for_backward(queries, keys, values, weights)
        ctx.scale, ctx.added_dim = scale, added.dim()
        return torch.bmm(weights, values)  # (B·H, T_query, d)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        queries, keys, values, weights = ctx.saved_tensors
        of_values = torch.bmm(weights.mT, gradient)
        of_weights = torch.bmm(gradient, values.mT)
        # softmax: weights · (g − Σ weights · g), summed in float32 inside
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_queries = torch.bmm(of_scores, keys).mul_(ctx.scale)
        of_keys = torch.bmm(of_scores.mT, queries).mul_(ctx.scale)
        of_added = None
        if ctx.needs_input_grad[3]:
            of_added = of_scores if ctx.added_dim == 3 else of_scores.sum(dim=0)
        return of_queries, of_keys, of_values, of_added, None

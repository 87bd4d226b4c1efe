"""Cross-entropy of a linear layer, without ever holding all its logits.

The logits of 64 texts of 256 tokens over 50,304 words take 3.3 GB in float32, and as much again for
their gradient. Here a few tokens at a time are scored, and their gradient is worked out at once,
since it is known as soon as the scores are: softmax less one-hot. Only (N, D) and (V, D) gradients
are kept. The way of Hsu et al. (2024), Liger Kernel, https://arxiv.org/abs/2410.10989, section 3.2.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rowspace.errors import VocabularyError

IGNORED = -100
"""Target of a token that is not to be predicted."""
_SMALL = 1 << 24
"""Logits that are not worth cutting up: 64 MiB of float32."""
_CHUNK = 1 << 23
"""Logits of one chunk: 32 MiB of float32."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    bias: Tensor | None = None,
    *,
    chunk_tokens: int | None = None,
) -> Tensor:
    """Mean cross-entropy of `hidden @ weight.T + bias` against `targets`, in nats.

    Parameters
    ----------
    hidden : (N, D) tensor
    weight : (V, D) tensor
    targets : (N,) int64 tensor
        The right row of `weight`, or -100 where nothing is predicted.
    bias : (V,) tensor, optional
    chunk_tokens : int, optional
        Tokens scored at a time; chosen so that their logits take 32 MiB if not given, and all at
        once where they are few.

    Returns
    -------
    () tensor
        In float32 or better; 0 where every target is -100.

    Raises
    ------
    VocabularyError
        If a target is neither a row of `weight` nor -100.
    """
    check_targets(targets, weight.shape[0])
    if not torch.is_grad_enabled():  # else the chunks would work out gradients for nobody
        hidden, weight = hidden.detach(), weight.detach()
        bias = None if bias is None else bias.detach()
    n_logits = hidden.shape[0] * weight.shape[0]
    if chunk_tokens is None and n_logits <= _SMALL:
        n_predicted = (targets != IGNORED).sum().clamp(min=1)
        return cross_entropy_sum(F.linear(hidden, weight, bias), targets) / n_predicted
    chunk_tokens = chunk_tokens or max(1, _CHUNK // weight.shape[0])
    if torch.is_autocast_enabled(hidden.device.type):
        hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
    loss: Tensor = _Chunked.apply(hidden, weight, targets, bias, chunk_tokens)  # type: ignore[no-untyped-call]
    return loss


def check_targets(targets: Tensor, vocab_size: int) -> None:
    """Raise VocabularyError for a target that is neither a token nor -100."""
    if torch.compiler.is_compiling() or targets.numel() == 0:
        return
    smallest, largest = (int(extreme) for extreme in torch.aminmax(targets))
    if smallest < 0:
        smallest = int(targets.where(targets != IGNORED, 0).min())
    if smallest < 0 or largest >= vocab_size:
        wrong = smallest if smallest < 0 else largest
        raise VocabularyError(
            f"target {wrong:,} is no token of a vocabulary of {vocab_size:,} (0 to "
            f"{vocab_size - 1:,}); give -100 where nothing is predicted"
        )


def cross_entropy_sum(logits: Tensor, targets: Tensor) -> Tensor:
    """Summed cross-entropy of (N, V) logits, in float32 or better."""
    return F.cross_entropy(_exact(logits), targets, ignore_index=IGNORED, reduction="sum")


def _exact(x: Tensor) -> Tensor:
    """In float32 or better."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _zeros_like(x: Tensor) -> Tensor:
    """Zeros of its shape in float32 or better."""
    return torch.zeros_like(x, dtype=torch.promote_types(x.dtype, torch.float32))


class _Chunked(torch.autograd.Function):
    """Gradients are worked out in the forward pass; the backward pass scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        bias: Tensor | None,
        chunk_tokens: int,
    ) -> Tensor:
        with torch.amp.autocast(hidden.device.type, enabled=False):
            total = _Gradients(hidden, weight, bias, ctx.needs_input_grad)
            for start in range(0, hidden.shape[0], chunk_tokens):
                total.add(slice(start, start + chunk_tokens), targets)
        ctx.save_for_backward(total.hidden, total.weight, total.bias)
        ctx.dtypes = hidden.dtype, weight.dtype, None if bias is None else bias.dtype
        ctx.scale = 1.0 / max(1, int((targets != IGNORED).sum()))
        return total.loss.mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad_loss,) = grad_outputs
        hidden, weight, bias = (
            None if grad is None else (grad * (ctx.scale * grad_loss)).to(dtype)
            for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return hidden, weight, None, bias, None


class _Gradients:
    """The summed loss and its gradients so far, in float32 or better.

    They are scaled last, by one over the number of tokens and what a scaler of losses asks for, so
    that float16 neither loses them nor overflows.
    """

    def __init__(
        self, hidden: Tensor, weight: Tensor, bias: Tensor | None, needed: tuple[bool, ...]
    ) -> None:
        self._inputs = hidden, weight.to(hidden.dtype), bias
        self.loss = _exact(hidden.new_zeros(()))
        self.hidden = _zeros_like(hidden) if needed[0] else None
        self.weight = _zeros_like(weight) if needed[1] else None
        self.bias = _zeros_like(bias) if bias is not None and needed[3] else None

    def add(self, rows: slice, targets: Tensor) -> None:
        """Add the tokens `rows`."""
        hidden, weight, bias = self._inputs
        hidden, targets = hidden[rows], targets[rows]
        scores = F.linear(hidden, weight, None if bias is None else bias.to(weight.dtype))
        scores = _exact(scores)  # (n, V), overwritten below
        log_total = torch.logsumexp(scores, dim=1, keepdim=True)  # (n, 1)
        known = targets != IGNORED
        right = targets.where(known, 0)[:, None]  # (n, 1)
        losses = (log_total - scores.gather(1, right)).squeeze(1)
        self.loss += (losses * known).sum()
        if self.hidden is None and self.weight is None and self.bias is None:
            return
        # softmax − one-hot; 0 where nothing is predicted
        gradient = scores.sub_(log_total).exp_()
        gradient.scatter_add_(1, right, torch.full_like(log_total, -1.0))
        gradient.mul_(known[:, None])
        if self.bias is not None:
            self.bias += gradient.sum(dim=0)
        gradient = gradient.to(hidden.dtype)
        if self.hidden is not None:
            self.hidden[rows] = gradient @ weight
        if self.weight is not None:
            if self.weight.dtype == hidden.dtype:
                self.weight.addmm_(gradient.T, hidden)
            else:
                self.weight += gradient.T @ hidden

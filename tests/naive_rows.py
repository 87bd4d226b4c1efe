"""Slow oracles of tables that learn: loops over rows and elements, in numpy float64."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def rowwise_adagrad(start: Floats, gradients: list[Floats], lr: float, eps: float) -> Floats:
    """Rows after one step for each of the (n, D) gradients."""
    rows, sums = start.copy(), [0.0] * len(start)
    for gradient in gradients:
        for i, g in enumerate(gradient):
            sums[i] += sum(float(x) ** 2 for x in g) / len(g)
            for d, x in enumerate(g):
                rows[i, d] -= lr * x / (sums[i] ** 0.5 + eps)
    return rows


def moments_of_one_gradient(n_steps: int, lr: float, betas: tuple[float, float]) -> float:
    """How far Adam moves an element in `n_steps` whose first alone has a gradient; eps is 0.

    Kingma & Ba (2015), algorithm 1: m and v only decay after the first step.
    """
    (beta1, beta2), moved = betas, 0.0
    for t in range(1, n_steps + 1):
        m = beta1 ** (t - 1) * (1 - beta1) / (1 - beta1**t)
        v = beta2 ** (t - 1) * (1 - beta2) / (1 - beta2**t)
        moved += lr * m / v**0.5
    return moved


def parts_of_tied_gradient(
    weight: torch.Tensor, token_ids: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of the cross-entropy of `E[ids] @ E.T`, with two leaves in place of E."""
    table = weight.detach().clone().requires_grad_()
    head = weight.detach().clone().requires_grad_()
    logits = table[token_ids] @ head.T
    F.cross_entropy(logits.flatten(0, -2), targets.flatten()).backward()  # type: ignore[no-untyped-call]
    assert table.grad is not None
    assert head.grad is not None
    return table.grad, head.grad

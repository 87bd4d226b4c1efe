"""A batch that several processes embed: each some of its chunks, and the loss is that of the whole.

Every process has the embeddings of all, works out the same loss from them, and carries the gradient
of its own embeddings on into the model (Gao et al. 2021, https://aclanthology.org/2021.repl4nlp-1.31,
section 3.4). The sum of what they find is the gradient that one process finds alone, whatever the
loss is: negatives are those of the whole batch. Chunks are the same for any number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rowspace.transformer.distributed import ALONE, World
from rowspace.transformer.optimizers import tables_of

Rows = NDArray[np.int64]
_BUCKET = 1 << 22
"""Numbers that are summed over processes at once: enough to be fast, few beside a model."""


class Gathering:
    """Which chunks of a batch this process embeds, and the embeddings of all.

    Parameters
    ----------
    chunks : sequence of (n,) int
        The texts of each, by their place in the batch; each text is in one.
    costs : sequence of float
        What it takes to embed each, in any unit.
    world : World
    """

    def __init__(
        self, chunks: Sequence[Rows], costs: Sequence[float], world: World = ALONE
    ) -> None:
        self.world = world
        self.own = share_out(costs, world.size)[world.rank]
        """Numbers of this process's chunks."""
        self.n_texts = sum(map(len, chunks))
        nothing = np.zeros(0, np.int64)
        own = np.concatenate([nothing, *(chunks[number] for number in self.own)])
        self._rows = torch.from_numpy(own)

    def all(self, own: Tensor) -> Tensor:
        """The embeddings of all texts, as a function of this process's.

        Parameters
        ----------
        own : (n, D) float
            Of its chunks, one after the other.

        Returns
        -------
        (N, D) float
            In the order of the texts, on the processor. The gradient that comes back to `own` is
            that of its rows alone: other processes carry on those of the others.
        """
        gathered: Tensor = _Gather.apply(own.cpu(), self)  # type: ignore[no-untyped-call]
        return gathered


class _Gather(torch.autograd.Function):
    """Rows of one process to those of all; back, the gradient of its own."""

    @staticmethod
    def forward(context: Any, own: Tensor, gathering: Gathering) -> Tensor:
        context.rows = gathering._rows
        everything = own.new_zeros(gathering.n_texts, own.shape[1])
        everything[gathering._rows] = own
        return gathering.world.sum(everything)  # of rows that all but one process have 0 in

    @staticmethod
    def backward(context: Any, *gradients: Any) -> tuple[Tensor, None]:
        return gradients[0][context.rows], None


def share_out(costs: Sequence[float], n: int) -> list[list[int]]:
    """Pieces of work for each of n: the dearest first, each to the one who has least so far.

    Graham (1969), https://doi.org/10.1137/0117039: the one who has most has at most a third more
    than it must.

    Examples
    --------
    >>> share_out([5, 1, 2, 4], 2)
    [[0, 1], [2, 3]]
    """
    shares: list[list[int]] = [[] for _ in range(n)]
    totals = [0.0] * n
    for piece in sorted(range(len(costs)), key=lambda piece: -costs[piece]):
        least = totals.index(min(totals))
        shares[least].append(piece)
        totals[least] += costs[piece]
    return [sorted(share) for share in shares]


def sum_gradients(module: nn.Module, world: World) -> None:
    """Make each parameter's gradient the sum of all processes'; None where no process has one."""
    if world.size == 1:
        return
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    has = world.sum(torch.tensor([weight.grad is not None for weight in weights]).int())
    found = [weight for weight, n in zip(weights, has.tolist(), strict=True) if n]
    sparse = {weight for weight, is_sparse in tables_of(module) if is_sparse}
    for weight in found:
        if weight.grad is None:
            weight.grad = _no_rows(weight) if weight in sparse else torch.zeros_like(weight)
    for weight in (weight for weight in found if weight in sparse):
        assert weight.grad is not None
        weight.grad = world.sum(weight.grad.coalesce())
    for bucket in _buckets([weight for weight in found if weight not in sparse]):
        _sum_together(bucket, world)


def _no_rows(table: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(
        torch.zeros(1, 0, dtype=torch.int64, device=table.device),
        table.new_zeros(0, *table.shape[1:]),
        table.shape,
        is_coalesced=True,
    )


def _buckets(weights: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Runs of weights of one type and place, of about as many numbers."""
    buckets: list[list[nn.Parameter]] = []
    n_numbers = 0
    for weight in weights:
        last = buckets[-1][0] if buckets else None
        is_like = last is not None and (last.dtype, last.device) == (weight.dtype, weight.device)
        if not is_like or n_numbers + weight.numel() > _BUCKET:
            buckets.append([])
            n_numbers = 0
        buckets[-1].append(weight)
        n_numbers += weight.numel()
    return buckets


def _sum_together(weights: Sequence[nn.Parameter], world: World) -> None:
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    row = world.sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    parts = torch.split(row, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view(gradient.shape))

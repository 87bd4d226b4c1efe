"""Gradients of a batch by several copies of a model, each in a thread, in the fastest type.

A small model's operations are too short to be worth cutting up: two threads inside each of some
thousand operations a step wait for each other a thousand times. Here each thread takes its share of
the texts and they meet once a step (data parallelism within one process; the weights are shared).
Where the processor multiplies bfloat16 natively, the copies' weights may be bfloat16, rounded anew
from the model's float32 ones at each step (Micikevicius et al. 2018,
https://arxiv.org/abs/1710.03740, section 3.1); optimizers and checkpoints see only float32.
"""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.transformer.loss import IGNORED


class HasLoss(Protocol):
    """A model that knows its loss: `LanguageModel`, `Encoder`."""

    def loss(self, token_ids: Tensor, targets: Tensor) -> Tensor:
        """Mean over the predicted tokens."""
        ...


class Replicas:
    """Copies of `model` that work out a batch's gradients together.

    They take the place of `model.loss(…)` and `backward()` in a training loop; the optimizer goes
    on stepping `model`. Given the same number of copies the result is the same each time, but for
    dropout, whose random numbers the threads draw as they come: use one copy with it.

    Parameters
    ----------
    model : Module with `loss`
        On the CPU, in float32; its parameters get the gradients.
    n_replicas : int
        Copies, each with a thread of its own; no more than texts in a batch are of use.
    precision : torch.dtype
        What the copies calculate in: bfloat16 or float32.
    n_rounds : int
        Parts that each copy goes through its texts in, one after the other, to save memory.

    Raises
    ------
    ConfigError
        If `n_replicas` or `n_rounds` is below 1, or the model is watched by hooks, which copies do
        not have.

    Examples
    --------
    >>> from rowspace.transformer import LanguageModel
    >>> model = LanguageModel(vocab_size=9, dim=16, n_layers=1, n_heads=2, max_length=8)
    >>> ids = torch.arange(8).view(2, 4)
    >>> with Replicas(model, 2, torch.float32) as replicas:
    ...     loss = replicas.gradients(ids, ids + 1)
    >>> model.head.weight.grad.shape
    torch.Size([9, 16])
    """

    def __init__(
        self,
        model: nn.Module,
        n_replicas: int,
        precision: torch.dtype = torch.float32,
        *,
        n_rounds: int = 1,
    ) -> None:
        for name, n in (("n_replicas", n_replicas), ("n_rounds", n_rounds)):
            if n < 1:
                raise ConfigError(f"{name} is {n}; give 1 or more")
        _check_no_hooks(model)
        self._trained = [weight for weight in model.parameters() if weight.requires_grad]
        self._exact = _in_a_row(model)
        self.copies = [copy.deepcopy(model) for _ in range(n_replicas)]
        self.n_rounds = n_rounds
        self._rounded = self._exact if precision == self._exact.dtype else self._exact.to(precision)
        for one in self.copies:
            _let_read(one, self._rounded)
        self._total = torch.zeros(sum(weight.numel() for weight in self._trained))
        self._pool = single_threads(n_replicas) if n_replicas > 1 else None

    def gradients(self, token_ids: Tensor, targets: Tensor) -> Tensor:
        """Work out the mean loss, and set each parameter's `grad`, float32, in the model.

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        targets : (B, T) int64 tensor
            -100 where nothing is predicted.

        Returns
        -------
        () float32 tensor
            The mean loss.
        """
        if self._rounded is not self._exact:
            self._rounded.copy_(self._exact)
        n, n_predicted = len(self.copies), max(1, _n_predicted(targets))
        parts = list(zip(self.copies, token_ids.chunk(n), targets.chunk(n), strict=False))

        def work(part: tuple[nn.Module, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return _gradients(*part, n_predicted, self.n_rounds)

        if self._pool is None or len(parts) == 1:
            results = [work(part) for part in parts]
        else:
            results = list(self._pool.map(work, parts))
        self._set([gradient for _, gradient in results])
        return torch.stack([loss for loss, _ in results]).sum()

    def _set(self, gradients: list[Tensor]) -> None:
        """Give the model's parameters the sum of the copies' gradients."""
        self._total.copy_(gradients[0])
        for gradient in gradients[1:]:
            self._total += gradient
        parts = torch.split(self._total, [weight.numel() for weight in self._trained])
        for weight, part in zip(self._trained, parts, strict=True):
            weight.grad = part.view(weight.shape)

    def clip(self, max_norm: float) -> Tensor:
        """Shrink the gradients just worked out to a norm of at most `max_norm`; gives the norm.

        The same as torch's `clip_grad_norm_`, in two operations in place of two a parameter.
        """
        norm: Tensor = torch.linalg.vector_norm(self._total)
        self._total *= (max_norm / (norm + 1e-6)).clamp(max=1.0)
        return norm

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> Replicas:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_no_hooks(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
            raise ConfigError(
                f"{name or 'the model'} is watched by a hook, which sees nothing of what copies "
                "do; remove it, or train without replicas"
            )


def _in_a_row(model: nn.Module) -> Tensor:
    """Put a model's weights one after the other into one tensor, which they become views of."""
    weights = list(model.parameters())
    row = torch.cat([weight.detach().reshape(-1) for weight in weights])
    _let_read(model, row)
    return row


def _let_read(model: nn.Module, row: Tensor) -> None:
    """Make a model's weights views of `row`. Its buffers, as of angles, keep their type."""
    weights = list(model.parameters())
    parts = torch.split(row, [weight.numel() for weight in weights])
    for weight, part in zip(weights, parts, strict=True):
        weight.data, weight.grad = part.view(weight.shape), None


def single_threads(n: int) -> ThreadPoolExecutor:
    """A pool whose threads do not cut up their operations any more."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(n, initializer=torch.set_num_threads, initargs=(1,))
    all_there = threading.Barrier(n)
    list(pool.map(lambda _: all_there.wait(), range(n)))
    torch.set_num_threads(before)  # what was set last is the default of threads to come
    return pool


def _n_predicted(targets: Tensor) -> int:
    return int((targets != IGNORED).sum())


def _gradients(
    model: Any, token_ids: Tensor, targets: Tensor, n_predicted: int, n_rounds: int
) -> tuple[Tensor, Tensor]:
    """These texts' share of the mean loss over `n_predicted` tokens, and its gradients in a row.

    Rounds are added up in float32, since a sum in bfloat16 forgets small ones.
    """
    losses, total = [], None
    for ids, wanted in zip(token_ids.chunk(n_rounds), targets.chunk(n_rounds), strict=True):
        loss = model.loss(ids, wanted) * (_n_predicted(wanted) / n_predicted)
        loss.backward()
        losses.append(loss.detach().float())
        gradient = _take_gradients(model)
        total = gradient if total is None else total.float().add_(gradient)
    assert total is not None
    return torch.stack(losses).sum(), total


def _take_gradients(model: nn.Module) -> Tensor:
    """The gradients in a row; the model has none afterwards."""
    parts = [
        (weight.new_zeros(weight.shape) if weight.grad is None else weight.grad).reshape(-1)
        for weight in model.parameters()
        if weight.requires_grad
    ]
    for weight in model.parameters():
        weight.grad = None
    return torch.cat(parts)

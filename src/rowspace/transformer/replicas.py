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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.transformer.loss import IGNORED
from rowspace.transformer.optimizers import tables_of


class HasLoss(Protocol):
    """A model that knows its loss: `LanguageModel`, `Encoder`."""

    def loss(self, token_ids: Tensor, targets: Tensor) -> Tensor:
        """Mean over the predicted tokens."""
        ...


class Replicas:
    """Copies of `model` that work out a batch's gradients together.

    They take the place of `model.loss(…)` and `backward()` in a training loop; the optimizer goes
    on stepping `model`. Given the same number of copies the result is the same each time, but for
    dropout, whose random numbers the threads draw as they come: use one copy with it. A table that
    is read with sparse gradients gets a sparse one here too.

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
        self._learning = _learning_of(model)
        self._exact = _in_a_row(model)
        self._places = _places_of(model)
        self.copies = [copy.deepcopy(model) for _ in range(n_replicas)]
        self._copied = [_learning_of(one) for one in self.copies]
        self._modules = [list(one.modules()) for one in (model, *self.copies)]
        self.n_rounds = n_rounds
        self._rounded = self._exact if precision == self._exact.dtype else self._exact.to(precision)
        for one in self.copies:
            _let_read(one, self._rounded)
        self._total = torch.zeros(sum(weight.numel() for weight in self._learning.dense))
        self._pool = single_threads(n_replicas) if n_replicas > 1 else None

    def gradients(
        self, token_ids: Tensor, targets: Tensor, n_predicted: int | None = None
    ) -> Tensor:
        """Work out the mean loss, and set each parameter's `grad`, float32, in the model.

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        targets : (B, T) int64 tensor
            -100 where nothing is predicted.
        n_predicted : int, optional
            Tokens that the mean is over, where these texts are a part of a batch; those predicted
            here if not given.

        Returns
        -------
        () float32 tensor
            The mean loss; of a part, what it adds to it.

        Raises
        ------
        ConfigError
            If the model's weights are no longer the tensors that the copies read.
        """
        self._follow()
        if self._rounded is not self._exact:
            self._rounded.copy_(self._exact)
        n, n_mean = len(self.copies), max(1, n_predicted or count_predicted(targets))
        texts = token_ids.chunk(n), targets.chunk(n)
        parts = list(zip(self.copies, self._copied, *texts, strict=False))

        def work(part: tuple[nn.Module, _Learning, Tensor, Tensor]) -> tuple[Tensor, list[Tensor]]:
            return _gradients(*part, n_mean, self.n_rounds)

        if self._pool is None or len(parts) == 1:
            results = [work(part) for part in parts]
        else:
            results = list(self._pool.map(work, parts))
        dense, *sparse = zip(*(gradients for _, gradients in results), strict=True)
        self._set(dense)
        for weight, parts_of_one in zip(self._learning.sparse, sparse, strict=True):
            weight.grad = _sum(parts_of_one)
        return torch.stack([loss for loss, _ in results]).sum()

    def _follow(self) -> None:
        """See that the copies read the model's weights, and train or not as it does."""
        for name, owner, key, weight, address, learns in self._places:
            now = owner._parameters[key]
            if now is not weight or now.data_ptr() != address or now.requires_grad != learns:
                raise ConfigError(
                    f"{name} is no longer the tensor that these copies read (it was assigned, "
                    "extended or frozen since); make Replicas anew"
                )
        model, *copies = self._modules
        for one in copies:
            for ours, theirs in zip(model, one, strict=True):
                if theirs.training != ours.training:  # setting it costs more than this look
                    theirs.training = ours.training

    def _set(self, gradients: Sequence[Tensor]) -> None:
        """Give the model's parameters the sum of the copies' dense gradients."""
        self._total.copy_(gradients[0])
        for gradient in gradients[1:]:
            self._total += gradient
        weights = self._learning.dense
        parts = torch.split(self._total, [weight.numel() for weight in weights])
        for weight, part in zip(weights, parts, strict=True):
            weight.grad = part.view(weight.shape)

    def tensors(self) -> list[Tensor]:
        """The gradients just worked out: the dense ones in a row, then each sparse one."""
        sparse = [weight.grad for weight in self._learning.sparse if weight.grad is not None]
        return [self._total, *sparse]

    def clip(self, max_norm: float) -> Tensor:
        """Shrink the gradients just worked out to a norm of at most `max_norm`; gives the norm.

        The same as torch's `clip_grad_norm_`, in two operations in place of two a parameter.
        """
        dense, *sparse = self.tensors()
        return clip_together([dense, *(gradient.values() for gradient in sparse)], max_norm)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> Replicas:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def clip_together(gradients: Sequence[Tensor], max_norm: float) -> Tensor:
    """Shrink tensors to a norm of at most `max_norm` of all numbers in them; gives the norm.

    Of a sparse gradient, give the values, coalesced: each row once.
    """
    norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
    norm: Tensor = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient *= scale
    return norm


class _Learning(NamedTuple):
    """A model's weights that learn, by the layout of their gradients."""

    dense: list[nn.Parameter]
    sparse: list[nn.Parameter]


def _learning_of(model: nn.Module) -> _Learning:
    is_sparse = dict(tables_of(model))
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return _Learning(
        [weight for weight in weights if not is_sparse.get(weight, False)],
        [weight for weight in weights if is_sparse.get(weight, False)],
    )


class _Place(NamedTuple):
    """Where a model has a weight, and what it was when copies were made."""

    name: str
    owner: nn.Module
    key: str
    weight: nn.Parameter
    address: int
    learns: bool


def _places_of(model: nn.Module) -> list[_Place]:
    return [
        _Place(
            f"{path}.{key}" if path else key,
            owner,
            key,
            weight,
            weight.data_ptr(),
            weight.requires_grad,
        )
        for path, owner in model.named_modules()
        for key, weight in owner.named_parameters(recurse=False)
    ]


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


def count_predicted(targets: Tensor) -> int:
    """Of (B, T) targets, those that are not -100."""
    return int((targets != IGNORED).sum())


def _gradients(
    model: Any,
    learning: _Learning,
    token_ids: Tensor,
    targets: Tensor,
    n_predicted: int,
    n_rounds: int,
) -> tuple[Tensor, list[Tensor]]:
    """These texts' share of the mean loss over `n_predicted` tokens, and its gradients: the dense
    ones in a row, then each sparse one.

    Rounds are added up in float32, since a sum in bfloat16 forgets small ones.
    """
    losses, total = [], None
    for ids, wanted in zip(token_ids.chunk(n_rounds), targets.chunk(n_rounds), strict=True):
        loss = model.loss(ids, wanted) * (count_predicted(wanted) / n_predicted)
        loss.backward()
        losses.append(loss.detach().float())
        gradients = _take_gradients(learning)
        total = (
            gradients
            if total is None
            else [_added(old, new) for old, new in zip(total, gradients, strict=True)]
        )
    assert total is not None
    return torch.stack(losses).sum(), total


def _take_gradients(learning: _Learning) -> list[Tensor]:
    """Dense gradients in a row, then each sparse one; the weights have none afterwards."""
    row = torch.cat([_gradient_of(weight).reshape(-1) for weight in learning.dense])
    sparse = [_gradient_of(weight, torch.sparse_coo) for weight in learning.sparse]
    for weight in learning.dense + learning.sparse:
        weight.grad = None
    return [row, *sparse]


def _gradient_of(weight: Tensor, layout: torch.layout = torch.strided) -> Tensor:
    if weight.grad is None:
        return torch.zeros(weight.shape, dtype=weight.dtype, layout=layout)
    return weight.grad


def _added(one: Tensor, other: Tensor) -> Tensor:
    """In float32, and in the place of `one` where that is."""
    return one.float() + other.float() if one.is_sparse else one.float().add_(other)


def _sum(gradients: Sequence[Tensor]) -> Tensor:
    """The sum of sparse gradients in float32, each row once."""
    total = gradients[0].float()
    for gradient in gradients[1:]:
        total = total + gradient.float()
    return total.coalesce()

"""How a step's gradients are worked out: by copies on a processor, elsewhere by the model.

Of several processes, each does this for its part of the texts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from rowspace.transformer.distributed import ALONE, World
from rowspace.transformer.objectives import Model
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.replicas import Replicas, clip_together, count_predicted
from rowspace.transformer.rows import RowRecord


class Gradients(Protocol):
    """Works out the gradients of a model."""

    def gradients(self, token_ids: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of (B, T) texts, (); sets each parameter's gradient."""
        ...

    def clip(self, max_norm: float) -> Tensor:
        """Shrink the gradients to a norm of at most `max_norm`; gives the norm, ()."""
        ...

    def close(self) -> None:
        """End what it started."""


class GradientsOfPart(Gradients, Protocol):
    """Works out what a part of a batch adds to the gradients of a model."""

    def gradients(
        self, token_ids: Tensor, targets: Tensor, n_predicted: int | None = None
    ) -> Tensor:
        """As `Gradients.gradients`, of a mean over `n_predicted` tokens where that is given."""
        ...

    def tensors(self) -> list[Tensor]:
        """The gradients just worked out."""
        ...


def make_gradients(
    model: Model,
    config: PretrainConfig,
    precision: torch.dtype,
    record: bool,
    world: World = ALONE,
) -> tuple[Gradients, RowRecord | None]:
    """The fastest way for this model, and a record of its table if there is to be one."""
    table = model.transformer.embeddings.token
    if table.weight.device.type != "cpu":
        rows = RowRecord(table) if record else None
        return across(Whole(model, config.accumulation, precision), world), rows
    n_texts = config.batch_size // world.size
    n = 1 if config.dropout else max(1, min(config.threads, n_texts // config.accumulation))
    replicas = Replicas(model, n, precision, n_rounds=config.accumulation)
    gradients = across(replicas, world)
    if not record:
        return gradients, None
    rows = RowRecord(table)
    copies: list[Any] = replicas.copies
    rows.listen_to((one.transformer.embeddings.token for one in copies), world)
    return RecordedReplicas(gradients, rows, is_tied=config.is_tied), rows


def across(own: GradientsOfPart, world: World) -> Gradients:
    """The way of one process made that of all."""
    return own if world.size == 1 else AcrossProcesses(own, world)


class AcrossProcesses:
    """Gradients of a batch that all processes work out together, each of its part of the texts.

    The same as those of one process but for the order of summing, since the mean is over all
    predicted tokens, wherever they are.

    Parameters
    ----------
    own : GradientsOfPart
        How this process does its part.
    world : World
    """

    def __init__(self, own: GradientsOfPart, world: World) -> None:
        self.own, self.world = own, world
        self.clip, self.close = own.clip, own.close

    def gradients(self, token_ids: Tensor, targets: Tensor) -> Tensor:
        """As `Gradients.gradients`; takes the whole batch, in each process."""
        part = self.world.part(len(targets))
        loss = self.own.gradients(token_ids[part], targets[part], count_predicted(targets))
        for tensor in self.own.tensors():
            self.world.sum(tensor)
        return self.world.sum(loss)


class RecordedReplicas:
    """Copies whose reading of the table is recorded.

    Parameters
    ----------
    replicas : Gradients
        Of this process's copies, or of all processes'.
    record : RowRecord
        Which listens to the copies.
    is_tied : bool
        Whether the table is the head's too.
    """

    def __init__(self, replicas: Gradients, record: RowRecord, *, is_tied: bool) -> None:
        self.replicas, self.record, self.is_tied = replicas, record, is_tied
        self.clip, self.close = replicas.clip, replicas.close

    def gradients(self, token_ids: Tensor, targets: Tensor) -> Tensor:
        """As `Replicas.gradients`."""
        loss = self.replicas.gradients(token_ids, targets)
        self.record.end_pass(is_only_read=not self.is_tied)
        return loss


class Whole:
    """The model itself goes through the texts, in parts one after the other.

    Parameters
    ----------
    model : LanguageModel or Encoder
    n_parts : int
    precision : torch.dtype
        bfloat16 multiplies matrices in it, by autocast.
    """

    def __init__(
        self, model: Model, n_parts: int = 1, precision: torch.dtype = torch.float32
    ) -> None:
        self.model, self.n_parts = model, n_parts
        device = model.head.weight.device.type
        self._autocast: Callable[[], contextlib.AbstractContextManager[Any]] = (
            contextlib.nullcontext
            if precision == torch.float32
            else lambda: torch.autocast(device, dtype=precision)
        )

    def gradients(
        self, token_ids: Tensor, targets: Tensor, n_predicted: int | None = None
    ) -> Tensor:
        """Work out the mean loss, (), and the gradients: the same as of all texts at once."""
        self.model.zero_grad(set_to_none=True)
        n_mean = max(1, n_predicted or count_predicted(targets))
        total = torch.zeros((), device=targets.device)
        for ids, wanted in zip(
            token_ids.chunk(self.n_parts), targets.chunk(self.n_parts), strict=True
        ):
            share = count_predicted(wanted) / n_mean  # a masked model's parts may weigh differently
            with self._autocast():
                loss: Tensor = self.model.loss(ids, wanted) * share
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def tensors(self) -> list[Tensor]:
        """The gradients just worked out."""
        return [weight.grad for weight in self.model.parameters() if weight.grad is not None]

    def clip(self, max_norm: float) -> Tensor:
        """Shrink the gradients to a norm of at most `max_norm`; gives the norm, ()."""
        return clip_gradients(self.model, max_norm)

    def close(self) -> None:
        """Nothing to end."""


def clip_gradients(module: torch.nn.Module, max_norm: float) -> Tensor:
    """Shrink a module's gradients, sparse ones too, to a norm of at most `max_norm`.

    Pascanu et al. (2013), https://arxiv.org/abs/1211.5063, algorithm 1.

    Returns
    -------
    () float
        The norm before.
    """
    weights = [weight for weight in module.parameters() if weight.grad is not None]
    if not any(weight.grad.is_sparse for weight in weights if weight.grad is not None):
        return torch.nn.utils.clip_grad_norm_(weights, max_norm)
    return clip_together([_numbers_of(weight) for weight in weights], max_norm)


def _numbers_of(weight: torch.nn.Parameter) -> Tensor:
    """Those of its gradient; of a sparse one each row once, or its norm would be another."""
    assert weight.grad is not None
    if not weight.grad.is_sparse:
        return weight.grad
    weight.grad = weight.grad.coalesce()
    return weight.grad.values()

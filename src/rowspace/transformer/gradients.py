"""How a step's gradients are worked out: by copies on a processor, elsewhere by the model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from rowspace.transformer.loss import IGNORED
from rowspace.transformer.objectives import Model
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.replicas import Replicas, clip_together
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


def make_gradients(
    model: Model, config: PretrainConfig, precision: torch.dtype, record: bool
) -> tuple[Gradients, RowRecord | None]:
    """The fastest way for this model, and a record of its table if there is to be one."""
    table = model.transformer.embeddings.token
    if table.weight.device.type != "cpu":
        rows = RowRecord(table) if record else None
        return Whole(model, config.accumulation, precision), rows
    n = 1 if config.dropout else min(config.threads, config.batch_size // config.accumulation)
    replicas = Replicas(model, n, precision, n_rounds=config.accumulation)
    if not record:
        return replicas, None
    rows = RowRecord(table)
    copies: list[Any] = replicas.copies
    rows.listen_to(one.transformer.embeddings.token for one in copies)
    return RecordedReplicas(replicas, rows, is_tied=config.is_tied), rows


class RecordedReplicas:
    """Copies whose reading of the table is recorded.

    Parameters
    ----------
    replicas : Replicas
    record : RowRecord
        Which listens to the copies.
    is_tied : bool
        Whether the table is the head's too.
    """

    def __init__(self, replicas: Replicas, record: RowRecord, *, is_tied: bool) -> None:
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
        A divisor of the texts.
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

    def gradients(self, token_ids: Tensor, targets: Tensor) -> Tensor:
        """Work out the mean loss, (), and the gradients: the same as of all texts at once."""
        self.model.zero_grad(set_to_none=True)
        counts = (targets != IGNORED).view(self.n_parts, -1).sum(dim=1)  # (n_parts,) predicted
        shares = counts / counts.sum().clamp(min=1)  # a masked model's parts may weigh differently
        total = torch.zeros((), device=targets.device)
        for ids, wanted, share in zip(
            token_ids.chunk(self.n_parts), targets.chunk(self.n_parts), shares, strict=True
        ):
            with self._autocast():
                loss: Tensor = self.model.loss(ids, wanted) * share
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

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

"""Rows of a table that stay where they are, whatever optimizer steps.

A zero gradient is not enough: dense AdamW shrinks a row by (1 - lr weight_decay) a step and moves
it on by momentum. So a frozen row's gradient is taken out, which keeps it from gradient clipping
and the optimizer's state, and besides the row is put back after each step of any
`torch.optim.Optimizer` that has its table. That costs two copies of the frozen rows a step.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)


class Table(Protocol):
    """What has rows that can be frozen."""

    weight: Any
    frozen_ids: Tensor
    """(n_frozen,) int64."""


_tables: weakref.WeakSet[Any] = weakref.WeakSet()
_kept: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {}
"""By the id of the optimizer that steps: weights, ids of frozen rows, these rows before it."""


def hold_frozen_rows(table: Table) -> None:
    """Keep the frozen rows of `table` in place from now on, as long as it lives."""
    if not _tables:
        _hook_into_optimizers()
    _tables.add(table)
    owner = weakref.ref(table)

    def without_frozen(gradient: Tensor) -> Tensor:
        table = owner()
        if table is None or not len(table.frozen_ids):
            return gradient
        return drop_rows(gradient, table.frozen_ids)

    table.weight.register_hook(without_frozen)


def drop_rows(gradient: Tensor, ids: Tensor) -> Tensor:
    """A gradient, dense or sparse, without that of some rows."""
    if not gradient.is_sparse:
        return gradient.index_fill(0, ids, 0.0)
    gradient = gradient.coalesce()
    (rows,) = gradient.indices()
    kept = ~torch.isin(rows, ids)
    return torch.sparse_coo_tensor(
        rows[kept][None],
        gradient.values()[kept],
        gradient.shape,
        is_coalesced=True,
        check_invariants=False,  # they hold; left open, torch warns that it does not look
    )


_hooks: list[Any] = []


def _hook_into_optimizers() -> None:
    if not _hooks:
        _hooks.append(register_optimizer_step_pre_hook(_keep_rows))
        _hooks.append(register_optimizer_step_post_hook(_put_rows_back))


def _keep_rows(optimizer: Optimizer, *_: Any) -> None:
    stepped = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    _kept[id(optimizer)] = [
        (table.weight, table.frozen_ids, table.weight.detach()[table.frozen_ids])
        for table in _tables
        if len(table.frozen_ids) and id(table.weight) in stepped
    ]


@torch.no_grad()
def _put_rows_back(optimizer: Optimizer, *_: Any) -> None:
    for weight, ids, rows in _kept.pop(id(optimizer), []):
        weight[ids] = rows

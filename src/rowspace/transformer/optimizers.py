"""Optimizers for a model with a lookup table in it, and which of them leaves unread rows alone.

Row-wise Adagrad keeps one number a row, of the mean squared gradient, in place of one an element;
it is what large recommendation tables are trained with (Naumov et al. 2019,
https://arxiv.org/abs/1906.00091; FBGEMM's EXACT_ROWWISE_ADAGRAD). Adagrad is Duchi et al. (2011).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from rowspace.errors import ConfigError
from rowspace.transformer.embeddings import TokenEmbedding

OPTIMIZERS = ("adamw", "sgd", "adagrad", "sparse-adam", "rowwise-adagrad")
_TAKE_SPARSE = ("sparse-adam", "sgd", "adagrad", "rowwise-adagrad")
_FOR_TABLES = ("sparse-adam", "rowwise-adagrad")
"""Step tables alone; AdamW steps the rest."""
_FUSED_DEVICES = ("cpu", "cuda", "mps")


class RowWiseAdagrad(Optimizer):
    """Adagrad with one learning rate a row: s += mean(g²), row −= lr g / (√s + eps).

    Takes dense gradients and sparse ones; a row without a gradient stays exactly where it is.

    Parameters
    ----------
    params : iterable of tensors, or of groups
        A tensor's rows are along its first axis.
    lr : float
    eps : float

    Raises
    ------
    ConfigError
        If `lr` or `eps` is not above 0.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.ones(3, 2))
    >>> optimizer = RowWiseAdagrad([weight], lr=0.5)
    >>> weight[1].sum().backward()
    >>> optimizer.step()
    >>> weight.tolist()
    [[1.0, 1.0], [0.5, 0.5], [1.0, 1.0]]
    """

    def __init__(self, params: Any, lr: float = 0.01, *, eps: float = 1e-10) -> None:
        _check_above_zero(lr=lr, eps=eps)
        super().__init__(params, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; `closure`, if given, works out the loss and is called first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._step_rows(weight, group["lr"], group["eps"])
        return loss

    def _step_rows(self, weight: Tensor, lr: float, eps: float) -> None:
        state = self.state[weight]
        if not state:
            state["sum"] = weight.new_zeros(weight.shape[:1])  # (n_rows,)
        total, gradient = state["sum"], weight.grad
        assert gradient is not None
        if not gradient.is_sparse:
            total += _mean_squares(gradient)
            weight.sub_(lr * gradient / _beside(total.sqrt() + eps, weight))
            return
        gradient = gradient.coalesce()
        (rows,), values = gradient.indices(), gradient.values()  # (k,), (k, D)
        total[rows] += _mean_squares(values)
        weight[rows] -= lr * values / _beside(total[rows].sqrt() + eps, values)


def _mean_squares(gradient: Tensor) -> Tensor:
    """Of each row, (n, …) to (n,)."""
    return gradient.reshape(len(gradient), -1).square().mean(dim=1)


def _beside(per_row: Tensor, rows: Tensor) -> Tensor:
    """(n,) so shaped that it broadcasts over the rows of an (n, …) tensor."""
    return per_row.reshape(-1, *[1] * (rows.dim() - 1))


class Together(Optimizer):
    """Several optimizers of different parameters that step as one.

    Groups, state and state dict are those of all; schedulers and checkpoints see one optimizer.

    Parameters
    ----------
    parts : Optimizer
    """

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Let the parts work on this one's groups and state."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.param_groups = list(itertools.islice(groups, len(part.param_groups)))
            part.state = self.state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of each; `closure`, if given, works out the loss and is called once, first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self._share()


@dataclass(frozen=True)
class _Parameters:
    """A model's parameters, by what an optimizer should do with them."""

    sparse_tables: list[nn.Parameter]
    """Weights of `TokenEmbedding` and torch's embeddings whose gradient is sparse."""
    dense_tables: list[nn.Parameter]
    """Those where it is not, or that are tied."""
    matrices: list[nn.Parameter]
    """Others of two or more dimensions."""
    others: list[nn.Parameter]
    """Biases and norms."""


def make_optimizer(
    parameters: nn.Module | Iterable[nn.Parameter],
    name: str = "adamw",
    *,
    lr: float,
    weight_decay: float = 0.0,
    decay_embeddings: bool = True,
    table_lr: float | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
    momentum: float = 0.0,
    eps: float | None = None,
    fused: bool | None = None,
) -> Optimizer:
    """Make an optimizer that decays matrices alone and can take the gradients it will be given.

    Parameters
    ----------
    parameters : Module or iterable of Parameter
        Only a module tells which parameters are tables and whether they are sparse; among bare
        parameters none is.
    name : {"adamw", "sgd", "adagrad", "sparse-adam", "rowwise-adagrad"}
        Of the last two, sparse-adam steps the tables with sparse gradients and rowwise-adagrad all
        tables, without weight decay, and AdamW steps the rest.
    lr : float
    weight_decay : float
        Of matrices; never of biases and norms.
    decay_embeddings : bool
        Whether tables decay too. A row that is not read then shrinks all the same.
    table_lr : float, optional
        Learning rate of the tables; `lr` if not given.
    betas : (float, float)
        Of AdamW and SparseAdam.
    momentum : float
        Of SGD.
    eps : float, optional
        Each one's own default if not given.
    fused : bool, optional
        Whether AdamW does a step in one kernel; where torch can, if not given.

    Returns
    -------
    Optimizer
        With groups of decayed parameters, others and tables, those that are there.

    Raises
    ------
    ConfigError
        If the name is unknown, or the optimizer cannot take such gradients.

    Examples
    --------
    >>> table = TokenEmbedding(100, 8, sparse=True)
    >>> optimizer = make_optimizer(torch.nn.Sequential(table), "rowwise-adagrad", lr=0.1)
    >>> table(torch.tensor([1, 2])).sum().backward()
    >>> optimizer.step()
    """
    if name not in OPTIMIZERS:
        raise ConfigError(f"optimizer is {name!r}; give one of {', '.join(OPTIMIZERS)}")
    _check_above_zero(lr=lr, table_lr=lr if table_lr is None else table_lr)
    split = _split(parameters)
    decay = weight_decay if decay_embeddings else 0.0
    _check_fits(split, name, decay, momentum)
    given: dict[str, Any] = {} if eps is None else {"eps": eps}
    tables = split.sparse_tables + split.dense_tables
    alone = {"sparse-adam": split.sparse_tables, "rowwise-adagrad": tables}.get(name, [])
    groups = _with_parameters(
        {"params": split.matrices, "weight_decay": weight_decay},
        {"params": split.others, "weight_decay": 0.0},
        {
            "params": [weight for weight in tables if not _is_in(weight, alone)],
            "weight_decay": decay,
            "lr": table_lr or lr,
        },
    )
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum)
    if name == "adagrad":
        return torch.optim.Adagrad(groups, lr=lr, **given)
    if name == "adamw":
        return _adamw(groups, lr, betas, fused, given)
    first = _of_tables(name, alone, table_lr or lr, betas, given)
    return Together(first, _adamw(groups, lr, betas, fused, {})) if groups else first


def _is_in(weight: Tensor, weights: list[nn.Parameter]) -> bool:
    return any(weight is other for other in weights)


def _with_parameters(*groups: dict[str, Any]) -> list[dict[str, Any]]:
    return [group for group in groups if group["params"]]


def _adamw(
    groups: list[dict[str, Any]],
    lr: float,
    betas: tuple[float, float],
    fused: bool | None,
    given: dict[str, Any],
) -> Optimizer:
    if fused is None:
        fused = all(
            weight.device.type in _FUSED_DEVICES and weight.is_floating_point()
            for group in groups
            for weight in group["params"]
        )
    return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused, **given)


def _of_tables(
    name: str,
    tables: list[nn.Parameter],
    lr: float,
    betas: tuple[float, float],
    given: dict[str, Any],
) -> Optimizer:
    if name == "sparse-adam":
        return torch.optim.SparseAdam(tables, lr=lr, betas=betas, **given)
    return RowWiseAdagrad(tables, lr=lr, **given)


def _split(parameters: nn.Module | Iterable[nn.Parameter]) -> _Parameters:
    tables = dict(tables_of(parameters)) if isinstance(parameters, nn.Module) else {}
    everything = parameters.parameters() if isinstance(parameters, nn.Module) else parameters
    learning = [weight for weight in everything if weight.requires_grad]
    if not learning:
        raise ConfigError("no parameter wants a gradient, so nothing can be learnt; unfreeze some")
    rest = [weight for weight in learning if weight not in tables]
    return _Parameters(
        sparse_tables=[weight for weight in learning if tables.get(weight, False)],
        dense_tables=[weight for weight in learning if not tables.get(weight, True)],
        matrices=[weight for weight in rest if weight.dim() > 1],
        others=[weight for weight in rest if weight.dim() <= 1],
    )


def tables_of(module: nn.Module) -> Iterator[tuple[nn.Parameter, bool]]:
    """Each table's weight, and whether its gradient is sparse."""
    n_uses: dict[nn.Parameter, int] = {}
    for part in module.modules():
        for weight in part.parameters(recurse=False):
            n_uses[weight] = n_uses.get(weight, 0) + 1
    for part in module.modules():
        if isinstance(part, TokenEmbedding | nn.Embedding | nn.EmbeddingBag):
            assert isinstance(part.weight, nn.Parameter)
            yield part.weight, part.sparse and n_uses[part.weight] == 1


def _check_fits(split: _Parameters, name: str, table_decay: float, momentum: float) -> None:
    if name == "sparse-adam" and not split.sparse_tables:
        raise ConfigError(
            "sparse-adam takes sparse gradients only, and no table has them: one needs sparse=True "
            "and must not be tied to the head; give that, or adamw, or rowwise-adagrad"
        )
    if name == "rowwise-adagrad" and not split.dense_tables + split.sparse_tables:
        raise ConfigError(
            "rowwise-adagrad is for tables, and there is none; give the whole model, or use "
            "RowWiseAdagrad itself"
        )
    if split.sparse_tables:
        _check_takes_sparse(name, table_decay, momentum)


def _check_takes_sparse(name: str, table_decay: float, momentum: float) -> None:
    if name not in _TAKE_SPARSE:
        raise ConfigError(
            f"{name} cannot take a table's sparse gradients, which need "
            f"{', '.join(_TAKE_SPARSE[:-1])} or {_TAKE_SPARSE[-1]}; give one of these, or "
            "sparse=False"
        )
    if name in _FOR_TABLES:
        return
    if table_decay:
        raise ConfigError(
            f"weight_decay is {table_decay:g}, which moves every row, on a table with sparse "
            "gradients; give decay_embeddings=False, weight_decay=0 or sparse=False"
        )
    if momentum:
        raise ConfigError(
            f"momentum is {momentum:g}, which moves rows that are not read, on a table with sparse "
            "gradients; give momentum=0 or sparse=False"
        )


def _check_above_zero(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ConfigError(f"{name} is {value:g}; give more than 0")

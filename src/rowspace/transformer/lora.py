"""LoRA: a trained model learns more by small matrices beside its own, which stay as they are.

Hu et al. (2022), https://arxiv.org/abs/2106.09685: W x becomes W x + (alpha / rank) B A x, where A
(rank, in) starts random and B (out, rank) as zeros. A matrix of ours that is queries, keys and
values in one, or gate and value, gets a pair for each, as where they are apart.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rowspace.errors import ConfigError, FormatError
from rowspace.transformer.attention import Attention
from rowspace.transformer.layers import FeedForward

TARGETS = ("qkv", "out", "up", "down")
"""All linear layers of a transformer of ours."""


class LoRALinear(nn.Linear):
    """A linear layer whose own numbers stay, and what is added to it.

    Parameters
    ----------
    linear : Linear
        Whose weight and bias are taken, not copied.
    rank : int
    alpha : float
    dropout : float
        Share dropped in training of what A reads.
    widths : sequence of int, optional
        Rows of the parts that have a pair each; one part if not given.
    """

    def __init__(
        self,
        linear: nn.Linear,
        rank: int,
        alpha: float,
        dropout: float,
        widths: tuple[int, ...] | None = None,
    ) -> None:
        with torch.device("meta"):
            super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None)
        self.weight, self.bias = linear.weight, linear.bias
        self.widths = list(widths or (linear.out_features,))
        self.rank, self.scale = rank, alpha / rank
        self.dropout = nn.Dropout(dropout)
        new = linear.weight.new_empty
        self.lora_a = nn.Parameter(new(len(self.widths) * rank, linear.in_features))
        self.lora_b = nn.Parameter(new(linear.out_features, rank).zero_())
        bound = 1 / math.sqrt(linear.in_features)  # of torch's own linear layers
        nn.init.uniform_(self.lora_a, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        inner = F.linear(self.dropout(x), self.lora_a)  # (…, n_parts · rank)
        added = [
            F.linear(part, b)
            for part, b in zip(
                torch.split(inner, self.rank, dim=-1),
                torch.split(self.lora_b, self.widths),
                strict=True,
            )
        ]
        return super().forward(x) + self.scale * torch.cat(added, dim=-1)

    def delta(self) -> Tensor:
        """(out, in): what is added to the weight."""
        parts = torch.split(self.lora_b, self.widths), torch.split(self.lora_a, self.rank)
        return self.scale * torch.cat([b @ a for b, a in zip(*parts, strict=True)])

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """A plain layer that computes the same."""
        with torch.device("meta"):
            linear = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None)
        self.weight += self.delta()
        linear.weight, linear.bias = self.weight, self.bias
        return linear


@dataclass(frozen=True)
class Trained:
    """How many numbers of a module learn."""

    n_trained: int
    n_parameters: int
    """All; those that are shared once."""

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.n_trained / max(1, self.n_parameters)


def add_lora(
    module: nn.Module,
    *,
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.05,
    targets: Collection[str] = TARGETS,
) -> None:
    """Put adapters beside the linear layers of a module, in place; nothing else learns then.

    The module computes what it did before: B is 0. A's numbers come of torch's generator.

    Parameters
    ----------
    module : Module
    rank : int
    alpha : float
    dropout : float
    targets : collection of str
        Last parts of the names of the layers: `q_proj`, say, of a model of `transformers`.

    Raises
    ------
    ConfigError
        If a number cannot be, there are adapters already, or no layer has such a name.

    Examples
    --------
    >>> from rowspace.transformer import LanguageModel
    >>> model = LanguageModel(vocab_size=9, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    >>> add_lora(model, rank=2)
    >>> count_trained(model).n_trained  # q, k, v, out: 64 each; gate, value, down: 96 each
    544
    """
    if rank < 1:
        raise ConfigError(f"rank is {rank}; give 1 or more")
    if not 0 < alpha < math.inf:
        raise ConfigError(f"alpha is {alpha}; give more than 0")
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout is {dropout}; give 0 or more, less than 1")
    if any(_adapted(module)):
        raise ConfigError("the module has adapters already; merge them first, by merge_lora")
    found = [place for place in _linears(module) if place[1] in targets]
    if not found:
        there = sorted({name for _, name, _ in _linears(module)})
        raise ConfigError(
            f"no linear layer is called {' or '.join(targets)}; there are {', '.join(there)}"
        )
    module.requires_grad_(False)
    for parent, name, linear in found:
        setattr(parent, name, LoRALinear(linear, rank, alpha, dropout, _widths(parent, name)))
    module.train(module.training)


def merge_lora(module: nn.Module) -> None:
    """Add what the adapters learned to the weights, in place; then all of the module learns again.

    A module without adapters is left as it is.
    """
    adapted = list(_adapted(module))
    for parent, name, linear in adapted:
        setattr(parent, name, linear.merged())
    if adapted:
        module.requires_grad_(True)


def lora_state(module: nn.Module) -> dict[str, Tensor]:
    """The adapters' tensors alone, by their names in the module."""
    return {
        name: parameter.detach()
        for name, parameter in module.named_parameters()
        if name.endswith((".lora_a", ".lora_b"))
    }


@torch.no_grad()
def load_lora(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put the tensors that `lora_state` gave into adapters that are there.

    Raises
    ------
    FormatError
        If they are those of other adapters.
    """
    there = lora_state(module)
    for name in sorted(there.keys() | state.keys()):
        if name not in there or name not in state or there[name].shape != state[name].shape:
            raise FormatError(
                f"the adapter {name!r} is not in both, or of another shape; add_lora with the "
                "rank and targets that it was trained with"
            )
        there[name].copy_(state[name])


def count_trained(module: nn.Module) -> Trained:
    """How many numbers of a module learn, and how many there are."""
    parameters = list(module.parameters())
    return Trained(
        sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        sum(parameter.numel() for parameter in parameters),
    )


_Place = tuple[nn.Module, str, nn.Linear]
"""A layer, its name, and what it is a part of."""


def _linears(module: nn.Module) -> list[_Place]:
    return [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]


def _adapted(module: nn.Module) -> Iterator[tuple[nn.Module, str, LoRALinear]]:
    for parent, name, child in _linears(module):
        if isinstance(child, LoRALinear):
            yield parent, name, child


def _widths(parent: nn.Module, name: str) -> tuple[int, ...] | None:
    """Rows of the parts that a matrix of ours holds."""
    if isinstance(parent, Attention) and name == "qkv":
        n_rows = [n * parent.head_dim for n in (parent.n_heads, parent.n_kv_heads)]
        return n_rows[0], n_rows[1], n_rows[1]
    if isinstance(parent, FeedForward) and name == "up" and parent.activation == "swiglu":
        return (parent.down.in_features,) * 2
    return None

"""The rest of a transformer's layer: norms, the feed-forward part, and how they are joined.

Pre-norm (Xiong et al. 2020, https://arxiv.org/abs/2002.04745) keeps a path without norms from
bottom to top, and needs one norm more at the end; post-norm is the order of Vaswani et al. (2017)
and BERT.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.transformer.attention import Attention, LayerCache, View

NORMS = ("layer", "rms")
ACTIVATIONS = ("gelu", "gelu-tanh", "relu", "swiglu")


def make_norm(kind: str, dim: int, eps: float) -> nn.Module:
    """A norm over the last axis: "layer" (Ba et al. 2016) or "rms" (Zhang & Sennrich 2019).

    Raises
    ------
    ConfigError
        If there is no such norm.
    """
    if kind == "layer":
        return nn.LayerNorm(dim, eps=eps)
    if kind == "rms":
        return nn.RMSNorm(dim, eps=eps)
    raise ConfigError(f"norm is {kind!r}; give one of {', '.join(NORMS)}")


def activate(kind: str, x: Tensor) -> Tensor:
    """The activation `kind` of `x`; for "swiglu" that of its gate, SiLU."""
    if kind == "swiglu":
        return F.silu(x)
    if kind == "relu":
        return F.relu(x)
    return F.gelu(x, approximate="tanh" if kind == "gelu-tanh" else "none")


class FeedForward(nn.Module):
    """Two linear layers with an activation between them, token by token.

    With "swiglu" (Shazeer 2020, https://arxiv.org/abs/2002.05202), the first gives a gate and what
    goes through it.

    Parameters
    ----------
    dim, hidden_dim : int
        Width outside and inside.
    activation : {"gelu", "gelu-tanh", "relu", "swiglu"}
    bias : bool

    Raises
    ------
    ConfigError
        If there is no such activation.
    """

    def __init__(
        self, dim: int, hidden_dim: int, *, activation: str = "gelu", bias: bool = False
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(f"activation is {activation!r}; give one of {', '.join(ACTIVATIONS)}")
        self.activation = activation
        n_parts = 2 if activation == "swiglu" else 1
        self.up = nn.Linear(dim, n_parts * hidden_dim, bias=bias)  # of swiglu: gate, then value
        self.down = nn.Linear(hidden_dim, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        inner = self.up(x)
        if self.activation == "swiglu":
            gate, value = inner.chunk(2, dim=-1)  # (B, T, hidden_dim) each
            inner = F.silu(gate) * value
        else:
            inner = activate(self.activation, inner)
        return self.down(inner)  # type: ignore[no-any-return]


class Block(nn.Module):
    """One layer: attention and feed-forward, each with its norm and a residual.

    Parameters
    ----------
    attention : Attention
    feed_forward : FeedForward
    norm, norm_eps : str, float
        As `make_norm` takes them.
    norm_order : {"pre", "post"}
        Norms before each part, or after each sum.
    dropout : float
        Share dropped of what each part adds.

    Raises
    ------
    ConfigError
        If the order or the norm is unknown.
    """

    def __init__(
        self,
        attention: Attention,
        feed_forward: FeedForward,
        *,
        norm: str = "layer",
        norm_eps: float = 1e-5,
        norm_order: str = "pre",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if norm_order not in ("pre", "post"):
            raise ConfigError(f"norm_order is {norm_order!r}; give pre or post")
        dim = attention.out.out_features
        self.is_pre = norm_order == "pre"
        self.attention, self.feed_forward = attention, feed_forward
        self.attention_norm = make_norm(norm, dim, norm_eps)
        self.feed_forward_norm = make_norm(norm, dim, norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: View, cache: LayerCache | None = None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        if self.is_pre:
            x = x + self._attend(self.attention_norm(x), seen, cache)
            return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]
        x = self.attention_norm(x + self._attend(x, seen, cache))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))  # type: ignore[no-any-return]

    def _attend(self, x: Tensor, seen: View, cache: LayerCache | None) -> Any:
        return self.dropout(self.attention(x, seen, cache=cache))

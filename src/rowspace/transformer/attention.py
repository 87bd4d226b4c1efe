"""Attention: each token takes what it needs from those it may look at.

Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.2; grouped queries of Ainslie et
al. (2023), https://arxiv.org/abs/2305.13245. The scores are worked out by torch's
scaled_dot_product_attention; what is decided here is who sees whom, and where each token stands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.position.base import Placement, Position
from rowspace.transformer.config import check_heads
from rowspace.transformer.mixing import mix_by_products, prefers_products


@dataclass
class LayerCache:
    """Keys and values of the tokens that one layer has seen."""

    keys: Tensor | None = None
    """(B, n_kv_heads, T, head_dim), turned unless the position `turns_all_keys`."""
    values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put new ones after those that are there, and give back all."""
        if self.keys is not None and self.values is not None:
            keys = torch.cat([self.keys, keys], dim=2)
            values = torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values


@dataclass
class Cache:
    """What a model remembers of a text, so that the next token costs one token.

    Parameters
    ----------
    n_layers : int
    """

    n_layers: int
    layers: list[LayerCache] = field(init=False)
    token_ids: Tensor | None = None
    """(B, T) int64, of all tokens so far."""
    mask: Tensor | None = None
    """(B, T) bool, False on padding."""

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop keys and values, so that all tokens have to be read anew."""
        self.layers = [LayerCache() for _ in range(self.n_layers)]

    @property
    def n_tokens(self) -> int:
        """Tokens so far, padding included."""
        return 0 if self.mask is None else self.mask.shape[1]

    @property
    def text_length(self) -> int:
        """Tokens of the longest text so far."""
        if self.mask is None or self.mask.numel() == 0:
            return 0
        return int(self.mask.sum(dim=1).max())

    @contextlib.contextmanager
    def unchanged_by_errors(self) -> Iterator[None]:
        """Put all back as it was where the block fails, so that the text can still go on."""
        layers = [LayerCache(layer.keys, layer.values) for layer in self.layers]
        before = self.token_ids, self.mask, layers
        try:
            yield
        except BaseException:
            self.token_ids, self.mask, self.layers = before
            raise

    def extend(self, token_ids: Tensor, mask: Tensor | None) -> None:
        """Add new tokens; the layers add their keys and values themselves."""
        mask = torch.ones_like(token_ids, dtype=torch.bool) if mask is None else mask
        if self.token_ids is not None and self.mask is not None:
            token_ids = torch.cat([self.token_ids, token_ids], dim=1)
            mask = torch.cat([self.mask, mask], dim=1)
        self.token_ids, self.mask = token_ids, mask


@dataclass(frozen=True)
class View:
    """Who sees whom in one pass, and where they stand: worked out once, shared by all layers."""

    positions: Tensor
    """(T,) or (B, T) int64, of the tokens of this pass."""
    placement: Placement
    scores: Tensor | None
    """(1 or B, 1 or n_heads, T_query, T_key), added to the scores: a bias, -inf where one does not
    look; bool where there is no bias; None where `is_causal` says it all, or all see all."""
    is_causal: bool
    turns_all_keys: bool = False
    """As `Position` has it."""


def view(
    position: Position,
    n_new: int,
    *,
    causal: bool,
    device: torch.device,
    dtype: torch.dtype,
    mask: Tensor | None = None,
    n_past: int = 0,
    window: int | None = None,
) -> View:
    """Who sees whom when `n_new` tokens come after `n_past`.

    Parameters
    ----------
    position : Position
    n_new, n_past : int
        Tokens of this pass, and of the cache.
    causal : bool
        A token sees itself and those before it, else all.
    device, dtype
        Of the scores.
    mask : (B, n_past + n_new) bool tensor, optional
        False on padding, on either side. A text's first real token then stands at 0.
    window : int, optional
        A token sees those less than this far away, itself included (Mistral); None for all.
    """
    n_keys = n_past + n_new
    if mask is None or bool(mask.all()):
        mask, key_positions, length = None, torch.arange(n_keys, device=device), n_keys  # (T_key,)
    else:
        key_positions = (mask.cumsum(dim=1, dtype=torch.int64) - 1).clamp(min=0)  # (B, T_key)
        length = int(key_positions.max()) + 1  # every text may be padded
    positions = key_positions[..., n_past:]
    placement = position.place(positions, key_positions, length, dtype)
    is_plain = mask is None and placement.bias is None and (window is None or window >= n_keys)
    late = position.turns_all_keys
    if is_plain and (not causal or n_past == 0 or n_new == 1):
        return View(positions, placement, None, causal and n_new > 1, late)
    allowed = _allowed(n_new, key_positions, causal=causal, window=window, mask=mask)
    scores = allowed
    if placement.bias is not None:
        scores = placement.bias.to(dtype).masked_fill(~allowed, float("-inf"))
    return View(positions, placement, scores, False, late)


def check_mask(mask: Tensor, n_texts: int, n_tokens: int) -> Tensor:
    """A mask as bool, also one of zeros and ones.

    Raises
    ------
    ConfigError
        If it is not of shape (n_texts, n_tokens).
    """
    if mask.shape != (n_texts, n_tokens):
        raise ConfigError(
            f"the mask has the shape {tuple(mask.shape)}; give ({n_texts}, {n_tokens}): True for "
            "each token that is no padding"
        )
    return mask.bool()


def _allowed(
    n_new: int,
    key_positions: Tensor,
    *,
    causal: bool,
    window: int | None,
    mask: Tensor | None,
) -> Tensor:
    """(1 or B, 1, T_query, T_key) bool: who may look at whom."""
    n_keys = key_positions.shape[-1]
    places = torch.arange(n_keys, device=key_positions.device)
    later = places - places[n_keys - n_new :, None]  # (T_query, T_key)
    allowed = (later <= 0 if causal else torch.ones_like(later, dtype=torch.bool))[None]
    if window is not None:  # in words: padding between two is no distance
        distance = key_positions[..., n_keys - n_new :, None] - key_positions[..., None, :]
        allowed = allowed & (distance.abs() < window)  # (1 or B, T_query, T_key)
    if mask is None:
        return allowed[:, None]
    # Padding sees itself, since a token that sees nobody has a softmax over nothing: NaN.
    return ((allowed & mask[:, None, :]) | (later == 0))[:, None]


def check_position(position: Position, n_heads: int, head_dim: int) -> None:
    """Raise ConfigError for a position that is made for other heads than these."""
    if position.head_dim not in (None, head_dim):
        raise ConfigError(
            f"the position turns heads of {position.head_dim}, and these have {head_dim}; give it "
            f"head_dim={head_dim}"
        )
    if position.n_heads not in (None, n_heads):
        raise ConfigError(
            f"the position has a bias for {position.n_heads} heads, and there are {n_heads}; give "
            f"it n_heads={n_heads}"
        )


class Attention(nn.Module):
    """Multi-head attention with grouped queries, a cache, and any method of position.

    Parameters
    ----------
    dim : int
        Length of a token's vector.
    n_heads : int
    n_kv_heads : int, optional
        Heads of keys and values, each shared by n_heads / n_kv_heads of queries; n_heads if not
        given, 1 is multi-query attention.
    head_dim : int, optional
        dim / n_heads if not given.
    position : Position, optional
        None tells attention nothing of order. A model keeps its one position itself, and gives
        `forward` a view.
    causal : bool
        A token sees itself and those before it, else all.
    window : int, optional
        A token sees those less than this far away, itself included; None for all.
    qkv_bias, out_bias : bool
    dropout : float
        Share of the attention weights dropped in training.
    scale : float, optional
        Scores are multiplied by this; 1/√head_dim if not given, 1 for T5.

    Raises
    ------
    ConfigError
        If the heads do not divide the width, or the groups the heads; or the position is made for
        other heads.

    Examples
    --------
    >>> attention = Attention(16, n_heads=4, n_kv_heads=2)
    >>> attention(torch.zeros(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        *,
        n_kv_heads: int | None = None,
        head_dim: int | None = None,
        position: Position | None = None,
        causal: bool = True,
        window: int | None = None,
        qkv_bias: bool = False,
        out_bias: bool = False,
        dropout: float = 0.0,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads = n_heads, n_kv_heads or n_heads
        check_heads(dim, n_heads, self.n_kv_heads, head_dim)
        self.head_dim = head_dim or dim // n_heads
        self.position = position if position is not None else Position()
        check_position(self.position, n_heads, self.head_dim)
        self.causal, self.window, self.scale = causal, window, scale
        self.dropout = dropout
        self._widths = [n * self.head_dim for n in (n_heads, self.n_kv_heads, self.n_kv_heads)]
        self.qkv = nn.Linear(dim, sum(self._widths), bias=qkv_bias)
        self.out = nn.Linear(self._widths[0], dim, bias=out_bias)

    def forward(
        self,
        x: Tensor,
        seen: View | None = None,
        *,
        mask: Tensor | None = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """Mix the tokens of `x`.

        Parameters
        ----------
        x : (B, T, D) tensor
        seen : View, optional
            What a model worked out for all its layers; worked out here if not given.
        mask : (B, T_key) bool tensor, optional
            False on padding; only read without `seen`.
        cache : LayerCache, optional
            Its keys and values are seen too, and those of `x` are added.

        Returns
        -------
        (B, T, D) tensor
        """
        if seen is None:
            seen = self._view(x, mask, cache)
        queries, keys, values = self._project(x)
        placement = seen.placement
        if placement.turn_queries is not None:
            queries = placement.turn_queries(queries)
        turn_keys = placement.turn_keys
        if turn_keys is not None and not seen.turns_all_keys:
            keys = turn_keys(keys)
        if cache is not None:
            keys, values = cache.extend(keys, values)
        if turn_keys is not None and seen.turns_all_keys:
            keys = turn_keys(keys)
        return self.out(self._mix(queries, keys, values, seen))  # type: ignore[no-any-return]

    def _view(self, x: Tensor, mask: Tensor | None, cache: LayerCache | None) -> View:
        past = None if cache is None else cache.keys
        n_past = 0 if past is None else past.shape[2]
        if mask is not None:
            mask = check_mask(mask, x.shape[0], n_past + x.shape[1])
        return view(
            self.position,
            x.shape[1],
            causal=self.causal,
            device=x.device,
            dtype=x.dtype,
            mask=mask,
            n_past=n_past,
            window=self.window,
        )

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, n_heads, T, head_dim), keys and values (B, n_kv_heads, T, head_dim)."""
        queries, keys, values = (
            part.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for part in self.qkv(x).split(self._widths, dim=-1)
        )
        return queries, keys, values

    def _mix(self, queries: Tensor, keys: Tensor, values: Tensor, seen: View) -> Tensor:
        """What each token takes, (B, T, n_heads · head_dim)."""
        scores = seen.scores
        dropout = self.dropout if self.training else 0.0
        if not dropout and prefers_products(queries, keys):
            mixed = mix_by_products(
                queries, keys, values, scores, is_causal=seen.is_causal, scale=self.scale
            )
            return mixed.transpose(1, 2).flatten(2)
        if scores is not None and scores.is_floating_point():
            scores = scores.to(
                queries.dtype
            )  # torch wants them alike; autocast changes the queries
        mixed = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=scores,
            dropout_p=dropout,
            is_causal=seen.is_causal,
            scale=self.scale,
            enable_gqa=self.n_kv_heads != self.n_heads,
        )
        return mixed.transpose(1, 2).flatten(2)

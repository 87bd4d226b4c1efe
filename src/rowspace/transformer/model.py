"""Transformers: a causal language model and a masked encoder, of the same layers.

GPT (Radford et al. 2018) predicts the next token and sees only those before; BERT (Devlin et al.
2019, https://arxiv.org/abs/1810.04805) predicts hidden ones and sees all.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.position import Position, Scaling, make_position, scaling_from
from rowspace.transformer.attention import Attention, Cache, check_mask, view
from rowspace.transformer.config import TransformerConfig, config_of
from rowspace.transformer.embeddings import TransformerEmbeddings
from rowspace.transformer.layers import Block, FeedForward, activate, make_norm
from rowspace.transformer.loss import IGNORED, linear_cross_entropy


class Transformer(nn.Module):
    """Embeddings, layers and a last norm: token ids to one vector a token.

    Parameters
    ----------
    config : TransformerConfig
    causal : bool
        A token sees itself and those before it, else all.
    """

    def __init__(self, config: TransformerConfig, *, causal: bool) -> None:
        super().__init__()
        self.config, self.causal = config, causal
        self.embeddings = TransformerEmbeddings(
            config.vocab_size,
            config.dim,
            config.max_length,
            config.dropout,
            position=position_of(config, causal),
            layer_norm=config.embedding_norm,
            n_token_types=config.n_token_types,
            padding_id=config.padding_id,
            eps=config.norm_eps,
            std=config.init_std,
            multiple=config.row_multiple,
            sparse=config.sparse,
        )
        self.blocks = nn.ModuleList(_block_of(config, causal) for _ in range(config.n_layers))
        # Post-norm ends in a norm already.
        self.norm = (
            make_norm(config.norm, config.dim, config.norm_eps)
            if config.norm_order == "pre"
            else nn.Identity()
        )
        self._initialise()

    def _initialise(self) -> None:
        """GPT-2's: N(0, 0.02), and smaller where layers add up in the residual."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                _initialise(module, self.config.init_std)
        std = self.config.init_std / math.sqrt(2 * self.config.n_layers)
        for block in self.blocks:
            for linear in (block.attention.out, block.feed_forward.down):  # type: ignore[union-attr]
                _initialise(linear, std)  # type: ignore[arg-type]

    @property
    def position(self) -> Position:
        """How this model is told which token stands where."""
        return self.embeddings.position

    def forward(
        self,
        token_ids: Tensor,
        *,
        mask: Tensor | None = None,
        token_types: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """One vector a token.

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        mask : (B, T) bool tensor, optional
            False on padding, on either side.
        token_types : (B, T) int64 tensor, optional
        cache : Cache, optional
            The tokens before these; these are added.

        Returns
        -------
        (B, T, D) tensor
        """
        return self.layer_outputs(token_ids, mask=mask, token_types=token_types, cache=cache)[-1]

    def layer_outputs(
        self,
        token_ids: Tensor,
        *,
        mask: Tensor | None = None,
        token_types: Tensor | None = None,
        cache: Cache | None = None,
        n_layers: int | None = None,
    ) -> list[Tensor]:
        """What each layer gives, (B, T, D): the embeddings first, the last one normed.

        With `n_layers`, only so many layers are gone through.
        """
        if token_ids.dim() != 2:
            raise ConfigError(
                f"token ids have the shape {tuple(token_ids.shape)}; give (texts, tokens)"
            )
        if mask is not None:
            mask = check_mask(mask, *token_ids.shape)
        if cache is None:
            return self._read(token_ids, mask, token_types, None, 0, n_layers)
        with cache.unchanged_by_errors():
            n_new = token_ids.shape[1]
            token_ids, n_past = self._go_on(cache, token_ids, mask)
            outputs = self._read(token_ids, cache.mask, token_types, cache, n_past, n_layers)
            return [output[:, output.shape[1] - n_new :] for output in outputs]

    def _read(
        self,
        token_ids: Tensor,
        mask: Tensor | None,
        token_types: Tensor | None,
        cache: Cache | None,
        n_past: int,
        n_layers: int | None,
    ) -> list[Tensor]:
        """What each layer makes of `token_ids`, which come after `n_past` in the cache."""
        seen = view(
            self.position,
            token_ids.shape[1],
            causal=self.causal,
            device=token_ids.device,
            dtype=self.embeddings.token.weight.dtype,
            mask=mask,
            n_past=n_past,
            window=self.config.window,
        )
        x = self.embeddings(token_ids, seen.positions, token_types)
        outputs = [x]
        for i, block in enumerate(self.blocks[:n_layers]):
            x = block(x, seen, None if cache is None else cache.layers[i])
            outputs.append(x)
        if len(outputs) > len(self.blocks):
            outputs[-1] = self.norm(x)
        return outputs

    def _go_on(self, cache: Cache, token_ids: Tensor, mask: Tensor | None) -> tuple[Tensor, int]:
        """The tokens to read, and how many before them the cache knows.

        Where a longer text changes how earlier tokens are turned (dynamic NTK, LongRoPE), what the
        layers made of them changes too, so that all are read anew.
        """
        n_past, may_change = cache.n_tokens, self.position.turns_all_keys
        old_length = cache.text_length if may_change else 0  # a look at every mask: not for all
        cache.extend(token_ids, mask)
        if not (may_change and self.position.changes(old_length, cache.text_length)):
            return token_ids, n_past
        cache.forget()
        assert cache.token_ids is not None
        return cache.token_ids, 0


class LanguageModel(nn.Module):
    """A causal language model: each token predicts the next.

    Parameters
    ----------
    config : TransformerConfig, optional
    **settings
        The config's fields, where no config is given.

    Examples
    --------
    >>> model = LanguageModel(vocab_size=65, dim=32, n_layers=2, n_heads=2, max_length=64)
    >>> model(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 65])
    """

    def __init__(self, config: TransformerConfig | None = None, **settings: Any) -> None:
        super().__init__()
        self.config = config_of(config, settings)
        self.transformer = Transformer(self.config, causal=True)
        self.head = _head_of(self.transformer, bias=False)

    def forward(
        self, token_ids: Tensor, *, mask: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Logits of the token after each, (B, T, vocab_size).

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        mask : (B, T) bool tensor, optional
            False on padding, on either side.
        cache : Cache, optional
            The tokens before these, as `new_cache` makes one; these are added.
        """
        return self.head(self.transformer(token_ids, mask=mask, cache=cache))  # type: ignore[no-any-return]

    def loss(self, token_ids: Tensor, targets: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """Mean cross-entropy in nats, of a chunk of tokens at a time where they are many.

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        targets : (B, T) int64 tensor
            The token after each; -100 where nothing is predicted.
        """
        hidden = self.transformer(token_ids, mask=mask).flatten(0, 1)  # (B · T, D)
        targets = targets.flatten()
        if not self.transformer.causal:  # then few are predicted: those before a hidden one
            is_told = targets != IGNORED
            hidden, targets = hidden[is_told], targets[is_told]
        return linear_cross_entropy(hidden, self.head.rows, targets, self.head.bias)

    def new_cache(self) -> Cache:
        """An empty cache for `forward`."""
        return Cache(self.config.n_layers)


class Encoder(nn.Module):
    """A masked language model: each hidden token is told by all others.

    Parameters
    ----------
    config : TransformerConfig, optional
    **settings
        The config's fields, where no config is given.

    Examples
    --------
    >>> model = Encoder(vocab_size=65, dim=32, n_layers=2, n_heads=2, max_length=64)
    >>> model(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 65])
    """

    def __init__(self, config: TransformerConfig | None = None, **settings: Any) -> None:
        super().__init__()
        self.config = config_of(config, settings)
        self.transformer = Transformer(self.config, causal=False)
        self.transform = MaskedTransform(self.config)
        self.head = _head_of(self.transformer, bias=True)

    def forward(
        self,
        token_ids: Tensor,
        *,
        mask: Tensor | None = None,
        token_types: Tensor | None = None,
    ) -> Tensor:
        """Logits of each token, (B, T, vocab_size).

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        mask : (B, T) bool tensor, optional
            False on padding, on either side.
        token_types : (B, T) int64 tensor, optional
            0 for a first text, 1 for a second.
        """
        hidden = self.transformer(token_ids, mask=mask, token_types=token_types)
        return self.head(self.transform(hidden))  # type: ignore[no-any-return]

    def loss(self, token_ids: Tensor, targets: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """Mean cross-entropy in nats of the hidden tokens alone.

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        targets : (B, T) int64 tensor
            The right token where it was hidden, else -100.
        """
        hidden = self.transformer(token_ids, mask=mask)
        is_hidden = targets != IGNORED
        return linear_cross_entropy(
            self.transform(hidden[is_hidden]), self.head.rows, targets[is_hidden], self.head.bias
        )


class MaskedTransform(nn.Module):
    """What BERT does to a vector before it tells the word: linear, activation, norm."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.dim, config.dim)
        self.norm = make_norm(config.norm, config.dim, config.norm_eps)
        self.activation = config.activation
        _initialise(self.linear, config.init_std)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) to (…, D)."""
        x = activate(self.activation, self.linear(x))
        # Autocast gives bfloat16 here, which a norm with float32 weights takes the slow way.
        return self.norm(x.to(self.linear.weight.dtype))  # type: ignore[no-any-return]


class Head(nn.Module):
    """Scores of the tokens: a linear layer, whose matrix may be the embedding's.

    Parameters
    ----------
    weight : (n_rows, D) parameter
    vocab_size : int
        Rows that a token has; the others are not scored.
    bias : bool
    """

    def __init__(self, weight: nn.Parameter, vocab_size: int, *, bias: bool) -> None:
        super().__init__()
        self.weight, self.vocab_size = weight, vocab_size
        self.bias = nn.Parameter(torch.zeros(vocab_size)) if bias else None

    @property
    def rows(self) -> Tensor:
        """(vocab_size, D): those that are scored."""
        if len(self.weight) == self.vocab_size:
            return self.weight  # a slice would cost a copy of its gradient
        return self.weight[: self.vocab_size]

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) to (…, vocab_size)."""
        return F.linear(x, self.rows, self.bias)


def _initialise(linear: nn.Linear, std: float) -> None:
    nn.init.normal_(linear.weight, std=std)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def _head_of(transformer: Transformer, *, bias: bool) -> Head:
    config = transformer.config
    if config.is_tied:
        return Head(transformer.embeddings.token.weight, config.vocab_size, bias=bias)
    weight = nn.Parameter(torch.empty(config.vocab_size, config.dim))
    nn.init.normal_(weight, std=config.init_std)
    return Head(weight, config.vocab_size, bias=bias)


def position_of(config: TransformerConfig, causal: bool) -> Position:
    """The position that a config names."""
    settings = dict(config.position_settings)
    if config.position == "sinusoidal":  # as large as the tokens are at the start
        settings.setdefault("scale", math.sqrt(2) * config.init_std)
    scaling = settings.get("scaling")
    if scaling is not None and not isinstance(scaling, Scaling):
        settings["scaling"] = scaling_from(scaling, max_length=config.max_length)
    return make_position(
        config.position,
        dim=config.dim,
        head_dim=config.width_of_heads,
        n_heads=config.n_heads,
        max_length=config.max_length,
        causal=causal,
        **settings,
    )


def _block_of(config: TransformerConfig, causal: bool) -> Block:
    return Block(
        Attention(
            config.dim,
            config.n_heads,
            n_kv_heads=config.n_kv_heads,
            head_dim=config.head_dim,
            causal=causal,
            window=config.window,
            qkv_bias=config.has_qkv_bias,
            out_bias=config.has_out_bias,
            dropout=config.attention_dropout,
            scale=config.attention_scale,
        ),
        FeedForward(config.dim, config.inner_dim, activation=config.activation, bias=config.bias),
        norm=config.norm,
        norm_eps=config.norm_eps,
        norm_order=config.norm_order,
        dropout=config.dropout,
    )

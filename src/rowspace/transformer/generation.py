"""Text out of a language model, one token at a time.

Top-k of Fan et al. (2018, https://arxiv.org/abs/1805.04833) and nucleus sampling of Holtzman et al.
(2020, https://arxiv.org/abs/1904.09751), top-p, cut off the unlikely tail.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.transformer.attention import check_mask
from rowspace.transformer.model import LanguageModel

LEAST_TEMPERATURE = 1e-4
"""Logits divided by less would overflow."""


@torch.no_grad()
def generate(
    model: LanguageModel,
    token_ids: Tensor,
    n_new: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    mask: Tensor | None = None,
    end_id: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Go on with texts, by `n_new` tokens.

    Parameters
    ----------
    model : LanguageModel
    token_ids : (B, T) int64 tensor
        At least one token of each text.
    n_new : int
        Tokens to add. A model with a learned position cannot go beyond its table.
    temperature : float
        Logits are divided by this; 0 takes the likeliest token.
    top_k : int, optional
        Draw among this many likeliest tokens.
    top_p : float, optional
        Draw among the likeliest tokens that have this share of the probability together.
    mask : (B, T) bool tensor, optional
        False on padding, which must be on the left, so that each text ends where it goes on.
    end_id : int, optional
        A text that has drawn it goes on with it; when all have, generation stops.
    generator : torch.Generator, optional
        Source of the random numbers; one with a fixed seed makes the texts reproducible.

    Returns
    -------
    (B, T + n) int64 tensor
        n is `n_new`, or less where all texts ended.

    Raises
    ------
    ConfigError
        If a setting cannot work, there is nothing to go on from, padding is on the right, or the
        text would be longer than the model has positions.
    """
    _check_draw(temperature, top_k, top_p)
    _check_text(model, token_ids, n_new, mask)
    cache, new = model.new_cache(), token_ids
    ended = torch.zeros(token_ids.shape[0], dtype=torch.bool, device=token_ids.device)
    with _evaluating(model):
        for _ in range(n_new):
            logits = model(new, mask=mask, cache=cache)[:, -1]  # (B, V)
            mask = None  # the cache has it now
            new = draw(logits, temperature, top_k, top_p, generator)  # (B, 1)
            if end_id is not None:
                new = new.masked_fill(ended[:, None], end_id)
                ended |= new[:, 0] == end_id
            token_ids = torch.cat([token_ids, new], dim=1)
            if bool(ended.all()):
                break
    return token_ids


@contextlib.contextmanager
def _evaluating(model: LanguageModel) -> Iterator[None]:
    """Leave dropout out for a while."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def draw(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One token a row of (B, V) logits, (B, 1)."""
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    logits = logits.float() / temperature
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p is not None:
        logits = _nucleus(logits, top_p)
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    """Logits with -inf outside the smallest set of tokens that has `top_p` of the probability."""
    ordered, order = logits.sort(dim=-1, descending=True)
    shares = ordered.softmax(dim=-1)
    before = shares.cumsum(dim=-1) - shares  # what likelier tokens have; 0 for the first
    dropped = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
    return logits.masked_fill(dropped, float("-inf"))


def _check_text(model: LanguageModel, token_ids: Tensor, n_new: int, mask: Tensor | None) -> None:
    if token_ids.dim() != 2 or token_ids.shape[1] == 0:
        raise ConfigError(
            f"the prompts have the shape {tuple(token_ids.shape)}; give (texts, tokens), of one "
            "token or more"
        )
    if n_new < 0:
        raise ConfigError(f"n_new is {n_new}; give 0 or more")
    length = token_ids.shape[1]
    if mask is not None:
        mask = check_mask(mask, *token_ids.shape)
        if not bool(mask[:, -1].all()):
            raise ConfigError("a text ends in padding; pad texts on the left to go on with them")
        length = int(mask.sum(dim=1).max())
    limit = model.transformer.position.max_length
    if limit is not None and length + n_new > limit:
        raise ConfigError(
            f"{length:,} tokens and {n_new:,} new ones are more than the {limit:,} positions of "
            f"the model; give n_new={max(0, limit - length)} or less, or a shorter prompt"
        )


def _check_draw(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if temperature != 0 and not LEAST_TEMPERATURE <= temperature < math.inf:  # also NaN
        raise ConfigError(
            f"temperature is {temperature}; give 0 for the likeliest token, or "
            f"{LEAST_TEMPERATURE} or more"
        )
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top_k is {top_k}; give 1 or more")
    if top_p is not None and not 0 < top_p <= 1:
        raise ConfigError(f"top_p is {top_p}; give more than 0, at most 1")

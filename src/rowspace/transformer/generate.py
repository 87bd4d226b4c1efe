"""Text out of a language model, one token at a time.

Top-k of Fan et al. (2018, https://arxiv.org/abs/1805.04833) and nucleus sampling of Holtzman et al.
(2020, https://arxiv.org/abs/1904.09751), top-p, cut off the unlikely tail.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.transformer.model import LanguageModel


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
        False on padding, which must be on the left.
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
        If a setting cannot work, or there is nothing to go on from.
    """
    _check(token_ids, n_new, temperature, top_k, top_p)
    was_training = model.training
    model.eval()
    cache, new = model.new_cache(), token_ids
    ended = torch.zeros(token_ids.shape[0], dtype=torch.bool, device=token_ids.device)
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
    model.train(was_training)
    return token_ids


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


def _check(
    token_ids: Tensor, n_new: int, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    if token_ids.shape[1] == 0:
        raise ConfigError("there is no token to go on from; give a prompt of one token or more")
    if n_new < 0:
        raise ConfigError(f"n_new is {n_new}; give 0 or more")
    if temperature < 0:
        raise ConfigError(f"temperature is {temperature}; give 0 for the likeliest token, or more")
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top_k is {top_k}; give 1 or more")
    if top_p is not None and not 0 < top_p <= 1:
        raise ConfigError(f"top_p is {top_p}; give more than 0, at most 1")

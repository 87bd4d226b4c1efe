"""More tokens for a trained model: its table, its head and its settings together."""

from __future__ import annotations

import dataclasses

import torch
from torch.optim.optimizer import Optimizer

from rowspace.transformer.embeddings import draw_like, grow_state
from rowspace.transformer.model import Encoder, Head, LanguageModel


@torch.no_grad()
def extend_vocabulary(
    model: LanguageModel | Encoder,
    n_new: int,
    *,
    spread: float = 1.0,
    optimizer: Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> range:
    """Add tokens that a model can read and predict, as `TokenEmbedding.extend` does to its table.

    A head of its own gets rows drawn like its old ones. A new token's bias is the mean of the old
    ones, so that it is neither likelier nor less likely than they are. What was worked out before
    (a loss, say) has to be let go first, since its graph knows the old sizes.

    Parameters
    ----------
    model : LanguageModel or Encoder
    n_new : int
    spread : float
        Factor of the covariance that rows are drawn with.
    optimizer : Optimizer, optional
        Where it already stepped: what it keeps for each row gets rows too.
    generator : torch.Generator, optional
        Source of the random numbers, on the CPU.

    Returns
    -------
    range
        The new token ids.

    Raises
    ------
    ConfigError
        If fewer than 1 is asked for.

    References
    ----------
    Hewitt (2021), https://nlp.stanford.edu/~johnhew/vocab-expansion.html
    """
    table = model.transformer.embeddings.token
    new_ids = table.extend(n_new, spread=spread, optimizer=optimizer, generator=generator)
    if model.head.weight is not table.weight:
        _lengthen_head(model.head, n_new, spread, optimizer, generator)
    if model.head.bias is not None:
        _lengthen_bias(model.head.bias, n_new, optimizer)
    model.head.vocab_size = new_ids.stop
    model.config = dataclasses.replace(model.config, vocab_size=new_ids.stop)
    model.transformer.config = model.config
    return new_ids


def _lengthen_head(
    head: Head,
    n_new: int,
    spread: float,
    optimizer: Optimizer | None,
    generator: torch.Generator | None,
) -> None:
    weight, n_old = head.weight, len(head.weight)
    rows = draw_like(weight, n_new, spread=spread, generator=generator).to(weight)
    weight.grad = None
    weight.data = torch.cat([weight, rows])
    if optimizer is not None:
        grow_state(optimizer, weight, n_old)


def _lengthen_bias(bias: torch.nn.Parameter, n_new: int, optimizer: Optimizer | None) -> None:
    n_old = len(bias)
    bias.grad = None
    bias.data = torch.cat([bias, bias.mean().expand(n_new)])
    if optimizer is not None:
        grow_state(optimizer, bias, n_old)

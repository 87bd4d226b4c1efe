"""A causal transformer made to see all of a text, which is the first step of LLM2Vec.

BehnamGhader et al. (2024), https://arxiv.org/abs/2404.05961, section 2.1. Only who sees whom
changes, and no weight; padding stays hidden. What comes of it is not yet of use to most models:
they were never shown what stands after a token (`rowspace.sentence.llm2vec` trains that).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from rowspace.errors import ConfigError
from rowspace.transformer.attention import Attention
from rowspace.transformer.model import LanguageModel, Transformer

_ONE_SIDED = ("t5", "xpos")
_ENOUGH = 1e-6


def make_bidirectional(model: LanguageModel | Transformer) -> None:
    """Let each token see those after it too, in place.

    A sliding window reaches as far to the right as to the left. It is a token wider than before, as
    the `transformers` library has it of the same `config.json` with `"is_causal": false`.

    Parameters
    ----------
    model : LanguageModel or Transformer
        One that sees all already is left as it is.

    Raises
    ------
    ConfigError
        If its method of position knows nothing of later tokens (T5's table, xPos).

    Examples
    --------
    >>> from rowspace.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=9, dim=16, n_heads=2), causal=True)
    >>> make_bidirectional(model)
    >>> changed = model(torch.tensor([[1, 2, 3]]))[0, 0] != model(torch.tensor([[1, 2, 4]]))[0, 0]
    >>> bool(changed.any())
    True
    """
    transformer = model if isinstance(model, Transformer) else model.transformer
    if not transformer.causal:
        return
    config = transformer.config
    if config.position in _ONE_SIDED:
        raise ConfigError(
            f"the position is {config.position!r}, which a causal model learns for earlier tokens "
            "alone, so it cannot see later ones; give a model with rope, learned or alibi"
        )
    if config.window is not None:
        transformer.config = dataclasses.replace(config, window=config.window + 1)
        model.config = transformer.config
    see_all(transformer)


def see_all(transformer: Transformer) -> None:
    """Set a transformer and its layers to see later tokens, as its window says."""
    transformer.causal = False
    for part in transformer.modules():
        if isinstance(part, Attention):
            part.causal, part.window = False, transformer.config.window


@torch.no_grad()
def make_foreign_bidirectional(model: Any) -> None:
    """Let a model of the `transformers` library see all, and make sure that it does.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Without a head.

    Raises
    ------
    ConfigError
        If the first state stays as it is when the last token is another one: the library does not
        honour `is_causal` for this architecture.
    """
    config = model.config.get_text_config()
    before = getattr(config, "is_causal", None)
    config.is_causal = False
    if not _sees_last(model):
        config.is_causal = before
        raise ConfigError(
            f"transformers reads a {config.model_type} model from left to right even with "
            "is_causal=False, so it cannot be made bidirectional; give a LLaMA, Mistral, Qwen2, "
            "Phi-3 or GPT-2"
        )


def _sees_last(model: Any) -> bool:
    """Whether the first state changes with the last token, of a batch of one and of two."""
    was_training = model.training
    model.eval()
    n_rows = len(model.get_input_embeddings().weight)
    ids = torch.arange(6, device=model.device)[None] % n_rows
    other = ids.clone()
    other[0, -1] = (ids[0, -1] + 1) % n_rows
    found = [_first_state(model, texts) for texts in (ids, other, ids.repeat(2, 1))]
    model.train(was_training)
    one, changed, of_two = found
    return bool((one - changed).abs().max() > _ENOUGH * one.abs().max()) and bool(
        torch.allclose(one, of_two, rtol=1e-3, atol=1e-3 * float(one.abs().max()))
    )


def _first_state(model: Any, ids: torch.Tensor) -> torch.Tensor:
    state: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids))[0][0, 0]
    return state.float()

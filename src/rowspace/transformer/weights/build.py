"""A model made of what a checkpoint holds, with memory for its tensors once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from rowspace.transformer.model import Encoder, LanguageModel, Transformer, position_of
from rowspace.transformer.model_folder import CONFIG
from rowspace.transformer.weights.checkpoint import Checkpoint
from rowspace.transformer.weights.settings import blamed_on
from rowspace.transformer.weights.sources import Sources, fill

_INNER = "transformer."
Model = TypeVar("Model", bound=LanguageModel | Encoder | Transformer)


def read_model(
    make: Callable[[], Model],
    checkpoint: Checkpoint,
    sources: Sources,
    *,
    dtype: torch.dtype,
    device: torch.device | str,
) -> Model:
    """Make a model and read its tensors.

    Parameters
    ----------
    make : callable
        Makes the model.
    checkpoint : Checkpoint
    sources : Sources
        Where each of its parameters is.
    dtype, device
        Of the model's tensors.

    Returns
    -------
    The model, in evaluation mode.

    Raises
    ------
    FormatError
        If the config describes no model, or a tensor is missing or does not fit.
    """
    with blamed_on(checkpoint.path / CONFIG):
        with torch.device("meta"):  # no memory, and no time spent on random numbers
            model = make()
        # Tables are in no file, and "meta" holds no numbers.
        inner = _inner(model)
        inner.embeddings.position = position_of(inner.config, inner.causal)
    _materialise_buffers(model)
    fill(model, checkpoint, sources, dtype=dtype, device=device)
    _tie_head(model)
    model.to(device).eval()
    return model


def _inner(model: LanguageModel | Encoder | Transformer) -> Transformer:
    return model if isinstance(model, Transformer) else model.transformer


def _tie_head(model: LanguageModel | Encoder | Transformer) -> None:
    """Make the head's matrix the embedding's again, as one parameter."""
    if not isinstance(model, Transformer) and model.config.is_tied:
        model.head.weight = model.transformer.embeddings.token.weight


def _materialise_buffers(model: nn.Module) -> None:
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                assert buffer.numel() == 0, f"nobody knows the numbers of {name}"
                setattr(module, name, torch.empty_like(buffer, device="cpu"))


def of_transformer(sources: Sources) -> Sources:
    """The sources of a model's transformer, as those of a `Transformer` alone."""
    return {
        name.removeprefix(_INNER): parts
        for name, parts in sources.items()
        if name.startswith(_INNER)
    }

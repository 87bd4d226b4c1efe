"""Hugging Face folders read into our modules: `config.json` and safetensors.

An architecture is a file here and a line in `ARCHITECTURES`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from rowspace.errors import FormatError
from rowspace.transformer.bidirectional import see_all
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.model import Encoder, LanguageModel, Transformer
from rowspace.transformer.model_folder import CONFIG, read_json
from rowspace.transformer.weights.architecture import Architecture, Foreign, is_causal
from rowspace.transformer.weights.bert import BERT
from rowspace.transformer.weights.build import of_transformer, read_model
from rowspace.transformer.weights.checkpoint import (
    Checkpoint,
    open_checkpoint,
)
from rowspace.transformer.weights.gpt2 import GPT2
from rowspace.transformer.weights.llama import LLAMA, MISTRAL, PHI3, QWEN2
from rowspace.transformer.weights.settings import blamed_on, check_kinds
from rowspace.transformer.weights.sources import Sources, refuse_unknown

ARCHITECTURES = {
    "llama": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "phi3": PHI3,
    "gpt2": GPT2,
    "bert": BERT,
}
"""What is read, by the `model_type` of a `config.json`."""


def config_from(foreign: Foreign) -> TransformerConfig:
    """Our settings of a Hugging Face model.

    Parameters
    ----------
    foreign : dict
        What its `config.json` holds.

    Raises
    ------
    FormatError
        If the architecture, or a part of it, is not read.

    Examples
    --------
    >>> config_from({"model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12,
    ...              "n_head": 12, "n_positions": 1024}).activation
    'gelu-tanh'
    """
    return _architecture_of(foreign).config(foreign)


def load_pretrained(
    folder: Path | str, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> LanguageModel | Encoder:
    """Read a Hugging Face model: LLaMA, Mistral, Qwen2, Phi-3, GPT-2, or BERT.

    Parameters
    ----------
    folder : path
        With `config.json` and `model.safetensors`, whole or in shards.
    dtype, device
        Of the model's tensors, whatever the file's are.

    Returns
    -------
    LanguageModel or Encoder
        In evaluation mode; an Encoder of BERT, with its head of masked words. A LanguageModel sees
        all of a text where its config.json has `"is_causal": false`.

    Raises
    ------
    FormatError
        If the architecture is not read, a tensor is missing, unknown or of another shape, or the
        head is not there.
    """
    folder = Path(folder)
    architecture, config = _described(folder)
    with _open(folder, architecture, config) as (checkpoint, sources):
        _check_head(checkpoint, architecture, sources)
        _refuse_unknown(checkpoint, architecture, sources)
        return read_model(
            lambda: _with_head(architecture, config),
            checkpoint,
            sources,
            dtype=dtype,
            device=device,
        )


def _with_head(architecture: Architecture, config: TransformerConfig) -> LanguageModel | Encoder:
    model = architecture.kind(config)
    if not architecture.causal:
        see_all(model.transformer)
    return model


def is_read(folder: Path) -> bool:
    """Whether our modules have all that the `config.json` of a folder describes."""
    try:
        _described(folder)
    except FormatError:
        return False
    return True


def load_transformer(
    folder: Path | str, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Transformer:
    """Read a Hugging Face model less its head: token ids to vectors.

    Parameters
    ----------
    folder : path
        As `load_pretrained` takes it; what was saved without a head is read too, such as the
        encoders of sentence-transformers, and what was fine-tuned with the head of another task.
    dtype, device
        Of the model's tensors, whatever the file's are.

    Raises
    ------
    FormatError
        If the architecture is not read, or a tensor is missing, unknown or of another shape.
    """
    folder = Path(folder)
    architecture, config = _described(folder)
    with _open(folder, architecture, config) as (checkpoint, sources):
        wanted = of_transformer(sources)
        stacks = {_stack_of(part.name) for parts in wanted.values() for part in parts}
        _refuse_unknown(
            checkpoint, architecture, sources, lambda name: _stack_of(name) not in stacks
        )
        return read_model(
            lambda: Transformer(config, causal=architecture.causal),
            checkpoint,
            wanted,
            dtype=dtype,
            device=device,
        )


def _described(folder: Path) -> tuple[Architecture, TransformerConfig]:
    """What a folder's `config.json` says."""
    foreign = read_json(folder / CONFIG)
    with blamed_on(folder / CONFIG):
        architecture, config = _architecture_of(foreign), config_from(foreign)
        check_kinds(config.as_dict())
        causal = architecture.causal and is_causal(foreign)
        return dataclasses.replace(architecture, causal=causal), config


@contextlib.contextmanager
def _open(
    folder: Path, architecture: Architecture, config: TransformerConfig
) -> Iterator[tuple[Checkpoint, Sources]]:
    sources = architecture.sources(config)
    with open_checkpoint(folder) as checkpoint:
        checkpoint.rename(architecture.ours)
        yield checkpoint, sources


def _refuse_unknown(
    checkpoint: Checkpoint,
    architecture: Architecture,
    sources: Sources,
    is_left: Callable[[str], bool] = lambda name: False,
) -> None:
    def is_spare(name: str) -> bool:
        # A tied head may be stored all the same.
        return name == architecture.head or architecture.is_spare(name) or is_left(name)

    refuse_unknown(checkpoint, sources, is_spare)


def _stack_of(name: str) -> str:
    """The part of a model that a tensor belongs to, as `encoder`; heads are others."""
    return name.split(".")[0]


def _is_of_another_head(name: str) -> bool:
    """Whether a tensor is of the head that classifies texts or tokens, or finds answers."""
    return re.match(r"(classifier|score|qa_outputs)\.", name) is not None


def _architecture_of(foreign: Foreign) -> Architecture:
    kind = foreign.get("model_type")
    if "rowspace" in foreign:
        raise FormatError("this is a folder that save_model wrote; load_model reads it")
    if kind not in ARCHITECTURES:
        raise FormatError(
            f"the config.json has model_type {kind!r}, and only {', '.join(ARCHITECTURES)} are "
            "read; run it with transformers"
        )
    if foreign.get("quantization_config"):
        raise FormatError(
            f"this {kind} model is quantized (quantization_config), and only floats are read; give "
            "the checkpoint before it was quantized"
        )
    return ARCHITECTURES[kind]


def _check_head(checkpoint: Checkpoint, architecture: Architecture, sources: Sources) -> None:
    if other := [name for name in checkpoint.names if _is_of_another_head(name)]:
        raise FormatError(
            f"{checkpoint.path} has the head of another task ({other[0]}), so it predicts no "
            "token; load_transformer reads the rest"
        )
    wanted = {part.name for parts in sources.values() for part in parts}
    if architecture.head in wanted and architecture.head not in checkpoint.names:
        raise FormatError(
            f"{checkpoint.path} was saved without its head ({architecture.head} is missing), so it "
            "predicts no token; load_transformer reads the rest"
        )

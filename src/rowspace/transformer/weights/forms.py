"""The `config.json` of Hugging Face that describes a transformer of ours, where there is one.

A form is a guess at such a file; reading it back tells whether it describes the same model, so that
nothing is written that would compute something else.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from rowspace.errors import ConfigError, FormatError
from rowspace.position import NTK, RoPE
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.model import Transformer, position_of
from rowspace.transformer.weights.architecture import Foreign
from rowspace.transformer.weights.pretrained import config_from

_INTERLEAVED = "rope-interleaved"
_GPT2_ACTIVATIONS = {"gelu-tanh": "gelu_new", "gelu": "gelu", "relu": "relu"}
_COMPARED = (
    "vocab_size", "dim", "n_layers", "n_heads", "width_of_heads", "inner_dim", "max_length",
    "position", "norm", "norm_eps", "norm_order", "activation", "bias", "has_qkv_bias",
    "has_out_bias", "window", "attention_scale", "is_tied", "embedding_norm", "n_token_types",
)  # fmt: skip


def form_of(transformer: Transformer, foreign: Foreign | None = None) -> Foreign:
    """What a `config.json` says of a transformer.

    Parameters
    ----------
    transformer : Transformer
    foreign : dict, optional
        What the one said that it was read from; only what changed since is changed.

    Raises
    ------
    ConfigError
        If no architecture that is read computes the same.
    """
    wanted = _plain(transformer)
    if foreign is not None:
        form = _changed(foreign, transformer, wanted)
    elif wanted.norm == "layer":
        form = _gpt2(wanted)
    else:
        form = _llama(wanted, transformer.causal)
    if not transformer.causal and form["model_type"] != "bert":
        form["is_causal"] = False
    _check_same(form, wanted)
    return form


def _plain(transformer: Transformer) -> TransformerConfig:
    """The config in the terms of those files: RoPE in halves, NTK as another base."""
    config = transformer.config
    settings = dict(config.position_settings)
    position = transformer.position
    if isinstance(position, RoPE) and isinstance(position.scaling, NTK):
        dim = position.rotary_dim
        settings = {name: value for name, value in settings.items() if name != "scaling"}
        settings["base"] = position.base * position.scaling.factor ** (dim / (dim - 2))
    return dataclasses.replace(
        config,
        vocab_size=transformer.embeddings.token.vocab_size,
        position="rope" if config.position == _INTERLEAVED else config.position,
        position_settings=settings,
    )


def _changed(foreign: Foreign, transformer: Transformer, wanted: TransformerConfig) -> Foreign:
    form = {**foreign, "vocab_size": wanted.vocab_size}
    if transformer.causal:
        form.pop("is_causal", None)
    return form


def _llama(config: TransformerConfig, causal: bool) -> Foreign:
    """LLaMA; Mistral where there is a window, Qwen2 where queries, keys and values have biases."""
    position: Any = position_of(config, causal)
    rope = {"rope_type": "default", **config.position_settings.get("scaling", {})}
    base = getattr(position, "base", 10_000.0)
    form: Foreign = {
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "intermediate_size": config.inner_dim,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads or config.n_heads,
        "head_dim": config.width_of_heads,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_length,
        "initializer_range": config.init_std,
        "rms_norm_eps": config.norm_eps,
        "pad_token_id": config.padding_id,
        "bos_token_id": None,
        "eos_token_id": None,
        "tie_word_embeddings": config.is_tied,
        "rope_theta": base,  # for libraries that do not know rope_parameters
        "rope_parameters": {**rope, "rope_theta": base},
        "attention_dropout": config.attention_dropout,
    }
    if config.window is not None:
        window = config.window if causal else config.window - 1
        return form | {"model_type": "mistral", "sliding_window": window}
    if config.has_qkv_bias and not config.has_out_bias:
        return form | {"model_type": "qwen2", "use_sliding_window": False}
    return form | {"attention_bias": config.has_qkv_bias, "mlp_bias": config.bias}


def _gpt2(config: TransformerConfig) -> Foreign:
    return {
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_embd": config.dim,
        "n_layer": config.n_layers,
        "n_head": config.n_heads,
        "n_inner": config.inner_dim,
        "n_positions": config.max_length,
        "layer_norm_epsilon": config.norm_eps,
        "activation_function": _GPT2_ACTIVATIONS.get(config.activation, "gelu_new"),
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.attention_dropout,
        "initializer_range": config.init_std,
        "pad_token_id": config.padding_id,
        "bos_token_id": None,
        "eos_token_id": None,
        "tie_word_embeddings": config.is_tied,
    }


def _check_same(form: Foreign, wanted: TransformerConfig) -> None:
    """Raise for a form that, read back, is another model."""
    kind = form["model_type"]
    try:
        found = config_from(form)
    except (ConfigError, FormatError) as error:
        raise ConfigError(
            f"the model has no form that transformers reads: as a {kind}, {error}"
        ) from error
    for name in _COMPARED:
        ours, theirs = getattr(wanted, name), getattr(found, name)
        if ours != theirs:
            raise ConfigError(
                f"the model has no form that transformers reads: its {name} is {ours}, and the "
                f"nearest there is, a {kind}, has {theirs}; keep it as save_model writes it, or "
                "train one with rope, rms and swiglu"
            )
    if (wanted.n_kv_heads or wanted.n_heads) != (found.n_kv_heads or found.n_heads):
        raise ConfigError(f"n_kv_heads is {wanted.n_kv_heads}, not as the {kind}'s config.json has")
    _check_same_turn(kind, wanted, found)


def _check_same_turn(kind: str, wanted: TransformerConfig, found: TransformerConfig) -> None:
    ours, theirs = position_of(wanted, True), position_of(found, True)
    if not isinstance(ours, RoPE) or not isinstance(theirs, RoPE):
        return
    for name in ("base", "rotary_dim", "scaling"):
        if getattr(ours, name) != getattr(theirs, name):
            raise ConfigError(
                f"the model has no form that transformers reads: RoPE's {name} is "
                f"{getattr(ours, name)}, and as a {kind} {getattr(theirs, name)}; keep it as "
                "save_model writes it"
            )


def to_halves(tensor: Tensor, transformer: Transformer) -> Tensor:
    """Rows of queries, keys and values, (n, D) or (n,), for a RoPE that turns halves.

    One that turns neighbors, 2i with 2i + 1, gives the same scores once they are i and i + dim/2.
    """
    config, position = transformer.config, transformer.position
    if config.position != _INTERLEAVED:
        return tensor
    assert isinstance(position, RoPE)
    turned = torch.arange(position.rotary_dim)
    order = torch.cat(
        [turned[::2], turned[1::2], torch.arange(position.rotary_dim, position.head_dim)]
    )
    heads = tensor.reshape(
        -1, position.head_dim, *tensor.shape[1:]
    )  # (n_heads + 2 n_kv_heads, head_dim, …)
    n_turned = config.n_heads + (config.n_kv_heads or config.n_heads)
    return torch.cat([heads[:n_turned, order], heads[n_turned:]]).flatten(0, 1)

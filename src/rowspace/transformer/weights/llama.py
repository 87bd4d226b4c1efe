"""LLaMA, and what has its form: Mistral, Qwen2, Phi-3.

Touvron et al. (2023), https://arxiv.org/abs/2302.13971; Jiang et al. (2023),
https://arxiv.org/abs/2310.06825; Yang et al. (2024), https://arxiv.org/abs/2407.10671; Abdin et al.
(2024), https://arxiv.org/abs/2404.14219. They differ in biases, the window, and in what is fused.
"""

from __future__ import annotations

import dataclasses

from rowspace.errors import FormatError
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.weights.architecture import (
    Architecture,
    Foreign,
    check_one_of,
    either,
    need,
    padding_of,
    window_of,
)
from rowspace.transformer.weights.rope import rope_settings
from rowspace.transformer.weights.sources import Part, Sources

_NORMS = {"attention_norm": "input_layernorm", "feed_forward_norm": "post_attention_layernorm"}


def llama_config(foreign: Foreign) -> TransformerConfig:
    """Our settings of a LLaMA; `head_dim` may be set apart from the width."""
    check_one_of(foreign, "hidden_act", "silu", "silu")
    n_heads = need(foreign, "num_attention_heads")
    head_dim = either(foreign, "head_dim", need(foreign, "hidden_size") // n_heads)
    attention_bias = bool(foreign.get("attention_bias", False))
    return TransformerConfig(
        vocab_size=need(foreign, "vocab_size"),
        dim=need(foreign, "hidden_size"),
        n_layers=need(foreign, "num_hidden_layers"),
        n_heads=n_heads,
        n_kv_heads=either(foreign, "num_key_value_heads", n_heads),
        head_dim=head_dim,
        hidden_dim=need(foreign, "intermediate_size"),
        max_length=need(foreign, "max_position_embeddings"),
        position="rope",
        position_settings=rope_settings(foreign, head_dim),
        norm="rms",
        norm_eps=foreign.get("rms_norm_eps", 1e-6),
        activation="swiglu",
        bias=bool(foreign.get("mlp_bias", False)),
        qkv_bias=attention_bias,
        out_bias=attention_bias,
        attention_dropout=foreign.get("attention_dropout", 0.0),
        is_tied=foreign.get("tie_word_embeddings", False),
        padding_id=padding_of(foreign),
        init_std=foreign.get("initializer_range", 0.02),
    )


def mistral_config(foreign: Foreign) -> TransformerConfig:
    """Our settings of a Mistral: a LLaMA whose tokens may see a window only."""
    _refuse_mixed_layers(foreign)
    return dataclasses.replace(llama_config(foreign), window=window_of(foreign, 4096))


def qwen2_config(foreign: Foreign) -> TransformerConfig:
    """Our settings of a Qwen2: a LLaMA with biases of queries, keys and values."""
    config = dataclasses.replace(llama_config(foreign), qkv_bias=True, out_bias=False)
    if not foreign.get("use_sliding_window", False):
        return config
    _refuse_mixed_layers(foreign)
    # The first `max_window_layers` layers see everything.
    n_whole = foreign.get("max_window_layers", 28)
    kinds = foreign.get("layer_types")
    if kinds is None and 0 < n_whole < config.n_layers:
        raise FormatError(_mixed(foreign))
    if n_whole > 0 if kinds is None else "sliding_attention" not in kinds:
        return config
    need(foreign, "sliding_window")
    return dataclasses.replace(config, window=window_of(foreign))


def phi3_config(foreign: Foreign) -> TransformerConfig:
    """Our settings of a Phi-3: a LLaMA whose trained length stands outside the scaling."""
    foreign = {"original_max_position_embeddings": 4096, **foreign}
    return dataclasses.replace(
        llama_config(foreign),
        window=window_of(foreign),
        dropout=foreign.get("resid_pdrop", 0.0),
    )


def _refuse_mixed_layers(foreign: Foreign) -> None:
    if len(set(foreign.get("layer_types") or [])) > 1:
        raise FormatError(_mixed(foreign))


def _mixed(foreign: Foreign) -> str:
    return (
        f"this {foreign.get('model_type')} model has a sliding window in some layers and not in "
        "others, and one for all is read; run it with transformers"
    )


def llama_sources(config: TransformerConfig) -> Sources:
    """The parts of our tensors: queries, keys and values are apart, and so are gate and value."""
    sources = _frame(config)
    for i in range(config.n_layers):
        theirs, ours = f"layers.{i}", f"transformer.blocks.{i}"
        qkv = zip("qkv", _widths(config), strict=True)
        names = [(f"{theirs}.self_attn.{letter}_proj", width) for letter, width in qkv]
        gated = [(f"{theirs}.mlp.{name}_proj", config.inner_dim) for name in ("gate", "up")]
        for kind in _kinds(config.has_qkv_bias):
            parts = [Part(f"{name}.{kind}", width) for name, width in names]
            sources[f"{ours}.attention.qkv.{kind}"] = parts
        for kind in _kinds(config.bias):
            parts = [Part(f"{name}.{kind}", width) for name, width in gated]
            sources[f"{ours}.feed_forward.up.{kind}"] = parts
    return sources


def phi3_sources(config: TransformerConfig) -> Sources:
    """The parts of our tensors, which are fused as ours are."""
    sources = _frame(config)
    for i in range(config.n_layers):
        theirs, ours = f"layers.{i}", f"transformer.blocks.{i}"
        sources[f"{ours}.attention.qkv.weight"] = [Part(f"{theirs}.self_attn.qkv_proj.weight")]
        sources[f"{ours}.feed_forward.up.weight"] = [Part(f"{theirs}.mlp.gate_up_proj.weight")]
    return sources


def _frame(config: TransformerConfig) -> Sources:
    """What is alike in all of them."""
    sources = {
        "transformer.embeddings.token.weight": [Part("embed_tokens.weight")],
        "transformer.norm.weight": [Part("norm.weight")],
    }
    if not config.is_tied:
        sources["head.weight"] = [Part("lm_head.weight")]
    for i in range(config.n_layers):
        theirs, ours = f"layers.{i}", f"transformer.blocks.{i}"
        for kind in _kinds(config.has_out_bias):
            sources[f"{ours}.attention.out.{kind}"] = [Part(f"{theirs}.self_attn.o_proj.{kind}")]
        for kind in _kinds(config.bias):
            sources[f"{ours}.feed_forward.down.{kind}"] = [Part(f"{theirs}.mlp.down_proj.{kind}")]
        for norm, name in _NORMS.items():
            sources[f"{ours}.{norm}.weight"] = [Part(f"{theirs}.{name}.weight")]
    return sources


def _kinds(has_bias: bool) -> tuple[str, ...]:
    return ("weight", "bias") if has_bias else ("weight",)


def _widths(config: TransformerConfig) -> tuple[int, int, int]:
    """Rows of queries, keys and values."""
    n_kv_heads = config.n_kv_heads or config.n_heads
    width = config.width_of_heads
    return config.n_heads * width, n_kv_heads * width, n_kv_heads * width


LLAMA = Architecture(
    config=llama_config,
    sources=llama_sources,
    prefix="model.",
    head="lm_head.weight",
    spare=r"rotary_emb\.inv_freq$",
)
MISTRAL = dataclasses.replace(LLAMA, config=mistral_config)
QWEN2 = dataclasses.replace(LLAMA, config=qwen2_config)
PHI3 = dataclasses.replace(LLAMA, config=phi3_config, sources=phi3_sources)

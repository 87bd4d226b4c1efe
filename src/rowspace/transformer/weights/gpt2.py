"""GPT-2, whose matrices are stored the other way round: (in, out), of a layer called Conv1D.

Radford et al. (2019), "Language Models are Unsupervised Multitask Learners".
"""

from __future__ import annotations

from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.weights.architecture import Architecture, Foreign, check_one_of, need
from rowspace.transformer.weights.sources import Part, Sources

_ACTIVATIONS = {
    "gelu_new": "gelu-tanh",
    "gelu_pytorch_tanh": "gelu-tanh",
    "gelu": "gelu",
    "relu": "relu",
}
_LINEARS = {
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "feed_forward.up": "mlp.c_fc",
    "feed_forward.down": "mlp.c_proj",
}


def gpt2_config(foreign: Foreign) -> TransformerConfig:
    """Our settings of a GPT-2."""
    check_one_of(foreign, "scale_attn_weights", True, True)
    check_one_of(foreign, "scale_attn_by_inverse_layer_idx", False, False)
    check_one_of(foreign, "add_cross_attention", False, False)
    activation = check_one_of(foreign, "activation_function", "gelu_new", *_ACTIVATIONS)
    return TransformerConfig(
        vocab_size=need(foreign, "vocab_size"),
        dim=need(foreign, "n_embd"),
        n_layers=need(foreign, "n_layer"),
        n_heads=need(foreign, "n_head"),
        hidden_dim=foreign.get("n_inner"),
        max_length=foreign.get("n_positions") or need(foreign, "n_ctx"),
        position="learned",
        norm="layer",
        norm_eps=foreign.get("layer_norm_epsilon", 1e-5),
        activation=_ACTIVATIONS[activation],
        bias=True,
        dropout=foreign.get("resid_pdrop", 0.1),
        attention_dropout=foreign.get("attn_pdrop", 0.1),
        is_tied=foreign.get("tie_word_embeddings", True),
        init_std=foreign.get("initializer_range", 0.02),
    )


def gpt2_sources(config: TransformerConfig) -> Sources:
    """The parts of our tensors."""
    sources = {
        "transformer.embeddings.token.weight": [Part("wte.weight")],
        "transformer.embeddings.position.table.weight": [Part("wpe.weight")],
    }
    if not config.is_tied:
        sources["head.weight"] = [Part("lm_head.weight")]
    for kind in ("weight", "bias"):
        sources[f"transformer.norm.{kind}"] = [Part(f"ln_f.{kind}")]
        for i in range(config.n_layers):
            theirs, ours = f"h.{i}", f"transformer.blocks.{i}"
            sources[f"{ours}.attention_norm.{kind}"] = [Part(f"{theirs}.ln_1.{kind}")]
            sources[f"{ours}.feed_forward_norm.{kind}"] = [Part(f"{theirs}.ln_2.{kind}")]
            for our, their in _LINEARS.items():
                part = Part(f"{theirs}.{their}.{kind}", is_transposed=kind == "weight")
                sources[f"{ours}.{our}.{kind}"] = [part]
    return sources


GPT2 = Architecture(
    config=gpt2_config,
    sources=gpt2_sources,
    prefix="transformer.",
    head="lm_head.weight",
    spare=r"\.attn\.(masked_)?bias$",  # the triangle of who sees whom, in older files
)

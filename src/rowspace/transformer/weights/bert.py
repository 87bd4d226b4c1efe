"""BERT: post-norm, learned positions, two kinds of token, and a head that fills gaps.

Devlin et al. (2019), https://arxiv.org/abs/1810.04805. The pooler and the head of the next sentence
are left: what is read tells words.
"""

from __future__ import annotations

from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.model import Encoder
from rowspace.transformer.weights.architecture import (
    Architecture,
    Foreign,
    check_one_of,
    need,
    padding_of,
)
from rowspace.transformer.weights.sources import Part, Sources

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu-tanh",
    "gelu_pytorch_tanh": "gelu-tanh",
    "relu": "relu",
}
_TABLES = {"token": "word", "position.table": "position", "token_type": "token_type"}
_LAYER = {
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward.up": "intermediate.dense",
    "feed_forward.down": "output.dense",
    "feed_forward_norm": "output.LayerNorm",
}


def bert_config(foreign: Foreign) -> TransformerConfig:
    """Our settings of a BERT."""
    check_one_of(foreign, "position_embedding_type", "absolute", "absolute")
    check_one_of(foreign, "is_decoder", False, False)
    activation = check_one_of(foreign, "hidden_act", "gelu", *_ACTIVATIONS)
    return TransformerConfig(
        vocab_size=need(foreign, "vocab_size"),
        dim=need(foreign, "hidden_size"),
        n_layers=need(foreign, "num_hidden_layers"),
        n_heads=need(foreign, "num_attention_heads"),
        hidden_dim=need(foreign, "intermediate_size"),
        max_length=need(foreign, "max_position_embeddings"),
        position="learned",
        norm="layer",
        norm_eps=foreign.get("layer_norm_eps", 1e-12),
        norm_order="post",
        activation=_ACTIVATIONS[activation],
        bias=True,
        dropout=foreign.get("hidden_dropout_prob", 0.1),
        attention_dropout=foreign.get("attention_probs_dropout_prob", 0.1),
        is_tied=foreign.get("tie_word_embeddings", True),
        embedding_norm=True,
        n_token_types=foreign.get("type_vocab_size", 2),
        padding_id=padding_of(foreign, 0),
        init_std=foreign.get("initializer_range", 0.02),
    )


def bert_sources(config: TransformerConfig) -> Sources:
    """The parts of our tensors."""
    sources = {
        f"transformer.embeddings.{ours}.weight": [Part(f"embeddings.{theirs}_embeddings.weight")]
        for ours, theirs in _TABLES.items()
    }
    head = "cls.predictions"
    if config.is_tied:
        sources["head.bias"] = [Part(f"{head}.bias")]
    else:  # then the bias beside it is not used
        sources["head.weight"] = [Part(f"{head}.decoder.weight")]
        sources["head.bias"] = [Part(f"{head}.decoder.bias")]
    for kind in ("weight", "bias"):
        sources[f"transformer.embeddings.norm.{kind}"] = [Part(f"embeddings.LayerNorm.{kind}")]
        sources[f"transform.linear.{kind}"] = [Part(f"{head}.transform.dense.{kind}")]
        sources[f"transform.norm.{kind}"] = [Part(f"{head}.transform.LayerNorm.{kind}")]
        for i in range(config.n_layers):
            theirs, ours = f"encoder.layer.{i}", f"transformer.blocks.{i}"
            sources[f"{ours}.attention.qkv.{kind}"] = [
                Part(f"{theirs}.attention.self.{name}.{kind}", config.dim)
                for name in ("query", "key", "value")
            ]
            for our, their in _LAYER.items():
                sources[f"{ours}.{our}.{kind}"] = [Part(f"{theirs}.{their}.{kind}")]
    return sources


BERT = Architecture(
    config=bert_config,
    sources=bert_sources,
    prefix="bert.",
    kind=Encoder,
    causal=False,
    head="cls.predictions.transform.dense.weight",
    spare=r"^pooler\.|^cls\.seq_relationship\.|position_ids$|^cls\.predictions\.(decoder\.|bias$)",
    endings=((".gamma", ".weight"), (".beta", ".bias")),  # of the files converted from TensorFlow
)

"""A small random BERT, and sentences in which "bank" is by a river or of money."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

_RIVER = """
reeds water mud heron boat ferry otter willow trout pebbles flood bridge stream angler mill dam
"""
_MONEY = """
loan credit cash teller vault savings deposit interest branch account robber clerk bonds broker
merger profit
"""
RIVER, MONEY = _RIVER.split(), _MONEY.split()
WORDS = ["the", "bank", "banks", "shore", "near", "and", *RIVER, *MONEY]
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def sentences(topic: list[str], n: int, seed: int = 0) -> list[str]:
    """Different sentences with the word in the same place, and four words of a topic around it."""
    generator = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        a, b, c, d = generator.permutation(topic)[:4]
        found[f"the {a} {b} bank {c} {d}"] = None
    return list(found)


def write_model(folder: Path) -> Path:
    """A BERT of two layers that knows topics, and a tokenizer of whole words."""
    torch.manual_seed(1)
    vocabulary = [*_SPECIAL, *WORDS]
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
    )
    model = transformers.BertModel(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    table = model.embeddings.word_embeddings.weight.data
    for topic in (RIVER, MONEY):  # words of a topic are alike
        rows = [vocabulary.index(word) for word in topic]
        table[rows] = table[rows[0]] + 0.25 * (table[rows] - table[rows[0]])
    model.save_pretrained(folder)
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "BertProcessing",
            "sep": ["[SEP]", 3],
            "cls": ["[CLS]", 2],
        },
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: i for i, token in enumerate(vocabulary)},
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder

"""Small static embedders for the tests: a WordPiece tokenizer and seeded tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

WORDS = ["[PAD]", "[UNK]", "the", "cat", "dog", "sat", "on", "mat", "##s", "run", "##ning", "."]
TEXTS = [
    "The cat sat on the mat.",
    "dogs running",
    "",
    "zebra",
    "a cat",
    "the cat " * 700,
    "mats",
    "zebra " * 600 + "cat",
    "   ",
]
"""With empty ones, unknown words, and some longer than 512 tokens."""


def tokenizer() -> Tokenizer:
    """WordPiece of `WORDS`, lower-casing."""
    vocab = {word: i for i, word in enumerate(WORDS)}
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[PAD]", "[UNK]"])
    return made


def table(dim: int = 8, n_rows: int = len(WORDS)) -> NDArray[np.float32]:
    """(n_rows, dim) seeded."""
    return np.random.default_rng(5).normal(size=(n_rows, dim)).astype(np.float32)

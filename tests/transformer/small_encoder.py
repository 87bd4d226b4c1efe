"""Small random encoders with a tokenizer, and a text of few words for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rowspace.text.corpus import Corpus
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.transformer import foreign

ANIMALS = ["cat", "dog", "fox", "hen", "owl", "pig"]


def sentences(n: int = 24) -> list[str]:
    rng = np.random.default_rng(0)
    return [
        f"The {ANIMALS[i]} saw the {ANIMALS[j]} near {ANIMALS[k]}."
        for i, j, k in rng.integers(0, len(ANIMALS), size=(n, 3))
    ]


def write_model(folder: Path, kind: str, text: list[str]) -> Path:
    """A random model of the `transformers` library with a tokenizer of this text."""
    corpus = folder.with_suffix(".txt")
    corpus.write_text("\n".join(text))
    tokenizer = SubwordTokenizer.train(Corpus(corpus), "wordpiece", vocab_size=80)
    foreign.write(folder, kind, vocab_size=tokenizer.vocab_size)
    tokenizer.save(folder)
    return folder

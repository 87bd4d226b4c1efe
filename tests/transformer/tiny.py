"""A small random encoder with a tokenizer of its own: what reads words in texts runs on it."""

from __future__ import annotations

import random
from pathlib import Path

from rowspace.text.corpus import Corpus
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.transformer import foreign

SENTENCES = (
    "the bank of the river was muddy.",
    "she robbed the Bank, and the bank's clerk ran.",
    "no money at all",
    "a dog ran along the river bank to the bank",
)


def write_encoder(folder: Path) -> Path:
    """A random BERT that reads 64 tokens, and WordPiece of `SENTENCES`."""
    text = folder.with_suffix(".txt")
    text.write_text("\n".join(SENTENCES * 20))
    foreign.write(folder, "bert")
    tokenizer = SubwordTokenizer.train(Corpus(text), "wordpiece", vocab_size=foreign.VOCAB)
    tokenizer.save(folder)
    return folder


def write_lines(path: Path, n: int = 120) -> Path:
    """A text of lines of several lengths, some of them too long, of the words of `SENTENCES`."""
    draw = random.Random(5)
    words = " ".join(SENTENCES).split()
    lines = [" ".join(draw.choices(words, k=draw.choice([1, 4, 9, 20, 80]))) for _ in range(n)]
    path.write_text("\n".join(lines) + "\n")
    return path

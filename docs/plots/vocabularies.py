"""The plot of chapter 1: how long a text is in tokens, by the size of the vocabulary.

Run as `python docs/plots/vocabularies.py`; half a minute.
"""

from __future__ import annotations

from pathlib import Path

from drawing import draw

from rowspace.space.plots import Series
from rowspace.text.corpus import Corpus, read_documents
from rowspace.text.tokenizer import words
from rowspace.transformer import SubwordTokenizer

EXAMPLES = Path(__file__).parents[2] / "examples"
SIZES = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)


def main() -> None:
    """Train a tokenizer of each kind and size on the factbook, and read it and novels with it."""
    texts = {
        "facts": [d.text for d in read_documents(EXAMPLES / "factbook")],
        "novels": [d.text[:200_000] for d in read_documents(EXAMPLES / "gutenberg")][:10],
    }
    series = []
    for color, (name, kind) in enumerate((("BPE", "bpe"), ("WordPiece", "wordpiece"))):
        tokenizers = [
            SubwordTokenizer.train(Corpus(EXAMPLES / "factbook"), kind, vocab_size=size)
            for size in SIZES
        ]
        for read, sample in texts.items():
            n_words = sum(len(words(text)) for text in sample)
            values = [
                (size, sum(len(tokenizer.encode(text)) for text in sample) / n_words)
                for size, tokenizer in zip(SIZES, tokenizers, strict=True)
            ]
            series.append(Series(f"{name}, {read}", values, color, read == "novels"))
    draw(
        "tokens-by-vocabulary",
        series,
        "Tokens a word",
        "tokens in the vocabulary (log)",
        "tokens a word",
        SIZES,
    )


if __name__ == "__main__":
    main()

"""Small things to train: models of random weights, examples of every kind, and a run to stop."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from rowspace.sentence import SentenceModel, StaticModel
from rowspace.sentence.example import Example
from rowspace.sentence.prompts import Prompts
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.sentence import small_static
from tests.transformer.small_encoders import SENTENCES, write_encoder

Model = SentenceModel | StaticModel
PROMPTS = Prompts({"query": "the bank: ", "document": "a river of "})
_WORDS = sorted({word for line in SENTENCES for word in line.split()})


def write_bert(folder: Path, kind: str = "bert", dropout: float = 0.1) -> Path:
    """A folder of a transformer alone, whose states are averaged."""
    share = {} if kind == "distilbert" else {"hidden_dropout_prob": dropout}
    return write_encoder(folder, kind, **share)


def load_bert(folder: Path, prompts: Prompts = PROMPTS, *, include_prompt: bool = True) -> Model:
    """That folder as a model to train, with prompts."""
    model = SentenceModel.load(folder)
    model.set_config(
        dataclasses.replace(model.config, prompts=prompts, include_prompt=include_prompt)
    )
    return model


def static(dim: int = 8) -> StaticModel:
    """A static embedder of a dozen tokens."""
    return StaticModel(small_static.table(dim), SubwordTokenizer(small_static.tokenizer()))


def texts(n: int, words: list[str] | None = None, seed: int = 0) -> list[str]:
    """Different texts of one to nine words."""
    draw, found = random.Random(seed), dict[str, None]()
    while len(found) < n:
        found[" ".join(draw.choices(words or _WORDS, k=draw.randint(2, 9)))] = None
    return list(found)


def examples(kind: str, n: int = 8, words: list[str] | None = None) -> list[Example]:
    """Examples of a kind; of those with negatives the first has none, and the others 1 to 3."""
    lines = iter(texts(5 * n, words, seed=n))
    found = []
    for i in range(n):
        pair = next(lines), next(lines)
        negatives = tuple(next(lines) for _ in range(i % 4))
        if kind == "pairs":
            found.append(Example(*pair))
        elif kind == "scored":
            found.append(Example(*pair, score=(i % 5) / 4))
        elif kind == "triplets":
            found.append(Example(*pair, negatives))
        else:
            scores = tuple(1 - 0.3 * place for place in range(1 + len(negatives)))
            found.append(Example(*pair, negatives, scores=scores))
    return found

"""Next-word models: perplexity, what they may not see, and what counts compare with."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.next_word import (
    NextWordConfig,
    NextWordTask,
    bigram,
    next_word_task,
    perplexity,
    read_articles,
    unigram,
)
from rowspace.evaluate.next_word_training import NextWordModel, measure, next_word
from rowspace.evaluate.sequence_inputs import word_table
from rowspace.evaluate.sequence_models import Rows
from rowspace.evaluate.sequence_tokens import ContextualTokens, WordTokens
from rowspace.space.vectors import Vectors
from rowspace.transformer.load_encoder import load_encoder
from tests.transformer.small_encoders import write_encoder

WORDS = list("abcdef")
CONFIG = NextWordConfig(
    vocab_size=10, text_words=5, hidden=16, batch_size=4, epochs=8, learning_rate=0.03, dropout=0.0
)


@pytest.fixture
def task() -> NextWordTask:
    """Articles in which each letter follows the one before it in the alphabet."""
    draw = np.random.default_rng(0)
    articles = []
    for _ in range(40):
        start = int(draw.integers(6))
        articles.append([WORDS[(start + i) % 6] for i in range(11)])
    return next_word_task("letters", articles, CONFIG)


@pytest.fixture
def reader() -> WordTokens:
    return WordTokens(Vectors(WORDS, np.eye(6, dtype=np.float32)))


def test_the_perplexity_of_who_has_no_idea_is_the_vocabularys_size(
    task: NextWordTask, reader: WordTokens
) -> None:
    inputs = word_table(reader, [text[:-1] for text in task.texts]).inputs("frozen", 0)
    rows = Rows(torch.from_numpy(inputs.table), is_trained=False)
    model = NextWordModel(rows, 7, CONFIG, torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    result = measure(model, inputs, task, range(len(task.texts)))
    assert result.perplexity == pytest.approx(7, rel=1e-5)


def test_every_word_but_an_articles_first_is_told_once(task: NextWordTask) -> None:
    told = [word for text in task.texts[: task.n_train] for word in text[1:]]
    assert len(told) == 32 * 10
    assert perplexity(np.array([2.0, 4.0]), np.array([1, 2])) == pytest.approx(math.exp(2))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_text_whose_words_decide_the_next_is_told(
    task: NextWordTask, reader: WordTokens, cell: str
) -> None:
    config = NextWordConfig(**{**vars(CONFIG), "cell": cell})
    for kind in ("frozen", "fine-tuned", "random"):
        assert next_word(reader, task, config, kind).perplexity < 1.2
    first, again = (next_word(reader, task, config).losses for _ in range(2))
    assert (first == again).all()


def test_counts_by_hand() -> None:
    config = NextWordConfig(vocab_size=10, text_words=10)
    task = next_word_task("ab", [["a", "b", "a", "b"]] * 10, config)
    # Of 24 words that are told in eight articles, 16 are b and 8 a; one is added to each of three.
    expected = {"a": 9 / 27, "b": 17 / 27}
    surprise = -(2 * math.log(expected["b"]) + math.log(expected["a"]))
    assert unigram(task).perplexity == pytest.approx(math.exp(surprise / 3))
    # a is always followed by b and b by a, and the most that a mixture gives that is 0.95.
    alone = 2 * math.log(0.95 + 0.05 * 17 / 27) + math.log(0.95 + 0.05 * 9 / 27)
    assert bigram(task).perplexity == pytest.approx(math.exp(-alone / 3))


def test_a_model_that_looks_ahead_is_refused(task: NextWordTask, tmp_path: Path) -> None:
    both_ways = ContextualTokens(load_encoder(write_encoder(tmp_path, "bert")))
    with pytest.raises(EvaluationError, match="reads a text both ways, so a word's vector knows"):
        next_word(both_ways, task, CONFIG)


def test_states_of_a_causal_model_are_read(task: NextWordTask, tmp_path: Path) -> None:
    causal = ContextualTokens(load_encoder(write_encoder(tmp_path, "gpt2")))
    assert next_word(causal, task, CONFIG).perplexity < 1.5


def test_articles_are_told_by_their_titles(tmp_path: Path) -> None:
    path = tmp_path / "wikitext.txt"
    lines = "".join(f" = Title {i} = \n \n = = Part = = \n word {i} \n" for i in range(10))
    path.write_text(lines + " = Q = \n a letter \n")
    articles = read_articles(path)
    assert len(articles) == 11
    assert articles[10] == ["=", "Q", "=", "a", "letter"]
    assert articles[3] == ["=", "Title", "3", "=", "=", "=", "Part", "=", "=", "word", "3"]
    path.write_text(" = Title = \n word \n")
    with pytest.raises(EvaluationError, match="has 1 articles; give a file of ten or more"):
        read_articles(path)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="no state after each word; give gru or lstm"):
        NextWordConfig(cell="mean")
    with pytest.raises(ConfigError, match="vocab_size is 1; give 2 or more"):
        NextWordConfig(vocab_size=1)

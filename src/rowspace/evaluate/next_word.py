"""Next-word models over embeddings: how surprised is a GRU or LSTM by each word of a text?

Perplexity is e to the mean surprise, in nats a word (Mikolov et al. 2010, recurrent models; Merity
et al. 2017, https://arxiv.org/abs/1609.07843, WikiText). Differs from what is published on
WikiText-2: the vocabulary is the most frequent words of the articles that are learnt from, others
are one unknown word, and articles are cut into short texts, each read from its own beginning, so
that a transformer and a recurrent model see as far back. So numbers compare here, not with papers.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.lines import numbered_lines
from rowspace.evaluate.sequence import TokenVectors
from rowspace.evaluate.sequence_config import Cell

UNKNOWN = "<unk>"
_TITLE = re.compile(r"^\s*= (?!=).*[^=] =\s*$")
_SHARES = np.linspace(0, 0.95, 20)
"""Of the bigram's own share in its mixture with the unigram."""


@dataclass(frozen=True, kw_only=True)
class NextWordConfig:
    """How a next-word model learns."""

    cell: Cell = "gru"

    vocab_size: int = 5_000
    """Most frequent words that can be told; all others are one."""

    text_words: int = 40
    """Words of a text that is read at once."""

    n_words: int | None = 100_000
    """That are learnt from at most; None for all."""

    hidden: int = 128
    learning_rate: float = 0.003
    epochs: int = 6
    """Passes at most; learning stops after the first without a lower loss on held-out articles."""

    batch_size: int = 32
    dropout: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.cell == "mean":
            raise ConfigError("cell is mean, which has no state after each word; give gru or lstm")
        for name in ("vocab_size", "text_words", "hidden", "epochs", "batch_size"):
            if getattr(self, name) < 2 - (name == "epochs"):
                raise ConfigError(f"{name} is {getattr(self, name)}; give 2 or more")


@dataclass(frozen=True)
class NextWordTask:
    """Articles cut into texts, and the words to tell.

    A text's last word is the next one's first, so each word but an article's first is told once.
    """

    name: str
    texts: list[list[str]]
    """To learn from, then held out to stop by, then to be measured on."""
    n_train: int
    n_held_out: int
    vocabulary: list[str]
    """Words by number; `UNKNOWN` first."""

    @functools.cached_property
    def ids(self) -> list[NDArray[np.int64]]:
        """(n_words,) the numbers of each text's words."""
        numbers = {word: number for number, word in enumerate(self.vocabulary)}
        return [np.array([numbers.get(word, 0) for word in text]) for text in self.texts]


@dataclass(frozen=True)
class NextWordResult:
    """How well the words of the measured articles were told."""

    losses: NDArray[np.float64]
    """(n_texts,) the sum of each text's surprises, in nats."""
    counts: NDArray[np.int64]
    """(n_texts,) words told of each."""
    epoch: int

    @property
    def perplexity(self) -> float:
        """e to the mean surprise; the size of the vocabulary for one who has no idea."""
        return perplexity(self.losses, self.counts)


def perplexity(losses: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    """e to the mean of losses in nats, given by sums and counts.

    Examples
    --------
    >>> round(perplexity(np.array([math.log(8) * 3]), np.array([3])), 6)
    8.0
    """
    return math.exp(float(losses.sum()) / int(counts.sum()))


def read_articles(path: Path | str) -> list[list[str]]:
    """The words of each article of a WikiText file, whose titles are lines ` = Title = `.

    Raises
    ------
    EvaluationError
        If there are fewer than ten articles, which cannot be split.
    """
    articles: list[list[str]] = []
    for _, line in numbered_lines(Path(path)):
        if _TITLE.match(line) or not articles:
            articles.append([])
        articles[-1] += line.split()
    if len(articles) < 10:
        raise EvaluationError(
            f"{path} has {len(articles)} articles; give a file of ten or more, each below a title "
            "` = Title = `"
        )
    return articles


def next_word_task(
    name: str, articles: Sequence[Sequence[str]], config: NextWordConfig
) -> NextWordTask:
    """Split by articles: of ten, eight are learnt from, one tells when to stop, one is told."""
    train = _cut([words for i, words in enumerate(articles) if i % 10 < 8], config.text_words)
    if config.n_words is not None:
        train = train[: max(1, config.n_words // config.text_words)]
    held_out = _cut(articles[8::10], config.text_words)
    measured = _cut(articles[9::10], config.text_words)
    counts = Counter(word for text in train for word in text[1:])
    del counts[UNKNOWN]
    known = sorted(counts, key=lambda word: (-counts[word], word))[: config.vocab_size - 1]
    texts = [*train, *held_out, *measured]
    return NextWordTask(name, texts, len(train), len(held_out), [UNKNOWN, *known])


def check_sees_no_answer(reader: TokenVectors) -> None:
    """Raise for vectors that know the next word.

    Raises
    ------
    EvaluationError
        If they do.
    """
    if reader.looks_ahead:
        raise EvaluationError(
            "this model reads a text both ways, so a word's vector knows the next word, which is "
            "to be told; give a causal model, or word vectors"
        )


def unigram(task: NextWordTask) -> NextWordResult:
    """Each word by its share among the words that are learnt from, one added to each count."""
    shares = _unigram_shares(task)
    measured = task.ids[task.n_train + task.n_held_out :]
    losses = [float(-np.log(shares[ids[1:]]).sum()) for ids in measured]
    return NextWordResult(np.array(losses), np.array([len(ids) - 1 for ids in measured]), 0)


def bigram(task: NextWordTask) -> NextWordResult:
    """Each word by its share after the one before it, mixed with its share among all.

    The mixture (Jelinek & Mercer 1980) is the best one on the held-out articles.
    """
    alone, pairs = _unigram_shares(task), _pair_shares(task)

    def losses(share: float, texts: Sequence[NDArray[np.int64]]) -> float:
        return -sum(
            math.log(share * pairs.get((a, b), 0.0) + (1 - share) * alone[b])
            for ids in texts
            for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True)
        )

    held_out = task.ids[task.n_train : task.n_train + task.n_held_out]
    best = min(_SHARES.tolist(), key=lambda share: losses(share, held_out))
    measured = task.ids[task.n_train + task.n_held_out :]
    return NextWordResult(
        np.array([losses(best, [ids]) for ids in measured]),
        np.array([len(ids) - 1 for ids in measured]),
        0,
    )


def _unigram_shares(task: NextWordTask) -> NDArray[np.float64]:
    counts: NDArray[np.float64] = np.ones(len(task.vocabulary))
    for ids in task.ids[: task.n_train]:
        np.add.at(counts, ids[1:], 1)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _pair_shares(task: NextWordTask) -> dict[tuple[int, int], float]:
    pairs: Counter[tuple[int, int]] = Counter()
    firsts: Counter[int] = Counter()
    for ids in task.ids[: task.n_train]:
        pairs.update(zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True))
        firsts.update(ids[:-1].tolist())
    return {pair: count / firsts[pair[0]] for pair, count in pairs.items()}


def _cut(articles: Sequence[Sequence[str]], n_words: int) -> list[list[str]]:
    """Texts of `n_words` words and the one after, of each article."""
    return [
        list(words[start : start + n_words + 1])
        for words in articles
        for start in range(0, len(words) - 1, n_words)
    ]

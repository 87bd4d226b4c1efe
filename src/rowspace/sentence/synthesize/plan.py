"""The prompts of a run, in their order: of tasks thought up, or of the passages of a corpus."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rowspace.errors import CorpusError
from rowspace.progress import track
from rowspace.sentence.synthesize.chat_config import ChatConfig
from rowspace.sentence.synthesize.prompts import (
    N_TASKS,
    Prompt,
    example_prompt,
    passage_prompt,
    task_prompt,
)
from rowspace.text.corpus import Corpus
from rowspace.text.passages import split_passages


@dataclass(frozen=True)
class ChosenPassage:
    """A passage that a query is asked for."""

    key: str
    title: str
    text: str


def most_answers(config: ChatConfig) -> int:
    """Answers after which a run ends, whatever it has."""
    return 3 * config.n + 25


def task_prompts(config: ChatConfig) -> list[Prompt]:
    """Ask for as many tasks as the examples want."""
    n_of_kind = -(-config.n // len(config.kinds))
    n_lists = -(-n_of_kind // (N_TASKS * config.examples_per_task))
    return [task_prompt(kind, number) for kind in config.kinds for number in range(n_lists)]


def example_prompts(config: ChatConfig, tasks: Mapping[str, Sequence[str]]) -> Iterator[Prompt]:
    """Ask for examples, of each group in turn."""
    for number in range(most_answers(config)):
        kind = config.kinds[number % len(config.kinds)]
        draw = random.Random(f"{config.seed} {number}")  # noqa: S311
        task = draw.choice(tasks[kind])
        yield example_prompt(number, kind, task, config.languages, draw)


def passage_prompts(config: ChatConfig, passages: Sequence[ChosenPassage]) -> Iterator[Prompt]:
    """Ask for a query to each passage."""
    for passage in itertools.islice(passages, most_answers(config)):
        draw = random.Random(f"{config.seed} {passage.key}")  # noqa: S311
        yield passage_prompt(passage.key, passage.title, passage.text, draw)


def choose_passages(corpus: Corpus, config: ChatConfig) -> list[ChosenPassage]:
    """Passages of the corpus by lot, more than are wanted, since some answers will be of no use.

    Raises
    ------
    CorpusError
        If there is none.
    """
    n = most_answers(config)
    with track("choosing passages"):
        drawn = heapq.nsmallest(n, _passages(corpus, config), key=lambda pair: pair[0])
    chosen = {passage.key: passage for _, passage in drawn}  # one that repeats counts once
    if not chosen:
        raise CorpusError(
            f"the corpus has no passage of {config.min_words} words; give more text, or fewer "
            "min_words"
        )
    return list(chosen.values())


def _passages(corpus: Corpus, config: ChatConfig) -> Iterator[tuple[bytes, ChosenPassage]]:
    for document in corpus:
        title = "" if corpus.is_whole_file(document) else " ".join(document.title.split())
        for passage in split_passages(document, config.max_words):
            if len(passage.text.split()) < config.min_words:
                continue
            key = hashlib.sha256(f"{title}\n{passage.text}".encode("utf-8", "replace")).hexdigest()
            lot = hashlib.sha256(f"{config.seed} {key}".encode()).digest()
            yield lot, ChosenPassage(f"passage {key[:32]}", title, passage.text)

"""What a run will send and receive, and cost, before anything is sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rowspace.sentence.synthesize.chat import n_tokens
from rowspace.sentence.synthesize.chat_config import ChatConfig
from rowspace.sentence.synthesize.plan import (
    ChosenPassage,
    choose_passages,
    example_prompts,
    passage_prompts,
    task_prompts,
)
from rowspace.sentence.synthesize.prompts import N_TASKS, Prompt
from rowspace.text.corpus import Corpus

# Tokens that are expected of the model: a third more than the words that prompts ask for.
_TOKENS = {"short": 15, "long": 190}
_TASK_TOKENS = 30
_JSON_TOKENS = 30


@dataclass(frozen=True)
class Estimate:
    """Of a whole run, without answers that will be rejected and asked for anew."""

    n_requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """None where no prices were given."""


def estimate(config: ChatConfig, corpus: Corpus | None = None) -> Estimate:
    """What a run of these settings will take; nothing is sent.

    Tokens are a guess: one for each four bytes of a prompt, and for answers what is asked for.
    """
    return estimate_of(config, None if corpus is None else choose_passages(corpus, config))


def estimate_of(config: ChatConfig, passages: Sequence[ChosenPassage] | None) -> Estimate:
    """As `estimate`, of passages that are chosen already."""
    prompts: Iterable[Prompt]
    if passages is not None:
        prompts = passage_prompts(config, passages)
    else:
        task = "x" * 4 * _TASK_TOKENS
        tasks = {kind: [task] for kind in config.kinds}
        prompts = itertools.chain(task_prompts(config), example_prompts(config, tasks))
    n_lists = 0 if passages is not None else len(task_prompts(config))
    n_requests = n_in = n_out = 0
    for prompt in itertools.islice(prompts, n_lists + config.n):
        n_requests += 1
        n_in += n_tokens(prompt.text)
        n_out += _expected(prompt)
    return Estimate(n_requests, n_in, n_out, config.cost(n_in, n_out))


def _expected(prompt: Prompt) -> int:
    """Tokens of the answer to a prompt."""
    if prompt.positive is not None:
        return _JSON_TOKENS + _TOKENS["short"] + n_tokens(prompt.positive)
    if prompt.key.startswith("tasks "):
        return N_TASKS * _TASK_TOKENS
    query, document = prompt.kind.split("-")
    return _JSON_TOKENS + _TOKENS[query] + 2 * _TOKENS[document]

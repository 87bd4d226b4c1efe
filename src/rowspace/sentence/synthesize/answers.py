"""What a model answered, read and checked: tasks, or one example.

Models put JSON in code fences and words around it, so it is looked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rowspace.sentence.synthesize.prompts import Prompt
from rowspace.sentence.synthesize.synthetic_pair import SyntheticPair, plain_form
from rowspace.text.normalize import normalize

_MOST_STARTS = 200  # places where JSON may begin that are tried
_DECODER = json.JSONDecoder()


class Rejected(Exception):  # noqa: N818
    """An answer that is of no use; the message is a reason to be counted."""


def read_tasks(content: str) -> list[str]:
    """The tasks of an answer, none twice; empty if there are none."""
    for value in _values(content, "["):
        tasks = [_cleaned(item) for item in value if isinstance(item, str)]
        if tasks := [task for task in tasks if plain_form(task)]:
            return list({plain_form(task): task for task in tasks}.values())
    return []


def read_example(content: str, prompt: Prompt) -> SyntheticPair:
    """The example of an answer.

    Raises
    ------
    Rejected
        If there is none in it, or it is none to train with.
    """
    found = next((v for v in _values(content, "{") if "user_query" in v), None)
    if found is None:
        found = next(_values(content, "{"), None)
    if found is None:
        raise Rejected("no JSON in the answer")
    query = _text(found, "user_query")
    positive = prompt.positive or _text(found, "positive_document")
    negative = _text(found, "hard_negative_document")
    plain = [plain_form(text) for text in (query, positive, negative)]
    if plain[0] in plain[1:]:
        raise Rejected("query and document are one")
    if plain[1] == plain[2]:
        raise Rejected("positive and negative are one")
    if f" {plain[0]} " in f" {plain[1]} ":
        raise Rejected("the document holds the query word for word")
    return SyntheticPair(query, positive, (negative,), prompt.kind)


def _text(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        raise Rejected(f"no {name}")
    if not isinstance(fields[name], str):
        raise Rejected(f"{name} is no text")
    text = _cleaned(fields[name])
    if not plain_form(text):
        raise Rejected(f"{name} is empty")
    return text


def _cleaned(text: str) -> str:
    """In the spelling of a corpus, without half characters, which JSON can hold."""
    return normalize(text.encode("utf-8", "replace").decode()).strip()


def _values(content: str, opening: str) -> Iterator[Any]:
    """The JSON values that begin with a bracket, wherever they stand."""
    start = content.find(opening)
    for _ in range(_MOST_STARTS):
        if start < 0:
            return
        try:
            value, end = _DECODER.raw_decode(content, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield value
        start = content.find(opening, end)

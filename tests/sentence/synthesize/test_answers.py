from __future__ import annotations

import json
from typing import Any

import pytest

from rowspace.sentence.synthesize.answers import Rejected, read_example, read_tasks
from rowspace.sentence.synthesize.prompts import Prompt

PROMPT = Prompt("example 1", "short-long", "Ask")
GOOD = {
    "user_query": "why is the sky blue",
    "positive_document": "Light of short waves is scattered more, so it is blue.",
    "hard_negative_document": "The sky at night is dark, and has stars.",
}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(GOOD),
        json.dumps(GOOD, indent=2) + "\n",
        f"Here you are:\n```json\n{json.dumps(GOOD)}\n```\nAnything else?",
        f"```\n{json.dumps(GOOD)}\n```",
        f"{{not this}} but [1] this: {json.dumps(GOOD)}",
        f"{{}} {json.dumps({'thought': 'hm'})} {json.dumps(GOOD)}",
        json.dumps(GOOD | {"more": [1, {"a": None}]}),
    ],
)
def test_the_json_is_found_wherever_it_stands(content: str) -> None:
    example = read_example(content, PROMPT)
    assert [example.anchor, example.positive, *example.negatives] == list(GOOD.values())
    assert example.kind == "short-long"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user_query": None}, "user_query is no text"),
        ({"positive_document": ["a"]}, "positive_document is no text"),
        ({"hard_negative_document": " \n"}, "hard_negative_document is empty"),
        ({"user_query": "?!"}, "user_query is empty"),
        ({"hard_negative_document": GOOD["positive_document"].upper()}, "positive and negative"),
        ({"user_query": GOOD["positive_document"]}, "query and document are one"),
        ({"user_query": GOOD["hard_negative_document"]}, "query and document are one"),
        ({"positive_document": "You ask: Why is the sky blue? Light."}, "word for word"),
    ],
)
def test_examples_that_cannot_be_trained_with(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        read_example(json.dumps(GOOD | changes), PROMPT)


def test_answers_without_an_example() -> None:
    for name in GOOD:
        fields = {key: value for key, value in GOOD.items() if key != name}
        with pytest.raises(Rejected, match=f"no {name}"):
            read_example(json.dumps(fields), PROMPT)
    for content in ("", "I cannot.", json.dumps(GOOD)[:-1], "[" * 5000, "{" * 5000, "[1, 2]"):
        with pytest.raises(Rejected, match="no JSON"):
            read_example(content, PROMPT)


def test_half_characters_of_json_are_mended() -> None:
    content = json.dumps(GOOD | {"user_query": "half \ud83d a face"})
    assert read_example(content, PROMPT).anchor == "half ? a face"


def test_the_passage_is_the_positive_of_a_grounded_example() -> None:
    prompt = Prompt("passage 1", "grounded", "Ask", "Rain is water that falls.")
    example = read_example(json.dumps(GOOD | {"positive_document": ""}), prompt)
    assert example.positive == "Rain is water that falls."
    with pytest.raises(Rejected, match="word for word"):
        read_example(json.dumps(GOOD | {"user_query": "water that falls"}), prompt)


def test_tasks_are_read_once_each() -> None:
    content = 'See [1].\n```json\n["Find a cure.", "find a cure", "", 3, "Match titles."]\n```'
    assert len(read_tasks(content)) == 2
    assert read_tasks(content)[1] == "Match titles."
    assert read_tasks("no list") == read_tasks('["", "?"]') == []

"""A chat model in the tests' server: gives tasks, and an example of its own to each prompt."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

from tests.sentence.server import Handler, Reply

USAGE = {"prompt_tokens": 100, "completion_tokens": 50}


def chat(handler: Handler, body: Any) -> None:
    text = body["messages"][0]["content"]
    content = tasks(text) if "JSON list" in text else json.dumps(example(text))
    handler.send(200, message(content))


def message(content: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content}}], "usage": USAGE}


def says_content(content: Any) -> Reply:
    return lambda handler, _: handler.send(200, message(content))


def tasks(prompt: str) -> str:
    return (
        "Sure!\n```json\n" + json.dumps([_words(prompt + str(i), 8) for i in range(20)]) + "\n```"
    )


def example(prompt: str) -> dict[str, str]:
    return {
        "user_query": _words(prompt + "q", 6),
        "positive_document": "" if "<passage>" in prompt else _words(prompt + "p", 40),
        "hard_negative_document": _words(prompt + "n", 40),
    }


def _words(seed: str, n: int) -> str:
    draw = random.Random(hashlib.sha256(seed.encode()).digest())
    return " ".join(f"word{draw.randrange(100_000)}" for _ in range(n))

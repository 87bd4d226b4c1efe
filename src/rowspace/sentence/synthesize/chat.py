"""One request to a chat model, `POST url/chat/completions`."""

from __future__ import annotations

from typing import Any

from rowspace.errors import RemoteError
from rowspace.sentence.endpoint import Endpoint
from rowspace.sentence.synthesize.chat_config import ChatConfig
from rowspace.sentence.synthesize.journal import Answer
from rowspace.sentence.synthesize.prompts import Prompt


def ask(endpoint: Endpoint, config: ChatConfig, prompt: Prompt) -> Answer:
    """Ask, and return what was said; empty where the model said nothing.

    Raises
    ------
    RemoteError
        If the server refuses, cannot be reached, or answers with something else.
    """
    body = {
        "model": config.model,
        "messages": [{"role": "user", "content": prompt.text}],
        "temperature": config.temperature,
    }
    answer = endpoint.post("/chat/completions", body)
    try:
        content = answer["choices"][0]["message"].get("content") or ""
        usage = answer.get("usage") or {}
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise _nonsense(endpoint) from error
    if not isinstance(content, str) or not isinstance(usage, dict):
        raise _nonsense(endpoint)
    return Answer(
        prompt.key,
        content,
        _count(usage.get("prompt_tokens"), prompt.text),
        _count(usage.get("completion_tokens"), content),
    )


def n_tokens(text: str) -> int:
    """About how many tokens a text has: one for each four bytes of UTF-8."""
    return len(text.encode("utf-8", "replace")) // 4 + 1


def _count(said: Any, text: str) -> int:
    return said if isinstance(said, int) and said >= 0 else n_tokens(text)


def _nonsense(endpoint: Endpoint) -> RemoteError:
    return RemoteError(
        f"{endpoint.url}/chat/completions answered with no message; check that the server speaks "
        "OpenAI's protocol"
    )

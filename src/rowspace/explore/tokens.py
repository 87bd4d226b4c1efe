"""`tokens`: what a model makes of a text, id by id, and the rows that the ids pick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from rowspace.errors import ConfigError, CorpusError
from rowspace.explore.subject import Subject
from rowspace.explore.token_models import TokenModels
from rowspace.explore.token_reading import Reading, Token, TokenModel

MOST_CHARACTERS = 20_000
"""Of a text."""
MOST_SHOWN = 2_000
"""Tokens that are told one by one."""
MOST_ROWS, MOST_COLUMNS = 64, 128
"""Of the picture of the rows that a text picks."""
MOST_NEIGHBORS = 50


class Text(BaseModel):
    """What is asked of `tokens`."""

    text: str
    model: str | None = None
    prompt: str | None = None
    """The name of one of the model's."""


def routes(subjects: Sequence[Subject]) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["explorer"])
    models = TokenModels(subjects)

    @router.post("/tokens")
    def tokens(asked: Text, subject: int = 0) -> dict[str, Any]:
        """A text as tokens."""
        _check_text(asked.text)
        name, model = models.get(subject, asked.model)
        reading = model.read(asked.text, _prompt(model, asked.prompt))
        return {
            "model": name,
            "models": models.names(subject),
            "prompt_name": asked.prompt,
            "n_characters": len(asked.text),
            **describe(model),
            **_counts(reading),
            "tokens": [asdict(token) for token in reading.tokens[:MOST_SHOWN]],
            "picture": _picture(model, reading.tokens),
        }

    @router.get("/tokens/row")
    def row(
        row: int | None = None,
        word: str | None = None,
        k: int = 10,
        model: str | None = None,
        subject: int = 0,
    ) -> dict[str, Any]:
        """A row by its number, or by the word or token that picks it, and the nearest rows."""
        if (row is None) == (word is None):
            raise ConfigError("give row or word, one of the two")
        if not 1 <= k <= MOST_NEIGHBORS:
            raise ConfigError(f"k is {k}; give 1 to {MOST_NEIGHBORS}")
        _, chosen = models.get(subject, model)
        if word is not None:
            _check_text(word)
        found = chosen.row(row, k) if row is not None else chosen.word(word or "", k)
        return found.as_dict() | describe(chosen)

    return router


def describe(model: TokenModel) -> dict[str, Any]:
    """What is said of a model beside every answer."""
    return {
        "kind": model.kind,
        "n_rows": model.n_rows,
        "dim": model.dim,
        "prompts": dict(model.prompts),
    }


def _check_text(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(
            f"the text has {len(text):,} characters; give {MOST_CHARACTERS:,} or fewer, as tokens "
            "are shown one by one"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"the text has half a surrogate pair at character {error.start:,}, which is no "
            "character; leave it out"
        ) from error


def _prompt(model: TokenModel, name: str | None) -> str:
    if not name:
        return ""
    if name not in model.prompts:
        known = ", ".join(model.prompts) or "none"
        raise ConfigError(f"there is no prompt {name!r}; the model has {known}")
    return model.prompts[name]


def _counts(reading: Reading) -> dict[str, Any]:
    own = [token for token in reading.tokens if token.part == "text"]
    return {
        "max_length": reading.max_length,
        "prompt": reading.prompt,
        "n_words": reading.n_words,
        "n_tokens": len(reading.tokens),
        "n_text": len(own),
        "n_read": sum(token.is_read for token in reading.tokens),
        "n_without_row": sum(token.row is None for token in own),
        "tokens_per_word": len(own) / reading.n_words if reading.n_words else None,
    }


def _picture(model: TokenModel, tokens: Sequence[Token]) -> dict[str, Any] | None:
    """The beginnings of the first rows that a text picks, in the text's order."""
    places = [place for place, token in enumerate(tokens) if token.is_read][:MOST_ROWS]
    rows = model.vectors([tokens[place] for place in places])
    if rows is None or not places:
        return None
    values = rows[:, :MOST_COLUMNS]
    return {
        "places": places,
        "dim": int(rows.shape[1]),
        "values": [[float(f"{x:.4g}") for x in line] for line in values.tolist()],
    }

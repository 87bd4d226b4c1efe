"""What the bodies of requests share: nothing unknown in them, strict types, whole texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from rowspace.errors import FilterError
from rowspace.explore.bodies import FirstUnknown, FirstWrong
from rowspace.serve.errors import ApiError


class Input(FirstUnknown):
    """A request's body: unknown fields are refused, and "1" is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _whole(text: str) -> str:
    """`text`, if UTF-8 can carry it: JSON can spell half a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise PydanticCustomError(
            "half_character", f"half a character (\\u{half:04x}) is no text; send whole ones"
        ) from None
    return text


def _as_list(given: Any) -> Any:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        raise PydanticCustomError("texts", "give a text or a list of texts")
    return given


MAX_FILTERS = 32
"""Filters in a list."""
_ONE_OR_MORE = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}

Text = Annotated[str, AfterValidator(_whole)]
Texts = Annotated[list[Text], FirstWrong(), BeforeValidator(_as_list), WithJsonSchema(_ONE_OR_MORE)]
"""A text, or a list of texts."""


def check_texts(texts: Sequence[str], param: str, max_items: int, max_characters: int) -> None:
    """See that there are some texts, not too many, and none too long.

    Raises
    ------
    ApiError
        400 that names the field and the limit.
    """
    if not texts:
        raise ApiError(400, f"{param} is empty; give one text or more", param=param)
    check_at_most(len(texts), max_items, param, "texts")
    for place, text in enumerate(texts):
        if len(text) > max_characters:
            raise ApiError(
                400,
                f"text {place} of {param} has {len(text):,} characters; the server takes up to "
                f"{max_characters:,}",
                param=param,
            )


def check_filters(where: list[str] | None) -> list[str] | None:
    """The filters, if they are not too many; how large they may be is said where they are parsed.

    Raises
    ------
    ApiError
        400 that names the limit.
    """
    if where is not None:
        check_at_most(len(where), MAX_FILTERS, "where", "filters")
    return where


@contextmanager
def blamed_on_where() -> Iterator[None]:
    """Tell of an error in a filter which field of the request it is in."""
    try:
        yield
    except FilterError as error:
        raise ApiError(400, str(error), param="where") from None


def check_at_most(n: int, most: int, param: str, what: str) -> None:
    """See that there are not too many of something.

    Raises
    ------
    ApiError
        400 that names the field and the limit.
    """
    if n > most:
        raise ApiError(
            400, f"{param} is of {n:,} {what}; the server takes up to {most:,}", param=param
        )

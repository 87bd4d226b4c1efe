"""Documents as they are sent: the fields of a .jsonl file's line, each checked.

`id` (or `_id`), `text`, and optionally `title` and `source`. Every other field is metadata, and so
are those of an object in `metadata`, as answers have them.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, WithJsonSchema

from rowspace.explore.bodies import FirstWrong
from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import ApiError
from rowspace.serve.inputs import check_at_most
from rowspace.text.corpus import Document, json_document
from rowspace.text.normalize import normalize

MAX_TITLE = 1000
"""Characters of a title, which each of a document's passages has."""
MAX_SOURCE = 1000
MAX_FIELD_NAME = 200
MAX_DEPTH = 8
"""Lists and objects inside one another in metadata."""

_DOCUMENT = {
    "type": "object",
    "description": "A document. Fields that are not named here are metadata.",
    "properties": {
        "id": {"type": "string", "description": "Unique in the space. `_id` is read too."},
        "text": {"type": "string"},
        "title": {"type": "string", "description": "Is read before each passage."},
        "source": {"type": "string", "description": "Where it is from: a file, an address."},
        "metadata": {"type": "object", "description": "More fields of metadata."},
    },
    "required": ["id", "text"],
    "additionalProperties": True,
}


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, dict) else given


OneOrMore = Annotated[
    list[dict[str, Any]],
    FirstWrong(),
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [_DOCUMENT, {"type": "array", "items": _DOCUMENT, "minItems": 1}]}),
]
"""A document's fields, or a list of them."""


def to_documents(given: list[dict[str, Any]], config: ServeConfig) -> list[Document]:
    """The library's documents, as it would read them from a .jsonl file.

    Raises
    ------
    ApiError
        400 that names the document by its place, and what is wrong with it.
    """
    if not given:
        raise ApiError(400, "documents is empty; give one or more", param="documents")
    check_at_most(len(given), config.max_items, "documents", "documents")
    return [_Reading(f"documents.{place}", config).read(one) for place, one in enumerate(given)]


class _Reading:
    """Reads the fields of one document."""

    def __init__(self, place: str, config: ServeConfig) -> None:
        self.place, self.config = place, config

    def read(self, given: dict[str, Any]) -> Document:
        fields = {name: value for name, value in given.items() if name != "metadata"}
        fields |= self._more_metadata(given)
        fields["text"] = normalize(self._text(fields, "text", self.config.max_characters))
        for name, most in (("title", MAX_TITLE), ("source", MAX_SOURCE)):
            if fields.get(name) is None:
                fields.pop(name, None)
            else:
                fields[name] = normalize(self._text(fields, name, most))
        source = fields.pop("source", "")
        self._check_id(fields)
        document = json_document(fields, "", source)
        self._check_metadata(document.metadata)
        return document

    def _more_metadata(self, given: dict[str, Any]) -> dict[str, Any]:
        more = given.get("metadata") or {}
        if not isinstance(more, dict):
            self._fail("metadata", "it is no object; give names and values")
        twice = next((name for name in more if name in given or name in _NAMED), None)
        if twice is not None:
            self._fail("metadata", f"{twice[:80]!r} is a field of the document already; rename it")
        return more

    def _text(self, fields: dict[str, Any], name: str, most: int) -> str:
        text = fields.get(name)
        if not isinstance(text, str):
            self._fail(name, "it is missing" if text is None else "it is no string; give a text")
        if len(text) > most:
            self._fail(name, f"it has {len(text):,} characters; the server takes up to {most:,}")
        self._check_whole(name, text)
        return text

    def _check_id(self, fields: dict[str, Any]) -> None:
        name = next((name for name in ("_id", "id", "document_id") if name in fields), None)
        if name is None:
            self._fail("id", "it is missing; a document with its id is replaced later")
        value = fields[name]
        if isinstance(value, bool) or not isinstance(value, str | int):
            self._fail(name, "it is no string; give one")
        if not 1 <= len(str(value)) <= self.config.max_id:
            self._fail(
                name,
                f"it has {len(str(value)):,} characters; give 1 to {self.config.max_id:,}",
            )
        self._check_whole(name, str(value))

    def _check_metadata(self, metadata: dict[str, Any]) -> None:
        if len(metadata) > self.config.max_fields:
            self._fail(
                "metadata",
                f"there are {len(metadata):,} fields; the server takes up to "
                f"{self.config.max_fields}",
            )
        for name, value in metadata.items():
            if not 1 <= len(name) <= MAX_FIELD_NAME:
                self._fail(name[:80], f"a field's name has 1 to {MAX_FIELD_NAME} characters")
            self._check_whole("metadata", name)
            self._check_value(name, value, 0)
        size = len(json.dumps(metadata, ensure_ascii=False))
        if size > self.config.max_metadata:
            self._fail(
                "metadata",
                f"it has {size:,} characters as JSON; the server takes up to "
                f"{self.config.max_metadata:,}",
            )

    def _check_value(self, name: str, value: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._fail(name, f"it nests more than {MAX_DEPTH} lists and objects; write it flatter")
        if isinstance(value, str):
            self._check_whole(name, value)
        elif isinstance(value, float) and not math.isfinite(value):
            self._fail(name, f"it is {value}, which JSON has not; leave it out")
        elif isinstance(value, list):
            for one in value:
                self._check_value(name, one, depth + 1)
        elif isinstance(value, dict):
            for key, one in value.items():
                self._check_whole(name, key)
                self._check_value(name, one, depth + 1)

    def _check_whole(self, name: str, text: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = ord(text[error.start])
            self._fail(name, f"it has half a character (\\u{half:04x}); send whole ones")

    def _fail(self, name: str, said: str) -> NoReturn:
        param = f"{self.place}.{name.encode('utf-8', 'replace').decode()}"
        raise ApiError(400, f"{param}: {said}", param=param)


_NAMED = ("_id", "id", "document_id", "text", "title", "source")

"""Bodies of requests of which one mistake is told: a body may hold a million.

Pydantic collects all mistakes, which took ten seconds and half a gigabyte for a body of a megabyte.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema


class FirstUnknown(BaseModel):
    """A body that refuses unknown fields (`extra="forbid"`), of which it looks at the first."""

    @model_validator(mode="before")
    @classmethod
    def _without_others(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        aliases = (field.alias for field in cls.model_fields.values() if field.alias)
        known = {*cls.model_fields, *aliases}
        unknown = next((name for name in given if name not in known), None)
        kept = {name: given[name] for name in known if name in given}
        return kept if unknown is None else {**kept, unknown: given[unknown]}


class FirstWrong:
    """Of a list, `Annotated[list[…], FirstWrong()]`: nothing is looked at after the first mistake.

    As pydantic's `FailFast`, which has no hash and so cannot be in a union of Python 3.11.
    """

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(kind)
        assert schema["type"] == "list"
        return {**schema, "fail_fast": True}

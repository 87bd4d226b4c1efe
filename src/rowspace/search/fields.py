"""Metadata fields: which type each has, so that filters can compare it.

A field holds `int`, `float`, `bool` or `string`. Integers and floats in one field make it `float`,
any other mixture `string`. Lists, dicts and None are kept with the passage but have no type, so
no filter sees them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rowspace.errors import CorpusError

BUILT_IN = {"document_id": "string", "title": "string", "source": "string"}
MAX_INT = 2**63 - 1
"""Integers beyond this count as floats. So does -2**63, which Lance's SQL cannot write."""
MAX_FIELDS = 500

_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


@dataclass(frozen=True)
class Field:
    """One metadata field: the column it is kept in, and what it holds."""

    column: str
    type: str


@dataclass
class FieldTypes:
    """Learns the type of every metadata field from the documents it is shown.

    Examples
    --------
    >>> seen = FieldTypes()
    >>> seen.observe("a", {"year": 1990, "tags": ["x"]})
    >>> seen.observe("b", {"year": 1990.5})
    >>> seen.types()
    {'year': 'float'}
    """

    kinds: dict[str, dict[str, tuple[str, Any]]] = field(default_factory=dict)
    """For each field, each kind of value seen, with the first document and value that had it."""

    def observe(self, document_id: str, metadata: Mapping[str, Any]) -> None:
        """Take note of one document's fields."""
        for name, value in metadata.items():
            if name not in BUILT_IN and (kind := kind_of(value)) is not None:
                self.kinds.setdefault(name, {}).setdefault(kind, (document_id, value))

    def add(self, other: FieldTypes) -> None:
        """Take over what was learnt of documents that come next."""
        for name, kinds in other.kinds.items():
            known = self.kinds.setdefault(name, {})
            for kind, example in kinds.items():
                known.setdefault(kind, example)

    def types(self) -> dict[str, str]:
        """The type of each field seen so far, by name."""
        return {name: common_type(set(kinds)) for name, kinds in self.kinds.items()}


def kind_of(value: Any) -> str | None:
    """The type that would hold `value`; None for what has no typed column."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if abs(value) <= MAX_INT else "float"
    if isinstance(value, float):
        return "float"
    return "string" if isinstance(value, str) else None


def common_type(kinds: set[str]) -> str:
    """The type of a field that holds values of these kinds."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return "float" if kinds == {"int", "float"} else "string"


def extend_fields(known: Mapping[str, Field], seen: FieldTypes) -> dict[str, Field]:
    """The fields after documents with `seen` join a space that has `known`.

    Raises
    ------
    CorpusError
        If a value does not fit the type its field already has, or there are too many fields.
    """
    fields = dict(known)
    for name, kinds in seen.kinds.items():
        if name not in known:
            fields[name] = field_of(name, common_type(set(kinds)), fields)
            continue
        for kind, (document_id, value) in kinds.items():
            if not _fits(kind, known[name].type):
                raise CorpusError(
                    f"field {name!r} holds {known[name].type} in this space, but document "
                    f"{document_id!r} gives {value!r} ({kind}); change the value or the name"
                )
    if len(fields) > MAX_FIELDS:
        raise CorpusError(
            f"the documents have {len(fields):,} metadata fields and a space keeps up to "
            f"{MAX_FIELDS}; move the rare ones into one field that holds a dict"
        )
    return fields


def _fits(kind: str, type_: str) -> bool:
    return kind == type_ or type_ == "string" or (kind, type_) == ("int", "float")


def field_of(name: str, type_: str, fields: Mapping[str, Field]) -> Field:
    """A new field beside `fields`.

    Its column is `meta_` and the name where that is safe to write in SQL, else `meta_` and a
    number.
    """
    return Field(f"meta_{name}" if _PLAIN_NAME.fullmatch(name) else f"meta_{len(fields)}", type_)


def convert(value: Any, type_: str) -> Any:
    """`value` as its typed column keeps it, None for a missing one.

    NaN is missing and -0.0 is 0.0, so that a filter compares as a person would.
    """
    kind = kind_of(value)
    if kind is None:
        return None
    if type_ == "string":
        return clean(value if kind == "string" else json.dumps(value))
    if type_ != "float":
        return value
    try:
        number = float(value) + 0.0
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else number


def clean(text: str) -> str:
    """`text` with what UTF-8 cannot carry (lone surrogates) replaced by `?`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def typed_columns(
    metadata: Sequence[Mapping[str, Any]], fields: Mapping[str, Field]
) -> dict[str, list[Any]]:
    """The typed columns of some rows: one list a field, by column name."""
    return {
        field.column: [convert(row.get(name), field.type) for row in metadata]
        for name, field in fields.items()
    }

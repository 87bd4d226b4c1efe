"""Filters in Milvus's own language: the same rows as LanceDB gives, missing values included.

Every metadata field is a column that may be null, and no `not` stands before a comparison with
one, so that nothing depends on how null is negated.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rowspace.search.fields import BUILT_IN, Field
from rowspace.search.filters import Given, Value, compile_for

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_WILDCARDS = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_LARGEST = sys.float_info.max


class _Expressions:
    """Milvus's boolean expressions; satisfies `filters.Dialect`."""

    both, either = " and ", " or "
    always, never = "row >= 0", "row < 0"  # of the number that every row has

    def literal(self, value: Value, type_: str) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return quote(value)
        return str(value) if type_ == "int" else repr(finite(float(value)) + 0.0)

    def compare(self, column: str, operator: str, literal: str) -> str:
        return f"{column} {'==' if operator == '=' else operator} {literal}"

    def among(self, column: str, literals: Sequence[str]) -> str:
        return f"{column} in [{', '.join(literals)}]"

    def contains(self, column: str, text: str) -> str:
        if not text:
            return self.is_null(column, negated=True)
        pattern = text.translate(_WILDCARDS)
        if "\\" in text:
            # Milvus Lite takes no escape in "%text%", where it looks for the text itself; it does
            # where "_" stands. So: the text before something, after something, or alone.
            parts = [f"{column} like {quote(one)}" for one in (f"%{pattern}_%", f"_%{pattern}")]
            return f"({parts[0]} or {parts[1]} or {column} == {quote(text)})"
        return f"{column} like {quote(f'%{pattern}%')}"

    def is_null(self, column: str, negated: bool) -> str:
        if column in BUILT_IN:  # not declared as nullable, and never missing
            return self.always if negated else self.never
        return f"{column} is {'not null' if negated else 'null'}"

    def negate(self, condition: str) -> str:
        return f"not ({condition})"


def compile_expression(given: Given, fields: Mapping[str, Field]) -> str:
    """Milvus's expression for a filter; see `filters.compile_filter`.

    Examples
    --------
    >>> compile_expression("year >= 1990 and not big = true",
    ...                    {"year": Field("meta_year", "int"), "big": Field("meta_big", "bool")})
    '(meta_year >= 1990 and (meta_big is null or meta_big != true))'
    """
    return compile_for(_Expressions(), given, fields)


def quote(text: str) -> str:
    """A string of Milvus's language."""
    return f'"{text.translate(_ESCAPES)}"'


def any_of(column: str, values: Sequence[str]) -> str:
    """The expression that a string column is one of `values`."""
    return f"{column} in [{', '.join(map(quote, values))}]"


def finite(number: float) -> float:
    """`number`, or the nearest that Milvus takes: it has no infinity."""
    return min(max(number, -_LARGEST), _LARGEST)

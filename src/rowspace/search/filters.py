"""Filters: `year >= 1990 and country = "Chad"`, a small grammar of our own.

What a user types never reaches Lance's SQL: it is parsed into the nodes below and written anew,
with every name looked up and every value quoted.

    filter     = all ("or" all)*
    all        = negation ("and" negation)*
    negation   = "not" negation | "(" filter ")" | condition
    condition  = field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
               | field ["not"] "in" "(" value ("," value)* ")"
               | field "contains" string
               | field "is" ["not"] "null"
    field      = a word, or anything in backticks (a backtick inside is doubled)
    value      = a number, true, false, or a string in single or double quotes, where a backslash
                 makes the next character plain (and \\n, \\t are a line end and a tab)

Logic has two values: a comparison with a missing field is false, `!=` and `in` included, and
`not` turns it into true. So `year != 1990` wants a year, `not year = 1990` does not. Strings
compare by code point, and nothing is cast: a string field takes strings only. An integer field is
compared exactly, a float field as floats, which are exact for integers up to 2**53.

To bound what a user may see, never paste strings together: `all_of(tenant, user_string)`, or
`where=[tenant, user_string]`, parses each by itself, so the string cannot undo the other condition.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from rowspace.errors import FilterError
from rowspace.search.fields import BUILT_IN, MAX_INT, Field

MAX_DEPTH = 16
"""Brackets and `not`s inside one another. Lance's parser gives up near 40."""
MAX_CONDITIONS = 500
"""Of a filter, or of all in a list together. Lance plans as many in under a tenth of a second."""
MAX_VALUES = 10_000
"""Of all `in`s of a filter, or of a list, together."""
MAX_CHARACTERS = 1 << 20
"""Of a filter's text."""
_MAX_SHOWN = 80
KEYWORDS = {"and", "or", "not", "in", "contains", "is", "null", "true", "false"}
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")

Value = bool | int | float | str


@dataclass(frozen=True)
class Comparison:
    """`field operator value`."""

    field: str
    operator: str
    value: Value


@dataclass(frozen=True)
class In:
    """`field in (values)`."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Contains:
    """`field contains text`: case matters, anywhere in the string."""

    field: str
    text: str


@dataclass(frozen=True)
class IsNull:
    """`field is null`: the passage has no such field."""

    field: str


@dataclass(frozen=True)
class Not:
    """`not item`."""

    item: Filter


@dataclass(frozen=True)
class And:
    """All of `items`."""

    items: tuple[Filter, ...]


@dataclass(frozen=True)
class Or:
    """Any of `items`."""

    items: tuple[Filter, ...]


Filter = Comparison | In | Contains | IsNull | Not | And | Or

Given = str | Filter | Sequence[str | Filter]
"""A filter as a caller gives it; of a sequence, all must hold."""


def all_of(*filters: str | Filter) -> Filter:
    """The filter that all of `filters` hold, each parsed by itself.

    No string can change what another one asks for, whatever is in it.

    Raises
    ------
    FilterError
        If one does not parse, or there is none.

    Examples
    --------
    >>> all_of(Comparison("tenant", "=", "a"), 'year = 1990 or tenant = "b"')  # doctest: +ELLIPSIS
    And(items=(Comparison(field='tenant', operator='=', value='a'), Or(items=(...))))
    """
    if not filters:
        raise FilterError("there is no filter in the list; give one, or None for all passages")
    return And(tuple(parse_filter(one) if isinstance(one, str) else one for one in filters))


class Dialect(Protocol):
    """How a store writes conditions on its columns."""

    both: str
    """Between two conditions that must hold."""
    either: str
    """Between two of which one must hold."""
    always: str
    never: str

    def literal(self, value: Value, type_: str) -> str:
        """A value for a column of a type."""

    def compare(self, column: str, operator: str, literal: str) -> str:
        """`column operator literal`, with an operator of OPERATORS."""

    def among(self, column: str, literals: Sequence[str]) -> str:
        """The column has one of the values."""

    def contains(self, column: str, text: str) -> str:
        """The column's string has `text` in it."""

    def is_null(self, column: str, negated: bool) -> str:
        """The column is missing, or is there."""

    def negate(self, condition: str) -> str:
        """The condition does not hold, of a column that is there."""


def compile_filter(given: Given, fields: Mapping[str, Field]) -> str:
    """Lance's SQL predicate for a filter.

    Parameters
    ----------
    given : str or Filter or sequence of these
        Of a sequence, all must hold.
    fields : mapping of str to Field
        The metadata fields; document_id, title and source are always there.

    Raises
    ------
    FilterError
        If it does not parse, names an unknown field, or compares a field with a value of
        another type.

    Examples
    --------
    >>> compile_filter('year >= 1990 and not title = "It\\'s"', {"year": Field("meta_year", "int")})
    "(meta_year >= 1990 AND (title IS NULL OR title != 'It''s'))"
    """
    return compile_for(_Sql(), given, fields)


def compile_for(dialect: Dialect, given: Given, fields: Mapping[str, Field]) -> str:
    """`compile_filter` for a store with conditions of its own."""
    known = {name: Field(name, type_) for name, type_ in BUILT_IN.items()} | {
        name: field for name, field in fields.items() if name not in BUILT_IN
    }
    if isinstance(given, Sequence) and not isinstance(given, str):
        given = all_of(*given)
    filter_ = parse_filter(given) if isinstance(given, str) else given
    _check_size(filter_)
    return _Compiler(dialect, known).condition(filter_, negated=False)


def _check_size(filter_: Filter) -> None:
    """See that Lance is not given more than it plans in a moment."""
    n_conditions = n_values = 0
    left = [filter_]
    while left:
        node = left.pop()
        if isinstance(node, Not):
            left.append(node.item)
        elif isinstance(node, And | Or):
            left += node.items
        else:
            n_conditions += 1
            n_values += len(node.values) if isinstance(node, In) else 0
    if n_conditions > MAX_CONDITIONS:
        raise FilterError(_too_many_conditions())
    if n_values > MAX_VALUES:
        raise FilterError(_too_many_values())


def _too_many_conditions() -> str:
    return f"there are more than {MAX_CONDITIONS} conditions; use `in (…)` for many values"


def _too_many_values() -> str:
    return f"there are more than {MAX_VALUES:,} values in `in (…)`; ask for fewer at a time"


def _shown(text: str) -> str:
    """What a message shows of something that may be of any length."""
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")


# --- Parsing -------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<word>[^\W\d]\w*)
    | (?P<quoted>`(?:[^`]|``)+`)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<operator><=|>=|!=|<>|==|=|<|>)
    | (?P<mark>[(),])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t"}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int

    @property
    def keyword(self) -> str:
        """The keyword this is, or nothing."""
        word = self.text.lower()
        return word if self.kind == "word" and word in KEYWORDS else ""


def parse_filter(text: str) -> Filter:
    """The nodes of a filter expression.

    Raises
    ------
    FilterError
        If it does not parse; the message says where and what was expected. Or if it is too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise FilterError(
            f"the filter has {len(text):,} characters; give at most {MAX_CHARACTERS:,}"
        )
    return _Parser(text).parse()


class _Parser:
    """Recursive descent, one method a rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = _tokenize(text)  # read as they are needed: a filter too large ends early
        self.token = next(self._tokens)
        self.n_conditions = 0

    def _advance(self) -> None:
        if self.token.kind != "end":
            self.token = next(self._tokens)

    def parse(self) -> Filter:
        if self.token.kind == "end":
            raise FilterError("the filter is empty; leave it out to find all passages")
        filter_ = self._any(0)
        if self.token.kind != "end":
            self._fail("'and', 'or' or the end")
        return filter_

    def _any(self, depth: int) -> Filter:
        items = [self._all(depth)]
        while self._take_keyword("or"):
            items.append(self._all(depth))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _all(self, depth: int) -> Filter:
        items = [self._negation(depth)]
        while self._take_keyword("and"):
            items.append(self._negation(depth))
        return items[0] if len(items) == 1 else And(tuple(items))

    def _negation(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise FilterError(
                f"the filter nests more than {MAX_DEPTH} brackets and nots; write it flatter"
            )
        if self._take_keyword("not"):
            return Not(self._negation(depth + 1))
        if self._take_mark("("):
            filter_ = self._any(depth + 1)
            if not self._take_mark(")"):
                self._fail("')', 'and' or 'or'")
            return filter_
        return self._condition()

    def _condition(self) -> Filter:
        self.n_conditions += 1
        if self.n_conditions > MAX_CONDITIONS:
            raise FilterError(_too_many_conditions())
        field = self._field()
        if self.token.kind == "operator":
            operator = {"<>": "!=", "==": "="}.get(self.token.text, self.token.text)
            self._advance()
            return Comparison(field, operator, self._value())
        if self._take_keyword("contains"):
            if self.token.kind != "string":
                self._fail("a string in quotes")
            text = self._value()
            assert isinstance(text, str)
            return Contains(field, text)
        if self._take_keyword("is"):
            return self._is_null(field)
        if self._take_keyword("not"):
            if self.token.keyword != "in":
                self._fail("'in'")
            self._advance()
            return Not(self._in(field))
        if self._take_keyword("in"):
            return self._in(field)
        return self._fail("=, !=, <, <=, >, >=, 'in', 'contains' or 'is'")

    def _is_null(self, field: str) -> Filter:
        negated = self._take_keyword("not")
        if not self._take_keyword("null"):
            self._fail("'null'" if negated else "'null' or 'not null'")
        return Not(IsNull(field)) if negated else IsNull(field)

    def _in(self, field: str) -> Filter:
        if not self._take_mark("("):
            self._fail("'('")
        values = [self._value()]
        while self._take_mark(","):
            values.append(self._value())
            if len(values) > MAX_VALUES:
                raise FilterError(_too_many_values())
        if not self._take_mark(")"):
            self._fail("',' or ')'")
        return In(field, tuple(values))

    def _field(self) -> str:
        token = self.token
        if token.kind == "quoted":
            self._advance()
            return token.text[1:-1].replace("``", "`")
        if token.kind != "word" or token.keyword:
            self._fail("a field's name, 'not' or '('")
        self._advance()
        return token.text

    def _value(self) -> Value:
        token = self.token
        if token.kind == "string":
            value: Value = _unescape(token.text[1:-1])
        elif token.kind == "number":
            value = _number(token)
        elif token.keyword in ("true", "false"):
            value = token.keyword == "true"
        else:
            self._fail("a number, true, false or a string in quotes")
        self._advance()
        return value

    def _take_keyword(self, keyword: str) -> bool:
        found = self.token.keyword == keyword
        if found:
            self._advance()
        return found

    def _take_mark(self, mark: str) -> bool:
        found = self.token.kind == "mark" and self.token.text == mark
        if found:
            self._advance()
        return found

    def _fail(self, expected: str) -> NoReturn:
        token = self.token
        found = "the filter ends" if token.kind == "end" else f"there is {token.text[:40]!r}"
        raise FilterError(f"at character {token.position + 1} {found} where {expected} should be")


def _tokenize(text: str) -> Iterator[_Token]:
    """The tokens, of which the last is the end."""
    kind, position = "", 0
    while kind != "end":
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            _refuse(text, position)
        kind = match.lastgroup
        yield _Token(kind, match.group(kind), match.start(kind))
        position = match.end()


def _refuse(text: str, position: int) -> NoReturn:
    rest = text[position:]
    position += len(rest) - len(rest.lstrip())
    character = text[position]
    if character in "\"'`":
        raise FilterError(f"the quote {character} at character {position + 1} is never closed")
    found = re.match(r"\S{1,40}", text[position:])
    assert found is not None
    raise FilterError(
        f"at character {position + 1} {found.group()!r} is neither a field, a value nor an operator"
    )


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)


def _number(token: _Token) -> int | float:
    if re.fullmatch(r"[-+]?\d{1,400}", token.text):
        return int(token.text)
    number = float(token.text)
    if math.isinf(number):
        raise FilterError(
            f"the number {token.text[:40]} at character {token.position + 1} is too large"
        )
    return number


# --- Compiling -----------------------------------------------------------------------------------

_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class _Compiler:
    """Writes filters in a dialect, with every name looked up and every value quoted."""

    def __init__(self, dialect: Dialect, known: Mapping[str, Field]) -> None:
        self._dialect, self._known = dialect, known

    def condition(self, node: Filter, negated: bool) -> str:
        """What `node` asks for, or its opposite: a `not` is moved down to the conditions, which
        keeps the store's nesting as shallow as ours.
        """
        if isinstance(node, Not):
            return self.condition(node.item, not negated)
        if isinstance(node, And | Or):
            is_and = isinstance(node, And) != negated
            joint = self._dialect.both if is_and else self._dialect.either
            return f"({joint.join(self.condition(item, negated) for item in node.items)})"
        field = _look_up(node.field, self._known)
        if isinstance(node, IsNull):
            return self._dialect.is_null(field.column, negated)
        if isinstance(node, Comparison):
            return self._comparison(node, field, negated)
        if isinstance(node, In):
            return self._in(node, field, negated)
        if field.type != "string":
            raise FilterError(
                f"`contains` needs a string field, and {node.field!r} holds {field.type}"
            )
        _check_unicode(node.text)
        return self._signed(self._dialect.contains(field.column, node.text), field, negated)

    def _comparison(self, node: Comparison, field: Field, negated: bool) -> str:
        _check_type(node.field, field, node.value)
        if field.type == "bool" and node.operator not in ("=", "!="):
            raise FilterError(
                f"{node.field!r} is true or false: it takes = and !=, not {node.operator}"
            )
        operator, value = node.operator, node.value
        if field.type == "int":
            operator, value = _integral(operator, value)
        if operator == "always":  # for a field that is there
            return self._dialect.is_null(field.column, not negated)
        if operator == "never":
            return self._constant(negated)
        literal = self._literal(value, field)
        if not negated:
            return self._dialect.compare(field.column, operator, literal)
        opposite = self._dialect.compare(field.column, _OPPOSITE[operator], literal)
        return self._or_missing(opposite, field)

    def _in(self, node: In, field: Field, negated: bool) -> str:
        for value in node.values:
            _check_type(node.field, field, value)
        values = node.values
        if field.type == "int":
            values = tuple(
                value for operator, value in (_integral("=", v) for v in values) if operator == "="
            )
        if not values:
            return self._constant(negated)
        literals = [self._literal(value, field) for value in values]
        return self._signed(self._dialect.among(field.column, literals), field, negated)

    def _signed(self, condition: str, field: Field, negated: bool) -> str:
        """A condition that is null where the field is missing; stores drop such rows."""
        if not negated:
            return condition
        return self._or_missing(self._dialect.negate(condition), field)

    def _or_missing(self, condition: str, field: Field) -> str:
        return f"({self._dialect.is_null(field.column, False)}{self._dialect.either}{condition})"

    def _constant(self, value: bool) -> str:
        return self._dialect.always if value else self._dialect.never

    def _literal(self, value: Value, field: Field) -> str:
        if isinstance(value, str):
            _check_unicode(value)
        try:
            return self._dialect.literal(value, field.type)
        except OverflowError:
            raise FilterError(f"the number {str(value)[:40]}… is too large") from None


def _look_up(name: str, known: Mapping[str, Field]) -> Field:
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name[:_MAX_SHOWN], known, n=len(known), cutoff=0.0)
    others = [*close, *(other for other in known if other not in close)]
    shown = ", ".join(others[:20]) + (", …" if len(others) > 20 else "")
    raise FilterError(f"no field {_shown(name)}; the fields are {shown}")


def _integral(operator: str, value: Value) -> tuple[str, Value]:
    """A comparison of an integer column with any number, as one with an integer in range.

    Lance would turn both sides into floats, which are exact only to 2**53.
    """
    assert not isinstance(value, str)
    if isinstance(value, float) and not value.is_integer():
        if operator in ("=", "!="):
            return ("never" if operator == "=" else "always"), 0
        value = math.floor(value) if operator in ("<=", "<") else math.ceil(value)
        operator = "<=" if operator in ("<=", "<") else ">="
    value = int(value)
    if abs(value) <= MAX_INT:
        return operator, value
    beyond = ("!=", ">", ">=") if value < 0 else ("!=", "<", "<=")  # true of all kept integers
    return ("always" if operator in beyond else "never"), 0


def _check_type(name: str, field: Field, value: Value) -> None:
    kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
    wanted = "number" if field.type in ("int", "float") else field.type
    if kind == wanted:
        return
    hint = {"string": "put it in quotes", "number": "give a number", "bool": "give true or false"}
    shown = _shown(value) if isinstance(value, str) else str(value)
    raise FilterError(f"{name!r} holds {field.type}, and {shown} is a {kind}; {hint[wanted]}")


class _Sql:
    """Lance's SQL; satisfies `Dialect`."""

    both, either = " AND ", " OR "
    always, never = "true", "false"

    def literal(self, value: Value, type_: str) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return _quote(value)
        return str(value) if type_ == "int" else f"CAST('{float(value) + 0.0!r}' AS DOUBLE)"

    def compare(self, column: str, operator: str, literal: str) -> str:
        return f"{column} {operator} {literal}"

    def among(self, column: str, literals: Sequence[str]) -> str:
        return f"{column} IN ({', '.join(literals)})"

    def contains(self, column: str, text: str) -> str:
        return f"contains({column}, {_quote(text)})"

    def is_null(self, column: str, negated: bool) -> str:
        return f"{column} IS {'NOT NULL' if negated else 'NULL'}"

    def negate(self, condition: str) -> str:
        return f"NOT {condition}"


def _quote(text: str) -> str:
    """A SQL string: backslashes are plain in Lance's dialect, only the quote is doubled."""
    _check_unicode(text)
    return "'" + text.replace("'", "''") + "'"


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FilterError(f"the string {_shown(text)} is not valid Unicode") from None


def any_of(column: str, values: list[str]) -> str:
    """The predicate that `column` is one of `values`."""
    return f"{column} IN ({', '.join(_quote(value) for value in values)})"

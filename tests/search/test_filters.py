"""Filters against a slow truth: the nodes evaluated in Python over the same rows."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rowspace.errors import FilterError
from rowspace.search.fields import MAX_INT, Field
from rowspace.search.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    OPERATORS,
    And,
    Comparison,
    Contains,
    Filter,
    Given,
    In,
    IsNull,
    Not,
    Or,
    all_of,
    compile_filter,
    parse_filter,
)
from rowspace.search.store import Store
from tests.search.stub import document, make_space

TEXTS = [
    "",
    "Chad",
    "it's",
    'say "hi"',
    "back\\slash",
    "nul\0",
    "é日本",
    "a\nb",
    "and",
    "%_",
    "'; --",
]
NUMBERS = [0, 1, -1, 1990, MAX_INT, -MAX_INT, 2**53, 2**53 + 1]
FLOATS = [0.0, -0.0, 0.5, -2.5, 1e300, 5e-324, 1990.0, 2.0**53]
ROWS: list[dict[str, Any]] = [
    {
        name: value
        for name, value in [
            ("int", NUMBERS[i % 8] if i % 5 else None),
            ("float", FLOATS[i % 8] if i % 3 else float("nan") if i % 2 else None),
            ("flag", bool(i % 2) if i % 4 else None),
            ("text", TEXTS[i % 11] if i % 7 else None),
            ("odd `name`", TEXTS[(i * 3) % 11] if i % 2 else None),
        ]
        if value is not None
    }
    for i in range(60)
]
TYPES = {"int": "int", "float": "float", "flag": "bool", "text": "string", "odd `name`": "string"}
FIELDS = {
    name: Field(f"meta_{name}", type_) for name, type_ in TYPES.items() if name != "odd `name`"
}
FIELDS["odd `name`"] = Field("meta_4", "string")


DOCUMENTS = [
    document(f"d{i}", "text", title=TEXTS[i % 11], source=f"s{i % 3}", **row)
    for i, row in enumerate(ROWS)
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("filters") / "a.space"
    space = make_space(path, DOCUMENTS)
    assert space.fields == TYPES
    return Store.open(path / "store")


def _holds(node: Filter, row: dict[str, Any]) -> bool:
    """The truth: two-valued logic in which a comparison with nothing is false."""
    if isinstance(node, Not):
        return not _holds(node.item, row)
    if isinstance(node, And):
        return all(_holds(item, row) for item in node.items)
    if isinstance(node, Or):
        return any(_holds(item, row) for item in node.items)
    value = row.get(node.field)
    if value is None or value != value:
        return isinstance(node, IsNull)
    if isinstance(node, IsNull):
        return False
    if isinstance(node, In):
        return value in [_as_kept(node.field, wanted) for wanted in node.values]
    if isinstance(node, Contains):
        return node.text in value
    compare = {
        "=": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }[node.operator]
    return bool(compare(value, _as_kept(node.field, node.value)))


def _as_kept(field: str, value: Any) -> Any:
    """A float field holds floats, so what it is compared with is one too."""
    return float(value) if field == "float" else value


def expected_rows(node: Filter) -> list[str]:
    rows = [
        row | {"document_id": f"d{i}", "title": TEXTS[i % 11], "source": f"s{i % 3}"}
        for i, row in enumerate(ROWS)
    ]
    return sorted(row["document_id"] for row in rows if _holds(node, row))


def _found(store: Store, filter_: str | Filter) -> list[str]:
    return sorted(store.texts("document_id", compile_filter(filter_, FIELDS)))


_texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
_numbers = (
    st.sampled_from([*NUMBERS, *FLOATS, -(2**63), 2**63, 10**30, -(10**30), 1989.5, -0.5])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": _numbers,
    "float": _numbers,
    "flag": st.booleans(),
    "text": _texts,
    "odd `name`": _texts,
    "title": _texts,
    "source": _texts | st.sampled_from(["s0", "s1"]),
}


def _conditions() -> st.SearchStrategy[Filter]:
    def on(name: str) -> st.SearchStrategy[Filter]:
        operators = ["=", "!="] if name == "flag" else list(OPERATORS)
        values = _VALUES[name]
        kinds: list[st.SearchStrategy[Filter]] = [
            st.builds(Comparison, st.just(name), st.sampled_from(operators), values),
            st.builds(In, st.just(name), st.lists(values, min_size=1, max_size=4).map(tuple)),
            st.just(IsNull(name)),
        ]
        if name not in ("int", "float", "flag"):
            kinds.append(st.builds(Contains, st.just(name), _texts))
        return st.one_of(kinds)

    return st.sampled_from(sorted(_VALUES)).flatmap(on)


FILTERS = st.recursive(
    _conditions(),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


def _write(node: Filter) -> str:
    """A filter as a person would type it."""
    if isinstance(node, Not):
        return f"not ({_write(node.item)})"
    if isinstance(node, And | Or):
        word = " and " if isinstance(node, And) else " OR "
        return word.join(f"({_write(item)})" for item in node.items)
    field = f"`{node.field.replace('`', '``')}`" if "`" in node.field else node.field
    if isinstance(node, IsNull):
        return f"{field} is null"
    if isinstance(node, Contains):
        return f"{field} contains {_show(node.text)}"
    if isinstance(node, In):
        return f"{field} in ({', '.join(map(_show, node.values))})"
    return f"{field} {node.operator} {_show(node.value)}"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return repr(value)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FILTERS)
@example(Not(Comparison("int", "=", 1990)))
@example(Comparison("int", "!=", -(2**63)))
@example(Or((Not(In("int", (0.5, 10**30))), Comparison("int", "<", 0.5))))
@example(Comparison("float", "=", -0.0))
@example(Comparison("int", "=", 2.0**53))
@example(Comparison("float", "=", 2**53 + 1))
@example(Not(Comparison("int", "!=", 0.5)))
@example(Not(Comparison("int", "<", 2**63)))
@example(Not(Comparison("int", ">", 2**63)))
@example(Contains("text", "\0"))
def test_lance_agrees_with_python(store: Store, node: Filter) -> None:
    expected = expected_rows(node)
    assert _found(store, node) == expected
    assert _found(store, _write(node)) == expected


@given(FILTERS)
def test_what_is_written_is_what_is_parsed(node: Filter) -> None:
    text = _write(node)
    assert _write(parse_filter(text)) == text


@given(st.text(max_size=40) | st.text("()'\"`\\ =<>!,andortis1.", max_size=40))
def test_any_text_parses_or_is_refused_in_one_line(text: str) -> None:
    try:
        compile_filter(text, FIELDS)
    except FilterError as error:
        assert str(error)


def test_missing_values_follow_the_documented_logic(store: Store) -> None:
    n = len(ROWS)
    n_missing = sum("int" not in row for row in ROWS)
    n_1990 = sum(row.get("int") == 1990 for row in ROWS)
    assert len(_found(store, "int != 1990")) == n - n_missing - n_1990
    assert len(_found(store, "not int = 1990")) == n - n_1990
    assert len(_found(store, "int is null")) == n_missing
    assert len(_found(store, "int is not null")) == n - n_missing
    assert len(_found(store, "int not in (1990)")) == n - n_1990


def test_and_binds_closer_than_or_and_not_closest() -> None:
    assert parse_filter("a = 1 or b = 2 AND not c = 3") == Or(
        (
            Comparison("a", "=", 1),
            And((Comparison("b", "=", 2), Not(Comparison("c", "=", 3)))),
        )
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the filter is empty; leave it out to find all passages"),
        ("not ", "at character 5 the filter ends where a field's name, 'not' or '[(]' should be"),
        ("int >", "at character 6 the filter ends where a number, true, false or a string"),
        ("int 3", "at character 5 there is '3' where =, !=, <, <=, >, >=, 'in', 'contains'"),
        ("int = 3 flag", "at character 9 there is 'flag' where 'and', 'or' or the end should be"),
        ("(int = 3", "at character 9 the filter ends where '[)]', 'and' or 'or' should be"),
        ("text = Chad", "at character 8 there is 'Chad' where a number, true, false or a string"),
        ("text = 'Chad", "the quote ' at character 8 is never closed"),
        ("int = 3; drop", "at character 8 '; drop|;' is neither a field, a value nor an operator"),
        ("int in ()", "there is '[)]' where a number"),
        ("text contains 3", "there is '3' where a string in quotes should be"),
        ("int is 3", "where 'null' or 'not null' should be"),
        ("int not like 3", "there is 'like' where 'in' should be"),
        ("and = 3", "there is 'and' where a field's name"),
        ("int = 1e999", "the number 1e999 at character 7 is too large"),
        ("itn = 3", "no field 'itn'; the fields are int, "),
        ("int = '3'", "'int' holds int, and '3' is a string; give a number"),
        ("int = true", "'int' holds int, and True is a bool; give a number"),
        ("text = 3", "'text' holds string, and 3 is a number; put it in quotes"),
        ("text in ('a', 3)", "'text' holds string, and 3 is a number"),
        ("flag = 1", "'flag' holds bool, and 1 is a number; give true or false"),
        ("flag < true", "'flag' is true or false: it takes = and !=, not <"),
        ("int contains 'x'", "`contains` needs a string field, and 'int' holds int"),
        ("float = 1" + "0" * 390, "is too large"),
        ("(" * 20 + "int = 3" + ")" * 20, f"nests more than {MAX_DEPTH}"),
        ("not " * 2000 + "int = 3", f"nests more than {MAX_DEPTH}"),
        (" or ".join(["int = 3"] * 501), f"more than {MAX_CONDITIONS} conditions"),
        ("int in (" + ", ".join(["3"] * 10_001) + ")", "more than 10,000 values in"),
    ],
)
def test_a_filter_that_cannot_be_says_why(text: str, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        compile_filter(text, FIELDS)


def test_the_deepest_and_longest_filters_allowed_run(store: Store) -> None:
    nested = "int = 1"
    for i in range(10):
        nested = f"({nested}) or int = {i}" if i % 2 else f"not ({nested}) and int = {i}"
    assert _found(store, nested) == expected_rows(parse_filter(nested))
    nested = "(" * MAX_DEPTH + "int = 1" + ")" * MAX_DEPTH
    assert _found(store, nested) == expected_rows(Comparison("int", "=", 1))
    long = " or ".join(f"int = {i}" for i in range(MAX_CONDITIONS))
    assert _found(store, long) == expected_rows(parse_filter(long))
    values = "text in (" + ", ".join(f"'{i}'" for i in range(10_000)) + ")"
    assert _found(store, values) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a = 1 and a = 2"] * 251, "more than 500 conditions"),
        ([all_of(*[Comparison("a", "=", 1)] * 300)] * 2, "more than 500 conditions"),
        ([f"a in ({', '.join(['1'] * 4000)})"] * 3, "more than 10,000 values"),
        ("a = 1" + " " * (1 << 20), "1,048,581 characters; give at most 1,048,576"),
        ("(" * (1 << 20), "nests more than 16"),
    ],
    ids=["conditions", "nodes", "values", "characters", "brackets"],
)
def test_a_list_of_filters_is_bounded_as_one_is(given: Given, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        compile_filter(given, {"a": Field("meta_a", "int")})


def test_a_message_repeats_the_beginning_of_what_is_long() -> None:
    for text in ("a" * 100_000 + " = 1", "a = '" + "b" * 100_000 + "'"):
        with pytest.raises(FilterError) as refused:
            compile_filter(text, {"a": Field("meta_a", "int")})
        assert len(str(refused.value)) < 300

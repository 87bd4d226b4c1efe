"""Milvus's expressions against LanceDB's SQL, and both against Python, over the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from rowspace.search.fields import Field
from rowspace.search.filters import Comparison, Contains, Filter
from rowspace.search.milvus.expressions import compile_expression
from rowspace.search.snapshot import Snapshot
from rowspace.search.space import open_space
from tests.search.stub import document, make_space
from tests.search.test_filters import DOCUMENTS, FILTERS, expected_rows

pytest.importorskip("milvus_lite")

FIELDS = {
    "n": Field("meta_n", "int"),
    "x": Field("meta_x", "float"),
    "s": Field("meta_s", "string"),
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Snapshot, Snapshot]]:
    """The same rows in LanceDB and in Milvus Lite."""
    folder = tmp_path_factory.mktemp("expressions")
    space = make_space(folder / "a.space", DOCUMENTS)
    space.export_to_milvus(folder / "a.milvus", str(folder / "lite.db"))
    yield space.snapshot, open_space(folder / "a.milvus").snapshot


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FILTERS)
def test_milvus_gives_the_rows_that_lance_and_python_give(
    both: tuple[Snapshot, Snapshot], node: Filter
) -> None:
    found = []
    for snapshot in both:
        predicate = snapshot.store.predicate(node, snapshot.commit.fields)
        found.append(sorted(snapshot.store.texts("document_id", predicate)))
        assert snapshot.store.count(predicate) == len(found[-1])
    assert found[0] == found[1] == expected_rows(node)


def test_a_text_is_found_in_another_whatever_its_characters(tmp_path: Path) -> None:
    texts = ["".join(one) for n in range(4) for one in product("a\\%_\n", repeat=n)]
    space = make_space(tmp_path / "a.space", [document(text, "x", s=text) for text in texts])
    space.export_to_milvus(tmp_path / "a.milvus", str(tmp_path / "lite.db"))
    snapshot = open_space(tmp_path / "a.milvus").snapshot
    for text in texts:
        predicate = snapshot.store.predicate(Contains("s", text), snapshot.commit.fields)
        found = sorted(snapshot.store.texts("document_id", predicate))
        assert found == sorted(one for one in texts if text in one), repr(text)


@pytest.mark.parametrize(
    ("filter_", "expression"),
    [
        ("n = 1 and not (x > 0.5 or s = 'a')",
         "(meta_n == 1 and ((meta_x is null or meta_x <= 0.5) and "
         '(meta_s is null or meta_s != "a")))'),
        ("n in (1, 2) or n is null", "(meta_n in [1, 2] or meta_n is null)"),
        ("not n in (1)", "(meta_n is null or not (meta_n in [1]))"),
        ("n < 2.5", "meta_n <= 2"),
        ("n = 2.5", "row < 0"),
        ("title is not null", "row >= 0"),
        (r's contains "5%_ \"q\""', r'meta_s like "%5\\%\\_ \"q\"%"'),
        (r's contains "5%_\\ \"q\""',
         r'(meta_s like "%5\\%\\_\\\\ \"q\"_%" or meta_s like "_%5\\%\\_\\\\ \"q\"" '
         r'or meta_s == "5%_\\ \"q\"")'),
        (r's contains "\\"', r'(meta_s like "%\\\\_%" or meta_s like "_%\\\\" or meta_s == "\\")'),
        ('s = "two\nlines"', r'meta_s == "two\nlines"'),
    ],
)  # fmt: skip
def test_an_expression_is_what_milvus_reads(filter_: str, expression: str) -> None:
    assert compile_expression(filter_, FIELDS) == expression


def test_infinity_is_the_largest_number_that_milvus_takes() -> None:
    largest = Comparison("x", "<", float("inf"))
    assert compile_expression(largest, FIELDS) == "meta_x < 1.7976931348623157e+308"

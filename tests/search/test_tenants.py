"""What a user types as a filter, joined to the tenant's: never a traceback, never another's row."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowspace.errors import FilterError
from rowspace.search.commit import read_commit
from rowspace.search.fields import Field
from rowspace.search.filters import And, Comparison, all_of, compile_filter, parse_filter
from rowspace.search.space import Space
from rowspace.search.store import Store
from tests.search.hostile import ATTACKS, hostile_filters
from tests.search.stub import document, make_space

TENANT = Comparison("tenant", "=", "a")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    documents = [
        document(
            f"{tenant}{i}",
            "text",
            title="ab"[i % 2],
            tenant=tenant,
            year=1985 + i,
            score=i / 5 - 1,
            open=bool(i % 2),
            **({"odd name": "x"} if i % 3 else {}),
        )
        for tenant in "ab"
        for i in range(10)
    ]
    return make_space(tmp_path_factory.mktemp("tenants") / "a.space", documents)


def _compiled(n: int, fields: dict[str, Field]) -> list[tuple[str, str]]:
    """(as typed, predicate) of those strings that are filters."""
    found = []
    for typed in hostile_filters(n, seed=1):
        try:
            found.append((typed, compile_filter([TENANT, typed], fields)))
        except FilterError as error:
            assert "\n" not in str(error)
    return found


def test_no_typed_filter_shows_another_tenants_row(space: Space) -> None:
    commit = read_commit(space.path)
    store = Store.open(space.path / "store", commit.version)
    compiled = _compiled(10_000, commit.fields)
    assert 1_500 < len(compiled) < 8_500  # both kinds are tried
    shown = set()
    for _, predicate in compiled[:: len(compiled) // 300]:
        ids = set(store.texts("document_id", predicate))
        assert all(name.startswith("a") for name in ids)
        shown |= ids
    assert len(shown) == 10  # filters that show something are among them


@pytest.mark.parametrize("typed", ATTACKS)
def test_attacks_by_way_of_a_search(space: Space, typed: str) -> None:
    for mode in ("lexical", "dense", "hybrid"):
        try:
            hits = space.search("text", k=100, mode=mode, where=[TENANT, typed])
        except FilterError:
            continue
        assert all(hit.metadata["tenant"] == "a" for hit in hits)


def test_pasted_strings_would_show_others(space: Space) -> None:
    typed = "year = 1990 or year != 1990"
    pasted = space.search("text", k=100, where=f'tenant = "a" and {typed}')
    assert {hit.metadata["tenant"] for hit in pasted} == {"a", "b"}
    joined = space.search("text", k=100, where=['tenant = "a"', typed])
    assert {hit.metadata["tenant"] for hit in joined} == {"a"}
    assert len(joined) == 10


def test_a_typed_filter_deletes_only_the_tenants_own(tmp_path: Path) -> None:
    documents = [document(f"{tenant}{i}", "text", tenant=tenant) for tenant in "ab" for i in "12"]
    space = make_space(tmp_path / "b.space", documents)
    assert space.delete(where=[TENANT, "tenant is not null"]) == 2
    assert {hit.document_id for hit in space.search("text")} == {"b1", "b2"}


def test_all_of_parses_each_by_itself() -> None:
    assert all_of("a = 1", "b = 2 or c = 3") == And(
        (parse_filter("a = 1"), parse_filter("b = 2 or c = 3"))
    )
    with pytest.raises(FilterError):
        all_of("a = 1", "b = 2) or (c = 3")
    with pytest.raises(FilterError, match="there is no filter"):
        compile_filter([], {})

from __future__ import annotations

from pathlib import Path

import pytest

from rowspace.search.grouping import group_rows
from rowspace.search.space import Space
from tests.search.stub import document, make_space

MODES = ["hybrid", "dense", "lexical"]


def _long(document_id: str, sentence: str, n: int) -> str:
    """n passages: a passage holds 20 words."""
    return " ".join(f"{sentence} {document_id}{i} " + "filler " * 16 + "." for i in range(n))


@pytest.fixture
def space(tmp_path: Path) -> Space:
    documents = [document(f"d{i}", _long(f"d{i}", "Wing wing", 5), n=i) for i in range(6)]
    documents.append(document("flood", _long("flood", "Wing wing wing", 400), n=99))
    documents.append(document("last", "One wing among " + "many other plain words " * 4, n=7))
    return make_space(tmp_path / "a.space", documents)


def test_rows_of_a_document_stay_in_the_order_of_the_ranking() -> None:
    documents = {1: "a", 2: "b", 3: "a", 4: "c", 5: "b"}
    assert group_rows([3, 5, 1, 4, 2], documents) == [[3, 1], [5, 2], [4]]
    assert group_rows([], {}) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("k", [1, 5, 8, 20])
def test_k_documents_are_found_however_many_passages_one_has(
    space: Space, mode: str, k: int
) -> None:
    hits = space.search("wing", k=k, mode=mode, group=True)
    found = [hit.document_id for hit in hits]
    assert len(found) == len(set(found)) == min(k, 8)
    plain = space.search("wing", k=k, mode=mode)
    assert hits[0].passage_id == plain[0].passage_id


@pytest.mark.parametrize("mode", MODES)
def test_a_hit_is_the_best_passage_and_has_the_others_of_its_document(
    space: Space, mode: str
) -> None:
    where = "n < 6"
    everything = space.search("wing d3", k=100, mode=mode, where=where)
    hits = space.search("wing d3", k=6, mode=mode, where=where, group=True)
    for hit in hits:
        of_it = [one for one in everything if one.document_id == hit.document_id]
        assert [hit.passage_id, *(more.passage_id for more in hit.more)] == [
            one.passage_id for one in of_it
        ]
        assert all(more.more == () for more in hit.more)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_groups_can_be_diverse_too(space: Space) -> None:
    hits = space.search("wing", k=3, group=True, diversity=0.8)
    assert len({hit.document_id for hit in hits}) == 3


def test_a_batch_deepens_only_where_documents_are_missing(space: Space) -> None:
    found = space.search_batch(["wing", "zzz nowhere", "d3"], k=7, group=True, mode="lexical")
    assert [len(hits) for hits in found] == [7, 0, 0]
    assert len(space.search("d31", k=7, group=True, mode="lexical")) == 1

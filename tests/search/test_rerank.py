from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.search.hit import Hit
from rowspace.search.rerank import rerank
from rowspace.search.space import Space
from tests.search.stub import document, make_space

DOCUMENTS = [
    document("one", "A river bank. wing", year=1),
    document("two", "A wing and a wing of a bird, and a river.", year=2),
    document("three", "Wing. " * 20 + "Bank bank bank river.", "Flow", year=3),
    document("four", "The wing of a plane.", "Bank", year=4),
]


class CountsBanks:
    """Scores a text by how often it says bank; remembers what it was given."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[Any]:
        self.pairs += pairs
        return np.array([text.lower().count("bank") for _, text in pairs], np.float32)


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return make_space(tmp_path / "a.space", DOCUMENTS)


def _hit(name: str, text: str, title: str = "") -> Hit:
    return Hit(name, f"{name}#0", text, title, "", {}, 1.0)


def test_hits_are_sorted_by_the_rerankers_score_and_equal_ones_stay_in_order() -> None:
    texts = ["no", "bank", "none", "bank bank", "Bank."]
    hits = [_hit(str(i), text) for i, text in enumerate(texts)]
    found = rerank(CountsBanks(), "q", hits)
    assert [hit.document_id for hit in found] == ["3", "1", "4", "0", "2"]
    assert [hit.rerank_score for hit in found] == [2.0, 1.0, 1.0, 0.0, 0.0]
    assert [hit.relevance for hit in found] == [2.0, 1.0, 1.0, 0.0, 0.0]
    assert {hit.score for hit in found} == {1.0}
    assert rerank(CountsBanks(), "q", hits, k=2) == found[:2]
    assert hits[0].rerank_score is None
    assert hits[0].relevance == 1.0


def test_the_reranker_reads_the_query_with_title_and_text() -> None:
    judge = CountsBanks()
    rerank(judge, "a query", [_hit("a", "text", "Title"), _hit("b", "bare")])
    assert judge.pairs == [("a query", "Title\ntext"), ("a query", "bare")]


def test_nothing_found_is_not_given_to_the_reranker() -> None:
    judge = CountsBanks()
    assert rerank(judge, "q", []) == []
    assert judge.pairs == []


class Says:
    def __init__(self, scores: Any) -> None:
        self.scores = scores

    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[Any]:
        return np.array(self.scores)


@pytest.mark.parametrize("scores", [[1.0], [[1.0, 2.0]] * 2, [1.0, np.nan], 1.0])
def test_scores_that_are_not_one_number_a_hit_are_refused(scores: Any) -> None:
    with pytest.raises(ConfigError, match=r"the reranker gave scores of the shape .* for 2 texts"):
        rerank(Says(scores), "q", [_hit("a", "x"), _hit("b", "y")])


@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid"])
def test_a_search_is_ordered_by_the_reranker(space: Space, mode: str) -> None:
    found = space.search("wing", 4, mode, rerank=CountsBanks())
    scores = [hit.relevance for hit in found]
    assert scores == sorted(scores, reverse=True)
    plain = space.search("wing", 50, mode)
    expected = sorted(
        plain, key=lambda hit: -f"{hit.title} {hit.text}".lower().count("bank")
    )  # sorted is stable: ties in their earlier order
    assert [hit.passage_id for hit in found] == [hit.passage_id for hit in expected][:4]
    before = {hit.passage_id: hit for hit in plain}
    for hit in found:
        was = before[hit.passage_id]
        assert (hit.score, hit.dense_rank, hit.lexical_rank) == (
            was.score,
            was.dense_rank,
            was.lexical_rank,
        )


def test_the_depth_says_how_many_hits_are_judged(space: Space) -> None:
    judge = CountsBanks()
    plain = [hit.passage_id for hit in space.search("wing", 5)]
    found = space.search("wing", 1, rerank=judge, rerank_depth=2)
    assert len(judge.pairs) == 2
    assert len(found) == 1
    assert found[0].passage_id in plain[:2]
    deep = CountsBanks()
    assert len(space.search("wing", 3, rerank=deep, rerank_depth=2)) == 3
    assert len(deep.pairs) == 3


def test_each_query_of_a_batch_is_reranked_by_itself(space: Space) -> None:
    queries = ["wing", "river", "nothing zzz"]
    found = space.search_batch(queries, 3, "lexical", rerank=CountsBanks())
    for query, hits in zip(queries, found, strict=True):
        assert hits == space.search(query, 3, "lexical", rerank=CountsBanks())
    assert found[2] == []
    assert space.search_batch([], rerank=CountsBanks()) == []


def test_a_filter_and_documents_go_with_a_reranker(space: Space) -> None:
    found = space.search("wing", 4, where="year >= 3", rerank=CountsBanks())
    assert {hit.metadata["year"] for hit in found} == {3, 4}
    grouped = space.search("wing", 4, group=True, rerank=CountsBanks())
    assert len({hit.document_id for hit in grouped}) == len(grouped) == 4
    assert any(hit.more for hit in grouped)
    scores = [hit.relevance for hit in grouped]
    assert scores == sorted(scores, reverse=True)


def test_retrieved_passages_are_in_the_rerankers_order(space: Space) -> None:
    found = space.retrieve("wing", k=2, mode="lexical", rerank=CountsBanks())
    hits = space.search("wing", 2, "lexical", rerank=CountsBanks())
    assert [one.passage_ids[0] for one in found.passages] == [hit.passage_id for hit in hits]
    assert found.passages[0].score == hits[0].rerank_score


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rerank_depth": 0}, "rerank_depth is 0; give 1 to 10,000"),
        ({"diversity": 0.5}, "diversity is 0.5 and there is a reranker, and both say the order"),
    ],
)
def test_what_does_not_go_with_a_reranker_is_refused(
    space: Space, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        space.search("wing", rerank=CountsBanks(), **settings)

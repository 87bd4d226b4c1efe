"""Rankings of a task: how they are made and scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.beir import RetrievalTask
from rowspace.evaluate.retrieval import evaluate_rankings, retrieve, retrieve_dense
from tests.naive_metrics import naive_cosine_ranking

TASK = RetrievalTask(
    name="toy",
    documents={"a": "tea", "b": "coffee", "c": "a lake"},
    queries={"q1": "hot drink", "q2": "water", "q3": "not judged"},
    qrels={"q1": {"a": 1, "b": 1}, "q2": {"c": 1, "gone": 1}, "q9": {"a": 1}},
)


class TableEncoder:
    """Looks vectors up by text."""

    fingerprint = "table"

    def __init__(self, table: dict[str, NDArray[np.float32]]) -> None:
        self.table = table
        self.dim = len(next(iter(table.values())))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self.table[text] for text in texts], dtype=np.float32)


class PromptEncoder(TableEncoder):
    """Has other vectors for queries than for documents."""

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encode([f"query: {text}" for text in texts])


def _random_task(n_documents: int, n_queries: int) -> RetrievalTask:
    return RetrievalTask(
        name="random",
        documents={f"d{i}": f"document {i}" for i in range(n_documents)},
        queries={f"q{i}": f"query {i}" for i in range(n_queries)},
        qrels={f"q{i}": {f"d{i % n_documents}": 1} for i in range(n_queries)},
    )


def _random_encoder(task: RetrievalTask, seed: int) -> TableEncoder:
    generator = np.random.default_rng(seed)
    texts = [*task.documents.values(), *task.queries.values()]
    # Few distinct values, so that cosines tie; some rows are zero.
    matrix = generator.integers(-1, 2, (len(texts), 3)).astype(np.float32)
    return TableEncoder(dict(zip(texts, matrix, strict=True)))


def test_means_are_over_the_judged_queries() -> None:
    # q1: b at rank 1, a at rank 3: AP = (1 + 2/3) / 2 = 5/6; q2: c at rank 2 of two relevant: 1/4.
    result = evaluate_rankings(TASK, {"q1": ["b", "c", "a"], "q2": ["a", "c"]}, k=10)
    assert result.map_at_k == pytest.approx((5 / 6 + 1 / 4) / 2)
    assert result.mrr_at_k == pytest.approx((1 + 1 / 2) / 2)
    assert result.recall_at_k == pytest.approx((1 + 1 / 2) / 2)
    assert result.precision_at_k == pytest.approx((2 / 10 + 1 / 10) / 2)
    assert result.per_query["q2"]["reciprocal_rank"] == 0.5
    assert result.scores["ndcg_at_k"] == result.ndcg_at_k


def test_what_is_left_out_is_counted() -> None:
    result = evaluate_rankings(TASK, {"q1": ["b"], "q2": []})
    assert (result.n_documents, result.n_queries, result.n_unjudged) == (3, 2, 1)
    assert (result.n_unknown_queries, result.n_unknown_documents, result.n_empty) == (1, 1, 1)


def test_a_missing_ranking_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"1 of 2 judged queries of toy .* 'q2'"):
        evaluate_rankings(TASK, {"q1": ["a"]})


def test_a_document_ranked_twice_is_refused() -> None:
    with pytest.raises(EvaluationError, match="'q2' of toy holds a document twice"):
        evaluate_rankings(TASK, {"q1": ["a"], "q2": ["c", "a", "c"]})


def test_k_below_one_is_refused() -> None:
    with pytest.raises(EvaluationError, match="k is 0"):
        evaluate_rankings(TASK, {"q1": [], "q2": []}, k=0)


def test_a_task_without_relevant_documents_is_refused() -> None:
    task = RetrievalTask(
        name="none", documents={"a": "x"}, queries={"1": "y"}, qrels={"01": {"a": 1}}
    )
    with pytest.raises(EvaluationError, match="no query of none has a relevant document"):
        evaluate_rankings(task, {})


def test_a_search_function_is_asked_for_the_judged_queries_only() -> None:
    asked: list[str] = []

    def search(texts: Sequence[str], k: int) -> list[list[str]]:
        asked.extend(texts)
        return [["a", "b", "c"][:k] for _ in texts]

    assert retrieve(search, TASK, k=2) == {"q1": ["a", "b"], "q2": ["a", "b"]}
    assert asked == ["hot drink", "water"]


def test_a_search_function_must_answer_every_query() -> None:
    with pytest.raises(EvaluationError, match="answered 1 of 2 queries"):
        retrieve(lambda texts, k: [["a"]], TASK, k=2)


@pytest.mark.parametrize("k", [1, 4, 100])
def test_dense_retrieval_equals_the_slow_oracle_ties_included(k: int) -> None:
    task = _random_task(n_documents=30, n_queries=300)  # more queries than one block holds
    encoder = _random_encoder(task, seed=7)
    rankings = retrieve_dense(encoder, task, k)
    documents = encoder.encode(list(task.documents.values()))
    for query, ranked in rankings.items():
        vector = encoder.table[task.queries[query]]
        # Cosines of small whole numbers: rounding makes exact ties exact in both.
        rows = naive_cosine_ranking(vector, documents, len(documents))
        cosine = {f"d{row}": _cosine(vector, documents[row]) for row in rows}
        assert [cosine[document] for document in ranked] == pytest.approx(
            [cosine[f"d{row}"] for row in rows[:k]], abs=1e-6
        )
        assert len(set(ranked)) == len(ranked)


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_equal_documents_rank_in_their_own_order() -> None:
    table = {
        text: np.ones(2, np.float32) for text in ("tea", "coffee", "a lake", "hot drink", "water")
    }
    assert retrieve_dense(TableEncoder(table), TASK, 2)["q1"] == ["a", "b"]


def test_texts_without_a_known_word_are_not_found() -> None:
    table = {
        "tea": np.array([1, 0], np.float32),
        "coffee": np.zeros(2, np.float32),
        "a lake": np.array([-1, 0], np.float32),
        "hot drink": np.array([1, 0], np.float32),
        "water": np.zeros(2, np.float32),
    }
    assert retrieve_dense(TableEncoder(table), TASK, 3) == {"q1": ["a", "c"], "q2": []}


def test_queries_go_through_encode_query_where_there_is_one() -> None:
    east, north = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    table = {
        "tea": east, "coffee": north, "a lake": -north,
        "query: hot drink": north, "query: water": east,
    }  # fmt: skip
    rankings = retrieve_dense(PromptEncoder(table), TASK, 1)
    assert rankings == {"q1": ["b"], "q2": ["a"]}

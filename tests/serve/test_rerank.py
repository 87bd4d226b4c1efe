from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
from numpy.typing import NDArray
from starlette.testclient import TestClient

from rowspace.search.space import Space
from rowspace.sentence.cross_encoder import load_cross_encoder
from rowspace.serve.app import create_app
from rowspace.serve.served import Served
from tests.search.stub import document, make_space
from tests.sentence.small_cross_encoders import PASSAGES, write_cross_encoder
from tests.serve.clients import Client, check_error, client_of

TEXTS = ["no", "a bank", "none", "bank by the bank", "Bank."]


class CountsBanks:
    """Scores a text by how often it says bank."""

    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[Any]:
        return np.array([text.lower().count("bank") for _, text in pairs], np.float32)


class GivesNaN:
    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[Any]:
        return np.full(len(pairs), np.nan)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    path = tmp_path_factory.mktemp("stub") / "a.space"
    return make_space(path, [document(str(i), text) for i, text in enumerate(TEXTS)])


@pytest.fixture(scope="module")
def client(space: Space) -> Iterator[Client]:
    with client_of(space.path, reranker=CountsBanks()) as client:
        yield client


def _rerank(client: Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/rerank", json={"query": "money", **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_texts_come_by_their_scores_and_equal_ones_in_their_order(client: Client) -> None:
    answer = _rerank(client, documents=TEXTS)
    assert answer["object"] == "list"
    assert answer["model"] == "judge"
    assert answer["results"] == [
        {"index": 3, "relevance_score": 2.0},
        {"index": 1, "relevance_score": 1.0},
        {"index": 4, "relevance_score": 1.0},
        {"index": 0, "relevance_score": 0.0},
        {"index": 2, "relevance_score": 0.0},
    ]
    assert answer["usage"]["total_tokens"] > 0


def test_texts_may_be_objects_and_come_back_where_asked(client: Client) -> None:
    documents = [{"text": text} for text in TEXTS]
    assert _rerank(client, documents=documents) == _rerank(client, documents=TEXTS)
    mixed = [TEXTS[0], {"text": TEXTS[1]}]
    answer = _rerank(client, documents=mixed, return_documents=True, top_n=1, model="judge")
    assert answer["results"] == [
        {"index": 1, "relevance_score": 1.0, "document": {"text": "a bank"}}
    ]
    assert len(_rerank(client, documents=TEXTS, top_n=100)["results"]) == len(TEXTS)


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"documents": []}, "documents", "give one text or more"),
        ({"documents": ["a"] * 2049}, "documents", "takes up to 2,048"),
        ({"documents": ["a", "b" * ((1 << 20) + 1)]}, "documents", "text 1 of documents"),
        ({"documents": ["a"], "top_n": 0}, "top_n", "greater"),
        ({"documents": ["a"], "top_n": "1"}, "top_n", "integer"),
        ({"documents": ["a"], "rank_fields": ["x"]}, "rank_fields", "not permitted"),
        ({"documents": ["a"], "query": "q" * 40_000}, "query", "takes up to 32,768"),
        ({"documents": ["a"], "query": None}, "query", "string"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    body: dict[str, Any], param: str, said: str, client: Client
) -> None:
    check_error(client.post("/v1/rerank", json={"query": "a", **body}), 400, param, said)


@pytest.mark.parametrize("given", [3, None, {"title": "a"}, {"text": 3}, {"text": "a", "id": 1}])
def test_what_is_no_text_is_refused(given: Any, client: Client) -> None:
    answer = client.post("/v1/rerank", json={"query": "a", "documents": ["b", given]})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("documents.1")


def test_another_model_is_404(client: Client) -> None:
    body = {"query": "a", "documents": ["b"], "model": "rerank-3"}
    check_error(client.post("/v1/rerank", json=body), 404, "model", "'rerank-3'; give judge")


def test_a_cross_encoder_is_listed_and_makes_no_vectors(client: Client) -> None:
    assert "judge" in [one["id"] for one in client.get("/v1/models").json()["data"]]
    answer = client.post("/v1/embeddings", json={"model": "judge", "input": "a"})
    check_error(answer, 404, "model", "'judge' is not served; there is 'default'")
    assert answer.json()["error"]["message"].count("judge") == 1


def test_without_a_cross_encoder_the_answer_says_how_to_get_one(space: Space) -> None:
    with client_of(space.path) as client:
        answer = client.post("/v1/rerank", json={"query": "a", "documents": ["b"]})
        check_error(answer, 404, None, "--rerank MODEL")
        assert "/v1/rerank" not in client.get("/openapi.json").json()["paths"]


def test_scores_that_are_none_are_an_error_and_not_an_answer(space: Space) -> None:
    with client_of(space.path, reranker=GivesNaN()) as client:
        answer = client.post("/v1/rerank", json={"query": "a", "documents": ["b"]})
    check_error(answer, 500, None, "not finite")


def test_scores_are_those_of_sentence_transformers(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "model")
    query = "who robbed the bank?"
    theirs = sentence_transformers.CrossEncoder(str(folder), device="cpu")
    expected = theirs.predict([(query, text) for text in PASSAGES])
    exact = load_cross_encoder(folder, runtime="torch", dtype="float32")
    served = Served("model", tmp_path, reranker=exact, reranker_name="small")
    with TestClient(create_app(served), "http://127.0.0.1") as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = client.post("/v1/rerank", json={"query": query, "documents": PASSAGES})
    results = answer.json()["results"]
    scores = np.zeros(len(PASSAGES))
    scores[[one["index"] for one in results]] = [one["relevance_score"] for one in results]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert [one["relevance_score"] for one in results] == sorted(scores, reverse=True)

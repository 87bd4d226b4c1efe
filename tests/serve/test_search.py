from __future__ import annotations

import functools
import gzip
import itertools
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rowspace as rs
from rowspace.search.space import Space, open_space
from rowspace.serve.config import ServeConfig
from rowspace.serve.served import load_deterministic
from tests.minilm import minilm_folder
from tests.search.hostile import hostile_filters
from tests.search.stub import document, make_space
from tests.serve.clients import Client, as_sent, check_error, client_of

FACTBOOK = Path(__file__).resolve().parents[2] / "examples" / "factbook" / "factbook.jsonl.gz"
WORDS = ["river", "bank", "wing", "lake", "money", "plane", "bird", "stone"]
DOCUMENTS = [
    document(
        f"{'ab'[i % 2]}{i}",
        " ".join(WORDS[(i * step + step) % len(WORDS)] + "." for step in range(1, 40)),
        title=WORDS[i % len(WORDS)],
        tenant="ab"[i % 2],
        year=1990 + i,
    )
    for i in range(24)
]


class CountsBanks:
    """Scores a text by how often it says bank."""

    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[Any]:
        return np.array([text.lower().count("bank") for _, text in pairs], np.float32)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return make_space(tmp_path_factory.mktemp("stub") / "a.space", DOCUMENTS)


@pytest.fixture(scope="module")
def client(space: Space) -> Iterator[Client]:
    with client_of(space.path, reranker=CountsBanks()) as client:
        yield client


@pytest.fixture(scope="module")
def factbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("factbook")
    with gzip.open(FACTBOOK, "rt") as lines:
        (folder / "some.jsonl").write_text("".join(next(lines) for _ in range(25)))
    quick = {"dim": 24, "epochs": 2, "min_count": 2}
    return rs.build(folder / "some.jsonl", folder / "some.space", word2vec=quick).path


def _hits(client: Client, **body: Any) -> list[Any]:
    answer = client.post("/v1/search", json=body)
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["data"]
    return list(result["hits"])


ASKED: list[dict[str, Any]] = [
    {},
    {"k": 1},
    {"k": 100},
    {"mode": "dense"},
    {"mode": "lexical"},
    {"dense_weight": 2.5},
    {"diversity": 0.4, "k": 4},
    {"group": True, "k": 5},
    {"group": True, "mode": "dense", "diversity": 0.2, "k": 3},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_hits_are_those_of_the_library_to_the_last_bit(
    asked: dict[str, Any], space: Space, client: Client
) -> None:
    expected = [hit.as_dict() for hit in space.search("a river bank", **asked)]
    assert expected
    assert _hits(client, query="a river bank", **asked) == as_sent(expected)


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_hits_of_word_vectors_are_those_of_the_library_to_the_last_bit(
    asked: dict[str, Any], factbook: Path
) -> None:
    library = open_space(factbook, load=load_deterministic)
    with client_of(factbook) as client:
        for query in ("a landlocked country with a lake", "oil and gas", "qzx"):
            expected = [hit.as_dict() for hit in library.search(query, **asked)]
            assert _hits(client, query=query, **asked) == as_sent(expected)


@pytest.mark.parametrize(
    "where", ["year >= 2000", ["tenant = 'a'", "year < 2005 or year = 2010"], "title is null"]
)
def test_filters_are_those_of_the_library(where: Any, space: Space, client: Client) -> None:
    expected = [hit.as_dict() for hit in space.search("lake", 30, where=where)]
    assert _hits(client, query="lake", k=30, where=where) == as_sent(expected)


def test_a_reranker_orders_the_hits(space: Space, client: Client) -> None:
    hits = _hits(client, query="money", k=5, rerank=True, rerank_depth=20)
    expected = space.search("money", 5, rerank=CountsBanks(), rerank_depth=20)
    assert hits == as_sent([hit.as_dict() for hit in expected])
    scores = [hit["rerank_score"] for hit in hits]
    assert scores == [f"{hit['title']} {hit['text']}".lower().count("bank") for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_several_queries_are_answered_in_their_order(client: Client) -> None:
    queries = ["river", "a plane", "zzz", "river"]
    answer = client.post("/v1/search", json={"query": queries, "k": 3}).json()
    assert answer["object"] == "list"
    assert answer["model"] == "default"
    assert [one["index"] for one in answer["data"]] == [0, 1, 2, 3]
    for query, one in zip(queries, answer["data"], strict=True):
        assert one["hits"] == _hits(client, query=query, k=3)


def test_the_snippet_is_as_long_as_asked(client: Client) -> None:
    whole, short = (
        _hits(client, query="stone", k=1, mode="lexical", snippet_characters=n)[0]["snippet"]
        for n in (10_000, 30)
    )
    assert len(short.strip("… ")) <= 30 < len(whole)
    assert "stone" in short


def test_words_alone_are_not_encoded_and_take_no_tokens(client: Client) -> None:
    def tokens(mode: str) -> int:
        answer = client.post("/v1/search", json={"query": "river", "mode": mode})
        return int(answer.json()["usage"]["total_tokens"])

    assert tokens("lexical") == 0
    assert tokens("dense") > 0


def test_what_json_has_not_is_null(tmp_path: Path) -> None:
    odd = document("odd", "river", good=1.5, bad=float("nan"), worse=[float("inf")])
    with client_of(make_space(tmp_path / "a.space", [odd]).path) as client:
        (hit,) = _hits(client, query="river")
    assert hit["metadata"] == {"good": 1.5, "bad": None, "worse": [None]}


@pytest.mark.parametrize("asked", [{}, {"mode": "lexical", "k": 3}, {"where": "year > 2003"}])
def test_a_block_for_a_prompt_is_the_librarys(
    asked: dict[str, Any], space: Space, client: Client
) -> None:
    body = {"query": "a river bank", "max_tokens": 200, **asked}
    answer = client.post("/v1/retrieve", json=body).json()
    expected = as_sent(space.retrieve("a river bank", max_tokens=200, **asked).as_dict())
    assert expected["text"]
    assert {name: answer[name] for name in expected} == expected
    assert answer["n_tokens"] <= 200


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({}, "query", "required"),
        ({"query": 1}, "query", "give a text or a list of texts"),
        ({"query": []}, "query", "give one text or more"),
        ({"query": ["a", None]}, "query.1", "string"),
        ({"query": "a", "top_k": 3}, "top_k", "not permitted"),
        ({"query": "a", "k": "3"}, "k", "integer"),
        ({"query": "a", "k": 3.5}, "k", "integer"),
        ({"query": "a", "k": True}, "k", "integer"),
        ({"query": "a", "k": 0}, "k", "greater"),
        ({"query": "a", "k": 1001}, "k", "takes up to 1,000"),
        ({"query": ["a"] * 65}, "query", "takes up to 64"),
        (
            {"query": ["a"] * 5, "k": 1000},
            "k",
            "5,000 hits for all queries; the server takes up to",
        ),
        ({"query": ["a"] * 2, "k": 1000, "group": True}, "k", "8,000 hits for all queries"),
        ({"query": "a" * 40_000}, "query", "takes up to 32,768"),
        ({"query": "a", "mode": "both"}, "mode", "'hybrid', 'dense' or 'lexical'"),
        ({"query": "a", "group": "yes"}, "group", "boolean"),
        ({"query": "a", "diversity": 1.5}, "diversity", "less"),
        ({"query": "a", "dense_weight": -1}, "dense_weight", "greater"),
        ({"query": "a", "snippet_characters": 0}, "snippet_characters", "greater"),
        ({"query": "a", "rerank": True, "rerank_depth": 3000}, "rerank_depth", "up to 2,048"),
        ({"query": "a", "where": "year >"}, "where", "at character 7 the filter ends"),
        ({"query": "a", "where": "nothing = 1"}, "where", "no field 'nothing'"),
        ({"query": "a", "where": ["year = 1"] * 33}, "where", "takes up to 32"),
        ({"query": "a", "where": {"year": 1}}, "where", "give a text or a list of texts"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    body: dict[str, Any], param: str, said: str, client: Client
) -> None:
    check_error(client.post("/v1/search", json=body), 400, param, said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"query": "a", "diversity": NaN}', "finite"),
        (b'{"query": "\\ud800"}', "half a character"),
        (b'{"query": "a", "k": 1' + b"0" * 5000 + b"}", ""),
        (b'{"query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ""),
        (b'{"query": "a", "where": ' + b"[" * 900 + b"]" * 900 + b"}", "string"),
        (b"[]", "dictionary"),
        (b"{", "no JSON"),
    ],
    ids=["nan", "half a character", "long number", "deep", "nested", "a list", "cut"],
)
def test_bodies_that_are_no_request_are_refused(body: bytes, said: str, client: Client) -> None:
    answer = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]


def test_a_model_that_is_not_there_is_404(client: Client) -> None:
    answer = client.post("/v1/search", json={"query": "a", "model": "gpt"})
    check_error(answer, 404, "model", "'gpt'")
    assert answer.json()["error"]["code"] == "model_not_found"


def test_reranking_without_a_reranker_says_how_to_get_one(space: Space) -> None:
    with client_of(space.path) as client:
        answer = client.post("/v1/search", json={"query": "a", "rerank": True})
    check_error(answer, 400, "rerank", "--rerank MODEL")


@pytest.mark.parametrize(
    "where",
    [
        "(" * 10_000 + "year = 1" + ")" * 10_000,
        "not " * 10_000 + "year = 1",
        "(" * 500_000,
        " or ".join(["year = 1"] * 501),
        f"year in ({', '.join(['1'] * 10_001)})",
        "a" * 100_000 + " = 1",
        "year = " + "1" * 100_000,
        "title = '" + "\\'" * 100_000,
        "year = 1" + " " * (1 << 20),
        ["year != 1 and year != 2"] * 32 + ["year = 1"],
        [" and ".join(["year != 1"] * 20)] * 32,
        [f"year in ({', '.join(['1'] * 400)})"] * 32,
    ],
    ids=lambda where: f"{len(where)} {where[:20]}",
)
def test_filters_without_end_are_refused(where: Any, client: Client) -> None:
    answer = client.post("/v1/search", json={"query": "a", "where": where})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == "where"
    assert len(error["message"]) < 500


def test_no_filter_shows_what_another_one_forbids(client: Client) -> None:
    statuses = set()
    for typed in hostile_filters(150, seed=3):
        body = {"query": "river", "k": 30, "where": ["tenant = 'a'", typed]}
        try:
            answer = client.post("/v1/search", json=body)
        except UnicodeEncodeError:  # a client cannot send half a character so
            continue
        statuses.add(answer.status_code)
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 200:
            tenants = {hit["metadata"]["tenant"] for hit in answer.json()["data"][0]["hits"]}
            assert tenants <= {"a"}
    assert statuses == {200, 400}


def test_a_search_sees_what_another_process_has_added(tmp_path: Path) -> None:
    space = make_space(tmp_path / "a.space", DOCUMENTS)
    with client_of(space.path) as client:
        assert "new" not in {hit["document_id"] for hit in _hits(client, query="comet", k=50)}
        space.add([document("new", "a comet")])  # by another `Space`, as of another process
        assert _hits(client, query="comet", k=1)[0]["document_id"] == "new"
        space.delete(["new"])
        assert "new" not in {hit["document_id"] for hit in _hits(client, query="comet", k=50)}


def test_searches_at_once_get_each_its_own_answer(space: Space, client: Client) -> None:
    queries = [f"{a} {b}" for a in WORDS for b in WORDS]
    expected = {
        query: as_sent([hit.as_dict() for hit in space.search(query, 3)]) for query in queries
    }
    with ThreadPoolExecutor(8) as threads:
        ask = functools.partial(_hits, client, k=3)
        found = dict(
            zip(queries, threads.map(lambda query: ask(query=query), queries), strict=True)
        )
    assert found == expected


def test_searches_beyond_those_that_may_wait_are_refused(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, answer = threading.Event(), Space.answer

    def held(*arguments: Any) -> Any:
        assert go.wait(10)
        return answer(*arguments)

    monkeypatch.setattr(Space, "answer", held)
    config = ServeConfig(search_threads=1, max_waiting=1)
    with client_of(space.path, config) as client, ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(client.post, "/v1/search", json={"query": "a"}) for _ in range(8)]
        refused = [done.result() for done in itertools.islice(as_completed(asked), 6)]
        go.set()
        statuses = sorted(one.result().status_code for one in asked)
    assert statuses == [200, 200] + [429] * 6  # one is answered, one waits
    for one in refused:
        check_error(one, 429, None, "1 searches wait already; try again later")
        assert int(one.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["/v1/search", "/v1/retrieve", "/v1/documents"])
def test_a_server_without_a_space_says_what_to_start(path: str, tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from rowspace.serve.app import create_app
    from rowspace.serve.served import Served

    with TestClient(create_app(Served("model", tmp_path)), "http://127.0.0.1") as client:
        check_error(client.post(path, json={"query": "a"}), 404, None, "with a space")
        assert path not in client.get("/openapi.json").json()["paths"]


@pytest.mark.slow
def test_hits_of_a_sentence_encoder_are_those_of_the_library_whatever_else_is_asked(
    tmp_path: Path,
) -> None:
    with gzip.open(FACTBOOK, "rt") as lines:
        (tmp_path / "some.jsonl").write_text("".join(next(lines) for _ in range(4)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*longer than")
        path = rs.build(
            tmp_path / "some.jsonl", tmp_path / "a.space", model=str(minilm_folder())
        ).path
    library = open_space(path, load=load_deterministic)
    queries = ["lakes", "which country grows the most wheat?", "oil " * 40, "海", "a"] * 4
    expected = [as_sent([hit.as_dict() for hit in library.search(q, 5)]) for q in queries]
    with client_of(path) as client, ThreadPoolExecutor(8) as threads:
        others = threads.submit(
            lambda: [
                client.post("/v1/embeddings", json={"model": "default", "input": ["x y z " * n]})
                for n in range(1, 20)
            ]
        )
        found = list(threads.map(lambda query: _hits(client, query=query, k=5), queries))
        assert {answer.status_code for answer in others.result()} == {200}
    assert found == expected


def test_tokens_are_counted_as_embeddings_count_them(client: Client) -> None:
    queries = ["a river bank", "money"]
    body = {"model": "default", "input": queries, "input_type": "query"}
    counted = client.post("/v1/embeddings", json=body).json()["usage"]
    assert counted["total_tokens"] > 0
    answer = client.post("/v1/search", json={"query": queries, "k": 1})
    assert answer.json()["usage"] == counted

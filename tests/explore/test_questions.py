"""`find`, `neighbors` and `analogy` against the library's own answers, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rowspace.explore import questions
from rowspace.explore.subject import open_subject
from rowspace.serve.errors import add_error_handlers
from rowspace.space.vectors import Vectors
from tests.search.stub import document, make_space

WORDS = ["king", "queen", "man", "woman", "kingdom", "apple", "viking"]


def client_of(path: Path) -> TestClient:
    app = FastAPI()
    add_error_handlers(app)
    app.include_router(questions.routes([open_subject(path)]))
    return TestClient(app)


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    matrix = np.random.default_rng(0).normal(size=(len(WORDS), 6))
    return Vectors(WORDS, matrix, counts=np.arange(len(WORDS), 0, -1))


@pytest.fixture(scope="module")
def words(vectors: Vectors, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    path = tmp_path_factory.mktemp("words") / "words.bin"
    vectors.save(path)
    return client_of(path)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    path = tmp_path_factory.mktemp("texts") / "space"
    documents = [document(name, f"{name} eats fish") for name in ("cat", "dog", "owl")]
    make_space(path, documents)
    return client_of(path)


def asked(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: TestClient, path: str, **params: Any) -> tuple[int, str]:
    answer = client.get(path, params=params)
    return answer.status_code, answer.json()["error"]["message"]


def test_find_gives_the_word_then_those_that_begin_with_it_then_those_that_hold_it(
    words: TestClient,
) -> None:
    found = asked(words, "find", q="king")
    assert [point["label"] for point in found] == ["king", "kingdom", "viking"]
    assert [point["row"] for point in found] == [0, 4, 6]


def test_find_gives_no_more_than_k(words: TestClient) -> None:
    assert len(asked(words, "find", q="king", k=2)) == 2


def test_neighbors_are_those_of_most_similar(words: TestClient, vectors: Vectors) -> None:
    for row, word in enumerate(WORDS):
        found = asked(words, "neighbors", row=row, k=4)
        expected = vectors.most_similar(word, topn=4)
        assert [point["label"] for point in found] == [key for key, _ in expected]
        assert [point["similarity"] for point in found] == pytest.approx(
            [score for _, score in expected], abs=1e-6
        )
        assert all(WORDS[point["row"]] == point["label"] for point in found)


def test_neighbors_leave_the_point_itself_out_and_give_all_others(words: TestClient) -> None:
    rows = [point["row"] for point in asked(words, "neighbors", row=2, k=100)]
    assert sorted(rows) == [0, 1, 3, 4, 5, 6]


def test_nothing_is_near_what_has_no_direction(tmp_path: Path) -> None:
    Vectors(["none", "east", "north"], np.array([[0, 0], [1, 0], [0, 1]])).save(tmp_path / "v")
    client = client_of(tmp_path / "v")
    assert asked(client, "neighbors", row=0) == []
    assert len(asked(client, "neighbors", row=1)) == 2
    assert asked(client, "analogy", a="none", b="none", c="none")["answers"] == []


def test_analogy_is_most_similar_of_sums_of_unit_vectors(
    words: TestClient, vectors: Vectors
) -> None:
    found = asked(words, "analogy", a="king", b="man", c="woman", k=3)
    expected = vectors.most_similar(positive=["king", "woman"], negative=["man"], topn=3)
    assert found["terms"] == [{"row": row, "label": WORDS[row]} for row in (0, 2, 3)]
    assert [point["label"] for point in found["answers"]] == [key for key, _ in expected]
    assert [point["similarity"] for point in found["answers"]] == pytest.approx(
        [score for _, score in expected], abs=1e-6
    )


def test_analogy_with_a_term_twice_answers_k_points(words: TestClient) -> None:
    assert len(asked(words, "analogy", a="king", b="king", c="man", k=5)["answers"]) == 5


def test_analogy_names_an_unknown_word_and_a_near_miss(words: TestClient) -> None:
    status, message = refused(words, "analogy", a="king", b="Man", c="woman")
    assert status == 404
    assert "'Man'" in message and "did you mean 'man'?" in message


def test_texts_are_found_by_their_words(texts: TestClient) -> None:
    found = asked(texts, "find", q="dog", set="documents")
    assert found[0]["label"].startswith("dog")


def test_an_analogy_of_texts_takes_rows(texts: TestClient) -> None:
    found = asked(texts, "analogy", a="0", b="1", c="1", set="documents")
    assert [term["row"] for term in found["terms"]] == [0, 1, 1]
    assert [point["row"] for point in found["answers"]] == [2]
    status, message = refused(texts, "analogy", a="cat", b="1", c="2", set="documents")
    assert status == 400
    assert "'cat' is no row" in message


@pytest.mark.parametrize(
    ("path", "params", "status", "words_of_it"),
    [
        ("neighbors", {"row": 7}, 400, "no row 7 among 7 words"),
        ("neighbors", {"row": 0, "set": "passages"}, 404, "no passages"),
        ("neighbors", {"row": 0, "subject": 1}, 404, "no subject 1"),
        ("find", {"q": "king", "fingerprint": "other"}, 409, "have changed"),
        ("find", {"q": ""}, 400, "q"),
        ("find", {"q": "king", "k": 0}, 400, "k"),
        ("neighbors", {"row": -1}, 400, "row"),
    ],
)
def test_what_is_not_there_is_said(
    words: TestClient, path: str, params: dict[str, Any], status: int, words_of_it: str
) -> None:
    got, message = refused(words, path, **params)
    assert got == status
    assert words_of_it in message

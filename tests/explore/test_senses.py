"""Senses of a word in context, asked over HTTP."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from rowspace.explore.sense_finding import CONTEXT, from_space
from rowspace.explore.sense_jobs import KEPT, SenseJob, SenseJobs
from rowspace.explore.subject import Subject
from rowspace.space.vectors import Vectors
from tests.explore.asked import API, client_of, refusal
from tests.minilm import minilm_folder
from tests.search.stub import document, make_space

RIVER = [
    "He sat down on the bank of the river.",
    "The muddy bank of the stream was covered with reeds.",
    "They fished all morning from the grassy bank.",
    "The canoe drifted toward the far bank.",
    "Otters had dug a hole in the bank above the water.",
    "A heron stood on the opposite bank of the lake.",
]
MONEY = [
    "She opened a savings account at the bank.",
    "The bank raised the interest on its loans.",
    "The central bank printed more money.",
    "My bank charges a fee for each transfer.",
    "The bank refused to lend the company any cash.",
    "Shares of the bank fell after it lost millions.",
]


def transformer() -> Subject:
    """A bare transformer, whose passages are what is pasted."""
    pytest.importorskip("torch")
    words = Vectors(["bank"], np.ones((1, 2), dtype=np.float32))
    return Subject("minilm", minilm_folder(), None, words)


def words() -> Subject:
    return Subject("words", Path("words.bin"), None, Vectors(["a"], np.ones((1, 2), np.float32)))


def finished(client: TestClient, **asked: Any) -> dict[str, Any]:
    """What comes of a question in the end."""
    response = client.post(API + "senses", json=asked)
    assert response.status_code == 200, response.text
    state = response.json()
    while state["state"] == "computing":
        assert 0 <= state["share"] <= 1
        time.sleep(0.05)
        state = client.get(API + "senses/" + state["id"]).json()
    found: dict[str, Any] = state
    return found


def test_two_senses_of_bank_are_told_apart_as_the_library_does() -> None:
    from rowspace.transformer.load_encoder import load_encoder
    from rowspace.transformer.senses.find import find_senses

    client = client_of(transformer())
    state = finished(client, word="bank", sentences="\n".join(RIVER + MONEY), n_senses=2)
    result = state["result"]
    groups = [point["sense"] for point in result["points"]]
    assert [sense["size"] for sense in result["senses"]] == [6, 6]
    assert len(set(groups[:6])) == 1
    assert len(set(groups[6:])) == 1
    library = find_senses(load_encoder(minilm_folder()), "bank", RIVER + MONEY, n_senses=2)
    assert groups == library.assignments.tolist()
    assert result["silhouette"] == pytest.approx(library.silhouette, abs=1e-6)
    assert [p["before"] + p["word"] + p["after"] for p in result["points"]] == RIVER + MONEY
    assert all(-1 <= p[axis] <= 1 for p in result["points"] for axis in ("x", "y"))
    again = client.post(
        API + "senses",
        json={"word": "bank", "sentences": "\n".join(RIVER + MONEY), "n_senses": 2},
    ).json()
    assert again == state


def test_the_cosine_of_two_sentences_is_that_of_the_words_vectors() -> None:
    from rowspace.transformer.load_encoder import load_encoder

    client = client_of(transformer())
    body = {"word": "bank", "a": RIVER[0], "b": MONEY[0]}
    found = client.post(API + "senses/compare", json=body).json()
    encoder = load_encoder(minilm_folder())
    assert len(found["cosines"]) == encoder.n_layers + 1
    for layer, cosine in enumerate(found["cosines"]):
        a, b = encoder.contextual([RIVER[0], MONEY[0]], "bank", layers=layer).vectors
        assert cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)
    a, b = (encoder.contextual([text]) for text in (RIVER[0], MONEY[0]))
    pairs = [
        u @ v / np.linalg.norm(u) / np.linalg.norm(v)
        for u, (i, j) in zip(a.vectors, a.spans, strict=True)
        for v, (k, m) in zip(b.vectors, b.spans, strict=True)
        if RIVER[0][i:j].lower() != MONEY[0][k:m].lower()
    ]
    assert found["others"][-1] == pytest.approx(np.mean(pairs), abs=1e-4)
    same = client.post(API + "senses/compare", json=body | {"b": RIVER[0]}).json()
    assert same["cosines"] == pytest.approx([1.0] * len(same["cosines"]))
    assert "does not occur in text 1" in refusal(
        client, "senses/compare", json=body | {"b": "no such thing"}
    )


def test_a_word_that_does_not_occur_is_told() -> None:
    state = finished(client_of(transformer()), word="banks", sentences="\n".join(RIVER))
    assert state["state"] == "failed"
    assert state["message"].startswith("'banks' does not occur in the 6 sentences")


def test_sentences_come_from_passages_and_know_their_source(tmp_path: Path) -> None:
    documents = [
        document("1", "The bank was steep. A boat came by.", title="River"),
        document("2", "Nothing of the kind.", title="Nothing"),
    ]
    found = from_space(make_space(tmp_path / "space", documents), "bank")
    assert found.texts == ["The bank was steep.", "A boat came by."]
    assert set(found.sources.values()) == {"River"}


def test_a_long_sentence_is_read_around_the_word() -> None:
    long = "word " * 3000 + "the bank of the river " + "word " * 3000
    state = finished(client_of(transformer()), word="bank", sentences=long)
    point = state["result"]["points"][0]
    assert len(point["before"]) + len(point["after"]) <= CONTEXT
    assert point["before"].endswith("the ")


def test_models_with_one_vector_a_word_say_so() -> None:
    client = client_of(words())
    for path, body in (
        ("senses", {"word": "bank"}),
        ("senses/compare", {"word": "bank", "a": "bank", "b": "bank"}),
    ):
        said = refusal(client, path, json=body)
        assert "one vector wherever it stands" in said
        assert "transformer" in said


def test_without_torch_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(transformer())
    monkeypatch.setattr("rowspace.extras.importlib.util.find_spec", lambda name: None)
    assert "rowspace[torch]" in refusal(client, "senses", json={"word": "a", "sentences": "a"})


def test_hostile_questions_are_refused_in_a_line() -> None:
    client = client_of(transformer())
    assert "the word is empty" in refusal(client, "senses", json={"word": " ", "sentences": "a"})
    assert "101 characters" in refusal(client, "senses", json={"word": "x" * 101, "sentences": "a"})
    assert "200,001 characters" in refusal(
        client, "senses", json={"word": "x", "sentences": "x" * 200_001}
    )
    assert "no passages" in refusal(client, "senses", json={"word": "x"})
    assert "no subject 3" in refusal(client, "senses?subject=3", json={"word": "x"})
    assert "no model 'y'" in refusal(client, "senses", json={"word": "x", "model": "y"})
    for n_senses in (0, -1, 10**9, 1.5, "nan"):
        refusal(client, "senses", json={"word": "x", "sentences": "x", "n_senses": n_senses})
    assert "1,001 characters" in refusal(
        client, "senses/compare", json={"word": "x", "a": "x" * 1001, "b": "x"}
    )
    assert "nothing was asked" in refusal(client, "senses/0123")


class Waiting:
    """Work that goes on until it is let go, or ended by what it tells."""

    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, job: SenseJob) -> dict[str, Any]:
        self.began.set()
        while not self.go.wait(0.01):
            job.tell(0.5, "at work")
        return {"done": True}


def test_a_second_question_ends_the_first() -> None:
    jobs, first, second = SenseJobs(), Waiting(), Waiting()
    a = jobs.start("a", first)
    assert first.began.wait(10)
    b = jobs.start("b", second)
    assert second.began.wait(10)  # the first has left its turn
    assert a.as_dict()["state"] == "stopped"
    assert jobs.start("b", second) is b
    second.go.set()
    while not b.is_done:
        time.sleep(0.01)
    assert b.as_dict()["result"] == {"done": True}
    assert jobs.start("a", first) is not a


def test_a_question_is_taken_back_by_its_address() -> None:
    client = client_of(transformer())
    body = {"word": "word", "sentences": "\n".join(f"word {i} " + "of " * 60 for i in range(160))}
    state = client.post(API + "senses", json=body).json()
    stopped = client.post(API + f"senses/{state['id']}/stop").json()
    assert stopped["state"] == "stopped"


def test_only_the_last_questions_are_kept() -> None:
    jobs = SenseJobs()
    for number in range(KEPT + 1):
        job = jobs.start(str(number), lambda job: {})
        while not job.is_done:
            time.sleep(0.001)
    assert jobs.get("0") is None
    assert jobs.get(str(KEPT)) is not None


def test_what_goes_wrong_inside_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    def work(job: SenseJob) -> dict[str, Any]:
        raise RuntimeError("a secret")

    job = SenseJobs().start("a", work)
    while not job.is_done:
        time.sleep(0.01)
    assert "secret" not in str(job.as_dict())
    assert "a secret" in caplog.text

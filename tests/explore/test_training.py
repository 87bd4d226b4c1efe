"""Where words stand at steps of a training, and what the page is told of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import rowspace as rs
from rowspace.explore import histories
from rowspace.explore.frame import fit_in_square
from rowspace.explore.histories import trained
from rowspace.explore.subject import Subject, open_subject
from rowspace.explore.training_places import FEWEST_NEAR, make_places, nearest
from rowspace.serve.app import create_app
from rowspace.serve.served import Served
from rowspace.space.history import FILE, History, Step, load_history
from rowspace.space.projection import coordinates
from rowspace.space.similarity import unit_rows
from tests.explore.trained import sentences, train_model


def quietly(share: float, message: str) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained folder of words."""
    return train_model(tmp_path_factory.mktemp("training") / "words")


@pytest.fixture(autouse=True)
def maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own for what is kept."""
    monkeypatch.setenv("ROWSPACE_MAPS", str(tmp_path / "maps"))
    return tmp_path / "maps"


@pytest.fixture
def client(model: Path) -> Iterator[TestClient]:
    with _client(open_subject(model)) as found:
        yield found


def _client(*subjects: Subject) -> TestClient:
    served = Served(subjects[0].name, subjects[0].path, subjects=list(subjects))
    return TestClient(create_app(served), base_url="http://127.0.0.1")


def _asked(client: TestClient, path: str, **params: Any) -> Any:
    for _ in range(600):
        answer = client.get(f"/explore/api/{path}", params=params)
        if answer.status_code != 202:
            return answer
        time.sleep(0.05)
    raise AssertionError("it was still being made")


def _history(matrices: Any) -> History:
    steps = [Step(i, i, i, None, 0.1) for i in range(len(matrices))]
    words = [f"w{i}" for i in range(matrices.shape[1])]
    return History(words, steps, np.asarray(matrices, np.float16))


def test_nearest_rows_are_those_of_a_plain_loop() -> None:
    matrix = np.random.default_rng(1).normal(size=(30, 5))
    units = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    for row, found in enumerate(nearest(matrix, 4)):
        order = sorted((-(units[row] @ units[other]), other) for other in range(30) if other != row)
        assert [other for _, other in order[:4]] == found.tolist()


def test_a_word_stands_amid_the_final_places_of_its_neighbours(model: Path) -> None:
    history = load_history(model)
    assert history is not None
    made = make_places(history, quietly).places
    assert made.shape == (len(history.words), len(history.steps), 2)
    last = history.matrices[-1].astype(np.float64)
    final = fit_in_square(coordinates(unit_rows(last.astype(np.float32)))[0])
    expected = np.zeros(made.shape)
    for step, matrix in enumerate(history.matrices.astype(np.float32)):
        for row, word in enumerate(history.words):
            near = rs.Vectors(history.words, matrix).most_similar(word, topn=FEWEST_NEAR)
            rows = [history.words.index(other) for other, _ in near]
            expected[row, step] = sum(final[rows].astype(np.float64)) / FEWEST_NEAR
    drawn = fit_in_square(expected.reshape(-1, 2)).reshape(made.shape)
    agree = np.isclose(made, drawn, atol=1e-4).all(axis=2)
    assert agree.mean() > 0.98, "but for neighbours at the same distance"


def test_words_come_from_the_centre_to_their_groups(model: Path) -> None:
    history = load_history(model)
    assert history is not None
    made = make_places(history, quietly)
    kinds = np.array([word[0] for word in history.words])

    def spread(step: int) -> float:
        """Distance of the groups' centres over the distance of words from them."""
        centers = np.array([made.places[kinds == kind, step].mean(axis=0) for kind in "pqrs"])
        own = np.linalg.norm(
            made.places[:, step] - centers[["pqrs".index(kind) for kind in kinds]], axis=1
        )
        return float(np.linalg.norm(centers - centers.mean(axis=0), axis=1).mean() / own.mean())

    assert spread(-1) > 3 > 1 > spread(0)
    moved = np.linalg.norm(np.diff(made.places, axis=1), axis=2).mean(axis=0)
    assert moved[-1] < moved[:3].max()


def test_what_does_not_change_does_not_move() -> None:
    matrix = np.random.default_rng(0).normal(size=(1, 40, 6))
    places = make_places(_history(np.repeat(matrix, 3, axis=0)), quietly).places
    np.testing.assert_array_equal(places[:, 0], places[:, 2])


def test_the_same_history_has_the_same_places(model: Path) -> None:
    history = load_history(model)
    assert history is not None
    one, other = make_places(history, quietly), make_places(history, quietly)
    np.testing.assert_array_equal(one.places, other.places)
    assert one.record() == other.record()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_words_have_places(n: int) -> None:
    matrices = np.random.default_rng(0).normal(size=(3, n, 4))
    made = make_places(_history(matrices), quietly)
    assert made.places.shape == (n, 3, 2) and np.isfinite(made.places).all()
    assert len(made.groups) == n


def test_the_page_is_told_words_and_steps(client: TestClient, model: Path) -> None:
    history = load_history(model)
    assert history is not None
    about = client.get("/explore/api/about").json()
    assert about["subjects"][0]["has"]["training"] is True
    told = client.get("/explore/api/training").json()
    assert told["words"] == history.words and len(told["steps"]) == len(history.steps)
    assert told["steps"][0]["loss"] is None and told["steps"][-1]["share"] == 1
    answer = _asked(client, "training/places")
    places = np.frombuffer(answer.content, "<f4").reshape(len(history.steps), -1, 2)
    np.testing.assert_array_equal(places, make_places(history, quietly).places.swapaxes(0, 1))
    groups = _asked(client, "training/groups").json()
    assert len(groups["groups"]) == len(history.words)
    assert groups["names"][0].split(", ")[0] in history.words


def test_places_are_made_once(model: Path, maps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _client(open_subject(model)) as client:
        first = _asked(client, "training/places").content
    assert len(list(maps.rglob("array.npy"))) == 1
    monkeypatch.setattr(histories, "make_places", None)
    with _client(open_subject(model)) as client:
        assert _asked(client, "training/places").content == first


def test_a_failure_is_told_and_may_be_tried_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(histories, "make_places", lambda *_: 1 / 0)
        answer = _asked(client, "training/places")
    assert answer.status_code >= 400 and "ZeroDivisionError" in answer.json()["error"]["message"]
    assert _asked(client, "training/places").status_code == 200


def test_neighbours_are_those_of_the_step_and_of_the_end(client: TestClient, model: Path) -> None:
    history = load_history(model)
    assert history is not None
    word, step = history.words[3], 2
    told = client.get(
        "/explore/api/training/neighbors", params={"word": word, "step": step, "k": 5}
    ).json()
    for name, matrix in (("then", history.matrices[step]), ("finally", history.matrices[-1])):
        plain = rs.Vectors(history.words, matrix.astype(np.float32)).most_similar(word, topn=5)
        assert [(one["label"], one["similarity"]) for one in told[name]] == [
            (label, pytest.approx(cosine, abs=1e-4)) for label, cosine in plain
        ]
    assert {one["label"][0] for one in told["finally"]} == {word[0]}


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("training/neighbors", {"word": "absent", "step": 0}, "'absent'"),
        ("training/neighbors", {"word": "pworda", "step": 999}, "no step 999"),
        ("training", {"subject": 7}, "no subject 7"),
    ],
)
def test_what_is_not_there_is_told(
    client: TestClient, path: str, params: dict[str, Any], message: str
) -> None:
    answer = client.get(f"/explore/api/{path}", params=params)
    assert answer.status_code == 404 and message in answer.json()["error"]["message"]


def test_vectors_without_a_history_have_no_training(tmp_path: Path, model: Path) -> None:
    vectors = rs.load(model)
    vectors.save(tmp_path / "plain")
    with _client(open_subject(tmp_path / "plain")) as client:
        about = client.get("/explore/api/about").json()
        assert about["subjects"][0]["has"]["training"] is False
        answer = client.get("/explore/api/training")
        assert answer.status_code == 404 and "no history" in answer.json()["error"]["message"]


def test_a_damaged_history_hides_the_view(tmp_path: Path, model: Path) -> None:
    rs.load(model).save(tmp_path / "words")
    (tmp_path / "words" / FILE).write_bytes((model / FILE).read_bytes()[:-5])
    assert trained(open_subject(tmp_path / "words")) is None


def test_the_history_of_a_space_is_shown(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(sentence) + "\n\n" for sentence in sentences()[:200]))
    space = rs.build(
        text, tmp_path / "a.space", word2vec={"dim": 8, "min_count": 1, "n_threads": 1}
    )
    with _client(open_subject(space.path)) as client:
        assert client.get("/explore/api/about").json()["subjects"][0]["has"]["training"] is True
        assert len(_asked(client, "training/places").content) > 0
    assert space.verify() == []

"""Two models compared: which neighbours they share, and what the page is told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import rowspace as rs
from rowspace.errors import ConfigError
from rowspace.explore import sides
from rowspace.explore.compared import (
    FEWEST,
    Comparison,
    _turned_map,
    compare_points,
    count_shared,
    nearest_others,
    turn,
)
from rowspace.explore.sides import common_rows, sides_of
from rowspace.explore.subject import Subject, open_subject
from rowspace.explore.words import WordPoints
from rowspace.serve.app import create_app
from rowspace.serve.served import Served
from rowspace.space.vectors import Vectors

N, DIM = 300, 12


def quietly(share: float, message: str) -> None:
    """Tell nobody."""


def words(
    matrix: Any, keys: list[str] | None = None, counts: list[int] | None = None
) -> WordPoints:
    """Points of a matrix."""
    return WordPoints(Vectors(keys or [f"w{i}" for i in range(len(matrix))], matrix, counts))


def grouped(seed: int = 0, n: int = N) -> Any:
    """Directions in groups, each point's neighbours far from equal."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(12, DIM))
    return (centers[np.arange(n) % 12] + 0.5 * rng.normal(size=(n, DIM))).astype(np.float32)


def rotation(seed: int = 1, dim: int = DIM) -> Any:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]


def naive_shared(a: Any, b: Any, k: int) -> list[int]:
    """How many of the k nearest are the same, by loops."""

    def nearest(matrix: Any, row: int) -> set[int]:
        units = [vector / np.sqrt((vector**2).sum()) for vector in matrix.astype(np.float64)]
        order = sorted((-(units[row] @ other), i) for i, other in enumerate(units) if i != row)
        return {i for _, i in order[:k]}

    return [len(nearest(a, row) & nearest(b, row)) for row in range(len(a))]


def test_overlaps_are_those_of_plain_loops() -> None:
    a = grouped(n=80)
    b = (a + 0.4 * np.random.default_rng(5).normal(size=a.shape)).astype(np.float32)
    found = compare_points(words(a), words(b), quietly)
    assert found.shared.tolist() == naive_shared(a, b, found.k)
    assert 0 < found.overlaps.mean() < 1
    np.testing.assert_allclose(found.overlaps, found.shared / 10)


def test_neighbours_are_found_whatever_order_the_rows_have_in_the_other() -> None:
    a = grouped(n=60)
    order = np.random.default_rng(2).permutation(60)
    keys = [f"w{i}" for i in range(60)]
    found = compare_points(words(a, keys), words(a[order], [keys[i] for i in order]), quietly)
    assert found.shared.tolist() == [10] * 60
    np.testing.assert_array_equal(found.near_a, found.near_b)
    np.testing.assert_array_equal(order[found.rows_b], found.rows_a)


def test_a_model_beside_itself_is_the_same() -> None:
    a = grouped()
    found = compare_points(words(a), words(a.copy()), quietly)
    assert found.overlaps.min() == 1 and found.residual < 1e-9
    np.testing.assert_allclose(found.places_a, found.places_b, atol=1e-5)


def test_a_turned_copy_has_the_same_neighbours_and_the_same_map() -> None:
    a = grouped()
    found = compare_points(words(a), words(3 * a @ rotation()), quietly)
    assert found.overlaps.mean() > 0.999 and found.is_turned and found.residual < 1e-9
    assert np.median(np.abs(found.places_a - found.places_b)) < 1e-3


def test_shuffled_vectors_share_as_many_as_chance_gives() -> None:
    a = grouped(n=600)
    b = a[np.random.default_rng(3).permutation(600)]
    found = compare_points(words(a), words(b), quietly)
    # The shared of a point are hypergeometric: mean k² / (n - 1), and of 600 points' mean the
    # standard error is below 0.4 / sqrt(600).
    assert found.shared.mean() == pytest.approx(100 / 599, abs=5 * 0.41 / np.sqrt(600))
    assert found.residual > 0.5


def test_other_dimensions_turn_the_maps() -> None:
    a = grouped()
    wide = np.concatenate([a, np.zeros((N, 5), np.float32)], axis=1) @ rotation(dim=DIM + 5)
    found = compare_points(words(a), words(wide), quietly)
    assert not found.is_turned and found.overlaps.mean() > 0.999
    assert np.abs(found.places_b).max() <= 1


def test_a_map_is_turned_onto_another_at_its_size() -> None:
    target = np.random.default_rng(0).normal(size=(50, 2)) * [3, 1] + [5, 0]
    turned, residual = _turned_map(0.2 * target @ [[0.0, -1.0], [1.0, 0.0]] - [7, 7], target)
    np.testing.assert_allclose(turned, target, atol=1e-9)
    assert residual < 1e-12
    other = np.random.default_rng(1).normal(size=(50, 2))
    turned, residual = _turned_map(other, target)
    assert np.linalg.norm(turned - turned.mean(axis=0)) == pytest.approx(
        np.linalg.norm(target - target.mean(axis=0))
    )
    left = np.linalg.norm(turned - target) / np.linalg.norm(target - target.mean(axis=0))
    assert 0.1 < residual == pytest.approx(left**2)


def test_turning_finds_the_rotation_that_was_made() -> None:
    units = grouped() / np.linalg.norm(grouped(), axis=1, keepdims=True)
    turned, residual = turn((units @ rotation()).astype(np.float32), units)
    np.testing.assert_allclose(turned, units, atol=1e-5)
    assert residual < 1e-9
    _, other = turn(units[::-1].copy(), units)
    assert other > 0.1


def test_the_same_comparison_is_the_same() -> None:
    a, b = words(grouped()), words(grouped(4))
    one, other = compare_points(a, b, quietly), compare_points(a, b, quietly)
    for name in Comparison.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_equal_vectors_are_neighbours_but_none_is_its_own() -> None:
    units = np.full((40, 4), 0.5, np.float32)
    rows, cosines = nearest_others(units, 10, lambda share: None)
    assert all(row not in near for row, near in enumerate(rows.tolist()))
    assert all(len(set(near)) == 10 for near in rows.tolist())
    np.testing.assert_allclose(cosines, 1)


def test_shared_numbers_are_counted() -> None:
    a, b = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 9, 1], [7, 8, 9]])
    assert count_shared(a, b).tolist() == [2, 0]


def test_words_without_a_direction_are_left_out() -> None:
    a, b = grouped(n=50), grouped(1, n=50)
    a[3], b[7] = 0, 0
    found = compare_points(words(a), words(b), quietly)
    assert len(found.shared) == 48 and not {3, 7} & set(found.rows_a.tolist())


def test_the_most_frequent_common_words_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "MOST", 3)
    a = words(np.eye(5), ["one", "two", "three", "four", "five"], [1, 9, 5, 7, 8])
    b = words(np.eye(4), ["five", "four", "one", "three"])
    rows_a, rows_b, n = common_rows(a, b)
    assert (a.labels(rows_a), n) == (["five", "four", "three"], 4)
    assert b.labels(rows_b) == a.labels(rows_a)


def test_too_few_in_common_are_told() -> None:
    other = words(grouped(n=50), [f"x{i}" if i > 4 else f"w{i}" for i in range(50)])
    with pytest.raises(ConfigError, match=f"5 words in common.*{FEWEST}"):
        compare_points(words(grouped(n=50)), other, quietly)
    empty = words(np.where(np.arange(50)[:, None] < 20, grouped(n=50), 0))
    with pytest.raises(ConfigError, match="20 have a direction in both"):
        compare_points(words(grouped(n=50)), empty, quietly)


# --- What the page is told -----------------------------------------------------------------------


def _client(*subjects: Subject) -> TestClient:
    served = Served(subjects[0].name, subjects[0].path, subjects=list(subjects))
    return TestClient(create_app(served), base_url="http://127.0.0.1")


def _asked(client: TestClient, path: str, **params: Any) -> Any:
    for _ in range(2000):
        answer = client.get(f"/explore/api/{path}", params=params)
        if answer.status_code != 202:
            return answer
        assert answer.json()["state"] == "computing"
        time.sleep(0.05)
    raise AssertionError("it was still being made")


@pytest.fixture
def two(tmp_path: Path) -> list[Subject]:
    """Two files of the same words, of which the second has one more."""
    a = grouped(n=90)
    noise = 0.3 * np.random.default_rng(9).normal(size=(91, DIM)).astype(np.float32)
    words(a).word_vectors.save(tmp_path / "one")
    words(np.vstack([a, a[:1]]) + noise).word_vectors.save(tmp_path / "two")
    return [open_subject(tmp_path / name) for name in ("one", "two")]


def test_the_page_gets_places_overlaps_and_neighbours(two: list[Subject]) -> None:
    with _client(*two) as client:
        about = _asked(client, "compare").json()
        data = np.frombuffer(_asked(client, "compare/data").content, "<f4")
        labels = _asked(client, "compare/labels").json()
        point = _asked(client, "compare/point", i=5).json()
    assert about["a"] == {"name": "one", "n": 90, "dim": DIM}
    assert (about["b"]["name"], about["b"]["n"], about["n"], about["k"]) == ("two", 91, 90, 10)
    assert data.shape == (5 * 90,)
    overlaps = data[4 * 90 :]
    assert about["mean"] == pytest.approx(overlaps.mean(), abs=1e-4)
    assert (
        about["histogram"]
        == np.bincount((overlaps * 10).round().astype(int), minlength=11).tolist()
    )
    assert about["chance"] == pytest.approx(10 / 89)
    assert overlaps[about["changed"][0]] == overlaps.min()
    assert overlaps[about["kept"][0]] == overlaps.max()
    assert labels == {"labels": [f"w{i}" for i in range(90)], "keys": None}
    vectors = two[0].vectors
    assert vectors is not None
    near = [label for label, _ in vectors.most_similar("w5", topn=10)]
    assert [labels["labels"][one["i"]] for one in point["a"]] == near
    shared = {one["i"] for one in point["a"]} & {one["i"] for one in point["b"]}
    assert point["shared"] == len(shared) == round(10 * overlaps[5])


def test_either_may_be_the_first(two: list[Subject]) -> None:
    with _client(*two) as client:
        assert client.get("/explore/api/compare/sides").json() == {
            "sides": ["one", "two"],
            "a": "one",
            "b": "two",
            "sets": ["words"],
        }
        turned = client.get("/explore/api/compare/sides", params={"a": "two"}).json()
        assert (turned["a"], turned["b"]) == ("two", "one")
        assert _asked(client, "compare", a="two", b="one").json()["a"]["name"] == "two"


def test_what_cannot_be_compared_is_told_in_a_line(two: list[Subject], tmp_path: Path) -> None:
    words(np.eye(4), ["a", "b", "c", "d"]).word_vectors.save(tmp_path / "few")
    with _client(two[0], open_subject(tmp_path / "few")) as client:
        answer = _asked(client, "compare")
        assert answer.status_code == 400
        assert "0 words in common" in answer.json()["error"]["message"]
    with _client(two[0]) as client:
        answer = client.get("/explore/api/compare")
        assert answer.status_code == 404 and "one model" in answer.json()["error"]["message"]
    with _client(*two) as client:
        for params, message in (
            ({"a": "none"}, "no model 'none'"),
            ({"set": "passages"}, "no passages both"),
        ):
            answer = client.get("/explore/api/compare", params=params)
            assert answer.status_code == 404 and message in answer.json()["error"]["message"]
        assert _asked(client, "compare/point", i=90).status_code == 404


def test_subjects_of_one_name_have_names_of_their_own(two: list[Subject], tmp_path: Path) -> None:
    assert two[0].vectors is not None
    two[0].vectors.save(tmp_path / "else" / "one")
    same = open_subject(tmp_path / "else" / "one")
    assert [side.name for side in sides_of([two[0], same])] == ["one", "one (2)"]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A space with two models: forty documents, of two passages each."""
    folder = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(0)
    known = ["".join(rng.choice(list("aeioubdgklmnprst"), 5)) for _ in range(60)]
    for number in range(40):
        text = " ".join(rng.choice(known, 60))
        (folder / f"{number:02}.txt").write_text(f"{text}\n")
    settings: dict[str, Any] = {"dim": 8, "min_count": 1, "epochs": 2, "n_threads": 1}
    found = rs.build(folder, folder / "a.space", word2vec=settings, passage_words=30)
    trainer = rs.Word2Vec(**settings | {"seed": 7})
    trainer.fit([text.read_text().split() for text in sorted(folder.glob("*.txt"))])
    trainer.save(folder / "second")
    found.add_model("second", folder / "second")
    return found.path


@pytest.mark.parametrize(("kind", "n"), [("words", 60), ("documents", 40), ("passages", 80)])
def test_two_models_of_a_space_are_compared(space: Path, kind: str, n: int) -> None:
    with _client(open_subject(space)) as client:
        known = client.get("/explore/api/compare/sides").json()
        assert len(known["sides"]) == 2 and known["sides"][1] == "second"
        assert set(known["sets"]) == {"words", "documents", "passages"}
        about = _asked(client, "compare", set=kind).json()
        labels = _asked(client, "compare/labels", set=kind).json()
        same = _asked(client, "compare", set=kind, a="second", b=known["sides"][0]).json()
    assert (about["set"], about["n"], about["n_common"]) == (kind, n, n)
    assert about["mean"] == same["mean"]
    if kind != "words":
        assert len(set(labels["keys"])) == n


def test_a_sample_of_many_passages_is_compared(
    space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sides, "MOST", 50)
    with _client(open_subject(space)) as client:
        about = _asked(client, "compare", set="passages").json()
        keys = _asked(client, "compare/labels", set="passages").json()["keys"]
    assert (about["n"], about["n_common"]) == (50, 80)
    assert len(set(keys)) == 50

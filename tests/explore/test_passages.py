from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rowspace.errors import SpaceChangedError
from rowspace.explore.documents import DocumentPoints, groups_of
from rowspace.explore.passages import PassagePoints
from rowspace.explore.subject import Subject
from rowspace.search.index.config import IndexConfig
from rowspace.search.space import Space, open_space
from rowspace.search.store import content
from tests.search.stub import HashEncoder, OtherEncoder, document, make_space

WORDS = ["lava", "ash", "crater", "lake", "river", "sea", "ship", "sail", "cod", "herring", "net"]


def make(path: Path, n: int = 12, n_words: int = 50, **options: object) -> Space:
    random = np.random.default_rng(1)
    documents = [
        document(
            f"d{i}",
            " ".join(random.choice(WORDS, n_words)) + ".",
            title=f"Title {i}" if i % 2 else "",
            year=1990 + i,
            kind="odd" if i % 2 else "even",
            day=f"2020-01-{i + 1:02d}",
        )
        for i in range(n)
    ]
    return make_space(path, documents)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return make(tmp_path_factory.mktemp("spaces") / "a.space")


def sets(space: Space) -> tuple[DocumentPoints, PassagePoints]:
    found = Subject("a", space.path, space).sets
    documents, passages = found["documents"], found["passages"]
    assert isinstance(documents, DocumentPoints) and isinstance(passages, PassagePoints)
    return documents, passages


def test_vectors_of_passages_are_those_of_their_texts(space: Space) -> None:
    _, passages = sets(space)
    rows = np.array([3, 0, 7])
    told = passages.details(rows)
    expected = HashEncoder().encode([content(one["title"], one["text"]) for one in told])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert passages.vectors(rows) == pytest.approx(expected, abs=1e-6)
    assert passages.vectors()[rows] == pytest.approx(expected, abs=1e-6)
    assert len(passages) == len(passages.vectors()) == space.snapshot.commit.passages


def test_the_nearest_passages_are_those_of_all_cosines(space: Space) -> None:
    _, passages = sets(space)
    units = passages.vectors()
    rows, cosines = passages.nearest(units[5:6] * 3, 6)
    products = units.astype(np.float64) @ units[5].astype(np.float64)
    assert rows[0].tolist() == np.argsort(-products, kind="stable")[:6].tolist()
    assert cosines[0] == pytest.approx(np.sort(products)[::-1][:6], abs=1e-6)


def test_a_document_is_the_mean_direction_of_its_passages(space: Space) -> None:
    documents, passages = sets(space)
    told = passages.details(np.arange(len(passages)))
    units = passages.vectors().astype(np.float64)
    for row, one in enumerate(documents.details(np.arange(len(documents)))):
        own = [i for i, other in enumerate(told) if other["document_id"] == one["document_id"]]
        mean = units[own].mean(axis=0)
        assert documents.vectors(np.array([row]))[0] == pytest.approx(
            mean / np.linalg.norm(mean), abs=1e-6
        )
        assert one["passages"] == len(own) > 1
        assert one["passage_id"].endswith("#0")


@pytest.mark.parametrize(
    ("ids", "positions"),
    [("aabccc", [0, 1, 0, 0, 1, 2]), ("acacbc", [1, 2, 0, 0, 0, 1]), ("cba", [0, 0, 0])],
)
def test_passages_are_grouped_wherever_they_lie(ids: str, positions: list[int]) -> None:
    groups = groups_of(pa.array(list(ids)), np.array(positions, np.int32), len(set(ids)))
    for number, name in enumerate(dict.fromkeys(ids)):
        own = [i for i in range(len(ids)) if ids[i] == name]
        assert [i for i in range(len(ids)) if groups.document[i] == number] == own
        expected = sorted(own, key=lambda i: positions[i])
        assert groups.order[groups.starts[number] : groups.starts[number + 1]].tolist() == expected
        assert groups.first[number] == expected[0] and groups.sizes[number] == len(own)


def test_texts_are_shown_without_reading_a_vector(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*given: object) -> None:
        raise AssertionError("vectors were read")

    monkeypatch.setattr("rowspace.explore.passages.SpaceVectors", read)
    for points in sets(space):
        row = np.array([1])
        assert points.details(row)[0]["label"] == points.labels(row)[0]
        assert points.texts(row) and len(points.values("source")) == len(points)


def test_the_nearest_documents_are_those_of_all_cosines(space: Space) -> None:
    documents, _ = sets(space)
    units = documents.vectors().astype(np.float64)
    rows, _ = documents.nearest(documents.vectors(np.array([2])), 4)
    assert rows[0].tolist() == np.argsort(-(units @ units[2]), kind="stable")[:4].tolist()


@pytest.mark.parametrize("block", [1, 1 << 22])
def test_documents_of_one_passage_and_of_several_are_compared_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("rowspace.explore.documents.BLOCK", block)
    texts = [f"lava ash w{i} " * (30 if i % 3 == 0 else 2) for i in range(12)]
    texts[5] = "zzz"
    space = make_space(tmp_path / "c.space", [document(f"d{i}", t) for i, t in enumerate(texts)])
    documents, passages = sets(space)
    own = [one["document_id"] for one in passages.details(np.arange(len(passages)))]
    units = passages.vectors().astype(np.float64)
    sums = np.array([units[[one == f"d{i}" for one in own]].sum(axis=0) for i in range(12)])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    expected = sums / np.where(lengths, lengths, 1)
    assert len(set(own)) == 12 < len(own) and not expected[5].any()
    assert documents.vectors() == pytest.approx(expected, abs=1e-6)
    rows, cosines = documents.nearest(documents.vectors(np.array([0, 1, 5])), 20)
    for query, found, scores in zip((0, 1), rows, cosines, strict=False):
        products = np.delete(expected, 5, axis=0) @ expected[query]
        assert scores[:11] == pytest.approx(np.sort(products)[::-1], abs=1e-6)
        assert (expected @ expected[query])[found[:11]] == pytest.approx(scores[:11], abs=1e-6)
        assert sorted(found[:11].tolist()) == [i for i in range(12) if i != 5]
        assert found[11:].tolist() == [-1] and np.isnan(scores[11:]).all()
    assert (rows[2] == -1).all()


def test_where_every_document_is_one_passage_these_are_the_documents(tmp_path: Path) -> None:
    space = make(tmp_path / "b.space", n=5, n_words=8)
    found = Subject("b", space.path, space).sets
    assert list(found) == ["documents"]
    assert isinstance(found["documents"], PassagePoints)
    assert found["documents"].kind == "documents"


def test_a_text_that_the_model_knows_nothing_of_is_zero_and_near_to_nothing(tmp_path: Path) -> None:
    texts = ["lava ash", "zzz zzzz", "sea ship"]
    space = make_space(tmp_path / "c.space", [document(f"d{i}", t) for i, t in enumerate(texts)])
    points = Subject("c", space.path, space).sets["documents"]
    empty = [i for i, label in enumerate(points.labels(np.arange(3))) if label == "zzz zzzz"]
    assert not points.vectors(np.array(empty)).any()
    rows, _ = points.nearest(points.vectors(np.array([(empty[0] + 1) % 3])), 3)
    assert empty[0] not in rows and rows[0, -1] == -1
    assert (points.nearest(points.vectors(np.array(empty)), 2)[0] == -1).all()


def test_passages_of_an_index_in_files_are_the_same(tmp_path: Path) -> None:
    space = make(tmp_path / "d.space")
    _, before = sets(space)
    expected, labels = before.vectors().copy(), before.labels(np.arange(len(before)))
    space.index(IndexConfig(kind="hnsw"))
    _, mapped = sets(space)
    assert mapped.labels(np.arange(len(mapped))) == labels
    assert mapped.vectors() == pytest.approx(expected, abs=1e-6)
    assert np.shares_memory(mapped.vectors(), mapped.vectors()), "mapped, not copied"

    gone = mapped.details(np.array([0]))[0]["document_id"]
    space.delete([gone])
    space.add([document("new", "bread flour oven " * 30)])
    _, after = sets(space)
    told = after.details(np.arange(len(after)))
    assert gone not in {one["document_id"] for one in told}
    expected = HashEncoder().encode([content(one["title"], one["text"]) for one in told])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert after.vectors() == pytest.approx(expected, abs=1e-6)
    rows, _ = after.nearest(expected[-1:], 3)
    products = expected.astype(np.float64) @ expected[-1]
    assert products[rows[0]] == pytest.approx(np.sort(products)[::-1][:3], abs=1e-6)


def test_facts_are_by_row(space: Space) -> None:
    documents, passages = sets(space)
    assert passages.fields == {
        "source": "category",
        "length": "number",
        "year": "number",
        "kind": "category",
        "day": "date",
    }
    for points in (documents, passages):
        told = points.details(np.arange(len(points)))
        for name in ("year", "kind", "day"):
            assert points.values(name).to_pylist() == [one["metadata"][name] for one in told]
    lengths = [len(content(one["title"], one["text"])) for one in passages.details(np.arange(5))]
    assert passages.values("length").to_pylist()[:5] == lengths
    sizes = [one["passages"] for one in documents.details(np.arange(len(documents)))]
    assert documents.values("passages").to_pylist() == sizes


def test_a_search_finds_rows_and_an_id_comes_first(space: Space) -> None:
    documents, passages = sets(space)
    found = passages.find("herring", 3)
    texts = passages.texts(np.array([row for row, _ in found]))
    assert len(found) == 3 and all("herring" in text for text in texts)
    row, score = documents.find("d7", 3)[0]
    assert documents.details(np.array([row]))[0]["document_id"] == "d7" and score is None
    assert passages.find("'; DROP", 3) == [] or passages.find("'; DROP", 3)


def test_labels_are_a_title_and_the_beginning_of_a_text(space: Space) -> None:
    _, passages = sets(space)
    titled = [label for label in passages.labels(np.arange(len(passages))) if ": " in label]
    assert titled and all(label.startswith("Title ") for label in titled)
    assert all(len(label) <= 95 and "\n" not in label for label in titled)


def test_the_fingerprint_is_of_a_version_and_a_model(tmp_path: Path) -> None:
    space = make(tmp_path / "e.space")
    subject = Subject("e", space.path, space)
    first = subject.points("passages").fingerprint
    again = Subject("e", space.path, open_space(space.path)).points("passages")
    assert again.fingerprint == first
    assert subject.points("documents").fingerprint != first

    space.add_model("other", OtherEncoder())
    other = subject.points("passages", "other")
    assert other.dim == 8 and other.vectors(np.array([0])).shape == (1, 8)
    assert other.fingerprint != subject.points("passages").fingerprint

    before = subject.points("passages")
    open_space(space.path).add([document("new", "lava")])
    after = subject.points("passages")
    assert len(after) == len(before) + 1
    assert after.fingerprint not in (first, before.fingerprint)


def test_a_version_that_is_no_longer_shown_is_let_go_for_all_models(tmp_path: Path) -> None:
    space = make(tmp_path / "b.space", n=5, n_words=8)
    space.add_model("other", OtherEncoder())
    subject = Subject("b", space.path, space)
    before = [weakref.ref(subject.points("documents", model)) for model in ("default", "other")]
    assert all(points() is not None for points in before)
    space.add([document("new", "lava ash")])
    assert len(subject.points("documents")) == 6
    gc.collect()
    assert all(points() is None for points in before)
    assert len(subject.points("documents", "other")) == 6


def test_points_of_a_version_that_is_gone_say_so(tmp_path: Path) -> None:
    space = make(tmp_path / "f.space")
    points = Subject("f", space.path, open_space(space.path)).points("passages")
    points.vectors(np.array([0]))
    space.delete(["d3"])
    space.compact()
    with pytest.raises(
        SpaceChangedError, match=r"f\.space has changed meanwhile; load the page again"
    ):
        points.details(np.arange(len(points)))

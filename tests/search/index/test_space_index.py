"""A space's index: made, measured, kept, and never trusted."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import SpaceError, SpaceLockedError
from rowspace.files import WriterLock
from rowspace.search import writer
from rowspace.search.index import cached, making, mapped, upkeep
from rowspace.search.index.config import KINDS, IndexConfig
from rowspace.search.index.dense import DenseIndex
from rowspace.search.index.hnsw import FaissHNSW
from rowspace.search.index.in_store import StoreIndex
from rowspace.search.space import Space, open_space
from rowspace.search.writer import compact_space
from rowspace.text.corpus import Document
from tests.search.damage import HARMS, check_index_damage, files_up_to
from tests.search.stub import HashEncoder, document, make_space

QUERIES = ["w1 w2 w3 w4", "w7 w9 w10", "w300 w5"]


def _documents(n: int, prefix: str = "d", seed: int = 0) -> list[Document]:
    rng = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(400)]
    return [document(f"{prefix}{i}", " ".join(rng.choice(words, 8)) + ".", n=i) for i in range(n)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("indexed") / "a.space"
    make_space(path, _documents(2000)).index(IndexConfig(kind="hnsw"))
    return path


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds as if these spaces were large."""
    monkeypatch.setattr(mapped, "EXACT_ROWS", 10)
    monkeypatch.setattr(upkeep, "NEW_ROWS", 100)


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "b.space"))


def _dense(space: Space) -> DenseIndex:
    dense = space._current().dense(space.default_model)
    assert isinstance(dense, DenseIndex)
    return dense


def _found(space: Space, **options: Any) -> list[list[tuple[str, float]]]:
    found = space.search_batch(QUERIES, 10, "dense", **options)
    return [[(hit.passage_id, round(hit.score, 5)) for hit in hits] for hits in found]


def _exact(path: Path, tmp_path: Path) -> Space:
    """The same space without its index."""
    copy = Path(shutil.copytree(path, tmp_path / "exact.space", dirs_exist_ok=True))
    shutil.rmtree(copy / cached.FOLDER, ignore_errors=True)
    return open_space(copy)


def test_recall_is_measured_and_told(path: Path, tmp_path: Path) -> None:
    space = open_space(path)
    status = space.status()
    assert status["index"] == "hnsw"
    assert status["outside_index"] == 0
    queries = [f"{document.text}" for document in _documents(300, seed=9)]
    truth = _exact(path, tmp_path).search_batch(queries, 10, "dense")
    shares = [
        len({h.passage_id for h in one} & {h.passage_id for h in other}) / 10
        for one, other in zip(space.search_batch(queries, 10, "dense"), truth, strict=True)
    ]
    assert abs(float(np.mean(shares)) - status["index_recall"]) < 0.05
    assert status["index_recall"] > 0.9


@pytest.mark.parametrize("kind", ["exact", "ivfpq", "rabitq", "lance"])
def test_every_kind_finds_what_comparing_all_finds(path: Path, tmp_path: Path, kind: str) -> None:
    space = open_space(path)
    record = space.index(IndexConfig(kind=kind, recall=0.99))
    assert record is not None
    assert record.kind == kind == space.status()["index"]
    truth = _found(_exact(path, tmp_path)) if kind != "lance" else None
    for again in (space, open_space(path)):
        found = _found(again)
        assert all(len(hits) == 10 for hits in found)
        if truth is not None:
            same = [len(set(a) & set(b)) for a, b in zip(found, truth, strict=True)]
            assert min(same) >= (10 if kind == "exact" else 6)
        few = _found(again, where="n < 5")
        assert [len(hits) for hits in few] == [5, 5, 5]
    assert space.verify() == []


def test_a_search_below_the_limits_needs_no_index(path: Path) -> None:
    space = open_space(path)
    assert space.index(IndexConfig()) is None
    assert not (path / cached.FOLDER / "default").exists()
    assert space.status()["index"] == "exact"


def test_deleted_rows_are_gone_and_new_ones_found_at_once(path: Path, tmp_path: Path) -> None:
    space = open_space(path)
    gone = [hit.document_id for hit in space.search(QUERIES[0], 5, "dense")]
    space.delete(gone)
    space.add([document("new", QUERIES[0])])
    dense = _dense(space)
    assert dense.mapped is not None
    assert (dense.mapped.n_alive, len(dense.row_ids)) == (1995, 1)
    hits = space.search(QUERIES[0], 10, "dense")
    assert hits[0].document_id == "new"
    assert not {hit.document_id for hit in hits} & set(gone)
    assert space.status()["outside_index"] == 1
    for mine, truth in zip(_found(space), _found(_exact(path, tmp_path)), strict=True):
        assert len(set(mine) & set(truth)) >= 8


def test_a_replaced_document_is_found_as_it_is_now(path: Path) -> None:
    space = open_space(path)
    first = space.search(QUERIES[1], 1, "dense")[0].document_id
    space.add([document(first, "w11 w12 w13")])
    assert first not in {hit.document_id for hit in space.search(QUERIES[1], 100, "dense")[:3]}
    assert space.search("w11 w12 w13", 1, "dense")[0].document_id == first


def test_after_a_compaction_nodes_find_their_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = open_space(path)
    space.delete([f"d{i}" for i in range(100)])
    before = _found(space)
    monkeypatch.setattr(writer, "MAX_FRAGMENTS", 0)
    twins = _documents(50, "twin", seed=0)[:40]  # of the same texts as some that were deleted
    space.add(twins)
    for again in (space, open_space(path)):
        dense = _dense(again)
        assert dense.mapped is not None
        assert dense.mapped.n_alive + len(dense.row_ids) == 1940
        assert dense.mapped.n_alive >= 1900
    space.delete([twin.document_id for twin in twins])
    assert _found(space) == before
    assert _dense(open_space(path)).mapped is not None


def test_rows_with_one_vector_each_keep_a_node(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = open_space(path)
    space.add([document(f"same{i}", "w1 w1 w1") for i in range(60)])
    space.index(IndexConfig(kind="hnsw"))
    space.delete([f"same{i}" for i in range(20)])
    monkeypatch.setattr(writer, "MAX_FRAGMENTS", 0)
    space.add([document("last", "w2")])
    dense = _dense(space)
    assert dense.mapped is not None
    assert (dense.mapped.n_alive, len(dense.row_ids)) == (2040, 1)
    hits = space.search("w1 w1 w1", 60, "dense")
    same = [hit.document_id for hit in hits if hit.document_id.startswith("same")]
    assert sorted(same) == sorted(f"same{i}" for i in range(20, 60))


def test_new_rows_are_added_to_the_graph_when_they_are_many(path: Path) -> None:
    space = open_space(path)
    space.add(_documents(90, "few", seed=1))
    assert len(_dense(space).row_ids) == 90
    space.add(_documents(30, "more", seed=2))
    assert len(_dense(space).row_ids) == 0
    record = cached.read_record(path / cached.FOLDER / "default")
    assert record is not None
    assert record.n == 2120
    space.delete([f"d{i}" for i in range(600)])  # too many dead nodes: made anew
    record = cached.read_record(path / cached.FOLDER / "default")
    assert record is not None
    assert record.n == 1520


def test_only_the_effort_changes_with_the_recall_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[int] = []
    add = FaissHNSW.add

    def counted(self: FaissHNSW, rows: Any) -> None:
        added.append(len(rows))
        add(self, rows)

    monkeypatch.setattr(FaissHNSW, "add", counted)
    low = open_space(path).index(IndexConfig(kind="hnsw", recall=0.5))
    high = open_space(path).index(IndexConfig(kind="hnsw", recall=1.0))
    assert low is not None
    assert high is not None
    assert low.effort < high.effort
    assert sum(added) == 0


# --- Never trusted -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("indexed") / "small.space"
    space = make_space(path, [document(f"d{i}", f"text number{i}") for i in range(50)])
    space.index(IndexConfig(kind="hnsw"))
    return path


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize(
    "name", ["index.json", "vectors.npy", "hashes.npy", "rows-*.npy", "graph.bin"]
)
def test_a_damaged_index_is_told_of_and_not_used(
    small: Path, tmp_path: Path, name: str, harm: str
) -> None:
    file = next((small / cached.FOLDER / "default").glob(name))
    check_index_damage(small, tmp_path / "b.space", file.relative_to(small).as_posix(), HARMS[harm])


@pytest.mark.parametrize("name", ["vectors.npy", "graph.bin", "index.json"])
def test_status_tells_an_index_that_is_cut_or_gone(path: Path, name: str) -> None:
    for harm in (HARMS["cut"], HARMS["gone"]):
        harm(path / cached.FOLDER / "default" / name)
        told = open_space(path).status()["index"]
        assert told.startswith("damaged (")
        assert name in told


def test_an_index_of_a_space_restored_from_a_backup_is_not_taken_on_trust(
    original: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(original, tmp_path / "c.space"))
    space = open_space(path)
    space.delete([f"d{i}" for i in range(1000)])
    space.add(_documents(1000, "x", seed=3))
    space.index(IndexConfig(kind="hnsw"))
    newer = tmp_path / "newer"
    shutil.copytree(path / cached.FOLDER, newer)
    shutil.rmtree(path)
    shutil.copytree(original, path)  # the backup, and beside it the newer index
    shutil.rmtree(path / cached.FOLDER)
    shutil.copytree(newer, path / cached.FOLDER)
    space = open_space(path)
    space.add(_documents(1000, "y", seed=4))  # its rows have the ids that those of x had
    found = _found(space)
    for mine, truth in zip(found, _found(_exact(path, tmp_path)), strict=True):
        assert len(set(mine) & set(truth)) >= 8


def test_an_index_of_another_encoder_is_not_used(path: Path) -> None:
    folder = path / cached.FOLDER / "default"
    record = cached.read_record(folder)
    assert record is not None
    cached.write_record(folder, replace(record, fingerprint="other"))
    space = open_space(path)
    assert _dense(space).mapped is None
    assert space.status()["index"] == "exact"


def test_a_record_with_an_unknown_field_is_damaged(path: Path) -> None:
    file = path / cached.FOLDER / "default" / cached.RECORD
    content = json.loads(file.read_text())
    del content["digest"]
    content["more"] = 1
    file.write_text(json.dumps(content | {"digest": cached._digest(content)}))
    assert _dense(open_space(path)).mapped is None


# --- Stopped -------------------------------------------------------------------------------------


def test_making_goes_on_where_it_was_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(path / cached.FOLDER)
    monkeypatch.setattr(making, "ADDED_AT_ONCE", 250)
    added: list[int] = []
    add = FaissHNSW.add

    def stops(self: FaissHNSW, rows: Any) -> None:
        if len(added) == 3:
            added.append(0)
            raise KeyboardInterrupt
        added.append(len(rows))
        add(self, rows)

    monkeypatch.setattr(FaissHNSW, "add", stops)
    space = open_space(path)
    with pytest.raises(KeyboardInterrupt):
        space.index(IndexConfig(kind="hnsw"))
    assert _dense(open_space(path)).mapped is None  # nothing half-made is used
    record = space.index(IndexConfig(kind="hnsw"))
    assert record is not None
    assert added == [250, 250, 250, 0, 250, 250, 250, 250, 250]
    assert (record.recall or 0) > 0.9
    assert list((path / cached.FOLDER).glob(".*.work")) == []


def test_a_damaged_part_is_begun_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(path / cached.FOLDER)
    monkeypatch.setattr(making, "ADDED_AT_ONCE", 500)
    add, calls = FaissHNSW.add, []

    def stops(self: FaissHNSW, rows: Any) -> None:
        calls.append(len(rows))
        if len(calls) == 3:
            raise KeyboardInterrupt
        add(self, rows)

    monkeypatch.setattr(FaissHNSW, "add", stops)
    space = open_space(path)
    with pytest.raises(KeyboardInterrupt):
        space.index(IndexConfig(kind="hnsw"))
    HARMS["flip"](next((path / cached.FOLDER).glob(".*.work/graph-*.part")))
    calls.clear()
    calls.extend([0, 0, 0])
    space.index(IndexConfig(kind="hnsw"))
    assert calls[3:] == [500] * 4


@pytest.mark.parametrize("harm", ["cut", "empty", "gone"])
@pytest.mark.parametrize("name", ["vectors.npy", "rows.npy", "hashes.npy"])
def test_damaged_copies_of_vectors_are_begun_anew(
    small: Path, tmp_path: Path, name: str, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(small, tmp_path / "b.space"))
    shutil.rmtree(path / cached.FOLDER)
    space = open_space(path)
    with monkeypatch.context() as patch:
        patch.setattr(FaissHNSW, "add", _stop)
        with pytest.raises(KeyboardInterrupt):
            space.index(IndexConfig(kind="hnsw"))
    HARMS[harm](path / cached.FOLDER / ".default.work" / name)
    record = space.index(IndexConfig(kind="hnsw"))
    assert record is not None
    assert record.n == 50
    assert space.verify() == []
    assert len(open_space(path).search(QUERIES[0], 60, "dense")) == 50


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_one_process_makes_an_index_and_others_search_meanwhile(path: Path) -> None:
    with WriterLock(path / cached.FOLDER / ".default.lock"):
        space = open_space(path)
        with pytest.raises(SpaceLockedError):
            space.index(IndexConfig(kind="hnsw"))
        space.add(_documents(150, "x", seed=5))  # due, and left to the other
        assert space.search(QUERIES[0], 3, "dense")
        assert len(_dense(space).row_ids) == 150


def test_what_goes_wrong_with_the_index_undoes_no_write(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(making, "write_record", full)
    space = open_space(path)
    with caplog.at_level(logging.WARNING, "rowspace"):
        added = space.add(_documents(150, "x", seed=5))
    assert added.documents == 150
    assert "the disk is full" in caplog.text
    assert space.search(QUERIES[0], 3, "dense")
    assert space.status()["documents"] == 2150


@pytest.mark.parametrize("kind", ["hnsw", "hnswlib", "exact"])
def test_a_disk_that_fills_while_an_index_is_written_is_told(
    small: Path, tmp_path: Path, kind: str
) -> None:
    path = Path(shutil.copytree(small, tmp_path / "b.space"))
    space = open_space(path)
    before = _found(space)
    with files_up_to(1_000 if kind == "exact" else 6_000), pytest.raises(SpaceError) as caught:
        space.index(IndexConfig(kind=kind, m=16))
    assert "the disk is full: could not write the index" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert space.verify() == []
    assert space.status()["index"] == "hnsw"
    assert _found(open_space(path)) == before


def test_rows_of_zeros_are_no_nodes(tmp_path: Path) -> None:
    documents = [*_documents(100), document("empty", "zzz zzy zzx")]
    space = make_space(tmp_path / "z.space", documents)
    record = space.index(IndexConfig(kind="hnsw"))
    assert record is not None
    assert record.n == 100
    hits = space.search_batch(QUERIES, 200, "dense")
    assert {len(found) for found in hits} == {100}
    assert space.status()["outside_index"] == 1
    assert HashEncoder().encode(["zzz"]).any() == False  # noqa: E712


# --- What is written meanwhile -------------------------------------------------------------------

KINDS_TO_MAKE = [kind for kind in KINDS if kind != "auto"]


@pytest.mark.parametrize("kind", KINDS_TO_MAKE)
def test_a_compaction_keeps_searches_right_and_status_true(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.space"
    space = make_space(path, _documents(200))
    space.index(IndexConfig(kind=kind, recall=1.0))
    space.delete([f"d{i}" for i in range(30)])
    space.add(_documents(40, "new", seed=1))
    assert space.status()["outside_index"] == 40
    before = _found(_exact(path, tmp_path))
    space.compact()
    status = space.status()
    assert status["index"] == kind
    # Lance's is made anew with the store; the others' nodes have found their rows.
    assert status["outside_index"] == (0 if kind == "lance" else 40)
    for again in (space, open_space(path)):
        if kind == "lance":
            assert isinstance(again._current().dense("default"), StoreIndex)
        else:
            mapped = _dense(again).mapped
            assert mapped is not None
            assert mapped.n_alive == 170
        assert _few_are_missed(_found(again), before)
    record = cached.read_record(path / cached.FOLDER / "default")
    assert record is not None
    assert record.kind == kind
    assert space.verify() == []


def _few_are_missed(found: list[Any], truth: list[Any]) -> bool:
    pairs = zip(found, truth, strict=True)
    return all(len(mine) == 10 and len(set(mine) & set(theirs)) >= 8 for mine, theirs in pairs)


@pytest.mark.parametrize("kind", KINDS_TO_MAKE)
def test_a_space_may_be_emptied_and_filled_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.space"
    space = make_space(path, [document("d0", "w0")])
    space.index(IndexConfig(kind=kind))
    assert [hit.document_id for hit in space.search("w0", 5, "dense")] == ["d0"]
    space.delete(["d0"])
    space.compact()
    space.index(IndexConfig(kind=kind))
    assert space.search("w0", 5, "dense") == []
    assert space.status()["outside_index"] == 0
    space.add(_documents(20))
    assert len(open_space(path).search(QUERIES[0], 50, "dense")) == 20
    assert space.verify() == []


def test_status_tells_of_an_index_in_the_store_that_nobody_measured(
    small: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(small, tmp_path / "b.space"))
    space = open_space(path)
    space.index(IndexConfig(kind="lance"))
    shutil.rmtree(path / cached.FOLDER)  # as a process that died before it measured leaves it
    assert open_space(path).status()["index"] == "lance"


@pytest.mark.parametrize(("kind", "step"), [("hnsw", "_copy"), ("lance", "tune")])
def test_a_version_that_is_removed_while_it_is_indexed_gives_way_to_the_newer(
    small: Path, tmp_path: Path, kind: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(small, tmp_path / "b.space"))
    space = open_space(path)
    calls: list[str] = []
    module: Any = making if kind == "hnsw" else upkeep
    original = getattr(module, step)

    def compacted_first(*arguments: Any) -> Any:
        if not calls:
            calls.append(step)
            compact_space(path, space.manifest, 0.0)
        return original(*arguments)

    monkeypatch.setattr(module, step, compacted_first)
    record = space.index(IndexConfig(kind=kind, m=16))
    assert calls
    assert record is not None
    assert record.n == 50
    assert space.status()["outside_index"] == 0
    assert space.verify() == []


def test_an_index_that_another_process_replaces_is_read_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reader, check = open_space(path), cached.check_files
    calls: list[cached.IndexRecord] = []

    def replaced_first(folder: Path, record: cached.IndexRecord) -> None:
        if not calls:
            calls.append(record)
            other = open_space(path)
            other.delete([f"d{i}" for i in range(600)])  # too many: made anew
        check(folder, record)

    monkeypatch.setattr(cached, "check_files", replaced_first)
    assert _dense(reader).mapped is not None
    assert not caplog.records


def test_rows_are_not_written_into_an_index_made_since(path: Path) -> None:
    space = open_space(path)
    vectors = space._current().vectors("default")
    opened = vectors.open()
    assert opened is not None
    space.delete([f"d{i}" for i in range(600)])
    record = cached.read_record(path / cached.FOLDER / "default")
    cached.keep_rows(opened, vectors.commit)
    assert cached.read_record(path / cached.FOLDER / "default") == record
    assert space.verify() == []


def test_a_full_disk_while_rows_are_noted_undoes_no_write(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upkeep, "keep_rows", full)
    space = open_space(path)
    with caplog.at_level(logging.WARNING, "rowspace"):
        space.compact()
    assert "what was written is kept" in caplog.text
    assert "the disk is full" in caplog.text
    assert space.status()["fragments"] == 1


def test_making_goes_on_though_others_wrote_and_compacted_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(path / cached.FOLDER)
    monkeypatch.setattr(making, "ADDED_AT_ONCE", 500)
    add = FaissHNSW.add
    added: list[int] = []

    def stops(self: FaissHNSW, rows: Any) -> None:
        if len(added) == 2:
            added.append(0)
            raise KeyboardInterrupt
        added.append(len(rows))
        add(self, rows)

    monkeypatch.setattr(FaissHNSW, "add", stops)
    space = open_space(path)
    with pytest.raises(KeyboardInterrupt):
        space.index(IndexConfig(kind="hnsw"))
    other = open_space(path)
    other.add([document("meanwhile", QUERIES[0])])
    other.compact()  # the rows that were copied have other ids now
    space.index(IndexConfig(kind="hnsw"))
    assert added == [500, 500, 0, 500, 500]
    dense = _dense(space)
    assert dense.mapped is not None
    assert (dense.mapped.n_alive, len(dense.row_ids)) == (2000, 1)
    assert space.search(QUERIES[0], 1, "dense")[0].document_id == "meanwhile"


def test_passages_without_known_words_do_not_make_an_index_due(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = open_space(path)
    space.add([document(f"z{i}", "zzz zzy") for i in range(150)])
    made = []
    monkeypatch.setattr(Space, "index", lambda *_, **__: made.append(1))
    space.add([document("one", "w1 w2")])
    assert made == []


def test_an_open_space_sees_the_index_that_another_makes(path: Path) -> None:
    shutil.rmtree(path / cached.FOLDER)
    reader = open_space(path)
    assert reader.search(QUERIES[0], 1, "dense")
    assert _dense(reader).mapped is None
    open_space(path).index(IndexConfig(kind="hnsw"))
    assert reader.search(QUERIES[0], 1, "dense")
    assert _dense(reader).mapped is not None


def test_a_write_reads_no_large_file_of_the_index(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Path] = []
    monkeypatch.setattr(cached, "check_files", lambda folder, _: checked.append(folder))
    space = open_space(path)
    space.add([document("one", "w1 w2")])
    space.delete(["d1"])
    assert checked == []

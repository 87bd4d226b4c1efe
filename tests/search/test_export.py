from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from rowspace.errors import ConfigError, MissingExtraError, SpaceCorruptError, SpaceError
from rowspace.files import write_atomically
from rowspace.search import export as exporting
from rowspace.search.arrow import read_passages
from rowspace.search.space import Space, open_space
from rowspace.text.tables import about_space, open_table
from tests.search.stub import HashEncoder, document, make_space

WORDS = [f"word{i}" for i in range(400)]


def _documents(n: int) -> list[Any]:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 12)) for _ in range(n)]
    return [document(f"d{i}", text, year=1900 + i % 100) for i, text in enumerate(texts)]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    documents = [*_documents(600), document("zero", "zzq zzr", year=1950)]
    return make_space(tmp_path_factory.mktemp("export") / "a.space", documents)


def _ids(path: Path) -> list[str]:
    lines = path.with_name(path.name + ".ids.jsonl").read_text().splitlines()
    return [json.loads(line)["passage_id"] for line in lines]


def _queries() -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    rows = HashEncoder().encode([" ".join(rng.choice(WORDS, 4)) for _ in range(30)])
    units: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return units


def _nearest(space: Space, k: int) -> tuple[NDArray[np.float64], list[str]]:
    """Cosines of every query with every passage, straight from the definition."""
    table = space.to_arrow(["passage_id", "vector"]).read_all()
    matrix = np.array(table["vector"].to_pylist(), np.float64)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    cosines = _queries() @ (matrix / np.where(norms > 0, norms, 1.0)).T
    cosines[:, norms[:, 0] == 0] = -np.inf
    return cosines, table["passage_id"].to_pylist()


def _recall(space: Space, ids: list[str], found: NDArray[np.int64]) -> float:
    cosines, names = _nearest(space, found.shape[1])
    wanted = [{names[i] for i in np.argsort(-row)[: found.shape[1]]} for row in cosines]
    got = [{ids[i] for i in row} for row in found]
    return float(np.mean([len(a & b) / len(a) for a, b in zip(wanted, got, strict=True)]))


# --- Tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_table_makes_the_same_space_again(space: Space, tmp_path: Path, suffix: str) -> None:
    written = space.export(tmp_path / f"out{suffix}")
    assert (written.passages, written.left_out, written.ids) == (601, 0, None)
    other = make_space(tmp_path / "b.space", [document("first", "Something else.")])
    with open_table(written.path) as table:
        other.add_arrow(table)
    other.delete(["first"])
    for query in ("word1 word2", "word3", "word7 word8 word9"):
        for mode in ("dense", "lexical"):
            wanted = space.search(query, mode=mode, where="year > 1920")
            assert other.search(query, mode=mode, where="year > 1920") == wanted
    assert [path.name for path in tmp_path.iterdir() if path.name != "b.space"] == [f"out{suffix}"]


def test_parquet_is_in_row_groups_and_names_the_encoder(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ROW_GROUP", 100)
    monkeypatch.setattr("rowspace.search.store.BATCH_ROWS", 50)
    space.export(tmp_path / "out.parquet", where="year >= 1950")
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [
        100
    ] * 3 + [1]
    about = about_space(file.schema_arrow)
    assert (about["fingerprint"], about["dim"], about["fields"]) == ("stub", 16, {"year": "int"})
    assert min(file.read(["year"])["year"].to_pylist()) == 1950


# --- Indexes -------------------------------------------------------------------------------------


def test_a_flat_faiss_file_finds_what_is_nearest(space: Space, tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss")
    written = space.export(tmp_path / "out.faiss")
    assert (written.format, written.passages, written.left_out) == ("faiss", 600, 1)
    index = faiss.read_index(written.path)
    scores, found = index.search(_queries(), 10)
    ids = _ids(tmp_path / "out.faiss")
    cosines, names = _nearest(space, 10)
    assert len(ids) == index.ntotal == 600
    np.testing.assert_allclose(scores, -np.sort(-cosines)[:, :10], atol=1e-5)
    column = {name: i for i, name in enumerate(names)}
    columns = np.array([[column[ids[i]] for i in row] for row in found])
    np.testing.assert_allclose(np.take_along_axis(cosines, columns, 1), scores, atol=1e-5)
    assert "zero#0" not in ids


def test_a_faiss_graph_has_its_settings_and_finds_nearly_all(space: Space, tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss")
    path = tmp_path / "out.faiss"
    space.export(path, kind="hnsw", m=12, ef_construction=77)
    index = faiss.read_index(str(path))
    assert isinstance(index, faiss.IndexHNSWFlat)
    assert (index.hnsw.nb_neighbors(1), index.hnsw.efConstruction) == (12, 77)
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT
    index.hnsw.efSearch = 100
    assert _recall(space, _ids(path), index.search(_queries(), 10)[1]) > 0.95


def test_an_hnswlib_file_finds_nearly_all(space: Space, tmp_path: Path) -> None:
    hnswlib = pytest.importorskip("hnswlib", reason="the extra hnswlib is not installed")
    path = tmp_path / "out.hnsw"
    written = space.export(path, m=12, ef_construction=77)
    assert (written.format, written.left_out) == ("hnswlib", 1)
    index = hnswlib.Index("cosine", 16)
    index.load_index(str(path))
    index.set_ef(100)
    assert (index.M, index.ef_construction, index.get_current_count()) == (12, 77, 600)
    found, distances = index.knn_query(_queries(), 10)
    assert _recall(space, _ids(path), found.astype(np.int64)) > 0.95
    cosines, _ = _nearest(space, 10)
    np.testing.assert_allclose(1 - distances[:, 0], cosines.max(axis=1), atol=1e-5)


def test_a_missing_hnswlib_names_the_extra(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hnswlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rowspace\[hnswlib\]'"):
        space.export(tmp_path / "out.hnsw")
    assert list(tmp_path.iterdir()) == []


# --- What goes wrong -----------------------------------------------------------------------------


def test_settings_that_cannot_be_are_named(space: Space, tmp_path: Path) -> None:
    for settings, message in (
        ({"format": "csv"}, "format is 'csv'; give one of parquet, arrow, faiss, hnswlib"),
        ({"kind": "ivf"}, "kind is 'ivf'; give one of flat, hnsw"),
        ({"kind": "hnsw"}, "kind does not go with the format parquet; leave it out"),
        ({"format": "faiss", "m": 8}, "m does not go with the format faiss; give kind hnsw"),
        ({"format": "hnswlib", "kind": "hnsw"}, "kind does not go with the format hnswlib"),
        ({"m": 1}, "m is 1; give 2 to 512"),
        ({"ef_construction": 0}, "ef_construction is 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            space.export(tmp_path / "out.parquet", **settings)
    with pytest.raises(ConfigError, match=r"end it in one of \.parquet, \.arrow, \.faiss, \.hnsw"):
        space.export(tmp_path / "out.csv")
    with pytest.raises(ConfigError, match="is a folder"):
        space.export(tmp_path, format="parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.faiss", "out.hnsw"])
def test_nothing_to_write_is_said_and_not_written(space: Space, tmp_path: Path, name: str) -> None:
    with pytest.raises(SpaceError, match="no passage that meets the filter; nothing was written"):
        space.export(tmp_path / name, where="year = 3")
    assert list(tmp_path.iterdir()) == []


def test_an_index_of_zeros_is_not_written(space: Space, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="vectors are all zero; nothing was written"):
        space.export(tmp_path / "out.faiss", where='document_id = "zero"')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.faiss"])
def test_an_interrupt_leaves_what_was_there(
    space: Space, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    space.export(path, where="year = 1950")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    monkeypatch.setattr("rowspace.search.store.BATCH_ROWS", 100)
    monkeypatch.setattr(exporting, "ROW_GROUP", 100)
    n_calls = 0

    def interrupt(*_: object, **__: object) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("rowspace.progress.Tracker.advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        space.export(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_index_never_stands_beside_the_ids_of_another(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.faiss"
    space.export(path, where="year = 1950")

    seen = []
    write = write_atomically

    class Watched:
        """Looks at the folder after each file took its name."""

        def __init__(self, target: Path) -> None:
            self.inner, self.target = write(target), target

        def __enter__(self) -> Any:
            return self.inner.__enter__()

        def __exit__(self, *error: Any) -> Any:
            result = self.inner.__exit__(*error)
            n_ids = len(_ids(path))
            seen.append((self.target.name, path.exists(), n_ids))
            return result

    monkeypatch.setattr("rowspace.search.export_index.write_atomically", Watched)
    space.export(path)
    assert seen == [("out.faiss.ids.jsonl", False, 600), ("out.faiss", True, 600)]


def test_a_version_that_is_removed_meanwhile_is_left_for_the_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = make_space(tmp_path / "a.space", _documents(5))
    scan = read_passages
    calls = []

    def removed(*arguments: Any) -> pa.RecordBatchReader:
        calls.append(1)
        if len(calls) > 1:
            return scan(*arguments)
        open_space(space.path).add([document("new", "word1")])
        raise SpaceCorruptError("a file is missing")

    monkeypatch.setattr(exporting, "read_passages", removed)
    assert space.export(tmp_path / "out.parquet").passages == 6
    assert len(calls) == 2


def test_damage_is_told(tmp_path: Path) -> None:
    space = make_space(tmp_path / "a.space", _documents(5))
    for file in (space.path / "store").rglob("*.lance"):
        if file.is_file():
            file.unlink()
    with pytest.raises(SpaceCorruptError):
        space.export(tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()

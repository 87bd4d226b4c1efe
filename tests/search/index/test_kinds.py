from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import ConfigError, FormatError
from rowspace.search.index import mapped as mapped_module
from rowspace.search.index.approximate import HOMES, kind_of_index
from rowspace.search.index.config import IndexConfig, choose_kind, code_bytes, graph_bytes
from rowspace.search.index.mapped import GONE, MappedIndex
from tests.search.index.rows import nearest, unit_rows

DIM, K = 16, 10


@pytest.fixture(params=sorted(HOMES))
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "hnswlib":
        pytest.importorskip("hnswlib", reason="hnswlib is not installed: it needs a C++ compiler")
    return str(request.param)


def _indexed(kind: str, n: int = 3000) -> MappedIndex:
    rows = unit_rows(n)
    index = kind_of_index(kind).new(DIM, n, rows, IndexConfig())
    index.add(rows[:1000])
    index.add(rows[1000:])
    return MappedIndex(np.arange(n, dtype=np.uint64), rows, index, effort=index.efforts[-1])


def test_with_much_effort_nearly_all_of_the_nearest_are_found(kind: str) -> None:
    index = _indexed(kind)
    everything = np.ones(3000, bool)
    queries = unit_rows(20, seed=1)
    scores, found = index.propose(queries, K, index.effort)
    shares = []
    for query, at, cosines in zip(queries, found, scores, strict=True):
        shares.append(len(nearest(index.units, query, K, everything) & set(at.tolist())) / K)
        assert cosines == pytest.approx(index.units[at] @ query, abs=1e-6)  # exact, not of codes
        assert list(cosines) == sorted(cosines, reverse=True)
    assert np.mean(shares) > 0.95


def test_what_is_not_allowed_is_never_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_module, "EXACT_ROWS", 0)
    monkeypatch.setattr(mapped_module, "EXACT_SHARE", 0.0)
    index = _indexed(kind)
    rng = np.random.default_rng(2)
    for share in (0.9, 0.1, 0.004):
        allowed = rng.random(3000) < share
        n = int(allowed.sum())
        scores, found = index.search(unit_rows(5, seed=3), K, allowed)
        there = found >= 0
        assert there.sum(axis=1).tolist() == [min(K, n)] * 5
        assert allowed[found[there]].all()
        assert np.isneginf(scores[~there]).all()


def test_an_index_is_the_same_after_saving(kind: str, tmp_path: Path) -> None:
    index = _indexed(kind)
    assert index.approximate is not None
    index.approximate.save(tmp_path / "graph.bin")
    loaded = kind_of_index(kind).load(tmp_path / "graph.bin", DIM, 3000)
    queries = unit_rows(5, seed=1)
    before = index.approximate.search(queries, K, 64, None)
    assert np.array_equal(loaded.search(queries, K, 64, None), before)
    with pytest.raises(FormatError, match="not 2,999"):
        kind_of_index(kind).load(tmp_path / "graph.bin", DIM, 2999)


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "graph.bin"
    file.write_bytes(b"nonsense" * 10)
    with pytest.raises(FormatError, match="no FAISS index"):
        kind_of_index("hnsw").load(file, DIM, 3)


def test_few_allowed_rows_are_all_compared() -> None:
    index = _indexed("hnsw")
    index.effort = 1
    allowed = np.random.default_rng(4).random(3000) < 0.5
    queries = unit_rows(10, seed=5)
    _, found = index.search(queries, K, allowed)  # 3,000 rows are few
    for query, at in zip(queries, found, strict=True):
        assert set(at.tolist()) == nearest(index.units, query, K, allowed)


def test_dead_nodes_are_never_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_module, "EXACT_ROWS", 0)
    monkeypatch.setattr(mapped_module, "EXACT_SHARE", 0.0)
    index = _indexed("hnsw")
    row_ids = index.row_ids + np.uint64(7)
    row_ids[::2] = GONE
    index = MappedIndex(row_ids, index.units, index.approximate, effort=200)
    assert index.n_alive == 1500
    _, found = index.search(unit_rows(10, seed=5), K)
    assert (found % 2 == 1).all()
    assert index.nodes_of(np.array([8, 9, 10, 500_000], np.uint64)).tolist() == [1, 3]


def test_a_query_of_zeros_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_module, "EXACT_ROWS", 0)
    monkeypatch.setattr(mapped_module, "EXACT_SHARE", 0.0)
    queries = unit_rows(2, seed=5)
    queries[0] = 0
    _, found = _indexed("hnsw").search(queries, 3)
    assert found[0].tolist() == [-1, -1, -1]
    assert (found[1] >= 0).all()


def test_the_kind_is_chosen_by_size_and_memory() -> None:
    assert choose_kind(200_000, 384, 1 << 30) == "exact"
    assert choose_kind(1_000_000, 384, 8 << 30) == "hnsw"
    assert choose_kind(1_000_000, 384, 1 << 30) == "rabitq"
    assert choose_kind(100_000_000, 384, 8 << 30) == "lance"
    assert choose_kind(1_000_000, 384, None) == "hnsw"
    assert code_bytes(1_000_000, 384) < 0.1 * graph_bytes(1_000_000, 384)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "flat"}, "index kind 'flat' is not known"),
        ({"recall": 0.0}, "recall is 0.0"),
        ({"recall": 1.5}, "recall is 1.5"),
        ({"m": 1}, "m is 1"),
        ({"ef_construction": 0}, "ef_construction is 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IndexConfig(**settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="not known"):
        kind_of_index("exact")

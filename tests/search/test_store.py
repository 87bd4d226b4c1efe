"""The store: a rewrite of the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from rowspace.search import store as store_module
from rowspace.search.store import Store
from rowspace.search.writer import index_anew

SCHEMA = pa.schema([("passage_id", pa.string()), ("content", pa.string())])


def _batch(schema: pa.Schema, names: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(dict.fromkeys(schema.names, names), schema=schema)


def _store(path: Path) -> Store:
    return Store.create(path, SCHEMA, [_batch(SCHEMA, ["a", "b"]), _batch(SCHEMA, ["c"])])


def test_a_rewrite_replaces_rows_and_columns_as_a_new_version(tmp_path: Path) -> None:
    store = _store(tmp_path)
    old = store.version
    store.index_text(None)
    wider = pa.schema([*SCHEMA, ("meta_x", pa.string())])
    store.rewrite((_batch(wider, [name]) for name in "cd"), wider)
    assert list(store.texts("passage_id")) == ["c", "d"]
    assert list(store.texts("meta_x")) == ["c", "d"]
    assert store.count_unindexed() == 2
    assert store.version > old
    assert list(Store.open(tmp_path, old).texts("passage_id")) == ["a", "b", "c"]


def test_a_store_can_be_rewritten_from_itself(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.delete("passage_id = 'b'")
    store.rewrite(Store.open(tmp_path).batches(), SCHEMA)
    assert list(store.texts("content")) == ["a", "c"]
    assert store.count_fragments() == 1


def test_a_rewrite_that_stops_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    store = _store(tmp_path)

    def stops() -> Iterator[pa.RecordBatch]:
        yield _batch(SCHEMA, ["x"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.rewrite(stops(), SCHEMA)
    assert list(Store.open(tmp_path).texts("passage_id")) == ["a", "b", "c"]


def test_a_compaction_in_parts_keeps_all_rows_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"n{i:02}" for i in range(23)]
    store = Store.create(tmp_path, SCHEMA, [])
    for start in range(0, 23, 3):
        store.append(SCHEMA, [_batch(SCHEMA, names[start : start + 3])])
    store.delete("passage_id IN ('n04', 'n11', 'n22')")
    monkeypatch.setattr(Store, "_rows_in_a_part", lambda _: 7)
    store.compact()
    assert list(store.texts("content")) == [n for n in names if n not in ("n04", "n11", "n22")]
    assert store.count_fragments() == 3


def test_an_empty_store_is_compacted(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.delete("true")
    store.compact()
    assert store.count() == 0
    assert store.schema == SCHEMA


def test_parts_and_the_index_keep_to_their_share_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _store(tmp_path)
    row_bytes = store._table.stats()["total_bytes"] // 3
    monkeypatch.setattr(store_module, "BATCH_ROWS", 1)
    for free in (10_000, 1_000_000, 1_000_000_000):
        monkeypatch.setattr(store_module, "available_memory", lambda free=free: free)
        rows = store._rows_in_a_part()
        assert rows == 1 or rows * row_bytes * 4 <= free / 4 < (rows + 1) * row_bytes * 4


def test_the_columns_with_an_index_of_vectors_are_told(tmp_path: Path) -> None:
    schema = pa.schema([("content", pa.string()), ("vector", pa.list_(pa.float32(), 8))])
    vectors = [[float(i == j) + i / 300 for j in range(8)] for i in range(300)]
    batch = pa.RecordBatch.from_pydict(
        {"content": [f"w{i}" for i in range(300)], "vector": vectors}, schema=schema
    )
    store = Store.create(tmp_path, schema, [batch])
    store.index_text(None)
    assert store.indexed_vectors() == []
    store.index_vectors()
    assert store.indexed_vectors() == ["vector"]
    index_anew(store, None, store.indexed_vectors())
    assert store.indexed_vectors() == ["vector"]
    store.compact()
    assert store.indexed_vectors() == []

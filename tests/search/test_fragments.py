"""Fragments that many write and one publishes make the table that one process would have made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("lance", reason="pylance is not installed")

from rowspace.errors import CorpusError
from rowspace.search.fields import Field
from rowspace.search.fragments import (
    STORAGE_VERSION,
    commit_fragments,
    fault,
    write_fragments,
)
from rowspace.search.store import Store, base_schema, field_schema, to_batch, with_fields
from rowspace.text.passages import Passage

SCHEMA = base_schema({"vector": 3})
FIELDS = {"year": Field("meta_year", "int"), "Größe": Field("meta_1", "float")}


def passages(first: int, n: int) -> list[Passage]:
    numbers = range(first, first + n)
    return [
        Passage(f"d{i}", 0, "", f"text {i}", "s", {"year": 1900 + i, "Größe": i} if i % 3 else {})
        for i in numbers
    ]


def batch(first: int, n: int) -> pa.RecordBatch:
    rng = np.random.default_rng(first)
    return to_batch(passages(first, n), {"vector": rng.normal(size=(n, 3)).astype(np.float32)})


def test_fragments_are_in_the_order_in_which_they_are_listed(tmp_path: Path) -> None:
    parts = {first: batch(first, 4) for first in (8, 0, 4)}
    written = {first: write_fragments(tmp_path, SCHEMA, [parts[first]]) for first in parts}
    listed = [piece for first in sorted(written) for piece in written[first]]
    store = commit_fragments(tmp_path, SCHEMA, listed, FIELDS)
    expected = pa.Table.from_batches(
        [
            with_fields(parts[first], [p.metadata for p in passages(first, 4)], FIELDS)
            for first in sorted(parts)
        ]
    )
    found = pa.Table.from_batches(list(store.batches()))
    assert found.schema == pa.schema([*SCHEMA, *field_schema(FIELDS)])
    assert found.equals(expected)


def test_files_are_of_the_version_that_lancedb_writes(tmp_path: Path) -> None:
    import lance

    Store.create(tmp_path / "own", SCHEMA, [batch(0, 2)])
    own = lance.dataset(str(tmp_path / "own" / "passages.lance"))
    assert own.data_storage_version == STORAGE_VERSION
    commit_fragments(tmp_path, SCHEMA, write_fragments(tmp_path, SCHEMA, [batch(0, 2)]), {})
    made = lance.dataset(str(tmp_path / "passages.lance"))
    assert made.data_storage_version == STORAGE_VERSION


def test_what_a_dead_process_left_is_removed(tmp_path: Path) -> None:
    kept = write_fragments(tmp_path, SCHEMA, [batch(0, 2)])
    write_fragments(tmp_path, SCHEMA, [batch(0, 2)])
    store = commit_fragments(tmp_path, SCHEMA, kept, {})
    assert store.count() == 2
    assert len(list(tmp_path.rglob("*.lance/data/*"))) == 1


def test_committing_again_gives_the_same_rows(tmp_path: Path) -> None:
    kept = write_fragments(tmp_path, SCHEMA, [batch(0, 5)])
    first = pa.Table.from_batches(list(commit_fragments(tmp_path, SCHEMA, kept, FIELDS).batches()))
    again = pa.Table.from_batches(list(commit_fragments(tmp_path, SCHEMA, kept, FIELDS).batches()))
    assert again.equals(first)


def test_a_fragment_that_is_gone_or_altered_is_told(tmp_path: Path) -> None:
    kept = write_fragments(tmp_path, SCHEMA, [batch(0, 2)])
    assert not fault(tmp_path, kept)
    (file,) = tmp_path.rglob("*.lance/data/*")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert fault(tmp_path, kept) == f"{file} has changed"
    file.unlink()
    assert fault(tmp_path, kept) == f"{file} is missing"


def test_no_rows_make_no_fragment(tmp_path: Path) -> None:
    assert write_fragments(tmp_path, SCHEMA, []) == []


def test_an_error_in_the_rows_comes_through(tmp_path: Path) -> None:
    def rows() -> Any:
        yield batch(0, 2)
        raise CorpusError("line 3 is no text")

    with pytest.raises(CorpusError, match="line 3 is no text"):
        write_fragments(tmp_path, SCHEMA, rows())

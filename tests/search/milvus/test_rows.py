"""Digests and word vectors, without Milvus."""

from __future__ import annotations

import hashlib
import math
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowspace.errors import ConfigError
from rowspace.search.fields import Field
from rowspace.search.milvus import collection as layout
from rowspace.search.milvus import rows as row_layout
from rowspace.search.milvus.digest import RowDigest
from rowspace.search.milvus.indexes import INDEXES
from rowspace.search.milvus.words import NO_WORD, Statistics, dimension_of, query_vector
from rowspace.search.store import to_batch
from rowspace.search.words import WordFinder
from rowspace.text.passages import Passage


def _batch(n: int = 5) -> pa.RecordBatch:
    passages = [
        Passage(f"d{i // 2}", i % 2, f"Title {i}", f"text é {i}", "s", {"year": 1990 + i})
        for i in range(n)
    ]
    vectors = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    return to_batch(passages, {"vector": vectors})


def _digest(*batches: pa.RecordBatch) -> str:
    digest = RowDigest()
    for batch in batches:
        digest.add(batch)
    return digest.hexdigest()


@given(st.permutations(range(5)), st.integers(0, 5))
def test_a_digest_is_the_same_in_any_order_and_in_any_pieces(order: list[int], cut: int) -> None:
    batch = _batch()
    moved = batch.take(pa.array(order))
    assert _digest(moved.slice(0, cut), moved.slice(cut)) == _digest(batch)


def test_a_digest_is_the_sum_of_the_hashes_of_rows() -> None:
    batch = _batch(2)
    total = 0
    for row in batch.to_pylist():
        said = b""
        for name in ("passage_id", "document_id", "title", "content", "source", "metadata"):
            text = row[name].encode()
            said += struct.pack("<q", len(text)) + text
        said += struct.pack("<q3f", row["position"], *row["vector"])
        total += int.from_bytes(hashlib.sha256(said).digest(), "little")
    assert int(_digest(batch), 16) == total % 2**256


@pytest.mark.parametrize("name", ["passage_id", "content", "metadata", "position", "vector"])
def test_a_digest_tells_of_any_change_of_a_row(name: str) -> None:
    batch = _batch()
    rows = batch.to_pylist()
    if name == "vector":
        rows[3]["vector"][1] = float(np.nextafter(np.float32(rows[3]["vector"][1]), np.float32(9)))
    else:
        rows[3][name] = 7 if name == "position" else rows[3][name] + " "
    assert _digest(pa.RecordBatch.from_pylist(rows, schema=batch.schema)) != _digest(batch)


def test_rows_that_are_there_twice_do_not_cancel() -> None:
    batch, one = _batch(), _batch().slice(2, 1)
    assert len({_digest(batch), _digest(batch, one), _digest(batch, one, one)}) == 3


def test_word_vectors_give_bm25_by_hand() -> None:
    texts = ["red fox runs", "red red hen", "blue sky above the red sea", "!!"]
    statistics = Statistics(None)
    for text in texts:
        statistics.add(text)
    lengths, n = [3, 3, 6], 3  # a text without words is none
    mean = sum(lengths) / n
    idf = {"red": math.log(1 + 0.5 / 3.5), "hen": math.log(1 + 2.5 / 1.5)}

    def part(word: str, times: int, length: int) -> float:
        return idf[word] * times / (times + 1.2 * (0.25 + 0.75 * length / mean))

    # "red red hen": the query has red twice, so it counts twice
    wanted = [
        2 * part("red", 1, 3),
        2 * part("red", 2, 3) + part("hen", 1, 3),
        2 * part("red", 1, 6),
        0.0,
    ]
    query = query_vector("red red hen", WordFinder(None))
    scores = [
        sum(query.get(word, 0.0) * weight for word, weight in statistics.vector(text).items())
        for text in texts
    ]
    assert scores == pytest.approx(wanted, rel=1e-12)
    assert statistics.vector("!!") == {NO_WORD: 1.0}
    assert dimension_of("red") != NO_WORD


def test_requests_stay_below_their_size() -> None:
    rows = row_layout.rows_of(_batch(5), 10, "vector", {}, None)
    assert [row["row"] for row in rows] == [10, 11, 12, 13, 14]
    large = [row | {"content": "x" * (row_layout.BATCH_BYTES // 9)} for row in rows]
    assert [len(batch) for batch in row_layout.in_batches(large)] == [2, 2, 1]
    assert [len(batch) for batch in row_layout.in_batches(rows)] == [5]


def test_a_name_that_milvus_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be called '2024-news'"):
        layout.check_name("2024-news")


def test_too_many_fields_are_refused() -> None:
    fields = {f"f{i}": Field(f"meta_f{i}", "int") for i in range(54)}
    layout.check_fields(dict(list(fields.items())[:53]), has_words=True)
    with pytest.raises(ConfigError, match=r"54 metadata fields, .* has room for 53"):
        layout.check_fields(fields, has_words=True)


@pytest.mark.parametrize("n", [1, 1000, 10_000_000])
@pytest.mark.parametrize("k", [1, 10, 16_384])
def test_settings_are_in_the_range_that_milvus_documents(n: int, k: int) -> None:
    assert k <= INDEXES["HNSW"].search(k, n)["ef"] <= 32_768 or k > 16_384
    assert k <= INDEXES["DISKANN"].search(k, n)["search_list"] <= 65_535
    for name in ("IVF_FLAT", "IVF_RABITQ"):
        n_lists = INDEXES[name].build(n)["nlist"]
        assert 1 <= INDEXES[name].search(k, n)["nprobe"] <= n_lists <= 65_536

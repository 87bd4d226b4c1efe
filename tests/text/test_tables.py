from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rowspace.errors import CorpusError
from rowspace.text.corpus import Corpus, Document
from rowspace.text.tables import open_table, table_documents


def _documents(table: pa.Table, name: str = "t") -> list[Document]:
    return list(table_documents(table.to_reader(max_chunksize=2), name))


def _write(table: pa.Table, path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_row_of_a_file_is_a_document_of_a_corpus(tmp_path: Path, suffix: str) -> None:
    table = pa.table(
        {
            "_id": ["a", "b"],
            "title": ["One", None],
            "text": ["cafe\u0301\r\n", "two"],
            "year": [1990, None],
            "source": ["x", None],
        }
    )
    path = _write(table, tmp_path / f"t{suffix}")
    wanted = [
        Document("a", "One", "caf\u00e9\n", path.name, {"year": 1990, "source": "x"}),
        Document("b", "", "two", path.name, {}),
    ]
    assert list(Corpus(path)) == list(Corpus(tmp_path)) == wanted
    assert [Corpus(path).text_of(document) for document in wanted] == ["One\ncaf\u00e9\n", "two"]
    assert b"".join(block for _, _, block in Corpus(path).blocks()).split() == [
        b"One", "caf\u00e9".encode(), b"two"
    ]  # fmt: skip
    assert Corpus(path).total_bytes() is None


def test_columns_of_any_plain_type_become_metadata() -> None:
    columns: dict[str, tuple[pa.DataType, Any, Any]] = {
        "int": (pa.int8(), -3, -3),
        "large": (pa.uint64(), 2**64 - 1, 2**64 - 1),
        "half": (pa.float16(), 0.5, 0.5),
        "bool": (pa.bool_(), False, False),
        "text_of": (pa.large_string(), "x", "x"),
        "coded": (pa.dictionary(pa.int8(), pa.string()), "red", "red"),
        "tags": (pa.list_(pa.string()), ["a", None], ["a", None]),
        "deep": (pa.struct([("n", pa.int32())]), {"n": 1}, {"n": 1}),
        "day": (pa.date32(), datetime.date(2020, 2, 29), "2020-02-29"),
        "price": (pa.decimal128(5, 2), decimal.Decimal("1.25"), 1.25),
        "view": (pa.string_view(), "v", "v"),
    }
    table = pa.table(
        {"id": [7, 8], "text": ["x", None]}
        | {name: pa.array([value, None], type_) for name, (type_, value, _) in columns.items()}
    )
    full, empty = _documents(table)
    assert full == Document("7", "", "x", "t", {name: c[2] for name, c in columns.items()})
    assert empty == Document("8", "", "", "t", {})
    assert {name: type(value) for name, value in full.metadata.items()} == {
        name: type(c[2]) for name, c in columns.items()
    }


def test_rows_without_ids_are_named_by_the_file_and_their_number() -> None:
    documents = _documents(pa.table({"text": ["a", "b", "c"]}))
    assert [document.document_id for document in documents] == ["t:1", "t:2", "t:3"]
    with pytest.raises(CorpusError, match="no column `document_id`; its columns are text"):
        _documents(pa.table({"text": ["a"]}), name="")


def test_passages_that_follow_each_other_are_one_document() -> None:
    table = pa.table(
        {
            "document_id": ["a", "a", "a", "b"],
            "passage_id": ["a#0", "a#1", "a#2", "b#0"],
            "position": [0, 1, 2, 0],
            "text": ["one", "two", "three", "four"],
        }
    )
    assert [(d.document_id, d.text, d.metadata) for d in _documents(table)] == [
        ("a", "one\n\ntwo\n\nthree", {}),
        ("b", "four", {}),
    ]
    alone = table.drop_columns(["passage_id"])  # some other position
    assert [d.metadata for d in _documents(alone)] == [{"position": i} for i in (0, 1, 2, 0)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"id": ["a"], "body": ["x"]}), "no column `text`; its columns are id, body"),
        (pa.table({"id": ["a"], "text": [3]}), "column `text` holds 3; give strings"),
        (pa.table({"id": ["a", None], "text": ["", ""]}), "row 2, has None as id"),
        (pa.table({"id": [1.5], "text": ["x"]}), "row 1, has 1.5 as id"),
        (pa.table({"text": ["x"], "raw": [b"x"]}), "column 'raw' holds binary"),
        (pa.table([["x"], ["y"], ["z"]], ["text", "a", "a"]), "two columns 'a'"),
    ],
)
def test_a_table_that_holds_no_documents_says_why(table: pa.Table, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        _documents(table)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    with pytest.raises(CorpusError, match="there is no file"), open_table(path):
        pass
    whole = _write(pa.table({"text": ["x" * 1000] * 1000}), path).read_bytes()
    for content in (b"", b"some text, and no table", whole[:-20], whole[20:]):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=r"t\.(parquet|arrow) is no (Parquet|Arrow) file"):
            list(Corpus(path))

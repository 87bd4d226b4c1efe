from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rowspace.errors import ConfigError, CorpusError, FilterError
from rowspace.search.space import Space, open_space
from rowspace.search.store import content
from rowspace.text.corpus import Document
from tests.search.stub import HashEncoder, document, make_space

ODD = {"country": 7, "big": 2**70, "nan": float("nan"), "source": "inner"}
DOCUMENTS = [
    document("heat", "Heat flows from hot to cold. " * 8, "Thermodynamics", year=1850),
    document("wing", "A wing in a supersonic flow.", year=1958.5, country="Chad", good=True),
    document("odd", "Odd fields.", text=3, vector="v", position=9, tags=["a", {"b": 0}], no=None),
    Document("mixed", "", "More of them.", "s.txt", ODD),
    document("unknown", "zzqx zzqy", **{"a name": "with space", "metadata": "m", "passage_id": 1}),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return make_space(tmp_path / "a.space", DOCUMENTS)


@pytest.fixture
def other(tmp_path: Path) -> Space:
    return make_space(tmp_path / "b.space", [document("first", "Something else.")])


def _state(space: Space) -> bytes:
    return (space.path / "commit.json").read_bytes()


# --- Out -----------------------------------------------------------------------------------------


def test_a_row_is_a_passage_with_its_fields_in_their_types(space: Space) -> None:
    table = space.to_arrow().read_all()
    rows = {row["passage_id"]: row for row in table.to_pylist()}
    assert list(rows) == ["heat#0", "heat#1", "heat#2", "wing#0", "odd#0", "mixed#0", "unknown#0"]
    assert rows["heat#2"]["position"] == 2
    assert rows["wing#0"] | {"vector": None} == {
        "document_id": "wing",
        "passage_id": "wing#0",
        "position": 0,
        "title": "",
        "text": "A wing in a supersonic flow.",
        "source": "s.txt",
        "year": 1958.5,
        "country": "Chad",
        "good": True,
        "big": None,
        "nan": None,
        "a name": None,
        "metadata": None,
        "vector": None,
    }
    assert rows["mixed#0"]["country"] == "7"
    types = {
        "year": pa.float64(),
        "country": pa.string(),
        "good": pa.bool_(),
        "position": pa.int32(),
    }
    assert {name: table.schema.field(name).type for name in types} == types
    encoded = HashEncoder().encode([content(row["title"], row["text"]) for row in rows.values()])
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float32), encoded)


def test_columns_and_filters_are_chosen(space: Space) -> None:
    reader = space.to_arrow(["year", "text", "document_id"], where="year > 1900 or country = '7'")
    assert reader.read_all().to_pylist() == [
        {"year": 1958.5, "text": "A wing in a supersonic flow.", "document_id": "wing"},
        {"year": None, "text": "More of them.", "document_id": "mixed"},
    ]
    assert space.to_arrow(where="year < 0").read_all().num_rows == 0
    with pytest.raises(ConfigError, match="no column 'content'; give some of document_id,"):
        space.to_arrow(["content"])
    for columns in ([], ["text", "text"]):
        with pytest.raises(ConfigError, match="one name or more, each once"):
            space.to_arrow(columns)
    with pytest.raises(FilterError, match="no field 'yaer'"):
        space.to_arrow(where="yaer = 1")


def test_a_reader_keeps_its_version(space: Space) -> None:
    reader = space.to_arrow(["document_id"])
    space.delete(["wing"])
    space.add([document("new", "New.")])
    names = {row["document_id"] for row in reader.read_all().to_pylist()}
    assert names == {one.document_id for one in DOCUMENTS}


# --- In ------------------------------------------------------------------------------------------


def test_nothing_is_lost_from_space_to_space(space: Space, other: Space) -> None:
    added = other.add_arrow(space.to_arrow())
    assert (added.documents, added.passages, added.replaced) == (5, 7, 0)
    other.delete(["first"])
    assert other.fields == space.fields
    for query in ("heat", "supersonic flow", "odd fields of them", "zzqx"):
        for mode in ("dense", "lexical", "hybrid"):
            for where in (None, "year > 1900", "country = '7'"):
                wanted = space.search(query, mode=mode, where=where)
                assert repr(other.search(query, mode=mode, where=where)) == repr(wanted)
    assert repr(other.search("More of them", k=1)[0].metadata) == repr(ODD)
    assert other.verify() == []


def test_documents_are_cut_and_encoded_as_by_add(other: Space, tmp_path: Path) -> None:
    text = "Heat flows from hot to cold. " * 8
    table = pa.table(
        {
            "document_id": ["heat", "wing"],
            "title": ["Thermodynamics", None],
            "text": pa.array([text, "A wing."], pa.large_string()),
            "source": ["s.txt", "s.txt"],
            "year": [1850, None],
            "kind": pa.array(["a", "b"]).dictionary_encode(),
        }
    )
    twin = make_space(tmp_path / "c.space", [document("first", "Something else.")])
    twin.add(
        [
            document("heat", text, "Thermodynamics", year=1850, kind="a"),
            document("wing", "A wing.", kind="b"),
        ]
    )
    assert other.add_arrow(table).passages == 4
    assert other.to_arrow().read_all() == twin.to_arrow().read_all()


def test_given_passages_without_vectors_are_encoded_as_they_are(space: Space, other: Space) -> None:
    table = space.to_arrow().read_all().drop_columns(["vector"])
    other.add_arrow(table)
    other.delete(["first"])
    assert other.to_arrow().read_all() == space.to_arrow().read_all()


def test_given_vectors_are_kept_and_passages_counted(other: Space) -> None:
    vectors = np.random.default_rng(1).normal(size=(3, 16))
    table = pa.table(
        {
            "document_id": ["a", "a", "b"],
            "text": ["one", "two", "three"],
            "vector": pa.array(vectors.tolist(), pa.list_(pa.float64())),
        }
    )
    other.add_arrow(table, fingerprint="stub")
    kept = other.to_arrow(["passage_id", "vector"], where="document_id != 'first'").read_all()
    assert kept["passage_id"].to_pylist() == ["a#0", "a#1", "b#0"]
    np.testing.assert_array_equal(np.array(kept["vector"].to_pylist()), vectors.astype(np.float32))


def test_vectors_of_another_encoder_are_refused(space: Space, other: Space, tmp_path: Path) -> None:
    table = space.to_arrow().read_all()
    before = _state(other)
    with pytest.raises(ConfigError, match="are of an unknown model and the space's of stub"):
        other.add_arrow(table.replace_schema_metadata(None))
    with pytest.raises(ConfigError, match="are of the model another-one1 and"):
        other.add_arrow(table, fingerprint="another-one12345")
    with pytest.raises(ConfigError, match="the table has no column `vector`"):
        other.add_arrow(table.drop_columns(["vector"]), fingerprint="stub")
    assert _state(other) == before


def _table(**columns: Any) -> pa.Table:
    return pa.table({"document_id": ["a", "a"], "text": ["x", "y"], **columns})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_table(vector=[[1.0] * 16, [1.0] * 15]), "vector of row 2 has 15 numbers where .* has 16"),
        (_table(vector=[[1.0] * 16, None]), "vector of row 2 has 0 numbers"),
        (_table(vector=[[1.0] * 16, [None] * 16]), "'a' got a vector with NaN"),
        (_table(vector=[1.0, 2.0]), "column `vector` holds double; give lists of 16 floats"),
        (_table(vector=[[1.0] * 16] * 2, position=[0, 2]), "at position 2 where 1 was next"),
        (_table(vector=[[1.0] * 16] * 2, position=[1, 2]), "at position 1 where 0 was next"),
        (
            pa.table({"id": ["a", "b", "a"], "text": ["x"] * 3, "vector": [[1.0] * 16] * 3}),
            "two documents have the id 'a'",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_changes_nothing(other: Space, table: pa.Table, message: str) -> None:
    before = _state(other)
    with pytest.raises(CorpusError, match=message):
        other.add_arrow(table, fingerprint="stub")
    assert _state(other) == before


def test_an_error_in_the_stream_changes_nothing(space: Space, other: Space) -> None:
    table = space.to_arrow().read_all()

    def broken() -> Iterator[pa.RecordBatch]:
        yield from table.to_batches()
        raise CorpusError("the stream broke")

    before = _state(other)
    with pytest.raises(CorpusError, match="the stream broke"):
        other.add_arrow(pa.RecordBatchReader.from_batches(table.schema, broken()))
    assert _state(other) == before
    assert [hit.document_id for hit in open_space(other.path).search("heat", mode="lexical")] == []


class Frame:
    """What data frames of other libraries look like."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return self.table.__arrow_c_stream__(schema)


def test_any_kind_of_table_is_read(other: Space) -> None:
    table = pa.table({"document_id": ["a", "b"], "text": ["one", "two"]})
    for given in (table, table.to_reader(), table.to_batches()[0], Frame(table)):
        assert other.add_arrow(given).documents == 2
    with pytest.raises(ConfigError, match="list is no Arrow table"):
        other.add_arrow([{"text": "x"}])

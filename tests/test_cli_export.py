from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.program import RunMain
from tests.search.stub import document, make_space


@pytest.fixture
def space(tmp_path: Path) -> Path:
    documents = [
        document("heat", "Heat flows from hot to cold.", "Thermodynamics", year=1850),
        document("wing", "A wing in a supersonic flow.", year=1958),
        document("nothing", "zzq", year=1958),
    ]
    return make_space(tmp_path / "a.space", documents).path


def test_export_says_what_it_wrote(space: Path, tmp_path: Path, run_main: RunMain) -> None:
    out = tmp_path / "out.parquet"
    ran = run_main("export", space, out, "--where", "year > 1900")
    assert (ran.code, ran.out) == (0, f"wrote 2 passages: {out} (parquet)\n")
    assert pq.read_table(out)["document_id"].to_pylist() == ["wing", "nothing"]
    index = tmp_path / "out.faiss"
    ran = run_main("export", space, index, "--kind", "hnsw", "--m", "8")
    assert ran.out == f"wrote 2 passages: {index} (faiss), their ids in {index}.ids.jsonl\n"
    assert ran.err == "left out, their vectors being zero: 1 passages\n"
    told = json.loads(run_main("export", space, tmp_path / "x", "--format", "arrow", "--json").out)
    assert told == {
        "path": str(tmp_path / "x"), "format": "arrow", "passages": 3, "left_out": 0, "ids": None
    }  # fmt: skip


def test_export_refuses_in_one_line(space: Path, tmp_path: Path, run_main: RunMain) -> None:
    assert "no suffix that tells a format" in run_main("export", space, tmp_path / "x").error()
    error = run_main("export", space, tmp_path / "x.arrow", "--where", "year = 1").error()
    assert error.endswith("nothing was written")
    missing = run_main("export", space, tmp_path / "none" / "x.arrow").error()
    assert missing.startswith("there is no folder")


def test_add_takes_the_vectors_of_its_own_encoder(
    space: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out = tmp_path / "out.parquet"
    run_main("export", space, out)
    table = pq.read_table(out)
    ones = pa.array([[1.0] * 16] * 3, table["vector"].type)
    marked = table.set_column(table.schema.get_field_index("vector"), "vector", ones)

    def vectors_after_adding(table: pa.Table, *options: str) -> list[list[float]]:
        pq.write_table(table, tmp_path / "in.parquet")
        ran = run_main("add", space, tmp_path / "in.parquet", *options)
        assert ran.out == ("added 3 documents in 3 passages, 3 of them in place of older ones\n"), (
            ran
        )
        run_main("export", space, out)
        found: list[list[float]] = pq.read_table(out)["vector"].to_pylist()
        return found

    assert vectors_after_adding(marked) == ones.to_pylist()
    unknown = marked.replace_schema_metadata(None)
    assert vectors_after_adding(unknown) == table["vector"].to_pylist()  # encoded anew
    assert vectors_after_adding(unknown, "--fingerprint", "stub") == ones.to_pylist()
    wrong = run_main("add", space, tmp_path / "in.parquet", "--fingerprint", "0123456789abcdef")
    assert "are of the model 0123456789ab and the space's of stub" in wrong.error()
    (tmp_path / "a.txt").write_text("x")
    other = run_main("add", space, tmp_path / "a.txt", "--fingerprint", "stub")
    assert "--fingerprint goes with one .parquet or .arrow file" in other.error()

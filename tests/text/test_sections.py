"""Documents of sections against those of the whole corpus, which is read without any cut."""

from __future__ import annotations

import gzip
import io
import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.text import chunks, ranges, sections, streams, tables
from rowspace.text.chunks import chunks_in, chunks_of
from rowspace.text.corpus import Corpus, Document
from rowspace.text.normalize import normalize
from rowspace.text.sections import Section, line_counts, sections_of, with_line_counts

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n", b"\n\r"])
WORDS = st.sampled_from(["a", "é", "一", "e\u0301", "\ufeff", " ", "\x0b", "\u2028", "long" * 9])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a cut, a line's end and a block's end meet in many ways."""
    monkeypatch.setattr(ranges, "BLOCK_BYTES", 3)
    monkeypatch.setattr(ranges, "_LOOK_BYTES", 3)


def in_sections(corpus: Corpus, found: list[Section] | None = None) -> list[Document]:
    found = sections_of(corpus) if found is None else found
    return [document for section in found for document in corpus.documents_in(section)]


def counted(corpus: Corpus) -> list[Section]:
    found = sections_of(corpus)
    return with_line_counts(found, line_counts(found))


@given(
    st.lists(st.tuples(st.lists(WORDS, max_size=5).map("".join), ENDS), max_size=30),
    st.lists(WORDS, max_size=3).map("".join),
    st.integers(1, 60),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_lines_are_those_of_the_whole_file_whatever_ends_them(
    lines: list[tuple[str, bytes]], last: str, n_bytes: int, order: random.Random
) -> None:
    raw = b"".join(line.encode() + end for line, end in lines) + last.encode()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sections, "SECTION_BYTES", n_bytes)
        path = Path(folder, "a.txt")
        path.write_bytes(raw)
        corpus = Corpus(path, "lines")
        wanted = [
            Document(f"a.txt:{number}", "", line, "a.txt")
            for number, line in enumerate(normalize(raw.decode()).split("\n"), start=1)
            if line.strip()
        ]
        assert list(corpus) == wanted
        assert in_sections(corpus) == wanted
        made = {
            section.number: in_sections(corpus, [section])
            for section in order.sample(counted(corpus), len(sections_of(corpus)))
        }
        assert [document for number in sorted(made) for document in made[number]] == wanted


def test_counted_sections_count_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections, "SECTION_BYTES", 10)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(b'{"text": "a"}\r\n\r' for _ in range(20)))
    corpus = Corpus(path)
    found = counted(corpus)
    monkeypatch.setattr(ranges.LineCounter, "before", None)
    assert in_sections(corpus, found) == list(corpus)
    assert [document.document_id for document in corpus][-1] == "a.jsonl:39"


def test_a_line_of_many_sections_belongs_to_the_one_it_begins_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections, "SECTION_BYTES", 10)
    path = tmp_path / "a.txt"
    path.write_text("short\n" + "x" * 95 + "\nend\n")
    corpus = Corpus(path, "lines")
    texts = [[len(d.text) for d in corpus.documents_in(section)] for section in counted(corpus)]
    assert texts == [[5, 95], *[[]] * 9, [3]]


def write_all(folder: Path) -> Path:
    """Files of every kind, small and large, and what is not read."""
    rows = {"text": [f"row {i}" for i in range(40)], "n": list(range(40))}
    folder.mkdir()
    pq.write_table(pa.table(rows), folder / "rows.parquet", row_group_size=7)
    with pa.ipc.new_file(folder / "rows.arrow", pa.table(rows).schema) as writer:
        for batch in pa.table(rows).to_batches(max_chunksize=9):
            writer.write_batch(batch)
    lines = "".join(json.dumps({"text": f"line {i}", "k": i}) + "\n" for i in range(50))
    (folder / "lines.jsonl").write_text(lines)
    with gzip.open(folder / "packed.jsonl.gz", "wt") as file:
        file.write(lines.replace("line", "packed"))
    (folder / "long.txt").write_text("A long text.\n\nOf two blocks.\n" * 20)
    for i in range(9):
        (folder / f"small{i}.md").write_text(f"small {i}\n")
    (folder / "empty.txt").write_text("")
    (folder / "binary.txt").write_bytes(b"a\0b")
    (folder / "picture.png").write_bytes(b"")
    (folder / ".hidden").write_text("")
    return folder


@pytest.mark.parametrize("documents", ["file", "lines", "blocks"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("n_bytes", [1, 40, 300, 1 << 20])
def test_files_of_every_kind_give_what_they_give_uncut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: str, encoding: str, n_bytes: int
) -> None:
    monkeypatch.setattr(sections, "SECTION_BYTES", n_bytes)
    corpus = Corpus(write_all(tmp_path / "a"), documents, encoding)
    wanted = list(corpus)
    skipped = sorted(corpus.skipped)
    assert in_sections(corpus, counted(corpus)) == wanted
    assert sorted(corpus.skipped) == skipped
    assert {name for name, _ in skipped} == {"binary.txt", "picture.png", ".hidden"}


def test_what_is_cut_and_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "SECTION_BYTES", 200)
    folder = write_all(tmp_path / "a")
    names = [section.parts[0].name for section in sections_of(Corpus(folder, "lines"))]
    pieces = {name: names.count(name) for name in names}
    assert pieces["packed.jsonl.gz"] == 1
    assert pieces["long.txt"] == 3  # 580 bytes
    assert pieces["rows.parquet"] == 6
    assert pieces["rows.arrow"] == 5
    names = [section.parts[0].name for section in sections_of(Corpus(folder, "blocks"))]
    assert names.count("long.txt") == 1
    small = next(s for s in sections_of(Corpus(folder)) if s.parts[0].name == "small0.md")
    assert [part.name for part in small.parts] == [f"small{i}.md" for i in range(9)]


def test_a_table_of_passages_is_not_cut_within_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections, "SECTION_BYTES", 1)
    ids = ["a", "a", "a", "b"]
    rows = {"document_id": ids, "text": list("wxyz"), "passage_id": list("1234")}
    table = pa.table({**rows, "position": [0, 1, 2, 0]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    corpus = Corpus(tmp_path / "a.parquet")
    assert [document.text for document in in_sections(corpus)] == ["w\n\nx\n\ny", "z"]


def test_sections_come_of_names_and_sizes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for name in ("a.txt", "b.jsonl", "c.jsonl.gz"):
        (folder / name).write_bytes(b"\0" * 30)
    monkeypatch.setattr(sections, "SECTION_BYTES", 20)
    monkeypatch.setattr(Path, "open", None)
    monkeypatch.setattr("builtins.open", None)
    found = sections_of(Corpus(folder))
    assert [(s.number, s.n_bytes, s.parts[0].span) for s in found] == [
        (0, 30, None), (1, 20, (0, 20)), (2, 10, (20, 30)), (3, 30, None)
    ]  # fmt: skip


def test_chunks_begin_anew_at_each_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "SECTION_BYTES", 30)
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 8)
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {i}\n" for i in range(10)))  # of 7 bytes
    corpus = Corpus(path, "lines")
    found = list(chunks_of(corpus))
    assert [chunk.numbers for chunk in found] == [[0, 1], [2, 3], [4], [5, 6], [7, 8], [9]]
    for first in (2, 4, 5, 7):
        assert list(chunks_of(corpus, first)) == [c for c in found if c.numbers[0] >= first]
    apart = [chunk for section in sections_of(corpus) for chunk in chunks_in(corpus, section)]
    assert [chunk.texts for chunk in apart] == [chunk.texts for chunk in found]


def test_a_line_end_is_not_halved_by_a_block() -> None:
    file = io.BytesIO(b"abc\r\ndef")
    assert list(streams.read_blocks(file, 4)) == [b"abc", b"\r\ndef"]


def test_row_groups_are_counted_without_their_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"] * 5}), tmp_path / "a.parquet", row_group_size=2)
    groups = tables.row_groups(tmp_path / "a.parquet")
    assert groups is not None
    assert [group.n_rows for group in groups] == [2, 2, 1]


def test_counts_are_of_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "SECTION_BYTES", 4)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("1\n2\n3\n4\n5\n")
    found = sections_of(Corpus(tmp_path, "lines"))
    assert line_counts(found) == [0, 2, 4] * 2
    known = with_line_counts(found, [0, 2, 4] * 2)
    assert [replace(s.parts[0], n_before=None) for s in known] == [s.parts[0] for s in found]
    assert [section.number for section in known] == list(range(6))

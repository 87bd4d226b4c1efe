"""Corpora in object storage: the same documents as from the disk."""

from __future__ import annotations

import gzip
import json
import lzma
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from rowspace.errors import CorpusError, StorageError
from rowspace.space.vectors import Vectors
from rowspace.storage import files
from rowspace.storage.address import parse_address
from rowspace.storage.files import file_path
from rowspace.storage.objects import Objects
from rowspace.text import sections
from rowspace.text.corpus import Corpus
from rowspace.text.sections import sections_of
from rowspace.text.tables import open_table
from rowspace.text.vocabulary import VocabularyConfig, scan_corpus
from tests import storage
from tests.program import RunMain
from tests.storage import Proxy
from tests.text.test_shares import in_shares

AT = f"s3://{storage.BUCKET}/texts"


@pytest.fixture(scope="module")
def server() -> Iterator[Proxy]:
    with storage.s3_server() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def folder(server: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of every kind, on the disk and in the bucket."""
    folder = tmp_path_factory.mktemp("texts")
    words = random.Random(1).choices(["lake", "río", "山", "plain", "valley"], k=3000)
    lines = [json.dumps({"_id": f"n{n}", "text": " ".join(words[n : n + 9])}) for n in range(400)]
    jsonl = "\n".join(lines).encode()
    (folder / "b.jsonl").write_bytes(jsonl)
    (folder / "c.txt").write_text("The first line.\r\nThe second.\n\nThe third.")
    (folder / "empty.txt").touch()
    (folder / "in").mkdir()
    (folder / "in" / "a.md").write_text("# A title\n\nin a folder")
    (folder / "in" / "picture.png").write_bytes(b"\x89PNG\0")
    (folder / "in" / "binary.txt").write_bytes(b"text\0no")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.txt").write_text("hidden")
    (folder / "d.jsonl.gz").write_bytes(gzip.compress(jsonl.replace(b'"n', b'"g')))
    (folder / "d.jsonl.xz").write_bytes(lzma.compress(jsonl.replace(b'"n', b'"x')))
    (folder / "d.jsonl.zst").write_bytes(zstandard.compress(jsonl.replace(b'"n', b'"z')))
    table = pa.table({"_id": [f"t{n}" for n in range(300)], "text": words[:300]})
    pq.write_table(table, folder / "e.parquet", row_group_size=70)
    with pa.ipc.new_file(folder / "f.arrow", table.schema) as file:
        for batch in table.rename_columns(["document_id", "text"]).to_batches(70):
            file.write_batch(batch.rename_columns(["_id", "text"]))
    with pytest.MonkeyPatch.context() as patch:
        storage.use(patch, server, folder)
        objects = Objects(parse_address(AT))
        for path in folder.rglob("*"):
            if path.is_file():
                objects.put(path.relative_to(folder).as_posix(), path.read_bytes())
    return folder


@pytest.fixture
def proxy(server: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Proxy:
    storage.use(monkeypatch, server, tmp_path / "cache")
    return server


@pytest.mark.parametrize("documents", ["file", "lines", "blocks"])
def test_a_prefix_is_read_as_a_folder(proxy: Proxy, folder: Path, documents: str) -> None:
    here, there = Corpus(folder, documents), Corpus(AT, documents)
    local = [document for document in here if document.document_id[0] not in "t"]
    with proxy.failing(0.05, seed=2):
        remote = [document for document in there if document.document_id[0] not in "t"]
    assert remote == local
    assert len(local) > 1600
    assert there.skipped == here.skipped
    assert there.sizes() == here.sizes()


def test_sections_of_objects_are_those_of_files(
    proxy: Proxy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections, "SECTION_BYTES", 6000)
    monkeypatch.setattr(files, "FIRST_WINDOW", 3000)
    here, there = Corpus(folder), Corpus(AT)
    cut, same = sections_of(here), sections_of(there)
    assert [(s.number, s.n_bytes, [p.span for p in s.parts]) for s in same] == [
        (s.number, s.n_bytes, [p.span for p in s.parts]) for s in cut
    ]
    assert len(cut) > 8
    for one, other in zip(cut, same, strict=True):
        assert list(here.documents_in(one)) == list(there.documents_in(other))


@pytest.mark.parametrize("documents", ["file", "lines"])
def test_shares_of_objects_are_counted_as_files(
    proxy: Proxy, folder: Path, tmp_path: Path, documents: str
) -> None:
    config = VocabularyConfig(min_count=1)
    one, ids = scan_corpus(Corpus(folder, documents), tmp_path, config)
    many, same, n_shares = in_shares(Corpus(AT, documents), tmp_path / "many", config, 6000)
    assert n_shares > 4
    assert (many.words, many.counts.tolist()) == (one.words, one.counts.tolist())
    assert same.path.read_bytes() == ids.path.read_bytes()


def test_several_addresses_are_named_by_what_they_share(proxy: Proxy, folder: Path) -> None:
    here = Corpus([folder / "c.txt", folder / "in"])
    there = Corpus([f"{AT}/c.txt", f"{AT}/in/"])
    assert [document.document_id for document in there] == ["c.txt", "in/a.md"]
    assert list(there) == list(here)


def test_an_object_is_read_from_anywhere(
    proxy: Proxy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FIRST_WINDOW", 1000)
    whole = (folder / "b.jsonl").read_bytes()
    with file_path(f"{AT}/b.jsonl").open("rb") as file:
        assert file.read() == whole
        for start, n in ((5000, 10), (10, 3000), (len(whole) - 3, 9), (len(whole) + 5, 1)):
            file.seek(start)
            assert file.read(n) == whole[start : start + n]
        assert file.seek(-4, 2) == len(whole) - 4


def test_an_object_that_is_replaced_while_it_is_read_is_told(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FIRST_WINDOW", 1000)
    objects = Objects(parse_address(f"s3://{storage.BUCKET}/changing"))
    objects.put("a.txt", b"a" * 100_000)
    with file_path(f"s3://{storage.BUCKET}/changing/a.txt").open("rb") as file:
        assert file.read(10) == b"a" * 10
        objects.put("a.txt", b"b" * 100_000)
        with pytest.raises(StorageError, match=r"a\.txt was replaced while it was read; run the"):
            file.read()


def test_what_is_not_there_is_named(proxy: Proxy, folder: Path) -> None:
    with pytest.raises(CorpusError, match=rf"there is no file or folder {AT}/none\.txt"):
        list(Corpus(f"{AT}/none.txt"))
    with (
        pytest.raises(CorpusError, match=f"there is no file {AT}/none.parquet"),
        open_table(f"{AT}/none.parquet"),
    ):
        pass
    with pytest.raises(StorageError, match="there is no bucket 'nowhere'"):
        list(Corpus("s3://nowhere/texts"))
    with pytest.raises(StorageError, match="names no bucket"):
        Corpus("s3:///texts")


@pytest.mark.slow
def test_the_program_builds_a_space_from_addresses_at_one(
    proxy: Proxy, folder: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out = f"s3://{storage.BUCKET}/built.space"
    words = ["lake", "río", "山", "plain", "valley"]
    Vectors(words, np.eye(5, 8, dtype=np.float32)).save(tmp_path / "words.txt")
    options = ("--model", tmp_path / "words.txt")
    here = run_main("build", folder / "b.jsonl", "--out", tmp_path / "here.space", *options)
    there = run_main("build", f"{AT}/b.jsonl", "--out", out, *options)
    assert (here.code, there.code) == (0, 0), there.err
    assert f"the space   {out}\n" in there.out
    query = ("lake valley", "--json", "-k", "5")
    found = run_main("search", out, *query)
    assert found.out == run_main("search", tmp_path / "here.space", *query).out
    again = run_main("build", f"{AT}/b.jsonl", "--out", out, *options)
    assert again.err.endswith("`rowspace add` to it\n")

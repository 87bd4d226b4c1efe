"""A space in Milvus Lite beside the same space here: searches, exports, imports, errors."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rowspace as rs
from rowspace.errors import (
    ConfigError,
    CorpusError,
    FormatError,
    MissingExtraError,
    RemoteError,
    SpaceCorruptError,
    SpaceError,
    SpaceLockedError,
)
from rowspace.explore.subject import open_subject
from rowspace.search.index.exact import ExactIndex
from rowspace.search.milvus import rows as row_layout
from rowspace.search.milvus import store as milvus_store
from rowspace.search.milvus.connection import TOKEN_VARIABLE, connect
from rowspace.search.milvus.digest import COLUMNS
from rowspace.search.milvus.importing import import_from_milvus
from rowspace.search.space import Space, open_space
from rowspace.text.corpus import Corpus, Document
from tests.minilm import minilm_folder
from tests.program import ROOT, RunMain
from tests.search.milvus.lite import server
from tests.search.stub import HashEncoder, OtherEncoder, document, make_space

pytest.importorskip("milvus_lite")
pymilvus = pytest.importorskip("pymilvus")

WORDS = ["lake", "desert", "oil", "river", "salt", "wheat", "copper", "harbour", "island", "rain"]


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    """Milvus Lite runs a server for each file, until it is told or the process ends."""
    yield
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_all()


def _documents(n: int = 60) -> list[Document]:
    rng = np.random.default_rng(0)
    documents = []
    for i in range(n):
        text = " ".join(rng.choice(WORDS, 30))
        facts: dict[str, Any] = {"big": bool(i % 2)} | ({"year": 1900 + i} if i % 3 else {})
        documents.append(document(f"d{i}", text, f"Title {i}", **facts))
    return [*documents, document("nothing", "zzq", title="zzt")]  # its vector is zero


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return make_space(tmp_path_factory.mktemp("here") / "a.space", _documents())


@pytest.fixture(scope="module")
def there(here: Space, tmp_path_factory: pytest.TempPathFactory) -> Space:
    """The same in Milvus Lite, written and read in small pieces."""
    folder = tmp_path_factory.mktemp("there")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_layout, "BATCH_ROWS", 17)
        written = here.export_to_milvus(folder / "a.milvus", str(folder / "lite.db"))
    assert (written.collection, written.index, written.already_there) == ("a", "FLAT", 0)
    assert written.passages == here.status()["passages"]
    return open_space(folder / "a.milvus")


@pytest.fixture
def small(tmp_path: Path) -> Space:
    return make_space(tmp_path / "s.space", _documents(8))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    yield connect(str(tmp_path / "lite.db"), create=True)


def _export(space: Space, folder: Path, **options: Any) -> Space:
    space.export_to_milvus(folder / "s.milvus", str(folder / "lite.db"), **options)
    return open_space(folder / "s.milvus")


# --- Searching -----------------------------------------------------------------------------------

QUERIES = ["lake of salt", "copper in the river", "island harbour rain", "zzq"]


@pytest.mark.parametrize("where", [None, "year >= 1920 and not big = true", 'title = "Title 7"'])
def test_milvus_finds_by_meaning_what_an_exact_search_finds(
    here: Space, there: Space, where: str | None
) -> None:
    for k in (1, 10, 500):
        one = here.search_batch(QUERIES, k, "dense", where)
        other = there.search_batch(QUERIES, k, "dense", where)
        for hits, found in zip(one, other, strict=True):
            assert [h.passage_id for h in found] == [h.passage_id for h in hits]
            assert [h.score for h in found] == pytest.approx([h.score for h in hits], abs=1e-5)
            assert [replace(h, score=0.0) for h in found] == [replace(h, score=0.0) for h in hits]


def test_cosines_are_those_of_the_vectors(here: Space, there: Space) -> None:
    ids, matrix = there.snapshot.store.vectors()
    queries = HashEncoder().encode(QUERIES[:3])
    scores, places = ExactIndex(matrix.copy()).search(queries, 20)
    dense = there.snapshot.dense("default")
    for ranking, row, values in zip(dense.search(queries, 20), places, scores, strict=True):
        assert [row_id for row_id, _ in ranking] == ids[row].tolist()
        assert [score for _, score in ranking] == pytest.approx(values.tolist(), abs=1e-5)


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
@pytest.mark.parametrize("where", [None, "year < 1950"])
def test_words_are_found_as_here(here: Space, there: Space, mode: str, where: str | None) -> None:
    queries = [*QUERIES, "nowhere", "lake lake rain"]
    one, other = (space.search_batch(queries, 20, mode, where) for space in (here, there))
    for hits, found in zip(one, other, strict=True):
        scores = [h.score for h in hits]
        assert [h.score for h in found] == pytest.approx(scores, rel=1e-3)
        # which of equal ones come last is chance
        above = {h.passage_id for h in hits if h.score > 1.001 * scores[-1]}
        assert above <= {h.passage_id for h in found}


def test_a_space_in_milvus_does_all_that_searches_do(here: Space, there: Space) -> None:
    for options in ({"group": True}, {"diversity": 0.5}, {"dense_weight": 2.0}):
        one, other = (space.search("lake salt oil", 5, **options) for space in (here, there))
        assert [h.passage_id for h in one] == [h.passage_id for h in other]
    assert there.passages_of("d3") == here.passages_of("d3")
    assert there.passages_of("nobody") == []
    assert there.count_missing(["d1", "d2", "nobody"]) == 1
    assert there.retrieve("lake", k=3).text == here.retrieve("lake", k=3).text
    one, other = (space.to_arrow(where="year > 1950").read_all() for space in (here, there))
    assert one.equals(other, check_metadata=True)


def test_large_stores_are_read_in_pages(there: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    store = there.snapshot.store
    whole = list(store.texts("passage_id")), store.row_ids("position == 0").tolist()
    monkeypatch.setattr(milvus_store, "PAGE_BYTES", 1)
    assert (list(store.texts("passage_id")), store.row_ids("position == 0").tolist()) == whole
    assert len(list(store.scan(["passage_id"]))) > 1
    assert len(store.fetch(store.all_row_ids())) == len(whole[0])


def test_pages_of_long_texts_are_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = [document(f"d{i}", "lake", "é" * 5000) for i in range(6)]
    there = _export(make_space(tmp_path / "s.space", long), tmp_path)
    monkeypatch.setattr(milvus_store, "MAX_PAGE_BYTES", 100_000)
    pages = list(there.snapshot.store.scan(["passage_id", "content"]))
    assert [page.num_rows for page in pages] == [4, 2]  # a row has 20 kB: the title stands twice
    assert there.verify() == []


def test_status_and_verify_tell_of_the_collection(there: Space) -> None:
    status = there.status()
    assert (status["rows"], status["collection"], status["index"]) == ("milvus", "a", "flat")
    assert there.verify() == []


# --- Back ----------------------------------------------------------------------------------------


def test_what_comes_back_is_the_same_byte_for_byte(
    here: Space, there: Space, tmp_path: Path
) -> None:
    back = open_space(import_from_milvus(there.path, tmp_path / "back.space"))
    assert back.verify() == []
    for name in (*COLUMNS, "vector", *(f.column for f in here.snapshot.commit.fields.values())):
        columns = [
            [value for batch in space.snapshot.store.scan([name]) for value in batch[name]]
            for space in (here, back)
        ]
        assert columns[0] == columns[1], name
    assert back.fields == here.fields
    assert [h.score for h in back.search("lake salt")] == [
        h.score for h in here.search("lake salt")
    ]


def test_an_import_never_overwrites(here: Space, there: Space, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is there already; give another --out"):
        import_from_milvus(there.path, tmp_path)
    with pytest.raises(ConfigError, match="are in it and not in Milvus"):
        import_from_milvus(here.path, tmp_path / "b.space")


# --- Exporting once more -------------------------------------------------------------------------


def test_an_export_that_was_stopped_goes_on(
    small: Space, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_layout, "BATCH_ROWS", 3)
    n_calls = 0
    upsert = type(client).upsert

    def stopped(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 3:
            raise KeyboardInterrupt
        return upsert(self, *args, **kwargs)

    monkeypatch.setattr(type(client), "upsert", stopped)
    with pytest.raises(KeyboardInterrupt):
        _export(small, tmp_path)
    assert not (tmp_path / "s.milvus").exists()
    assert not client.has_collection("s")  # what is half has no such name
    (half,) = client.list_collections()
    client.delete(half, filter="row == 1")  # a hole, as a server that went down could leave
    written = small.export_to_milvus(tmp_path / "s.milvus", str(tmp_path / "lite.db"))
    assert written.already_there == 5
    assert client.describe_alias("s")["collection_name"] == half
    assert open_space(tmp_path / "s.milvus").verify() == []


def test_a_space_that_changed_takes_the_place_of_the_old(
    small: Space, tmp_path: Path, client: Any
) -> None:
    there = _export(small, tmp_path)
    (before,) = client.list_collections()
    small.add([document("new", "volcano ash")])
    assert there.search("volcano", mode="lexical") == []
    _export(small, tmp_path)
    (after,) = client.list_collections()
    assert after != before
    assert client.describe_alias("s")["collection_name"] == after
    assert [h.document_id for h in there.search("volcano", mode="lexical")] == ["new"]
    assert there.status()["documents"] == 10


def test_an_export_leaves_other_collections_alone(
    small: Space, tmp_path: Path, client: Any
) -> None:
    for name in ("s_0123456789ab", "other"):  # one is called as ours are, and is not
        client.create_collection(name, dimension=4)
    _export(small, tmp_path)
    assert {"s_0123456789ab", "other"} < set(client.list_collections())
    with pytest.raises(ConfigError, match="a collection other that is not of an export"):
        small.export_to_milvus(tmp_path / "o", str(tmp_path / "lite.db"), collection="other")


def test_another_index_or_words_are_another_collection(
    small: Space, tmp_path: Path, client: Any
) -> None:
    _export(small, tmp_path, words=False)
    there = _export(small, tmp_path)
    assert there.search("lake salt", mode="lexical")
    there = _export(small, tmp_path, index="HNSW")
    assert there.status()["index"] == "hnsw"
    one, other = (space.search("lake salt", 5, "dense") for space in (small, there))
    assert [h.passage_id for h in one] == [h.passage_id for h in other]
    (name,) = client.list_collections()
    (index,) = client.list_indexes(name, field_name="vector")
    assert client.describe_index(name, index)["index_type"] == "HNSW"


def test_an_export_that_was_stopped_before_its_indexes_goes_on(
    small: Space, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(client), "create_index", stopped)
        with pytest.raises(KeyboardInterrupt):
            _export(small, tmp_path)
    (name,) = client.list_collections()
    there = _export(small, tmp_path)
    assert there.search("lake salt") != []
    assert client.list_collections() == [name]
    assert len(client.list_indexes(name)) == 3


def test_two_exports_at_once_write_the_same_collection(
    small: Space, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = type(client).has_collection

    def other_first(self: Any, name: str, **kwargs: Any) -> Any:
        monkeypatch.setattr(type(client), "has_collection", looked)
        small.export_to_milvus(tmp_path / "s.milvus", str(tmp_path / "lite.db"))
        return False  # it was not there when it was looked for

    monkeypatch.setattr(type(client), "has_collection", other_first)
    there = _export(small, tmp_path)
    assert there.verify() == []
    assert len(client.list_collections()) == 1


@pytest.mark.parametrize("step", ["alter_alias", "create_alias", "drop_collection"])
def test_an_export_that_was_stopped_at_its_end_goes_on(
    small: Space, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def stopped(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    if step != "create_alias":
        _export(small, tmp_path)
        small.delete(["d1"])
    with monkeypatch.context() as patch:
        patch.setattr(type(client), step, stopped)
        with pytest.raises(KeyboardInterrupt):
            _export(small, tmp_path)
    there = _export(small, tmp_path)
    assert there.verify() == []
    assert there.status()["passages"] == small.status()["passages"]
    (name,) = client.list_collections()
    assert client.describe_alias("s")["collection_name"] == name


def test_the_collection_of_another_folder_is_left_alone(
    small: Space, tmp_path: Path, client: Any
) -> None:
    there = _export(small, tmp_path)
    other = make_space(tmp_path / "other.space", _documents(3))
    lite = str(tmp_path / "lite.db")
    with pytest.raises(ConfigError, match=r"a collection s that .* give another --collection"):
        other.export_to_milvus(tmp_path / "o.milvus", lite, collection="s")
    assert there.verify() == []
    client.create_collection("theirs", dimension=4)
    client.create_alias("theirs", "mine")
    with pytest.raises(ConfigError, match="a collection mine that is not of an export"):
        other.export_to_milvus(tmp_path / "o.milvus", lite, collection="mine")
    assert client.describe_alias("mine")["collection_name"] == "theirs"


def test_a_filter_exports_some(small: Space, tmp_path: Path) -> None:
    there = _export(small, tmp_path, where="big = true")
    assert there.status()["documents"] == 4
    assert {h.document_id for h in there.search("lake salt", 50)} == {"d1", "d3", "d5", "d7"}
    with pytest.raises(SpaceError, match="no passage that meets the filter; nothing was written"):
        _export(small, tmp_path, where="year = 1")


def test_without_words_only_meaning_is_searched(small: Space, tmp_path: Path) -> None:
    there = _export(small, tmp_path, words=False)
    assert there.search("lake salt", mode="dense")
    for mode in ("lexical", "hybrid"):
        with pytest.raises(ConfigError, match=r"exported without words, .* --mode dense"):
            there.search("lake salt", mode=mode)


# --- What goes wrong -----------------------------------------------------------------------------


def test_a_collection_that_was_changed_is_told_of(
    small: Space, tmp_path: Path, client: Any
) -> None:
    there = _export(small, tmp_path)
    (name,) = client.list_collections()
    row = client.query(name, filter="row == 2", output_fields=["*"])[0]
    client.upsert(name, [row | {"content": row["content"] + "!", "words": {1: 1.0}}])
    (problem,) = there.verify()
    assert "are not those that were exported" in problem
    with pytest.raises(SpaceCorruptError, match="are not those that were exported"):
        import_from_milvus(there.path, tmp_path / "b.space")
    assert not (tmp_path / "b.space").exists()
    client.delete(name, filter="row == 3")
    n = small.status()["passages"]
    with pytest.raises(SpaceCorruptError, match=f"holds {n - 1} rows where {n} were written"):
        open_space(there.path)
    client.alter_collection_properties(name, properties={"rowspace.digest": "0"})
    with pytest.raises(SpaceCorruptError, match="its digest is another; export the space again"):
        open_space(there.path)
    client.alter_collection_properties(name, properties={"rowspace.fingerprint": "another"})
    with pytest.raises(SpaceCorruptError, match=r"of the model another, .* model is stub"):
        open_space(there.path)
    client.drop_collection(name)
    with pytest.raises(SpaceCorruptError, match=r"is not in Milvus .* any more .*export the space"):
        open_space(there.path)


def test_rows_that_come_back_wrong_never_get_the_name(
    small: Space, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = type(client).upsert

    def lossy(self: Any, name: str, rows: list[dict[str, Any]], **kwargs: Any) -> Any:
        return upsert(self, name, [row | {"title": ""} for row in rows], **kwargs)

    monkeypatch.setattr(type(client), "upsert", lossy)
    with pytest.raises(RemoteError, match=r"gives back is not what was written .* was dropped"):
        _export(small, tmp_path)
    assert client.list_collections() == client.list_aliases()["aliases"] == []
    assert not (tmp_path / "s.milvus").exists()


def test_a_space_in_milvus_is_not_written(there: Space) -> None:
    for write in (
        lambda: there.add([document("x", "y")]),
        lambda: there.delete(["d1"]),
        there.compact,
        there.index,
        lambda: there.set_dense_weight(1.0),
    ):
        with pytest.raises(SpaceError, match=r"are in Milvus \(.*\), where they are searched only"):
            write()


def test_a_text_that_is_too_long_is_refused_before_anything_is_written(
    tmp_path: Path, client: Any
) -> None:
    space = make_space(tmp_path / "s.space", [document("long", "text", "é" * 40_000)])
    with pytest.raises(CorpusError, match=r"'long#0' has 80,000 bytes of title, .* holds 65,535"):
        _export(space, tmp_path)
    assert client.list_collections() == []


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("lite", "is no server .* and a file of Milvus Lite ends in .db"),
        ("ftp://host", "the address of Milvus is ftp://…; give http://host:19530"),
        ("http://me:secret@host:19530", f"put user:password or the token into {TOKEN_VARIABLE}"),
        ("https://host/?token=secret", f"the token into {TOKEN_VARIABLE}"),
        ("http://me:secret/2@host", "the address of Milvus cannot be read"),
        ("http://[host", r"the address of Milvus 'http://\[host' cannot be read"),
        ("http://host:port", "the address of Milvus 'http://host:port' cannot be read"),
        ("nowhere/lite.db", "there is no folder .*nowhere"),
    ],
)
def test_an_address_that_cannot_be_is_refused(
    small: Space, tmp_path: Path, uri: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        small.export_to_milvus(tmp_path / "s.milvus", uri)
    assert "secret" not in str(caught.value)


def test_a_folder_that_is_something_else_is_left_alone(small: Space, tmp_path: Path) -> None:
    there = _export(small, tmp_path)
    with pytest.raises(ConfigError, match="is there already and no space in Milvus"):
        small.export_to_milvus(small.path, str(tmp_path / "lite.db"))
    with pytest.raises(ConfigError, match=r"is of the collection s at .*; give another OUT"):
        small.export_to_milvus(there.path, str(tmp_path / "lite.db"), collection="t")
    with pytest.raises(ConfigError, match="Milvus Lite has no index DISKANN"):
        _export(small, tmp_path, index="DISKANN")


def test_no_server_is_told_within_seconds(small: Space, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"no Milvus answers at http://127\.0\.0\.1:1 "):
        small.export_to_milvus(tmp_path / "s.milvus", "http://127.0.0.1:1")


def test_a_server_is_asked_with_the_token_of_the_environment(
    small: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(tmp_path / "data", token="root:secret") as uri:
        with pytest.raises(RemoteError, match=f"wants a token; put .* into {TOKEN_VARIABLE}"):
            small.export_to_milvus(tmp_path / "s.milvus", uri)
        monkeypatch.setenv(TOKEN_VARIABLE, "root:guess")
        with pytest.raises(RemoteError, match="refuses the token"):
            small.export_to_milvus(tmp_path / "s.milvus", uri)
        monkeypatch.setenv(TOKEN_VARIABLE, "root:secret")
        small.export_to_milvus(tmp_path / "s.milvus", uri)
        there = open_space(tmp_path / "s.milvus")
        assert there.search("lake salt", 3, "dense") == there.search("lake salt", 3, "dense") != []
        for file in there.path.glob("*.json"):
            assert "secret" not in file.read_text()


def test_a_server_that_is_too_old_is_told_of(small: Space, tmp_path: Path) -> None:
    with (
        server(tmp_path / "data", version="v2.4.9") as uri,
        pytest.raises(RemoteError, match=r"is v2.4.9; update it to 2.5 or newer"),
    ):
        small.export_to_milvus(tmp_path / "s.milvus", uri)


def test_a_file_that_is_missing_or_something_else_is_told_of(small: Space, tmp_path: Path) -> None:
    (tmp_path / "old.db").write_bytes(b"SQLite format 3\0")
    with pytest.raises(FormatError, match="is not a file of Milvus Lite 3"):
        small.export_to_milvus(tmp_path / "s.milvus", str(tmp_path / "old.db"))
    with pytest.raises(FormatError, match="there is no Milvus Lite file"):
        connect(str(tmp_path / "none.db"))


def test_a_file_that_does_not_answer_is_not_said_to_be_open_elsewhere(
    there: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*args: Any, **kwargs: Any) -> None:
        raise pymilvus.MilvusException(message="Fail connecting to server")

    monkeypatch.setattr(pymilvus, "MilvusClient", slow)
    with pytest.raises(RemoteError, match="Milvus Lite did not answer for"):
        open_space(there.path)


def test_milvus_lite_that_is_not_installed_is_told_of(
    small: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="run: pip install milvus-lite"):
        _export(small, tmp_path)


def test_the_explorer_says_that_rows_are_elsewhere(there: Space) -> None:
    for space in (None, there):  # of `explore`, and of `serve`
        with pytest.raises(SpaceError, match="or run `rowspace import"):
            _ = open_subject(there.path, space).sets


def test_a_file_that_another_process_has_open_is_told_of(small: Space, tmp_path: Path) -> None:
    hold = textwrap.dedent("""
        import sys
        from milvus_lite.db import MilvusLite
        db = MilvusLite(sys.argv[1])
        print("open", flush=True)
        sys.stdin.read()
    """)
    command = [sys.executable, "-c", hold, str(tmp_path / "lite.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(SpaceLockedError, match=r"another process has .*lite.db open"):
            _export(small, tmp_path)
        holder.communicate()
    assert _export(small, tmp_path).search("lake")


# --- The program ---------------------------------------------------------------------------------


def test_the_commands_go_there_and_back(small: Space, tmp_path: Path, run_main: RunMain) -> None:
    lite, folder = tmp_path / "c.db", tmp_path / "docs.milvus"
    ran = run_main("export", small.path, folder, "--to", "milvus", "--uri", lite)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("wrote 17 passages to collection docs at ")
    found = [run_main("search", path, "lake salt", "--json").out for path in (small.path, folder)]
    assert found[0] == found[1]
    assert "collection         docs\n" in run_main("status", folder).out
    assert run_main("verify", folder).out == f"{folder} is whole\n"
    ran = run_main("import", folder, "--out", tmp_path / "back.space")
    assert ran.out == f"imported 17 passages of 9 documents: {tmp_path / 'back.space'}\n"
    assert run_main("search", tmp_path / "back.space", "lake salt", "--json").out == found[0]
    assert "searched only" in run_main("add", folder, small.path / "space.json").error()


def test_the_command_takes_one_of_several_models(
    small: Space, tmp_path: Path, run_main: RunMain
) -> None:
    small.add_model("other", OtherEncoder())
    folder, lite = tmp_path / "o.milvus", tmp_path / "o.db"
    to = ("--to", "milvus", "--uri", lite)
    assert run_main("export", small.path, folder, *to, "--model", "other").code == 0
    there = open_space(folder)
    assert there.model_names == ["other"]
    vectors = [
        one.to_arrow(["vector"], model="other").read_all()["vector"] for one in (small, there)
    ]
    assert vectors[0] == vectors[1]
    assert "no model 'none'" in run_main("export", small.path, "x", *to, "--model", "none").error()
    error = run_main("export", small.path, folder, *to).error()
    assert "is of another model than the space" in error


def test_the_command_refuses_in_one_line(small: Space, tmp_path: Path, run_main: RunMain) -> None:
    out = tmp_path / "x"
    assert (
        "--to milvus needs --uri" in run_main("export", small.path, out, "--to", "milvus").error()
    )
    error = run_main("export", small.path, out, "--index", "FLAT").error()
    assert error == "--index goes with --to milvus; give that too, or leave it out"
    error = run_main("export", small.path, out, "--to", "milvus", "--m", "8").error()
    assert error == "--m goes with a file and not with --to milvus, or leave it out"


@pytest.mark.slow
def test_a_real_model_finds_the_same_in_milvus(tmp_path: Path) -> None:
    documents = list(islice(Corpus(ROOT / "examples" / "factbook"), 12))
    lines = tmp_path / "facts.txt"
    lines.write_text("\n".join(one.text[:1500].replace("\n", " ") for one in documents))
    space = rs.build(lines, out=tmp_path / "f.space", model=str(minilm_folder()))
    there = _export(space, tmp_path)
    for mode in ("dense", "lexical", "hybrid"):
        for query in ("countries that export oil", "a landlocked desert", "islands"):
            one, other = space.search(query, 10, mode), there.search(query, 10, mode)
            assert [h.passage_id for h in one] == [h.passage_id for h in other]
            if mode == "dense":
                wanted = [h.score for h in one]
                assert [h.score for h in other] == pytest.approx(wanted, abs=1e-5)
    back = open_space(import_from_milvus(there.path, tmp_path / "back.space"))
    vectors = [one.snapshot.store.vectors()[1] for one in (space, back)]
    assert vectors[0].tobytes() == vectors[1].tobytes()

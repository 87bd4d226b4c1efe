"""Several models in one space: added, searched, replaced, removed, and whatever stops them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import rowspace as rs
from rowspace.errors import ConfigError, FormatError, SpaceCorruptError, SpaceError
from rowspace.search import commit as commit_module
from rowspace.search import models, reembed, writer
from rowspace.search.commit import COMMIT, COPY, read_commit, remove_leftovers
from rowspace.search.fusion import dense_weight_of
from rowspace.search.manifest import load_encoder
from rowspace.search.model_state import ModelState
from rowspace.search.space import Space, open_space
from rowspace.search.store import Store
from rowspace.search.text_vectors import TextVectors
from rowspace.text.corpus import Corpus
from tests.minilm import minilm_folder
from tests.program import RunMain
from tests.search.stub import HashEncoder, OtherEncoder, document, make_space
from tests.speeches import QUICK, SPEECHES, write_jsonl

TEXTS = [f"text number{i} of{i % 7}" for i in range(60)]
DOCUMENTS = [document(f"d{i}", text, n=i) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "a.space"
    make_space(path, DOCUMENTS).add([document("added", "text more")])
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "b.space"))


def _vectors(space: Space, name: str) -> dict[str, NDArray[np.float32]]:
    """The stored vectors of a model, by document."""
    rows = space.to_arrow(["document_id", "vector"], model=name).read_all().to_pylist()
    return {row["document_id"]: np.array(row["vector"], np.float32) for row in rows}


def _assert_has_vectors_of(space: Space, name: str, encoder: HashEncoder) -> None:
    """Every passage has the vector that the encoder gives its text."""
    rows = space.to_arrow(["document_id", "title", "text"]).read_all().to_pylist()
    found = _vectors(space, name)
    assert found.keys() == {row["document_id"] for row in rows}
    for row in rows:
        wanted = encoder.encode([f"{row['title']}\n{row['text']}"])[0]
        np.testing.assert_array_equal(found[row["document_id"]], wanted)


def _files(path: Path) -> set[str]:
    """All files that the commit does not tell of."""
    there = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    there -= set(read_commit(path).files)
    return {name for name in there if not name.endswith("hint.json")}


OWN_FILES = {COMMIT, COPY, "lock"}


# --- Adding and searching ------------------------------------------------------------------------


def test_a_model_is_added_beside_the_first(path: Path) -> None:
    space = open_space(path)
    before = _vectors(space, "default")
    model = space.add_model("second", OtherEncoder())
    assert (model.dim, model.folder, model.dense_weight) == (8, "models/second", 0.5)
    assert list(space.models) == ["default", "second"]
    assert space.default_model == "default"
    assert _vectors(space, "default").keys() == before.keys()
    for document_id, vector in _vectors(space, "default").items():
        np.testing.assert_array_equal(vector, before[document_id])
    _assert_has_vectors_of(space, "second", OtherEncoder())
    assert space.verify() == []
    assert _files(path) == OWN_FILES
    assert space.encoder.fingerprint == space.encoders["default"].fingerprint == "stub"
    assert space.encoders["second"].fingerprint == "other"
    assert list(space.encoders) == ["default", "second"]
    with pytest.raises(KeyError):
        space.encoders["third"]


def test_a_search_asks_the_model_that_is_named(path: Path) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder())
    query, texts = "text number3", [f"\n{text}" for text in [*TEXTS, "text more"]]
    ids = [*(f"d{i}" for i in range(60)), "added"]
    for name, encoder in [("default", HashEncoder()), ("second", OtherEncoder()), (None, None)]:
        used = encoder or HashEncoder()
        matrix, vector = used.encode(texts).astype(float), used.encode([query])[0].astype(float)
        cosines = matrix @ vector / np.linalg.norm(matrix, axis=1) / np.linalg.norm(vector)
        hits = space.search(query, k=5, mode="dense", model=name)
        wanted = np.sort(cosines)[::-1][:5]
        assert [hit.score for hit in hits] == pytest.approx(wanted.tolist(), abs=1e-5)
        by_id = dict(zip(ids, cosines, strict=True))
        assert [by_id[hit.document_id] for hit in hits] == pytest.approx(wanted.tolist())
    assert space.search(query, k=3, model="second")  # hybrid
    with pytest.raises(ConfigError, match=r"has no model 'third'; give one of default, second, or"):
        space.search(query, model="third")


def test_diverse_hits_differ_in_the_model_that_is_asked(path: Path) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder())
    hits = space.search("text number3", k=5, mode="dense", model="second", diversity=0.5)
    assert len(hits) == 5


def test_what_is_added_later_has_vectors_of_every_model(path: Path) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder())
    space.add([document("late", "text late"), document("d3", "text changed", other="x")])
    for name, encoder in [("default", HashEncoder()), ("second", OtherEncoder())]:
        _assert_has_vectors_of(space, name, encoder)
        assert space.search("text late", k=1, mode="dense", model=name)[0].document_id == "late"
    space.delete(["late"])
    space.compact()
    _assert_has_vectors_of(space, "second", OtherEncoder())
    assert space.verify() == []


def test_a_table_brings_the_vectors_of_one_model_and_the_other_is_asked(
    path: Path, tmp_path: Path
) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder())
    other = make_space(tmp_path / "c.space", [document("far", "text far")])
    other.reembed(OtherEncoder())
    space.add_arrow(other.to_arrow())
    _assert_has_vectors_of(space, "default", HashEncoder())
    _assert_has_vectors_of(space, "second", OtherEncoder())
    third = make_space(tmp_path / "d.space", [document("far", "text far")])
    third.reembed(OtherEncoder("a third"))
    with pytest.raises(ConfigError, match=r"of the model a third and the space's of stub and othe"):
        space.add_arrow(third.to_arrow())


def test_the_weight_is_of_the_model(path: Path) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder(), dense_weight=2.5)
    assert (space.models["default"].weight, space.models["second"].weight) == (1.0, 2.5)
    space.set_dense_weight(3.0, model="second")
    assert (space.dense_weight, space.models["second"].weight) == (1.0, 3.0)
    space.set_dense_weight(None, model="second")
    assert space.models["second"].weight == 2.5
    # A weight so large that words hardly count gives the order of the meaning.
    space.set_dense_weight(1e6, model="second")
    dense = space.search("text number3", k=5, mode="dense", model="second")
    hybrid = space.search("text number3", k=5, model="second")
    assert [hit.dense_rank for hit in hybrid] == [1, 2, 3, 4, 5]
    assert {hit.document_id for hit in hybrid} == {hit.document_id for hit in dense}
    assert (dense_weight_of("sif"), dense_weight_of("sentence")) == (0.2, 0.5)


# --- Replacing, choosing, removing ---------------------------------------------------------------


def test_a_model_takes_the_place_of_the_default(path: Path) -> None:
    space = open_space(path)
    reader = open_space(path)
    assert reader.encoder.fingerprint == "stub"
    space.reembed(OtherEncoder())
    assert list(space.models) == ["default"]
    assert not (path / "model").exists()
    assert space.status()["fingerprint"] == "other"
    assert _files(path) == OWN_FILES
    assert reader.encoder.fingerprint == "other"
    assert reader.search("text number5 of5", k=1, mode="dense")[0].document_id == "d5"
    _assert_has_vectors_of(space, "default", OtherEncoder())
    assert "vector" not in Store.open(path / "store").schema.names
    space.reembed(OtherEncoder("a third", 12), name="third")
    assert space.default_model == "third"
    assert [folder.name for folder in (path / "models").iterdir()] == ["third"]
    assert space.verify() == []


def test_the_default_can_be_chosen_and_others_removed(path: Path) -> None:
    space = open_space(path)
    size = space.status()["bytes"]
    space.add_model("second", OtherEncoder(dim=32))
    assert space.status()["bytes"] > size
    with pytest.raises(SpaceError, match=r"'default' is the default of \S+, so it stays; choose"):
        space.remove_model("default")
    space.choose_default("second")
    assert open_space(path).default_model == space.default_model == "second"
    assert space.encoder.fingerprint == "other"
    space.remove_model("default")
    assert list(space.models) == ["second"]
    assert not (path / "model").exists()
    assert space.verify() == []
    space.add_model("default", OtherEncoder("a third"))
    space.remove_model("default")
    assert [folder.name for folder in (path / "models").iterdir()] == ["second"]
    _assert_has_vectors_of(space, "second", OtherEncoder(dim=32))
    for change in (space.remove_model, space.choose_default):
        with pytest.raises(ConfigError, match="has no model 'default'"):
            change("default")


# --- What is not mixed ---------------------------------------------------------------------------


def test_an_encoder_of_the_same_dimension_is_refused(path: Path) -> None:
    message = r"not the one that made the vectors of \S+ \(model 'default', dim 16, stub\).*reembed"
    with pytest.raises(SpaceCorruptError, match=message):
        open_space(path, HashEncoder("twin"))
    open_space(path).add_model("second", OtherEncoder())
    with pytest.raises(SpaceCorruptError, match=message):
        open_space(path, OtherEncoder())  # of another model than the default


def test_a_folder_that_holds_another_encoder_is_refused(path: Path) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder())
    (path / "models/second/other.json").write_text('{"fingerprint": "twin", "dim": 8}')
    with pytest.raises(SpaceCorruptError, match=r"models/second/other.json is \d+ bytes long"):
        open_space(path)
    commit = read_commit(path)
    commit_module.write_commit(
        path,
        dataclasses.replace(commit, files=commit_module.flush_and_hash(path, {})),
    )
    with pytest.raises(SpaceCorruptError, match=r"\(dim 8, twin\) is not .*'second', dim 8, other"):
        open_space(path).search("text", model="second")
    assert open_space(path).search("text")


def test_a_model_that_is_there_already_is_not_added_again(path: Path) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder())
    before = space.status()
    with pytest.raises(SpaceError, match=r"has a model 'second' already; give another name"):
        space.add_model("second", OtherEncoder("a third"))
    with pytest.raises(SpaceError, match=r"this encoder already, as model 'second'; search it wit"):
        space.add_model("third", OtherEncoder())
    with pytest.raises(ConfigError, match=r"a model cannot be called '\.\./x'; give a name of"):
        space.add_model("../x", OtherEncoder("a third"))
    with pytest.raises(ConfigError, match="dense_weight is -1; give 0 or more"):
        space.add_model("third", OtherEncoder("a third"), dense_weight=-1)
    with pytest.raises(ConfigError, match="a HashEncoder cannot be kept in a space"):
        space.add_model("third", HashEncoder("a third"))  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="there is no path /nowhere"):
        space.add_model("third", "/nowhere")
    assert space.status() == before
    assert _files(path) == OWN_FILES


# --- Stopped anywhere ----------------------------------------------------------------------------


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


STEPS = [
    (reembed, "copy_model"),
    (TextVectors, "encode"),
    (reembed, "fsync_tree"),
    (Store, "rewrite"),
    (Store, "index_text"),
    (writer, "flush_and_hash"),
    (writer, "write_commit"),
]
AFTER = [(writer, "remove_old_files"), (models, "remove_leftovers"), (shutil, "rmtree")]


@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[name for _, name in STEPS])
@pytest.mark.parametrize("change", ["add", "replace"])
def test_stopped_anywhere_the_space_is_as_it_was_and_goes_on(
    path: Path, owner: Any, step: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(resume: bool = False) -> ModelState:
        if change == "add":
            return open_space(path).add_model("second", OtherEncoder(), resume=resume)
        return open_space(path).reembed(OtherEncoder(), resume=resume)

    before, vectors = open_space(path).models, _vectors(open_space(path), "default")
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, _stop)
        patch.setattr(writer, "remove_leftovers", _nothing_after(remove_leftovers))
        with pytest.raises(KeyboardInterrupt):
            run()
    space = open_space(path)
    assert space.models == before
    assert space.verify() == []
    assert _vectors(space, "default").keys() == vectors.keys()
    assert space.search("text number5 of5", k=1, mode="dense")[0].document_id == "d5"
    space.add([document("late", "text late")])  # clears what lay about
    assert not (path / "models").exists()
    with pytest.raises(SpaceError, match=r"did not finish; add --resume to go on with it, or rem"):
        run()
    run(resume=True)
    assert len(space.models) == (2 if change == "add" else 1)
    name = "second" if change == "add" else "default"
    _assert_has_vectors_of(space, name, OtherEncoder())
    assert space.verify() == []
    assert _files(path) == OWN_FILES


@pytest.mark.parametrize(("owner", "step"), AFTER, ids=[name for _, name in AFTER])
def test_stopped_after_the_commit_the_new_model_is_there(
    path: Path, owner: Any, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop = _only_after_commit(path, getattr(owner, step))
        patch.setattr(owner, step, stop)
        patch.setattr(writer, "remove_leftovers", _nothing_after(remove_leftovers))
        with pytest.raises(KeyboardInterrupt):
            open_space(path).reembed(OtherEncoder())
    space = open_space(path)
    assert space.models["default"].fingerprint == "other"
    assert space.search("text number5 of5", k=1, mode="dense")[0].document_id == "d5"
    assert space.verify() == []
    if (path / reembed.WORK).exists():
        space.reembed(OtherEncoder(), resume=True)
    space.add([document("late", "text late")])
    assert not (path / "model").exists()
    assert space.verify() == []


def _only_after_commit(path: Path, function: Callable[..., Any]) -> Callable[..., Any]:
    """Stops once the new model is committed."""

    def stopped(*arguments: Any, **options: Any) -> Any:
        if read_commit(path).models["default"].fingerprint == "other":
            raise KeyboardInterrupt
        return function(*arguments, **options)

    return stopped


def _nothing_after(function: Callable[..., None]) -> Callable[..., None]:
    """`function` the first time, then nothing: as if the process had died there."""
    calls = []

    def once(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            function(*arguments)

    return once


def test_a_removal_that_stops_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_space(path).add_model("second", OtherEncoder())
    for owner, step in STEPS[3:]:
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, _stop)
            with pytest.raises(KeyboardInterrupt):
                open_space(path).remove_model("second")
        space = open_space(path)
        assert list(space.models) == ["default", "second"]
        _assert_has_vectors_of(space, "second", OtherEncoder())
        assert space.verify() == []


def test_what_was_encoded_is_not_encoded_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowspace.search.text_vectors._AT_ONCE", 16)
    space = open_space(path)
    texts: list[str] = []
    encode = OtherEncoder.encode

    def counted(self: OtherEncoder, batch: Sequence[str]) -> NDArray[np.float32]:
        if len(texts) == 48 and "resumed" not in texts:
            raise KeyboardInterrupt
        texts.extend(batch)
        return encode(self, batch)

    monkeypatch.setattr(OtherEncoder, "encode", counted)
    with pytest.raises(KeyboardInterrupt):
        space.add_model("second", OtherEncoder())
    assert len(texts) == 48
    texts.append("resumed")
    monkeypatch.setattr(OtherEncoder, "encode", encode)  # the add below is not counted
    space.delete(["d50"])
    space.add([document("d51", "text replaced"), document("late", "text late")])
    monkeypatch.setattr(OtherEncoder, "encode", counted)
    space.add_model("second", OtherEncoder(), resume=True)
    again = texts[49:]
    assert len(again) == 61 - 48 + 2 - 2  # two new texts, two that are gone
    assert "\ntext replaced" in again
    assert "\ntext number1 of1" not in again
    monkeypatch.setattr(OtherEncoder, "encode", encode)
    _assert_has_vectors_of(space, "second", OtherEncoder())


def test_another_model_does_not_go_on_with_the_work(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TextVectors, "encode", _stop)
        with pytest.raises(KeyboardInterrupt):
            open_space(path).add_model("second", OtherEncoder())
    with pytest.raises(SpaceError, match=r"was of another model or other settings; give the same"):
        open_space(path).add_model("second", OtherEncoder("a third"), resume=True)
    open_space(path).add_model("second", OtherEncoder(), resume=True)


def test_an_encoder_that_gives_nan_leaves_no_work(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: OtherEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.full((len(texts), self.dim), np.nan, np.float32)

    monkeypatch.setattr(OtherEncoder, "encode", broken)
    with pytest.raises(ConfigError, match=r"the encoder gave a vector \(row 0\) with nan"):
        open_space(path).add_model("second", OtherEncoder())
    assert _files(path) == OWN_FILES


# --- Beside others -------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["while it encodes", "at the end"])
def test_what_others_write_meanwhile_is_encoded_too(
    path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, other = open_space(path), open_space(path)
    done: list[str] = []

    def write() -> None:
        if not done:
            done.append("")
            other.add([document("late", "text late"), document("d3", "text replaced")])
            other.delete(["d7"])
            other.compact()  # the version that is being read is gone
            assert other.search("text late", k=1, mode="dense")[0].document_id == "late"

    if when == "at the end":
        install = reembed._Reembedding._install

        def installed(*arguments: Any) -> ModelState:
            write()
            return install(*arguments)

        monkeypatch.setattr(reembed._Reembedding, "_install", installed)
    else:
        append = TextVectors._append

        def appended(*arguments: Any) -> None:
            write()
            append(*arguments)

        monkeypatch.setattr(TextVectors, "_append", appended)
    space.add_model("second", OtherEncoder())
    assert done
    assert space.status()["documents"] == 61
    _assert_has_vectors_of(space, "second", OtherEncoder())
    _assert_has_vectors_of(space, "default", HashEncoder())
    assert space.verify() == []


def test_documents_encoded_before_a_model_came_get_its_vectors(path: Path) -> None:
    space, other = open_space(path), open_space(path)

    def documents() -> Any:
        yield document("late", "text late")
        other.add_model("second", OtherEncoder())
        yield document("later", "text later")

    space.add(documents())
    _assert_has_vectors_of(space, "second", OtherEncoder())
    space.add([document("last", "text last")])
    other.reembed(OtherEncoder("a third", 4))
    space.add([document("the very last", "text last of all")])
    _assert_has_vectors_of(space, "default", OtherEncoder("a third", 4))


def test_two_do_not_give_a_space_models_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = TextVectors.encode

    def meanwhile(*arguments: Any) -> int:
        with pytest.raises(SpaceError, match=r"a model of .* is being written by another process"):
            open_space(path).add_model("third", OtherEncoder("a third"))
        return encode(*arguments)

    monkeypatch.setattr(TextVectors, "encode", meanwhile)
    open_space(path).add_model("second", OtherEncoder())


# --- Damage, and spaces of before ----------------------------------------------------------------


def test_damage_to_the_second_model_is_found(path: Path) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder())
    file = path / "models/second/weights.bin"
    content = bytearray(file.read_bytes())
    content[40_000] ^= 1
    file.write_bytes(content)
    problems = space.verify()
    assert len(problems) == 1
    assert problems[0].startswith(f"{file} is altered (its SHA-256 is another)")


def test_vectors_of_every_model_are_checked(path: Path) -> None:
    space = open_space(path)
    space.add_model("second", OtherEncoder())
    commit, store = read_commit(path), Store.open(path / "store")
    place = store.schema.get_field_index(commit.models["second"].column)

    def spoiled(batch: pa.RecordBatch) -> pa.RecordBatch:
        vectors = batch.column(place).flatten().to_numpy().copy()
        vectors[3] = np.inf
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors), 8)
        return batch.set_column(place, batch.schema.field(place), column)

    store.write_anew(store.schema, spoiled, "spoiling")
    store.index_text("english")
    files = commit_module.flush_and_hash(path, commit.files)
    state = dataclasses.replace(commit, version=store.version, files=files)
    commit_module.write_commit(path, state)
    assert open_space(path).verify() == ["1 vectors of model 'second' have NaN or infinity in them"]


def _as_before_there_were_models(path: Path) -> None:
    """Write the commit as it was when it told of no models."""
    for name in (COMMIT, COPY):
        content = json.loads((path / name).read_text())
        for key in ("digest", "models", "model"):
            del content[key]
        content["digest"] = commit_module._digest(content)
        (path / name).write_text(json.dumps(content, indent=2) + "\n")


def test_a_space_from_before_has_its_model(path: Path) -> None:
    wanted = open_space(path).models
    _as_before_there_were_models(path)
    space = open_space(path)
    assert space.models == wanted
    assert space.models["default"].folder == "model"
    assert space.search("text number5 of5", k=1, mode="dense")[0].document_id == "d5"
    assert space.verify() == []
    space.add([document("late", "text late")])
    space.add_model("second", OtherEncoder())
    assert space.verify() == []
    _assert_has_vectors_of(space, "second", OtherEncoder())


def test_a_space_moves_with_all_its_models(path: Path, tmp_path: Path) -> None:
    open_space(path).add_model("second", OtherEncoder())
    moved = Path(shutil.move(path, tmp_path / "elsewhere.space"))
    hits = open_space(moved).search("text number5 of5", k=1, mode="dense", model="second")
    assert hits[0].document_id == "d5"


# --- Real encoders -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    rs.build(write_jsonl(folder / "speeches.jsonl"), folder / "a.space", word2vec=QUICK)
    return folder / "a.space"


def test_word_vectors_are_averaged_as_build_does(words: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(words, tmp_path / "b.space"))
    vectors = rs.load(path)
    other = rs.Vectors(vectors.index_to_key, vectors.matrix[:, ::-1].copy())
    other.save(tmp_path / "other.vec", format="word2vec")
    space = open_space(path)
    model = space.add_model("other", tmp_path / "other.vec")
    assert (model.kind, model.dense_weight) == ("sif", 0.2)
    assert model.details == {"words": len(vectors)}
    hits = space.search("liberty", k=3, mode="dense", model="other")
    encoder = space.encoders["other"]
    texts = [f"{hit.title}\n{hit.text}" for hit in hits]
    cosines = encoder.encode(texts) @ encoder.encode(["liberty"])[0]
    assert [hit.score for hit in hits] == pytest.approx(cosines.tolist(), abs=1e-5)


def test_words_are_read_from_the_default_model(
    words: Path, tmp_path: Path, run_main: RunMain
) -> None:
    path = Path(shutil.copytree(words, tmp_path / "b.space"))
    vectors = rs.load(path)
    half = rs.Vectors(vectors.index_to_key, vectors.matrix[:, :4].copy())
    half.save(tmp_path / "half.vec", format="word2vec")
    space = open_space(path)
    space.add_model("half", tmp_path / "half.vec")
    assert rs.load(path).dim == 8
    space.choose_default("half")
    assert rs.load(path).dim == 4
    space.remove_model("default")
    assert rs.load(path).dim == 4
    assert run_main("neighbors", path, "liberty").code == 0


def test_status_tells_a_line_of_the_models(path: Path, run_main: RunMain) -> None:
    open_space(path).add_model("second", OtherEncoder())
    told = run_main("status", path).out.splitlines()
    models = next(line for line in told if line.startswith("models "))
    assert models.split(maxsplit=1)[1] == (
        "default (stub, 16 dimensions), second (other stub, 8 dimensions)"
    )


@pytest.mark.slow
def test_a_sentence_encoder_takes_the_place_of_word_vectors(
    words: Path, tmp_path: Path, run_main: RunMain
) -> None:
    """MiniLM finds what no word of the query tells, after the words' model did the same work."""
    path = Path(shutil.copytree(words, tmp_path / "b.space"))
    ran = run_main("reembed", path, "--model", minilm_folder(), "--keep", "--name", "mini")
    assert ran.code == 0, ran
    space = open_space(path)
    assert space.models["mini"].dense_weight == 0.5
    assert space.models["mini"].details["truncated"] == 0
    encoder = rs.load_encoder(minilm_folder())
    query = "astronauts travel to other planets"
    hits = space.search(query, k=3, mode="dense", model="mini")
    assert hits[0].document_id == "kennedy"
    texts = [f"{hit.title}\n{hit.text}" for hit in hits]
    wanted = encoder.encode(texts) @ encoder.encode([query])[0]
    assert [hit.score for hit in hits] == pytest.approx(wanted.tolist(), abs=5e-3)
    assert run_main("neighbors", path, "liberty").code == 0
    assert run_main("reembed", path, "--default", "mini").code == 0
    assert run_main("reembed", path, "--remove", "default").code == 0
    assert "has no vectors of words" in run_main("neighbors", path, "liberty").error()
    late = tmp_path / "late.jsonl"
    late.write_text(json.dumps({"_id": "late", "text": "A rocket flew to Mars."}) + "\n")
    space.add(Corpus(late))
    assert open_space(path).search(query, k=1, mode="dense")[0].document_id == "late"
    assert load_encoder(path, space.models["mini"]).fingerprint == encoder.fingerprint
    assert space.verify() == []
    assert len(SPEECHES) + 1 == space.status()["documents"]

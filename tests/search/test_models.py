"""Several models in a space, and one in place of another."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import ConfigError, SpaceCorruptError, SpaceError
from rowspace.search import models, reembed
from rowspace.search.commit import flush_and_hash, read_commit, write_commit
from rowspace.search.manifest import ENCODERS
from rowspace.search.space import Space, open_space
from rowspace.search.store import Store
from rowspace.search.text_vectors import TextVectors
from tests.search.stub import HashEncoder, document, make_space

DOCUMENTS = [document(f"d{i}", f"text number{i}", n=i) for i in range(40)]


class OtherEncoder(HashEncoder):
    """Another that knows the same words, in fewer dimensions; it can be written to a folder."""

    dim = 8
    kind = "other"

    def __init__(self) -> None:
        super().__init__("other")

    @classmethod
    def load(cls, folder: Path) -> OtherEncoder:
        assert (folder / "other.json").read_text() == "{}"
        return cls()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "other.json").write_text("{}")


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "other", f"{__name__}:OtherEncoder.load")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_space(tmp_path / "a.space", DOCUMENTS)
    return tmp_path / "a.space"


def _nearest(encoder: HashEncoder, query: str, documents: list[Any], k: int = 3) -> list[str]:
    """By the encoder itself, one by one."""
    unit = encoder.encode([query])[0]
    cosines = []
    for one in documents:
        row = encoder.encode([f"\n{one.text}"])[0]
        cosine = float(row @ unit / np.linalg.norm(row) / np.linalg.norm(unit))
        cosines.append((-round(cosine, 5), one.document_id))
    return [name for _, name in sorted(cosines)][:k]


def _found(space: Space, query: str, **options: Any) -> list[str]:
    return [hit.document_id for hit in space.search(query, 3, "dense", **options)]


def test_a_model_beside_another_is_searched_by_its_name(path: Path) -> None:
    space = open_space(path)
    model = space.add_model("other", OtherEncoder())
    assert (model.dim, space.default_model) == (8, "default")
    for again in (space, open_space(path)):
        for query in ("number7", "number3 number12"):
            assert _found(again, query)[0] == _nearest(HashEncoder(), query, DOCUMENTS)[0]
            found = _found(again, query, model="other")
            assert found[0] == _nearest(OtherEncoder(), query, DOCUMENTS)[0]
    with pytest.raises(ConfigError, match=r"no model 'third'.*default, other"):
        space.search("text", model="third")
    assert set(space.status()["models"]) == {"default", "other"}
    assert space.verify() == []


def test_documents_that_come_later_have_vectors_of_every_model(path: Path) -> None:
    space = open_space(path)
    space.add_model("other", OtherEncoder())
    space.add([document("late", "quite another thing")])
    assert _found(space, "another thing")[0] == "late"
    assert _found(space, "another thing", model="other")[0] == "late"


def test_reembedding_replaces_the_model(path: Path) -> None:
    space = open_space(path)
    before = space.models["default"]
    space.reembed(OtherEncoder())
    assert space.models["default"].fingerprint == "other"
    assert _found(space, "number7") == _nearest(OtherEncoder(), "number7", DOCUMENTS)
    assert not (path / before.folder / "weights.bin").exists()
    assert (
        "vector" not in {column.name for column in Store.open(path / "store").schema}
        or space.models["default"].column == "vector"
    )
    again = open_space(path)
    assert _found(again, "number9") == _nearest(OtherEncoder(), "number9", DOCUMENTS)
    assert again.search("number9", 1)[0].document_id == "d9"
    assert again.verify() == []
    again.add([document("late", "quite another thing")])
    assert _found(again, "another thing")[0] == "late"


def test_models_are_chosen_and_removed(path: Path) -> None:
    space = open_space(path)
    space.add_model("other", OtherEncoder())
    with pytest.raises(SpaceError, match=r"the default of .* --default NAME"):
        space.remove_model("default")
    space.choose_default("other")
    assert space.encoder.fingerprint == "other"
    space.remove_model("default")
    assert set(space.models) == {"other"}
    found = _found(open_space(path), "number7")
    assert found == _nearest(OtherEncoder(), "number7", DOCUMENTS)
    assert space.verify() == []


def test_models_do_not_mix(path: Path) -> None:
    with pytest.raises(SpaceError, match="rowspace reembed"):
        open_space(path, HashEncoder("a third"))
    space = open_space(path)
    space.add_model("other", OtherEncoder())
    with pytest.raises(SpaceError, match="vectors of this encoder already, as model 'other'"):
        space.add_model("again", OtherEncoder())
    with pytest.raises(SpaceError, match="a model 'other' already"):
        space.add_model("other", OtherEncoder())
    with pytest.raises(ConfigError, match="cannot be called 'a/b'"):
        space.add_model("a/b", OtherEncoder())


def test_a_damaged_second_model_is_named(path: Path) -> None:
    model = open_space(path).add_model("other", OtherEncoder())
    (path / model.folder / "other.json").write_text("[]")
    with pytest.raises(SpaceCorruptError, match=r"other\.json"):
        open_space(path)


def test_a_space_of_before_has_the_model_of_its_manifest(path: Path) -> None:
    commit = replace(read_commit(path), models={}, model="default")
    write_commit(path, replace(commit, files=flush_and_hash(path, {})))
    space = open_space(path)
    assert space.models["default"].column == "vector"
    assert _found(space, "number7")[0] == "d7"
    space.add_model("other", OtherEncoder())
    assert set(open_space(path).models) == {"default", "other"}


@pytest.mark.parametrize("step", ["copy", "encode", "write", "commit"])
def test_what_was_stopped_changes_nothing_and_goes_on(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    space = open_space(path)
    encoded: list[int] = []
    with monkeypatch.context() as patch:
        if step == "copy":
            patch.setattr(reembed, "copy_model", stop)
        elif step == "encode":
            patch.setattr(TextVectors, "encode", stop)
        elif step == "write":
            patch.setattr(Store, "write_anew", stop)
        else:
            patch.setattr(models, "publish_anew", stop)
        with pytest.raises(KeyboardInterrupt):
            space.add_model("other", OtherEncoder())
    again = open_space(path)
    assert set(again.models) == {"default"}
    assert _found(again, "number7")[0] == "d7"
    assert again.verify() == []
    again.add([document("meanwhile", "quite another thing")])
    again.delete(["d1"])
    with pytest.raises(SpaceError, match="did not finish; add --resume"):
        again.add_model("other", OtherEncoder())
    with pytest.raises(SpaceError, match="another model or other settings"):
        again.add_model("third", OtherEncoder(), resume=True)
    encode = OtherEncoder.encode

    def counted(self: OtherEncoder, texts: list[str]) -> NDArray[np.float32]:
        encoded.append(len(texts))
        return encode(self, texts)

    monkeypatch.setattr(OtherEncoder, "encode", counted)
    again.add_model("other", OtherEncoder(), resume=True)
    assert sum(encoded) == (1 if step in ("write", "commit") else 40)
    assert _found(again, "another thing", model="other")[0] == "meanwhile"
    now = [one for one in DOCUMENTS if one.document_id != "d1"]
    found = _found(again, "number5", model="other")
    assert found == _nearest(
        OtherEncoder(), "number5", [*now, document("meanwhile", "quite another thing")]
    )
    assert again.status()["documents"] == 40
    assert again.verify() == []
    assert not (path / reembed.WORK).exists()


def test_a_space_moves_with_all_its_models(path: Path, tmp_path: Path) -> None:
    open_space(path).add_model("other", OtherEncoder())
    moved = Path(shutil.move(path, tmp_path / "elsewhere.space"))
    found = _found(open_space(moved), "number7", model="other")
    assert found == _nearest(OtherEncoder(), "number7", DOCUMENTS)

"""Every file of a space, damaged in every way: told in one line, and put right where it can be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rowspace.cli import cli
from rowspace.errors import ConfigError, SpaceCorruptError, SpaceError
from rowspace.search.commit import read_commit
from rowspace.search.health import verify
from rowspace.search.index.config import IndexConfig
from rowspace.search.pieces import Piece, piece_of
from rowspace.search.repair import repair
from rowspace.search.space import open_space
from tests.program import finish, start
from tests.search.damage import HARMS, Harm, check_damage
from tests.search.stub import document, make_space

DOCUMENTS = [document(f"d{i}", f"text number{i}", n=i) for i in range(20)]


def _make(path: Path) -> None:
    space = make_space(path, DOCUMENTS)
    space.add([document("d3", "text another"), document("added", "text added", country="Chad")])
    space.delete(["d5"])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repair") / "a.space"
    _make(path)
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "b.space"))


@pytest.mark.parametrize("harm", HARMS)
def test_damage_to_any_file_is_told_and_repaired(original: Path, tmp_path: Path, harm: str) -> None:
    commit = read_commit(original)
    pieces: set[Piece] = set()
    for name in (*commit.files, "commit.json", "commit.copy.json"):
        piece = piece_of(original, name, commit.version, commit.files)
        # One of a kind of Lance's files, the rest of us; the soak takes them all.
        if piece not in pieces or piece in (Piece.SETTINGS, Piece.MODEL):
            check_damage(original, tmp_path / "b.space", name, HARMS[harm])
        pieces.add(piece)
    assert pieces == set(Piece)


@pytest.mark.parametrize("name", ["latest_version_hint.json", "lock"])
@pytest.mark.parametrize("harm", [*HARMS.values()], ids=[*HARMS])
def test_files_that_hold_nothing_may_be_damaged(path: Path, name: str, harm: Harm) -> None:
    harm(next(path.rglob(name)))
    space = open_space(path)
    assert space.verify() == []
    space.add([document("x", "text x")])
    assert space.verify() == []


def test_repair_says_what_is_lost_and_changes_nothing_of_it(path: Path) -> None:
    data = max((path / "store").rglob("data/*.lance"), key=lambda file: file.stat().st_size)
    weights = path / "model" / "weights.bin"
    index = next(iter((path / "store").rglob("_indices/*/*.lance")))
    for file in (data, weights, index):
        HARMS["half"](file)
    harmed = data.read_bytes()
    result = repair(path)
    names = [file.relative_to(path).as_posix() for file in (data, weights, index)]
    assert set(result.left) == set(names)
    assert "passages and their vectors" in result.left[names[0]]
    assert "give a backup with --from FOLDER" in result.left[names[1]]
    assert data.read_bytes() == harmed
    assert not (path / "quarantine").exists()


def test_a_model_is_taken_from_where_it_came_from(path: Path, tmp_path: Path) -> None:
    source = tmp_path / "downloads" / "other-name"
    shutil.copytree(path / "model", source)
    (source / "weights.bin").rename(source / "renamed.bin")
    HARMS["flip"](path / "model" / "weights.bin")
    assert len(verify(path)) == 1
    result = repair(path, [tmp_path / "downloads"])
    assert result.repaired == {"model/weights.bin": f"from {source / 'renamed.bin'}"}
    assert verify(path) == []
    assert (path / "quarantine" / "weights.bin").exists()


def test_a_copy_that_is_damaged_too_is_not_taken(path: Path, original: Path) -> None:
    backup = Path(shutil.copytree(original, path.parent / "backup"))
    for space in (path, backup):
        HARMS["flip"](space / "model" / "weights.bin")
    assert set(repair(path, [backup]).left) == {"model/weights.bin"}


def test_lances_index_of_vectors_is_built_anew(path: Path) -> None:
    space = open_space(path)
    before = {hit.passage_id for hit in space.search("number3", k=5, mode="dense")}
    text = set((path / "store").rglob("_indices/*"))
    space.index(IndexConfig(kind="lance"))
    (folder,) = set((path / "store").rglob("_indices/*")) - text
    for file in folder.iterdir():
        HARMS["half"](file)
    assert all(str(folder) in problem for problem in space.verify())
    assert set(repair(path).repaired.values()) == {"the index is built anew"}
    assert open_space(path).status()["index"] == "lance"
    found = open_space(path).search("number3", k=5, mode="dense")
    assert {hit.passage_id for hit in found} == before
    assert verify(path) == []


def test_the_commands_tell_a_damaged_index_and_make_it_anew(path: Path) -> None:
    open_space(path).index(IndexConfig(kind="hnsw", recall=0.9))
    HARMS["flip"](path / "index" / "default" / "graph.bin")
    run = CliRunner().invoke
    told = run(cli, ["verify", str(path)])
    assert told.exit_code == 1
    assert "graph.bin is altered (its SHA-256 is another); all vectors are compared" in told.output
    left = run(cli, ["repair", str(path)])
    assert left.exit_code == 1
    assert f"index/default: searches do without it; `rowspace index {path}`" in left.output
    made = run(cli, ["index", str(path)])  # of the settings it had
    assert made.exit_code == 0
    assert made.output.startswith("hnsw: ")
    assert "asked 0.9" in made.output
    assert run(cli, ["verify", str(path)]).exit_code == 0


def test_a_lost_commit_comes_from_a_backup_of_the_same_version(path: Path, original: Path) -> None:
    for name in ("commit.json", "commit.copy.json"):
        (path / name).unlink()
    with pytest.raises(SpaceCorruptError, match="and so is its copy"):
        repair(path)
    assert set(repair(path, [original]).repaired) == {"commit.json", "commit.copy.json"}
    assert open_space(path).verify() == []


def test_a_commit_older_than_the_store_is_not_taken(path: Path, original: Path) -> None:
    open_space(path).add([document("later", "text later")])
    for name in ("commit.json", "commit.copy.json"):
        (path / name).unlink()
    with pytest.raises(SpaceCorruptError, match=r"the one in the backup is of version \d+ where"):
        repair(path, [original])


def test_damage_found_by_a_writer_stops_it(path: Path) -> None:
    space = open_space(path)
    harmed = next(iter((path / "store").rglob("data/*.lance")))
    HARMS["half"](harmed)
    with pytest.raises(SpaceCorruptError, match=r"bytes long where .* `rowspace repair"):
        space.add([document("x", "text x")])
    HARMS["gone"](harmed)
    with pytest.raises(SpaceCorruptError, match="is missing"):
        space.delete(["d1"])


def test_what_cannot_be_repaired_says_why(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        repair(path, [tmp_path / "nowhere"])
    with pytest.raises(SpaceError, match="there is no space"):
        repair(tmp_path / "nowhere")
    assert open_space(path).repair().repaired == {}


def test_the_command_repairs_and_fails_while_something_is_left(path: Path, original: Path) -> None:
    done = finish(start("repair", path))
    assert (done.code, done.out) == (0, f"{path} is whole\n")
    HARMS["flip"](path / "model" / "weights.bin")
    HARMS["gone"](path / "space.json")
    done = finish(start("repair", path, "--json"))
    assert json.loads(done.out)["repaired"] == {"space.json": "from its copy"}
    assert set(json.loads(done.out)["left"]) == {"model/weights.bin"}
    assert "still damaged: 1 files" in done.error()
    done = finish(start("repair", path, "--from", original))
    assert done.code == 0
    assert done.out.startswith("model/weights.bin: from ")

"""A map whose making was ended goes on where it was and comes out the same."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError, SpaceError
from rowspace.explore import layouts, placing
from rowspace.explore.jobs import Jobs, LayoutError, Task
from rowspace.explore.kept import Kept
from rowspace.explore.layouts import Layout, Method, make_layout
from rowspace.explore.making import make
from rowspace.explore.subject import open_subject
from rowspace.explore.unfinished import Pieces, Unfinished, begin
from rowspace.space.similarity import Doubles
from rowspace.space.vectors import Vectors
from tests.explore.shown import ArrayPoints, blobs
from tests.search.stub import document, make_space

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["start", "fitted", "placed-000000000000", "placed-000000000050"]


class Ended(Exception):
    """Stands for the end of a process."""


class Ending:
    """Pieces of which some can be made until the process ends."""

    def __init__(self, pieces: Pieces, n_made: int) -> None:
        self.pieces, self.before, self.left = pieces, pieces.before, n_made
        self.made: list[str] = []

    def get(self, name: str, shape: tuple[int, ...], make: Callable[[], Doubles]) -> Doubles:
        def making() -> Doubles:
            if len(self.made) == self.left:
                raise Ended
            self.made.append(name)
            return make()

        return self.pieces.get(name, shape, making)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> ArrayPoints:
    """Points of which 60 are fitted and the others placed 50 at a time."""
    monkeypatch.setitem(layouts.METHODS, "tsne", Method("t-SNE", 60))
    monkeypatch.setattr(placing, "AT_ONCE", 50)
    return ArrayPoints(blobs(160)[0])


def tsne(points: ArrayPoints, start: Callable[[Mapping[str, Any]], Pieces]) -> Layout:
    return make_layout(points, "tsne", 0, None, lambda share, message: None, start)


@pytest.mark.parametrize("n_made", range(4))
def test_it_goes_on_with_what_was_made(small: ArrayPoints, tmp_path: Path, n_made: int) -> None:
    whole = make_layout(small, "tsne", 0, None, lambda share, message: None)
    made: list[Ending] = []

    def start(record: Mapping[str, Any]) -> Pieces:
        made.append(Ending(begin([tmp_path / "a.part"], record), n_made if not made else 9))
        return made[-1]

    with pytest.raises(Ended):
        tsne(small, start)
    again = tsne(small, start)
    assert made[0].made == NAMES[:n_made] and made[1].made == NAMES[n_made:]
    assert again.places.tobytes() == whole.places.tobytes()
    assert again.record.parameters == whole.record.parameters
    assert again.record.versions == whole.record.versions


def piece(pieces: Unfinished, value: float) -> Doubles:
    return pieces.get("one", (3, 2), lambda: np.full((3, 2), value))


def test_a_damaged_piece_is_made_again(tmp_path: Path) -> None:
    pieces = begin([tmp_path / "a.part"], {"seed": 0})
    assert (piece(pieces, 1.0) == 1).all() and (piece(pieces, 2.0) == 1).all()
    file = tmp_path / "a.part" / "one.npz"
    content = bytearray(file.read_bytes())
    content[content.index(np.ones(6).tobytes()) + 3] ^= 0xFF
    for bad in (bytes(content), bytes(content[:40]), b""):
        file.write_bytes(bad)
        assert (piece(pieces, 3.0) == 3).all()


@pytest.mark.parametrize("value", [np.ones((4, 2)), np.ones((3, 2), np.float32), np.array(["x"])])
def test_a_piece_of_another_shape_is_made_again(tmp_path: Path, value: Any) -> None:
    pieces = begin([tmp_path / "a.part"], {"seed": 0})
    np.savez(tmp_path / "a.part" / "one.npz", piece=value, seconds=1.0)
    assert (piece(pieces, 3.0) == 3).all()


def test_what_was_begun_otherwise_counts_for_nothing(tmp_path: Path) -> None:
    folders = [tmp_path / "a.part", tmp_path / "b.part"]
    piece(begin(folders[1:], {"versions": {"numpy": "1"}}), 1.0)
    assert (piece(begin(folders, {"versions": {"numpy": "1"}}), 2.0) == 1).all()
    assert (piece(begin(folders, {"versions": {"numpy": "2"}}), 3.0) == 3).all()
    assert not folders[1].exists()


def test_seconds_of_both_runs_count(tmp_path: Path) -> None:
    folder = tmp_path / "a.part"
    begin([folder], {})
    np.savez(folder / "one.npz", piece=np.ones((3, 2)), seconds=70.5)
    pieces = begin([folder], {})
    piece(pieces, 0.0)
    assert pieces.before == 70.5
    pieces.get("two", (1,), lambda: np.ones(1))
    with np.load(folder / "two.npz") as two:
        assert two["seconds"] >= 70.5


def test_a_place_that_cannot_be_written_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SpaceError, match=r"could not be kept .*; free some space, or name"):
        begin([tmp_path / "file" / "a.part"], {})
    with pytest.raises(SpaceError, match=r"could not be kept .*; free some space, or name"):
        piece(Unfinished(tmp_path / "file"), 1.0)


def test_pieces_that_another_process_removed_are_not_missed(tmp_path: Path) -> None:
    pieces = begin([tmp_path / "a.part"], {})
    shutil.rmtree(tmp_path / "a.part")
    assert (piece(pieces, 1.0) == 1).all()
    assert list(tmp_path.iterdir()) == []


def test_a_map_of_points_that_changed_meanwhile_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: ArrayPoints
) -> None:
    monkeypatch.setenv("ROWSPACE_MAPS", str(tmp_path / "maps"))
    space = make_space(tmp_path / "a.space", [document(f"d{i}", f"lava {i}") for i in range(20)])
    points = open_subject(space.path).points("documents")
    task = Task(
        path=str(space.path),
        kind="documents",
        model="default",
        fingerprint=points.fingerprint,
        method="tsne",
        seed=0,
    )

    def tell(share: float, message: str) -> None:
        if message == "measuring the map":
            space.add([document("new", "ship sail")])

    with pytest.raises(ConfigError, match=r"the documents of a.space changed meanwhile"):
        make(task, tell)
    (place,) = (tmp_path / "maps").glob("*/default/documents")
    assert names(place) == ["clusters-0", "tsne-0.part"]


def names(place: Path) -> list[str]:
    return sorted(one.name for one in place.iterdir())


def test_pieces_go_when_the_map_is_kept_or_the_points_are_others(tmp_path: Path) -> None:
    one, other = (ArrayPoints(np.ones((3, 2)), fingerprint=name) for name in ("one", "two"))
    kept, place = Kept((tmp_path,)), tmp_path / "default" / "passages"
    array, record = np.ones((3, 2), np.float32), {"fingerprint": "one"}
    kept.begin(one, "umap-0", {})
    kept.begin(one, "tsne-0", {})
    kept.save(one, "umap-0", array, record)
    assert names(place) == ["tsne-0.part", "umap-0"]
    kept.begin(one, "umap-0", {})  # by a process that began before, and was ended after, the other
    assert kept.load(one, "umap-0") is not None
    assert names(place) == ["tsne-0.part", "umap-0"]
    kept.save(other, "pca-0", array, {"fingerprint": "two"})
    assert names(place) == ["pca-0"]


@pytest.fixture
def small_making(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))


def run(task: Task) -> None:
    """As a server that is asked until the process has ended; raises what it failed with."""
    jobs = Jobs("tests.explore.small_making")
    deadline = time.monotonic() + 120
    try:
        jobs.ask(task)
        job = jobs._running
        assert job is not None
        while job.process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        job.close()
        if job.failure is not None:
            raise LayoutError(job.failure)
    finally:
        jobs.close()


def test_a_process_that_was_killed_is_followed_by_one_that_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: ArrayPoints, small_making: None
) -> None:
    path = tmp_path / "w.npz"
    Vectors([f"w{i}" for i in range(160)], blobs(160)[0]).save(path)
    (points,) = open_subject(path).sets.values()
    task = Task(
        path=str(path),
        kind="words",
        model="",
        fingerprint=points.fingerprint,
        method="tsne",
        seed=0,
    )
    monkeypatch.setenv("ROWSPACE_MAPS", str(tmp_path / "whole"))
    make(task, lambda share, message: None)
    (whole,) = (tmp_path / "whole").glob("*/default/words/tsne-0/array.npy")

    monkeypatch.setenv("ROWSPACE_MAPS", str(tmp_path / "maps"))
    monkeypatch.setenv("KILLED_AFTER", "3")
    with pytest.raises(LayoutError, match="the process that made it ended with -9"):
        run(task)
    (place,) = (tmp_path / "maps").glob("*/default/words")
    assert {one.stem for one in place.glob("tsne-0.part/*.npz")} == set(NAMES[:3])
    monkeypatch.delenv("KILLED_AFTER")
    run(task)
    assert names(place) == ["clusters-0", "tsne-0"]
    assert (place / "tsne-0" / "array.npy").read_bytes() == whole.read_bytes()

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import SpaceError
from rowspace.explore.kept import Kept, kept_of
from rowspace.explore.tidying import MOST_SEEDS
from tests.explore.shown import ArrayPoints

POINTS = ArrayPoints(np.ones((4, 2)), fingerprint="one")
OTHERS = ArrayPoints(np.ones((4, 2)), fingerprint="two")
ARRAY = np.arange(8, dtype=np.float32).reshape(4, 2)


def save(kept: Kept, points: ArrayPoints = POINTS, name: str = "umap-0") -> None:
    kept.save(points, name, ARRAY, {"fingerprint": points.fingerprint, "seed": 0})


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    kept = Kept((tmp_path / "maps",))
    assert kept.load(POINTS, "umap-0") is None and kept.record(POINTS, "umap-0") is None
    save(kept)
    found = kept.load(POINTS, "umap-0")
    assert found is not None and np.array_equal(found[0], ARRAY) and found[1]["seed"] == 0
    assert kept.record(POINTS, "umap-0") == found[1]
    assert kept.load(POINTS, "umap-1") is None


def test_what_is_of_other_points_counts_for_nothing_and_goes(tmp_path: Path) -> None:
    kept = Kept((tmp_path,))
    save(kept)
    save(kept, name="pca-0")
    assert kept.load(OTHERS, "umap-0") is None
    save(kept, OTHERS, "pca-0")
    assert [one.name for one in (tmp_path / "default" / "passages").iterdir()] == ["pca-0"]


@pytest.mark.parametrize("name", ["array.npy", "record.json"])
@pytest.mark.parametrize("how", ["flip", "cut", "gone", "empty"])
def test_what_is_damaged_counts_for_nothing(tmp_path: Path, name: str, how: str) -> None:
    kept = Kept((tmp_path,))
    save(kept)
    file = tmp_path / "default" / "passages" / "umap-0" / name
    content = bytearray(file.read_bytes())
    if how == "flip":
        content[-5] ^= 0xFF
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(bytes({"flip": content, "cut": content[:20], "empty": b""}[how]))
    assert kept.load(POINTS, "umap-0") is None
    save(kept)
    assert kept.load(POINTS, "umap-0") is not None


def test_an_array_of_another_length_counts_for_nothing(tmp_path: Path) -> None:
    kept = Kept((tmp_path,))
    save(kept)
    assert kept.load(ArrayPoints(np.ones((5, 2)), fingerprint="one"), "umap-0") is None


def test_where_the_first_place_cannot_be_written_the_next_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    kept = Kept((tmp_path / "file" / "explore", tmp_path / "cache"))
    save(kept)
    assert kept.load(POINTS, "umap-0") is not None
    assert (tmp_path / "cache" / "default" / "passages" / "umap-0" / "record.json").exists()
    with pytest.raises(SpaceError, match=r"could not be kept .*; free some space, or name .*MAPS"):
        save(Kept((tmp_path / "file",)))


def test_what_an_ended_process_left_is_removed(tmp_path: Path) -> None:
    place = tmp_path / "default" / "passages"
    left = place / f".umap-0.{2**22 + 1}.tmp"  # beyond Linux's largest process id
    left.mkdir(parents=True)
    save(Kept((tmp_path,)))
    assert [one.name for one in place.iterdir()] == ["umap-0"]


def test_of_many_seeds_those_made_last_are_kept_and_the_first_of_all(tmp_path: Path) -> None:
    kept, place = Kept((tmp_path,)), tmp_path / "default" / "passages"
    for number, seed in enumerate([0, *range(MOST_SEEDS + 4, 0, -1)]):
        for name in (f"clusters-{seed}", f"umap-{seed}"):
            save(kept, name=name)
            os.utime(place / name, (number, number))
    save(kept, name="steps")
    kept_seeds = [0, *range(1, MOST_SEEDS)]
    expected = [f"{what}-{seed}" for what in ("clusters", "umap") for seed in kept_seeds]
    assert sorted(one.name for one in place.iterdir()) == sorted([*expected, "steps"])


def test_a_space_keeps_its_maps_and_a_file_has_them_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROWSPACE_MAPS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    space = tmp_path / "a.space"
    first, second = kept_of(space, is_space=True).homes
    assert first == space / "explore"
    assert second.parent == tmp_path / "cache" / "rowspace" / "maps"
    (only,) = kept_of(space, is_space=False).homes
    assert only == second
    assert kept_of(tmp_path / "b.space", is_space=False).homes != (only,)
    monkeypatch.setenv("ROWSPACE_MAPS", str(tmp_path / "maps"))
    (given,) = kept_of(space, is_space=True).homes
    assert given == tmp_path / "maps" / second.name


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    kept = Kept((tmp_path,))
    save(kept)
    folder = tmp_path / "default" / "passages" / "umap-0"
    np.save(folder / "array.npy", np.array([{}] * 4, object), allow_pickle=True)
    record = json.loads((folder / "record.json").read_text())
    from rowspace.files import sha256

    (folder / "record.json").write_text(
        json.dumps(record | {"sha256": sha256(folder / "array.npy")})
    )
    assert kept.load(POINTS, "umap-0") is None
    shutil.rmtree(folder)

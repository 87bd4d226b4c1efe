"""A plan of shards, and the folder that they are put in: twice, halfway, damaged."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowspace.errors import ConfigError, FormatError
from rowspace.space import shards
from rowspace.space.shards import Shard, ShardFolder, plan, remember_plan, share_of
from rowspace.text.sections import Section

SHARD = Shard(2, (), 0)


@given(st.lists(st.integers(0, 5_000_000), max_size=60), st.integers(1, 20))
def test_a_plan_has_every_section_once_and_in_order(sizes: list[int], most: int) -> None:
    sections = [Section(number, (), n_bytes) for number, n_bytes in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "MAX_SHARDS", most)
        planned = plan(sections)
    assert [section for shard in planned for section in shard.sections] == sections
    assert [shard.number for shard in planned] == list(range(len(planned)))
    assert len(planned) <= most + 1
    assert all(shard.n_bytes >= shards.SHARD_BYTES for shard in planned[:-1])


def test_shares_are_every_shard_once() -> None:
    planned = [Shard(number, (), 0) for number in range(7)]
    shares = [share_of(planned, index, 3) for index in (1, 2, 3)]
    assert [shard.number for shard in shares[1]] == [1, 4]
    assert sorted(shard.number for share in shares for shard in share) == list(range(7))
    with pytest.raises(ConfigError, match=r"shard is 4/3; give one of 1/3 to 3/3"):
        share_of(planned, 4, 3)


def fill(folder: Path) -> dict[str, Any]:
    (folder / "rows").write_text("as they are")
    return {"texts": 3}


@pytest.fixture
def folder(tmp_path: Path) -> ShardFolder:
    (tmp_path / "work").mkdir()
    found = ShardFolder(tmp_path / "work" / "shards")
    assert found.make(SHARD, fill)
    return found


def test_what_is_made_is_found(folder: ShardFolder) -> None:
    made = folder.made(SHARD)
    assert made is not None
    assert (made.folder / "rows").read_text() == "as they are"
    assert made.told == {"texts": 3}
    assert folder.missing([Shard(1, (), 0), SHARD]) == [Shard(1, (), 0)]


def test_a_shard_made_twice_is_there_once(folder: ShardFolder) -> None:
    made = folder.made(SHARD)
    with pytest.warns(UserWarning, match="another process has made shard 3 in the meantime"):
        assert not folder.make(SHARD, fill)
    assert folder.made(SHARD) == made
    assert len(list(folder.path.iterdir())) == 2


def test_what_stopped_halfway_is_not_made(tmp_path: Path) -> None:
    def stop(folder: Path) -> dict[str, Any]:
        (folder / "rows").write_text("as")
        raise KeyboardInterrupt

    folder = ShardFolder(tmp_path / "shards")
    with pytest.raises(KeyboardInterrupt):
        folder.make(SHARD, stop)
    assert folder.made(SHARD) is None
    assert list(folder.path.iterdir()) == []


def test_a_shard_is_there_once_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    folder = ShardFolder(tmp_path / "shards")
    assert folder.make(SHARD, fill)
    made = folder.made(SHARD)
    assert made is not None
    with pytest.warns(UserWarning, match="another process has made shard 3 in the meantime"):
        assert not folder.make(SHARD, fill)
    assert folder.made(SHARD) == made
    assert {path.name for path in folder.path.iterdir()} == {"00002.json", made.folder.name, "lock"}


def test_a_link_that_was_asked_for_twice_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS does where the first answer is lost."""
    link = os.link

    def twice(*names: Any) -> None:
        link(*names)
        link(*names)

    monkeypatch.setattr(os, "link", twice)
    folder = ShardFolder(tmp_path / "shards")
    assert folder.make(SHARD, fill)
    assert folder.made(SHARD) is not None


def test_who_puts_together_and_who_joins_do_not_wait_for_each_other(tmp_path: Path) -> None:
    remember_plan(tmp_path, [])
    with shards.plan_lock(tmp_path), shards.merging(tmp_path) as is_mine:
        assert is_mine
        with shards.merging(tmp_path) as too:
            assert not too


def test_nothing_is_missing_of_a_run_that_has_ended(folder: ShardFolder) -> None:
    work = folder.path.parent
    shards.retire(work)
    assert not work.exists()
    with pytest.raises(FileNotFoundError):
        folder.missing([SHARD])


@pytest.mark.parametrize("damage", ["removed", "changed", "cut", "marker", "bytes", "no object"])
def test_what_is_not_as_it_was_is_made_again(folder: ShardFolder, damage: str) -> None:
    made = folder.made(SHARD)
    assert made is not None
    file, marker = made.folder / "rows", folder.path / "00002.json"
    if damage == "removed":
        file.unlink()
    elif damage == "bytes":
        marker.write_bytes(b"\xff" * 40)
    elif damage in ("marker", "no object"):
        marker.write_text("[]" if damage == "no object" else marker.read_text()[:-9])
    else:
        file.write_text("as they WERE" if damage == "changed" else "as")
    with pytest.warns(UserWarning, match="shard 3 is made again: .*(missing|changed|damaged)"):
        assert folder.made(SHARD) is None
    assert folder.missing([SHARD]) == [SHARD]
    again: list[Shard] = []

    def make(shard: Shard) -> None:
        again.append(shard)
        folder.make(shard, fill)

    assert folder.made_or_again(SHARD, make) == folder.made(SHARD)
    assert again == [SHARD]
    with pytest.raises(ConfigError, match="shard 2 is not made; give --resume"):
        folder.made_or_again(Shard(1, (), 0), None)


def test_a_marker_of_another_is_not_forgotten(folder: ShardFolder) -> None:
    folder._forget(SHARD, "another text")
    assert folder.made(SHARD) is not None


def test_a_plan_that_is_damaged_or_of_another_version_is_told(tmp_path: Path) -> None:
    assert remember_plan(tmp_path, []) == []
    file = tmp_path / "plan.json"
    file.write_text(file.read_text().replace('"sections": 1', '"sections": 0'))
    with pytest.raises(ConfigError, match="of another version; remove"):
        remember_plan(tmp_path, [])
    os.truncate(file, 5)
    with pytest.raises(FormatError, match="is damaged"):
        remember_plan(tmp_path, [])

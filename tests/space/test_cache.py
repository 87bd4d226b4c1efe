import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.space import cache
from rowspace.space.formats import FORMATS, Format, load, save
from rowspace.space.vectors import Vectors

N = 50
MATRIX = np.random.default_rng(6).standard_normal((N, 4)).astype(np.float32)
KEYS = [f"w{i}" for i in range(N - 1)] + ["new york é"]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save(Vectors(KEYS, MATRIX), tmp_path / "v.txt")
    return tmp_path / "v.txt"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the formats that were read."""
    done: list[str] = []
    original = Format.read

    def read(self: Format, *arguments: Any) -> Vectors:
        done.append(self.name)
        return original(self, *arguments)

    monkeypatch.setattr(Format, "read", read)
    return done


def entries() -> list[Path]:
    return sorted(cache.folder().iterdir()) if cache.folder().exists() else []


def assert_whole(vectors: Vectors) -> None:
    assert vectors.index_to_key == KEYS
    assert vectors.get_index("w7") == 7
    np.testing.assert_array_equal(vectors.matrix, MATRIX)
    np.testing.assert_allclose(vectors.norms, np.linalg.norm(MATRIX, axis=1), rtol=1e-6)


def test_nothing_is_stored_unless_asked_for(path: Path) -> None:
    load(path)
    load(path, cache=False)
    assert entries() == []


def test_what_is_stored_is_mapped_the_next_time(path: Path, reads: list[str]) -> None:
    assert_whole(load(path, cache=True))
    stored = load(path)
    assert_whole(stored)
    assert_whole(load(path, mmap=False))
    assert_whole(load(path, cache=True))
    assert reads == ["word2vec"]
    assert len(entries()) == 1
    assert stored.most_similar("w3") == Vectors(KEYS, MATRIX).most_similar("w3")
    assert_whole(load(path, cache=False))
    assert reads == ["word2vec"] * 2
    assert cache.clear() > MATRIX.nbytes
    assert_whole(stored)  # still maps the file that was removed
    assert entries() == []
    assert cache.clear() == 0


def test_a_stored_file_answers_limits(path: Path, reads: list[str]) -> None:
    assert load(path, limit=5, cache=True).index_to_key == KEYS[:5]
    assert load(path, limit=5).index_to_key == KEYS[:5]
    assert reads == ["word2vec"]
    assert load(path, limit=6).index_to_key == KEYS[:6]
    load(path, cache=True)
    del reads[:]
    some = load(path, limit=7)
    assert (some.index_to_key, some.key_to_index["w6"], len(some)) == (KEYS[:7], 6, 7)
    assert reads == []


def rewrite(path: Path) -> None:
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"w7 ", b"W7 "))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as `cp -p` does


def rewrite_the_middle(path: Path) -> None:
    """Nothing but the time of the inode's last change tells that."""
    status = path.stat()
    content = path.read_bytes()
    middle = content.index(b"w30 ")
    assert min(middle, len(content) - middle) > 1 << 16
    path.write_bytes(content[:middle] + b"W" + content[middle + 1 :])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_change_in_the_middle_of_a_file_is_seen(path: Path, reads: list[str]) -> None:
    matrix = np.random.default_rng(6).standard_normal((N, 500)).astype(np.float32)
    save(Vectors(KEYS, matrix), path)
    load(path, cache=True)
    rewrite_the_middle(path)
    assert "W30" in load(path)
    assert reads == ["word2vec"] * 2


def test_a_file_that_changes_while_it_is_read_is_not_stored(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Format.read

    def read(self: Format, *arguments: Any) -> Vectors:
        vectors = original(self, *arguments)
        grow(path)
        return vectors

    with monkeypatch.context() as patch:
        patch.setattr(Format, "read", read)
        with pytest.warns(UserWarning, match="not stored in the cache: .* changed while it was"):
            assert_whole(load(path, cache=True))
    assert entries() == []


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize("change", [rewrite, touch, grow])
def test_a_file_that_changed_is_read_again(change: Any, path: Path, reads: list[str]) -> None:
    load(path, cache=True)
    change(path)
    expected = [
        key.replace("w7", "W7") if change is rewrite and key == "w7" else key for key in KEYS
    ]
    assert load(path).index_to_key == expected
    assert load(path, cache=True).index_to_key == expected
    assert reads == ["word2vec"] * 3
    assert load(path).index_to_key == expected
    assert len(reads) == 3
    assert len(entries()) == 1  # the stale one is replaced


@pytest.mark.parametrize("name", ["vectors.safetensors", "source.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "empty"])
def test_a_damaged_entry_is_not_used(name: str, damage: str, path: Path, reads: list[str]) -> None:
    load(path, cache=True)
    file = entries()[0] / name
    if damage == "gone":
        file.unlink()
    else:
        content = file.read_bytes()
        file.unlink()  # as a crash would leave it; what is mapped stays
        file.write_bytes(content[:-3] if damage == "cut" else b"")
    assert_whole(load(path))
    assert_whole(load(path, cache=True))
    assert len(reads) == 3
    assert_whole(load(path))
    assert len(reads) == 3


def test_a_crash_while_storing_leaves_no_entry(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "write_json", fail)
        with pytest.raises(KeyboardInterrupt):
            load(path, cache=True)
    assert entries() == []
    assert_whole(load(path))


def test_a_disk_without_room_is_not_filled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_SPARE", 1 << 60)
    with pytest.warns(UserWarning, match=r"not stored in the cache: 0.0 GB wanted, .* GB free in"):
        assert_whole(load(path, cache=True))
    assert entries() == []


def test_a_cache_that_cannot_be_written_is_only_a_warning(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="not stored in the cache: .*Not a directory"):
        assert_whole(load(path, cache=True))


def test_mapped_formats_are_not_stored(path: Path, tmp_path: Path) -> None:
    for name in ("v.npy", "v.safetensors", "v"):
        save(Vectors(KEYS, MATRIX), tmp_path / "more" / name)
        assert_whole(load(tmp_path / "more" / name, cache=True))
    assert entries() == []
    assert {format.name for format in FORMATS} >= {"word2vec", "glove", "fasttext"}

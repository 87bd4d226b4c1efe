from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError, FormatError
from rowspace.space.formats import load, save
from rowspace.space.vectors import Vectors

MATRIX = np.random.default_rng(8).standard_normal((3, 4)).astype(np.float32)
KEYS = ["the", "北京", "new york"]


def test_numpy_reads_what_rowspace_writes(tmp_path: Path) -> None:
    save(Vectors(KEYS, MATRIX), tmp_path / "v.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy", allow_pickle=False), MATRIX)
    assert (tmp_path / "v.keys.txt").read_text() == "the\n北京\nnew york\n"
    save(Vectors(KEYS, MATRIX, counts=[3, 2, 1]), tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        assert arrays["keys"].tolist() == KEYS
        assert arrays["counts"].tolist() == [3, 2, 1]
        np.testing.assert_array_equal(arrays["vectors"], MATRIX)
    counts = load(tmp_path / "v.npz", limit=2).counts
    assert counts is not None
    assert counts.tolist() == [3, 2]


def test_npy_is_mapped_unless_told_otherwise(tmp_path: Path) -> None:
    save(Vectors(KEYS, MATRIX), tmp_path / "v.npy")
    mapped = load(tmp_path / "v.npy").matrix
    np.memmap(tmp_path / "v.npy", np.float32, "r+", (tmp_path / "v.npy").stat().st_size - 48)[0] = 9
    assert mapped[0, 0] == 9.0
    assert not np.shares_memory(load(tmp_path / "v.npy", mmap=False).matrix, mapped)


@pytest.mark.parametrize("name", ["v.npy", "v.npz", "v.safetensors"])
def test_float16_halves_the_file_and_keeps_three_digits(name: str, tmp_path: Path) -> None:
    matrix = np.random.default_rng(8).standard_normal((200, 64)).astype(np.float32)
    vectors = Vectors([f"w{i}" for i in range(200)], matrix)
    save(vectors, tmp_path / "full" / name)
    save(vectors, tmp_path / name, dtype="float16")
    sizes = [(tmp_path / part / name).stat().st_size for part in ("full", "")]
    assert sizes[1] < 0.6 * sizes[0]
    loaded = load(tmp_path / name)
    assert loaded.matrix.dtype == np.float32
    np.testing.assert_allclose(loaded.matrix, matrix, rtol=1e-3, atol=1e-6)
    with pytest.raises(ConfigError, match="hold float32 or float16, not float64"):
        save(vectors, tmp_path / name, dtype="float64")


@pytest.mark.parametrize(
    ("beside", "content"),
    [
        ("v.vocab", "the 9\n北京 8\nnew york 7\n"),
        ("v.vocab", "the\n北京\nnew york"),
        ("v.txt", "the\r\n北京\r\nnew york\r\n"),
        ("v.json", '["the", "北京", "new york"]'),
        ("vocab.txt", "the\n北京\nnew york\n"),
        ("vocab.json", '{"new york": 2, "the": 0, "北京": 1}'),
        ("tokenizer.json", '{"model": {"vocab": {"the": 0, "北京": 1, "new york": 2}}}'),
        (
            "tokenizer.json",
            '{"model": {"vocab": [["the", -1.5], ["北京", -2]]},'
            ' "added_tokens": [{"content": "new york", "id": 2}]}',
        ),
    ],
)
def test_keys_are_found_beside_a_bare_matrix(beside: str, content: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", MATRIX.astype(np.float64))
    (tmp_path / beside).write_bytes(content.encode())
    vectors = load(tmp_path / "v.npy")
    assert vectors.index_to_key == KEYS
    np.testing.assert_array_equal(vectors.matrix, MATRIX)
    if " 9\n" in content:
        assert vectors.counts is not None
        assert vectors.counts.tolist() == [9, 8, 7]
    assert load(tmp_path / "v.npy", limit=2).index_to_key == vectors.index_to_key[:2]


def with_keys(array: Any, keys: str = "a\nb\n") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.save(folder / "v.npy", array, allow_pickle=True)
        (folder / "v.keys.txt").write_text(keys)
        return folder / "v.npy"

    return write


def archive(**arrays: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / "v.npz", **arrays)
        return folder / "v.npz"

    return write


def cut(folder: Path) -> Path:
    path = with_keys(np.eye(2))(folder)
    path.write_bytes(path.read_bytes()[:-1])
    return path


def no_archive(folder: Path) -> Path:
    (folder / "v.npz").write_bytes(b"PK\3\4 and no more")
    return folder / "v.npz"


OBJECTS = np.array(["a", 1], dtype=object)
BROKEN = {
    "a pickle in npy": (with_keys(OBJECTS), "holds Python objects, which only pickle reads"),
    "a pickle in npz": (archive(vectors=np.eye(2), keys=OBJECTS), "holds Python objects"),
    "truncated": (cut, "v.npy: damaged or cut short"),
    "no archive": (no_archive, "v.npz: damaged or cut short"),
    "one dimension": (with_keys(np.ones(2)), r"the array has type float64 and shape \(2,\)"),
    "text": (with_keys(np.array([["a"], ["b"]])), "has type <U1 and shape"),
    "no keys": (
        lambda folder: with_keys(np.eye(2), "a\n")(folder),
        "1 keys for the 2 rows of v.np",
    ),
    "same keys": (with_keys(np.eye(2), "a\na\n"), "'a' occurs more than once"),
    "NaN": (with_keys(np.full((2, 2), np.nan)), "'a' .row 0. holds NaN, infinity"),
    "no vectors": (archive(keys=np.array(["a"])), "holds 'keys' and no 'vectors'"),
    "few keys": (archive(vectors=np.eye(2), keys=np.array(["a"])), r"shape \(1,\) for 2 rows"),
    "numbers": (archive(vectors=np.eye(2), keys=np.arange(2)), "'keys' has type int64"),
}


@pytest.mark.parametrize(("make", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_says_what_is_wrong(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        load(make(tmp_path), mmap=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "v.npy has no keys, and none of v.keys.txt, v.vocab, .* is beside it"),
        ("{", "v.json: not JSON"),
        ('{"a": 0, "b": 2}', "should give each word a row from 0 to 1, each once"),
        ('["a", 1]', "is no list of words"),
    ],
)
def test_a_vocabulary_that_does_not_fit_says_so(
    content: str | None, message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", np.eye(2))
    if content is not None:
        (tmp_path / "v.json").write_text(content)
    with pytest.raises(FormatError, match=message):
        load(tmp_path / "v.npy")


def test_a_key_that_would_blow_up_npz_is_refused(tmp_path: Path) -> None:
    keys = ["x" * 100_000, *map(str, range(999))]
    with pytest.raises(ConfigError, match=r"a key has 100,000 letters, and .npz makes room"):
        save(Vectors(keys, np.ones((1000, 2))), tmp_path / "v.npz")
    assert not list(tmp_path.iterdir())

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rowspace.errors import FormatError
from rowspace.space.formats import load, save
from rowspace.space.vectors import Vectors

MATRIX = np.random.default_rng(8).standard_normal((3, 4)).astype(np.float32)
KEYS = ["the", "北京", "caf\udce9"]
VECTORS = Vectors(KEYS, MATRIX, counts=[3, 2, 1], metadata={"window": 5, "name": "é"})


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_safetensors_library_reads_what_rowspace_writes(dtype: str, tmp_path: Path) -> None:
    save(VECTORS, tmp_path / "v.safetensors", dtype=dtype)
    tensors = load_file(tmp_path / "v.safetensors")
    np.testing.assert_array_equal(tensors["vectors"], MATRIX.astype(dtype))
    assert tensors["counts"].tolist() == [3, 2, 1]
    text = bytes(tensors["keys"]).decode("utf-8", "surrogateescape")
    assert text.split("\0")[:-1] == KEYS


def test_counts_and_metadata_come_back_and_the_matrix_is_mapped(tmp_path: Path) -> None:
    save(VECTORS, tmp_path / "v.safetensors")
    loaded = load(tmp_path / "v.safetensors", limit=2)
    assert loaded.index_to_key == KEYS[:2]
    assert loaded.counts is not None
    assert loaded.counts.tolist() == [3, 2]
    assert loaded.metadata == {"window": 5, "name": "é"}
    assert isinstance(loaded.matrix.base, np.memmap | np.ndarray)
    assert not isinstance(load(tmp_path / "v.safetensors", mmap=False).matrix.base, np.memmap)


@pytest.mark.parametrize("name", ["vectors", "embeddings", "bert.word_embeddings.weight", "x"])
def test_a_bare_matrix_takes_its_words_from_a_file_beside_it(name: str, tmp_path: Path) -> None:
    tensors: dict[str, Any] = {name: MATRIX, "bias": np.ones(3, dtype=np.float32)}
    if name != "x":
        tensors["other"] = np.ones((2, 2), dtype=np.float32)
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "vocab.txt").write_text("a\nb\nc\n")
    loaded = load(tmp_path / "model.safetensors")
    assert loaded.index_to_key == ["a", "b", "c"]
    np.testing.assert_array_equal(loaded.matrix, MATRIX)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path: Path) -> None:
    upper = (MATRIX.view(np.uint32) >> 16).astype("<u2")
    header = {"w": {"dtype": "BF16", "shape": [3, 4], "data_offsets": [0, 24]}}
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + upper.tobytes()
    (tmp_path / "model.safetensors").write_bytes(content)
    (tmp_path / "model.vocab").write_text("a 3\nb 2\nc 1\n")
    loaded = load(tmp_path / "model.safetensors")
    expected = (MATRIX.view(np.uint32) & 0xFFFF0000).view(np.float32)
    np.testing.assert_array_equal(loaded.matrix, expected)
    assert loaded.counts is not None
    assert loaded.counts.tolist() == [3, 2, 1]


def change(function: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(function(path.read_bytes()))

    return damage


def other(**tensors: Any) -> Callable[[Path], None]:
    return lambda path: save_file(tensors, path)


EYE = np.eye(2, dtype=np.float32)
DAMAGE = {
    "cut": (change(lambda data: data[:-1]), "truncated; 'keys' ends at byte"),
    "no header": (change(lambda data: data[:5]), "5 bytes are too few for its header"),
    "not JSON": (change(lambda data: data.replace(b'{"__', b'["__')), "its header .* is damaged"),
    "wrong shape": (change(lambda data: data.replace(b"[3,4]", b"[3,5]")), "cannot be the tensor"),
    "keys lost": (change(lambda data: data.replace(b"the\0", b"the ")), "2 keys for 3 rows"),
    "keys cut": (change(lambda data: data[:-1] + b"x"), "keys for 3 rows; it is damaged"),
    "two matrices": (other(a=EYE, b=EYE), "holds 2 matrices of floats .a .2, 2., b .2, 2.."),
    "no matrix": (other(a=np.ones(3)), "holds 0 matrices of floats"),
    "no keys": (other(vectors=EYE), "v.safetensors has no keys, and none of v.keys.txt"),
    "keys of floats": (other(vectors=EYE, keys=EYE), "'keys' has dtype F32; save it as U8"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_says_what_is_wrong(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    save(VECTORS, tmp_path / "v.safetensors")
    damage(tmp_path / "v.safetensors")
    with pytest.raises(FormatError, match=message) as caught:
        load(tmp_path / "v.safetensors")
    assert "\n" not in str(caught.value)


def test_a_type_of_number_that_is_not_read_is_named(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "vectors": np.ones((1, 2), np.float32),
        "keys": np.frombuffer(b"a\0", np.uint8),
        "counts": np.array([True]),
    }
    save_file(arrays, tmp_path / "v.safetensors")
    with pytest.raises(FormatError, match=r"v\.safetensors has a tensor of dtype BOOL; save it as"):
        load(tmp_path / "v.safetensors")

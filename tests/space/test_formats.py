import bz2
import gzip
import json
import warnings
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors
from safetensors.numpy import load_file, save_file

from rowspace.errors import ConfigError, FormatError
from rowspace.machine import available_memory
from rowspace.space import folder, loading, text_rows, word2vec_files
from rowspace.space.formats import load, save
from rowspace.space.vectors import Vectors

MATRIX = (
    np.random.default_rng(7).standard_normal((6, 5)) * 10.0 ** np.arange(-20, 10, 5)[:, None]
).astype(np.float32)
KEYS = ["the", "naïve", "北京", "a\x85b", "x" * 300, "caf\udce9"]  # the last was not UTF-8
PACKED = ["vectors.txt.gz", "vectors.vec.xz", "vectors.bin.zst", "vectors.bin.bz2", "v.glove.gz"]
FILES = ["vectors.txt", "vectors.vec", "vectors.bin", "vectors", "v.glove", "v.npy", "v.npz"]
FILES += ["v.safetensors", *PACKED]


@pytest.fixture
def vectors() -> Vectors:
    return Vectors(KEYS, MATRIX, counts=range(6, 0, -1), metadata={"window": 5, "name": "é"})


def assert_equal(left: Vectors, right: Vectors) -> None:
    assert left.index_to_key == right.index_to_key
    np.testing.assert_array_equal(left.matrix, right.matrix)


@pytest.mark.parametrize("name", FILES)
def test_what_is_saved_is_loaded_exactly(name: str, vectors: Vectors, tmp_path: Path) -> None:
    vectors.save(tmp_path / "new" / name)
    assert_equal(Vectors.load(tmp_path / "new" / name), vectors)
    assert_equal(load(tmp_path / "new" / name, limit=2), Vectors(KEYS[:2], MATRIX[:2]))
    assert len(load(tmp_path / "new" / name, limit=99)) == 6


@pytest.mark.parametrize("name", FILES)
def test_small_blocks_read_and_write_the_same(
    name: str, vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors.save(tmp_path / "whole" / name)
    for module in (text_rows, word2vec_files):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    monkeypatch.setattr(word2vec_files, "_WRITTEN_AT_ONCE", 1)
    monkeypatch.setattr(word2vec_files, "_LONGEST_WORD", 310)
    monkeypatch.setattr(loading, "n_cores", lambda: 3)
    monkeypatch.setattr(folder, "_BYTES_AT_ONCE", 1)
    vectors.save(tmp_path / "parts" / name)
    assert_equal(load(tmp_path / "parts" / name), vectors)
    if (tmp_path / "whole" / name).is_file():
        whole, parts = (tmp_path / side / name for side in ("whole", "parts"))
        assert whole.read_bytes() == parts.read_bytes()


def by_gensim(path: Path, **more: Any) -> KeyedVectors:
    """What gensim reads; it has to be told what the file is."""
    form: dict[str, Any] = {"binary": path.suffix == ".bin", "no_header": path.suffix == ".glove"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves files without a header open
        return KeyedVectors.load_word2vec_format(path, **form, **more)


@pytest.mark.parametrize("limit", [None, 2, 99])
@pytest.mark.parametrize("name", ["v.txt", "v.vec", "v.bin", "v.glove", "v.txt.gz", "v.vec.bz2"])
def test_gensim_reads_what_rowspace_writes(name: str, limit: int | None, tmp_path: Path) -> None:
    save(Vectors(KEYS[:5], MATRIX[:5]), tmp_path / name)
    peer = by_gensim(tmp_path / name, limit=limit)
    assert peer.index_to_key == KEYS[:5][:limit]
    np.testing.assert_array_equal(peer.vectors, MATRIX[:5][:limit])


@pytest.mark.parametrize("limit", [None, 2, 99])
@pytest.mark.parametrize("name", ["v.txt", "v.vec", "v.bin", "v.glove", "v.txt.gz", "v.bin.gz"])
def test_rowspace_reads_what_gensim_writes(name: str, limit: int | None, tmp_path: Path) -> None:
    peer = KeyedVectors(5)
    peer.add_vectors(KEYS[:5], MATRIX[:5])
    has_header = "glove" not in name
    peer.save_word2vec_format(tmp_path / name, binary=".bin" in name, write_header=has_header)
    assert_equal(load(tmp_path / name, limit=limit), Vectors(KEYS[:5][:limit], MATRIX[:5][:limit]))


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.glove"])
def test_words_that_are_not_utf8_are_the_same_bytes_to_gensim(
    name: str, vectors: Vectors, tmp_path: Path
) -> None:
    save(vectors, tmp_path / name)
    peer = by_gensim(tmp_path / name, unicode_errors="surrogateescape")
    assert peer.index_to_key == KEYS
    np.testing.assert_array_equal(peer.vectors, MATRIX)


def test_words_with_spaces_are_read_from_gensims_text_and_refused_from_its_binary(
    tmp_path: Path,
) -> None:
    """Its binary has no newlines, so that nothing tells where a word with a space ends."""
    peer = KeyedVectors(5)
    keys = ["the", "new york", "a b c", " x", "z"]
    peer.add_vectors(keys, MATRIX[:5])
    peer.save_word2vec_format(tmp_path / "v.txt")
    peer.save_word2vec_format(tmp_path / "v.bin", binary=True)
    assert_equal(load(tmp_path / "v.txt"), Vectors(keys, MATRIX[:5]))
    with pytest.raises(FormatError, match=r"at byte 32 .* beyond float32; a word with a space in"):
        load(tmp_path / "v.bin")
    with pytest.raises(ValueError):
        by_gensim(tmp_path / "v.txt")


def test_binary_ends_each_row_in_a_newline_as_the_c_tool(tmp_path: Path) -> None:
    save(Vectors(["a", "b"], [[1.0], [2.0]]), tmp_path / "v.bin")
    assert (tmp_path / "v.bin").read_bytes() == b"2 1\na \0\0\x80?\nb \0\0\0@\n"


def test_text_of_the_c_tool_and_of_other_systems_is_read(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(b"3 2\r\nnew york 1 -2.5e-1 \r\n 3 +4 \r\nz 5 6\r\n\n")
    vectors = load(tmp_path / "v.txt")
    assert vectors.index_to_key == ["new york", "", "z"]
    assert vectors.matrix.tolist() == [[1.0, -0.25], [3.0, 4.0], [5.0, 6.0]]


def test_the_first_of_duplicate_words_is_kept(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("3 1\na 1\nb 2\na 3\n")
    with pytest.warns(UserWarning, match="rows left out because their word came before: 1"):
        vectors = load(tmp_path / "v.txt")
    assert_equal(vectors, Vectors(["a", "b"], [[1.0], [2.0]]))


def is_mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap)


def test_a_folder_keeps_counts_and_metadata_and_is_mapped(vectors: Vectors, tmp_path: Path) -> None:
    vectors.save(tmp_path / "space" / "model", format="rowspace")
    for path in ("space", "space/model", "space/model/vectors.json"):
        loaded = load(tmp_path / path)
        assert is_mapped(loaded.matrix)
        assert loaded.counts is not None
        assert loaded.counts.tolist() == [6, 5, 4, 3, 2, 1]
        assert loaded.metadata == {"window": 5, "name": "é"}
    assert not is_mapped(load(tmp_path / "space", mmap=False).matrix)


def test_safetensors_reads_the_folder_and_rowspace_reads_safetensors(
    vectors: Vectors, tmp_path: Path
) -> None:
    vectors.save(tmp_path / "model")
    tensors = load_file(tmp_path / "model" / "vectors.safetensors")
    np.testing.assert_array_equal(tensors["vectors"], MATRIX)
    more: dict[str, Any] = {"context": np.ones((2, 2)), "vectors": np.eye(6, 4, dtype=np.float16)}
    save_file(more, tmp_path / "model" / "vectors.safetensors")
    assert load(tmp_path / "model").matrix.tolist() == np.eye(6, 4).tolist()


def test_saving_again_replaces_vectors_and_leaves_other_files(
    vectors: Vectors, tmp_path: Path
) -> None:
    vectors.save(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    mapped = load(tmp_path)
    smaller = Vectors(["a"], [[1.0]])
    smaller.save(tmp_path)
    assert_equal(load(tmp_path), smaller)
    assert_equal(mapped, vectors)  # still maps the file that was replaced
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "config.json",
        *sorted(folder.FILES),
    ]
    (tmp_path / "config.json").unlink()
    vectors.save(tmp_path)
    assert_equal(load(tmp_path), vectors)


def broken_text(content: bytes) -> Callable[[Path], Path]:
    return broken_file("v.txt", content)


def broken_file(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


ONE = b"\0\0\x80?"
BROKEN = {
    "no such file": (lambda folder: folder / "none.bin", "no file or folder '.*none.bin'; check"),
    "no folder of vectors": (lambda folder: folder, "holds no vectors.safetensors; give a folder"),
    "empty": (broken_text(b""), "v.txt: empty; give a file of vectors"),
    "no header line": (
        broken_file("v.vec", b"the 0.1 0.2\n"),
        "starts with 'the 0.1 0.2': add that line if it is missing, or give format='glove'",
    ),
    "no vectors": (broken_text(b"Once upon a time\n"), "starts with 'Once upon a time'"),
    "fasttext": (
        broken_file("v.bin", b"\xba\x16\x4f\x2f\n"),
        "the magic number at byte 0 needs 8 bytes",
    ),
    "gzip": (broken_text(b"\x1f\x8b\n"), r"this is a gzip \(.gz\) file; unpack it, or give it"),
    "gzip cut": (
        broken_file("v.txt.gz", gzip.compress(b"2 1\na 1\nb 2\n" * 99)[:-9]),
        "v.txt.gz is damaged or cut short",
    ),
    "bzip2 cut": (
        broken_file("v.txt.bz2", bz2.compress(b"2 1\na 1\nb 2\n" * 99)[:-9]),
        "v.txt.bz2 is damaged or cut short",
    ),
    "no bzip2": (broken_file("v.txt.bz2", b"2 1\na 1\nb 2\n"), "or no bzip2 file"),
    "packed, rows missing": (
        broken_file("v.txt.gz", gzip.compress(b"3 1\na 1\nb 2\n")),
        "ends after line 3, where its first line promises 3",
    ),
    "zip": (broken_file("v.bin", b"PK\3\4"), "this is a zip archive: unpack it"),
    "pickle": (broken_file("model.kv", b"\x80\4\x95"), "is a pickle: .* save_word2vec_format"),
    "HDF5": (broken_file("v.h5", b"\x89HDF\r\n"), "this is an HDF5 file: export its matrix"),
    "one endless number": (broken_text(b"1 1\na " + b"1" * (1 << 24)), "line 2 holds NaN, inf"),
    "zero": (broken_text(b"0 5\n"), "line 1 promises 0 vectors of dimension 5"),
    "a vast header": (
        broken_text(b"999999999999 300\na 1\n"),
        "promises 999,999,999,999 vectors .* but the file has 21; it is truncated or line 1",
    ),
    "rows missing": (broken_text(b"3 1\na 1\nbcdef 2\n"), "ends after line 3, where .* promises 3"),
    "rows left": (broken_text(b"1 1\na 1\nb 2\n"), "goes on at line 3, after the 1 vectors"),
    "value missing": (broken_text(b"2 2\na 1 2\nb 3\n"), "line 3 has 1 values .* promises 2"),
    "a smaller dimension": (
        broken_text(b"3 1\na 1.5 2\nb .3 4\nc d 5\n"),
        "line 1 promises dimension 1, but most of the lines after it have more values than that",
    ),
    "more values": (broken_text(b"2 1\na 1\nb x 3 \nc"), "goes on at line 4"),
    "no number": (broken_text(b"2 2\na 1 2\nb 3 x\n"), "line 3 does not end in 2 numbers .*'x'"),
    "not finite": (broken_text(b"2 1\na 1\nb nan\n"), "line 3 holds NaN, infinity"),
    "binary cut": (
        broken_file("v.bin", b"2 1\n" + b"a" * 20 + b" " + ONE + b"b \0\0"),
        "vector 2 of 2, at byte 29, is cut off by the end of the file",
    ),
    "binary short": (broken_file("v.bin", b"9 9\nabc \0"), "take at least 333 bytes, .* has 9"),
    "binary left": (
        broken_file("v.bin", b"1 1\na " + ONE + b"b " + ONE),
        "goes on at byte 10, after the 1 vectors of dimension 1",
    ),
    "binary not finite": (
        broken_file("v.bin", b"2 1\na " + ONE + b"b \0\0\xc0\x7f"),
        "the vector at byte 12 holds NaN, infinity",
    ),
    "binary without words": (
        broken_file("v.bin", b"1 1\n" + b"x" * 17_000_000),
        "at byte 4, has no word of at most 65,536 bytes; the dimension 1",
    ),
}


@pytest.mark.parametrize(("make", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_says_where_and_what_to_do(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        load(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_limit_reads_the_start_of_a_truncated_file(tmp_path: Path) -> None:
    (tmp_path / "v.bin").write_bytes(b"900 1\na " + ONE + b"b " + ONE + b"c \0")
    assert load(tmp_path / "v.bin", limit=2).index_to_key == ["a", "b"]


def change_json(**changes: Any) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        content = json.loads((model / "vectors.json").read_text())
        (model / "vectors.json").write_text(json.dumps(content | changes))

    return change


def change_matrix(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(model: Path) -> None:
        file = model / "vectors.safetensors"
        file.write_bytes(change(file.read_bytes()))

    return write


DAMAGE = {
    "newer": (change_json(format=2), "written in format 2, .* reads up to 1; update Rowspace"),
    "no format": (change_json(format=None), "has no 'format' and 'keys'"),
    "fewer keys": (change_json(keys=["a"]), "1 keys for the 6 rows of vectors.safetensors"),
    "wrong keys": (change_json(keys=[*KEYS[:5], 6]), "key 6 is not a string"),
    "same keys": (change_json(keys=["a"] * 6), "'a' occurs more than once"),
    "wrong counts": (change_json(counts=["many"]), "invalid literal for int"),
    "half a save": (change_json(digest="0"), "not written together, so a save was cut short"),
    "no keys": (lambda model: (model / "vectors.json").unlink(), "json is missing, so the rows"),
    "no matrix": (lambda model: (model / "vectors.safetensors").unlink(), "safetensors is missing"),
    "not JSON": (lambda model: (model / "vectors.json").write_text("{"), "json: not JSON"),
    "truncated": (change_matrix(lambda data: data[:-1]), "truncated; 'vectors' ends at byte"),
    "no header": (change_matrix(lambda data: data[:4]), "4 bytes are too few for its header"),
    "pickle": (change_matrix(lambda data: b"\x80" * 99), "truncated or not safetensors"),
    "other names": (
        change_matrix(lambda data: data.replace(b'"vectors"', b'"victors"')),
        "names no matrix 'vectors'",
    ),
    "other type": (change_matrix(lambda data: data.replace(b"F32", b"I32")), "has dtype I32"),
    "other shape": (
        change_matrix(lambda data: data.replace(b"[6,5]", b"[6,4]")),
        "matrix of 6 x 4",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_folder_says_what_is_wrong(
    damage: Callable[[Path], None], message: str, vectors: Vectors, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    vectors.save(model)
    damage(model)
    with pytest.raises(FormatError, match=message) as caught:
        load(model)
    assert "\n" not in str(caught.value)


def test_a_mapped_nan_is_found_when_it_is_searched(vectors: Vectors, tmp_path: Path) -> None:
    vectors.save(tmp_path / "model")
    file = tmp_path / "model" / "vectors.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + np.float32("nan").tobytes())
    with pytest.raises(ConfigError, match=r"\(row 5\) holds NaN"):
        load(tmp_path / "model").most_similar("the")


def test_formats_that_do_not_fit_are_refused(vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'\.kv' .* names no format; known are rowspace \(a fo"):
        vectors.save(tmp_path / "v.kv")
    with pytest.raises(ConfigError, match=r"format 'word3vec' is unknown; known are"):
        vectors.save(tmp_path / "v.bin", format="word3vec")
    with pytest.raises(ConfigError, match=r"'new york' holds a space, at which .* ends a word"):
        Vectors(["new york"], [[1.0]]).save(tmp_path / "v.bin")
    for name in ("v.txt", "v.bin", "v.glove", "v.npy"):
        with pytest.raises(ConfigError, match="holds a newline, which"):
            Vectors(["new\nyork"], [[1.0]]).save(tmp_path / name)
    with pytest.raises(ConfigError, match="holds a NUL, which ends a key"):
        Vectors(["new\0york"], [[1.0]]).save(tmp_path / "v.safetensors")
    with pytest.raises(ConfigError, match=r"'york.+' ends in a NUL, which .npz drops"):
        Vectors(["york\0"], [[1.0]]).save(tmp_path / "v.npz")
    with pytest.raises(ConfigError, match=r"numpy files are not written as .gz"):
        vectors.save(tmp_path / "v.npy.gz")
    with pytest.raises(ConfigError, match="word2vec files hold float32, not float16"):
        save(vectors, tmp_path / "v.txt", dtype="float16")
    with pytest.raises(ConfigError, match="'naïve' holds values beyond float16"):
        save(Vectors(["a", "naïve"], [[1.0], [7e4]]), tmp_path / "v.npy", dtype="float16")
    with pytest.raises(ConfigError, match="metadata cannot be written as JSON"):
        Vectors(["a"], [[1.0]], metadata={"a": object()}).save(tmp_path / "model")
    (tmp_path / "file").write_text("2 2")
    with pytest.raises(ConfigError, match="is a file; give a folder"):
        vectors.save(tmp_path / "file")
    with pytest.raises(ConfigError, match=r"the suffix '\.gz' of 'v\.gz' names no format"):
        vectors.save(tmp_path / "v.gz")
    with pytest.raises(ConfigError, match="limit is 0"):
        load(tmp_path / "file", limit=0)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file"]


def write_plain(path: Path, form: str) -> Path:
    """A file of three words with a name that tells nothing."""
    vectors = Vectors(["a", "b", "c"], np.arange(1.0, 7.0).reshape(3, 2))
    save(vectors, path, format=form)
    return path


@pytest.mark.parametrize("form", ["word2vec", "word2vec-binary", "glove", "safetensors"])
@pytest.mark.parametrize("name", ["vectors", "vectors.dat", "vectors.txt"])
def test_content_tells_the_format_where_the_name_does_not(
    form: str, name: str, tmp_path: Path
) -> None:
    loaded = load(write_plain(tmp_path / name, form))
    assert loaded.index_to_key == ["a", "b", "c"]
    assert loaded.matrix.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def test_a_given_format_is_believed(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(b"1 1\n2 2\n")
    with pytest.raises(FormatError, match="vector 1 of 1, at byte 4, is cut off"):
        load(tmp_path / "v.txt", format="word2vec-binary")
    glove = load(tmp_path / "v.txt", format="glove")
    assert (glove.index_to_key, glove.matrix.tolist()) == (["1", "2"], [[1.0], [2.0]])


def test_words_that_end_in_numbers_are_given_back_by_text(tmp_path: Path) -> None:
    vectors = Vectors(["item 1", "item 2", "2.5"], np.eye(3) / 3)
    save(vectors, tmp_path / "v.txt")
    assert_equal(load(tmp_path / "v.txt"), vectors)


def test_binary_gives_back_words_with_spaces_and_warns(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((300, 7)).astype(np.float32)
    matrix.view(np.uint8)[matrix.view(np.uint8) == ord("\n")] = 0  # or some would be refused
    keys = ["the", *(f"new york {i}" if i % 3 else f"w{i}" for i in range(298)), " x "]
    with pytest.warns(UserWarning, match=r"199 keys hold spaces, the first 'new york 1': .* other"):
        save(Vectors(keys, matrix), tmp_path / "v.bin")
    assert_equal(load(tmp_path / "v.bin"), Vectors(keys, matrix))


def test_binary_refuses_the_words_that_it_could_not_give_back(tmp_path: Path) -> None:
    # "a b": if the word ended at its first space, a newline would stand where the row ends.
    data = np.frombuffer(b"\n\n\n\n", dtype=np.float32)
    with pytest.raises(ConfigError, match=r"'a b' holds a space, at which .* ends a word"):
        save(Vectors(["the", "a b"], np.array([[1.0], [data[0]]])), tmp_path / "v.bin")


def test_binary_with_a_wrong_dimension_says_so(tmp_path: Path) -> None:
    matrix = np.random.default_rng(3).standard_normal((50, 7)).astype(np.float32)
    save(Vectors([f"w{i}" for i in range(50)], matrix), tmp_path / "v.bin")
    content = (tmp_path / "v.bin").read_bytes()
    for dim in (6, 5):
        (tmp_path / "v.bin").write_bytes(content.replace(b"50 7", b"50 %d" % dim))
        with pytest.raises(FormatError, match=r"line 1|dimension"):
            load(tmp_path / "v.bin")
    start = content.index(b"w20")
    (tmp_path / "v.bin").write_bytes(content[:start] + b"?" + content[start:-1])
    assert "?w20" in load(tmp_path / "v.bin", format="word2vec-binary")
    (tmp_path / "v.bin").write_bytes(content[: start + 8] + b"??" + content[start + 8 :])
    with pytest.raises(FormatError, match=r"vector 21 of 50, at byte 6\d\d, does not end in a new"):
        load(tmp_path / "v.bin")


def test_the_first_of_duplicate_words_is_kept_in_binary(tmp_path: Path) -> None:
    n = 40_000
    keys = np.random.default_rng(3).integers(0, n // 2, n).tolist()
    rows = b"".join(b"%d " % key + np.float32(i).tobytes() for i, key in enumerate(keys))
    (tmp_path / "v.bin").write_bytes(b"%d 1\n" % n + rows)
    first: dict[str, float] = {}
    for i, key in enumerate(keys):
        first.setdefault(str(key), float(i))
    with pytest.warns(UserWarning, match=f"their word came before: {n - len(first):,}"):
        loaded = load(tmp_path / "v.bin")
    assert loaded.index_to_key == list(first)
    assert loaded.matrix[:, 0].tolist() == list(first.values())
    assert loaded.norms.tolist() == list(first.values())


def test_norms_and_lookup_are_those_of_vectors(tmp_path: Path) -> None:
    matrix = np.random.default_rng(3).standard_normal((50, 7)).astype(np.float32)
    vectors = Vectors([f"w{i}" for i in range(50)], matrix)
    for name in ("v.bin", "v.txt"):
        vectors.save(tmp_path / name)
        loaded = load(tmp_path / name)
        np.testing.assert_allclose(loaded.norms, vectors.norms, rtol=1e-6)
        assert loaded.key_to_index == vectors.key_to_index
        assert loaded.most_similar("w3") == vectors.most_similar("w3")
        assert not loaded.matrix.flags.writeable
        assert not loaded.norms.flags.writeable


def test_what_memory_cannot_hold_is_refused_before_trying(
    vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "available_memory", lambda: 600)
    for name in ("v.bin", "v.txt", "v.glove"):
        vectors.save(tmp_path / name)
        with pytest.raises(ConfigError, match=r"take .* GB of memory are free; give limit=") as e:
            load(tmp_path / name)
        assert "\n" not in str(e.value)
    assert load(tmp_path / "v.bin", limit=3).index_to_key == KEYS[:3]


def test_available_memory_is_some_and_not_more_than_the_machine_has() -> None:
    psutil = pytest.importorskip("psutil")
    available = available_memory()
    assert available is not None
    assert 0 < available <= psutil.virtual_memory().total


def test_a_newline_in_a_binary_word_is_told(tmp_path: Path) -> None:
    row = np.float32(1).tobytes()
    (tmp_path / "v.bin").write_bytes(b"2 1\na " + row + b"\nb\nc " + row + b"\n")
    with pytest.raises(FormatError, match="vector 2 of 2, at byte 1"):
        load(tmp_path / "v.bin", format="word2vec-binary")


def test_a_limit_beyond_the_file_takes_no_more_than_the_file(
    vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors.save(tmp_path / "v.glove")
    monkeypatch.setattr(loading, "available_memory", lambda: 100_000)
    assert load(tmp_path / "v.glove", limit=10**9).index_to_key == KEYS


def test_a_limit_reads_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.bin"
    with path.open("wb") as file:  # sparse: the rest would be zeros
        file.write(b"4000000 100\n" + b"a " + bytes(400) + b"b " + bytes(400))
        file.truncate(2_000_000_000)
    monkeypatch.setattr(loading, "available_memory", lambda: 10_000)
    assert load(path, limit=2).index_to_key == ["a", "b"]

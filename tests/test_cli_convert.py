import json
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from rowspace.space.formats import FORMATS, load, save
from rowspace.space.vectors import Vectors
from tests.conftest import SmallDisk
from tests.program import RunMain

KEYS = ["the", "北京", "caf\udce9", "x"]
MATRIX = np.random.default_rng(9).standard_normal((4, 6)).astype(np.float32)
NAMES = {
    "rowspace": "v",
    "word2vec": "v.txt",
    "word2vec-binary": "v.bin",
    "glove": "v.glove",
    "fasttext": "v.ftb",
    "fasttext-text": "v.vec",
    "numpy": "v.npy",
    "npz": "v.npz",
    "safetensors": "v.safetensors",
}
READ_AS = {"fasttext-text": "word2vec"}


@pytest.fixture
def vectors() -> Vectors:
    return Vectors(KEYS, MATRIX, counts=[9, 5, 2, 1], metadata={"window": 5})


def test_every_format_has_a_name_here() -> None:
    assert list(NAMES) == [format.name for format in FORMATS]


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_any_format_becomes_any_other(
    source: str, target: str, vectors: Vectors, tmp_path: Path, run_main: RunMain
) -> None:
    if "fasttext" in (source, target):
        pytest.importorskip("rowspace.space.fasttext_files")
    old, new = tmp_path / "a" / NAMES[source], tmp_path / "b" / NAMES[target]
    save(vectors, old, format=source)
    ran = run_main("convert", old, new, "--to", target)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[:2] == [
        f"read 4 vectors of 6 numbers: {old} ({READ_AS.get(source, source)})",
        f"wrote {new} ({target})",
    ]
    loaded = load(new)
    assert loaded.index_to_key == KEYS
    rounded = "fasttext-text" in (source, target)  # 5 digits
    np.testing.assert_allclose(loaded.matrix, MATRIX, rtol=5e-5 if rounded else 1e-6)


def test_what_is_dropped_is_said(vectors: Vectors, tmp_path: Path, run_main: RunMain) -> None:
    save(vectors, tmp_path / "v")
    ran = run_main("convert", tmp_path / "v", tmp_path / "v.txt")
    assert ran.out.endswith("dropped, as word2vec cannot hold them: counts, metadata\n")
    ran = run_main("convert", tmp_path / "v", tmp_path / "v.npz", "--json", "--limit", "3")
    assert json.loads(ran.out) == {
        "in": str(tmp_path / "v"),
        "from": "rowspace",
        "out": str(tmp_path / "v.npz"),
        "to": "npz",
        "words": 3,
        "dim": 6,
        "dtype": "float32",
        "dropped": ["metadata"],
    }
    ran = run_main("convert", tmp_path / "v", tmp_path / "v.safetensors", "--dtype", "float16")
    assert ran.out.endswith("v.safetensors (safetensors, float16)\n")


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst", ".bz2"])
@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_packed_files_are_converted(
    name: str, suffix: str, vectors: Vectors, tmp_path: Path, run_main: RunMain
) -> None:
    save(vectors, tmp_path / "v")
    assert run_main("convert", tmp_path / "v", tmp_path / (name + suffix)).code == 0
    assert run_main("convert", tmp_path / (name + suffix), tmp_path / name).code == 0
    assert load(tmp_path / name).index_to_key == KEYS
    if suffix in (".gz", ".bz2", ".xz"):  # what gensim unpacks
        peer = KeyedVectors.load_word2vec_format(
            tmp_path / (name + suffix), binary=name == "v.bin", unicode_errors="surrogateescape"
        )
        np.testing.assert_array_equal(peer.vectors, MATRIX)


def test_words_are_read_in_another_encoding(tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "v.txt").write_bytes("2 1\ncafé 1\nà 2\n".encode("latin-1"))
    run_main("convert", tmp_path / "v.txt", tmp_path / "w.txt", "--encoding", "latin-1")
    assert (tmp_path / "w.txt").read_text() == "2 1\ncafé 1\nà 2\n"
    arguments = ("convert", tmp_path / "v.txt", tmp_path / "x.txt", "--encoding-errors")
    run_main(*arguments, "ignore")
    assert load(tmp_path / "x.txt").index_to_key == ["caf", ""]
    error = run_main(*arguments, "strict").error()
    assert error.startswith("the word b'caf\\xe9' is not utf-8")
    error = run_main(*arguments, "strict", "--encoding", "klingon").error()
    assert error.startswith("--encoding klingon is unknown")


@pytest.mark.filterwarnings("default:left out")
def test_words_that_become_equal_keep_the_first(tmp_path: Path, run_main: RunMain) -> None:
    save(Vectors(["new york", "new_york", "x"], [[1.0], [2.0], [3.0]]), tmp_path / "v.txt")
    assert "holds a space" in run_main("convert", tmp_path / "v.txt", tmp_path / "v.bin").error()
    assert not (tmp_path / "v.bin").exists()
    ran = run_main("convert", tmp_path / "v.txt", tmp_path / "v.bin", "--replace-spaces", "_")
    assert ran.err == "rowspace: warning: left out, as their words became equal: 1\n"
    assert (tmp_path / "v.bin").read_bytes() == b"2 1\nnew_york \0\0\x80?\nx \0\0\x40\x40\n"


def test_expected_errors_are_one_line(tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "v.txt").write_text("3 1\na 1\n")
    assert "there is no file" in run_main("convert", tmp_path / "no", tmp_path / "v.bin").error()
    assert "promises 3" in run_main("convert", tmp_path / "v.txt", tmp_path / "v.bin").error()
    (tmp_path / "v.txt").write_text("1 1\na 1\n")
    assert "names no format" in run_main("convert", tmp_path / "v.txt", tmp_path / "v.kv").error()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["v.txt"]


@pytest.mark.parametrize(
    "name", [*(NAMES[format] for format in NAMES if format != "fasttext"), "v.bin.gz"]
)
def test_a_full_disk_leaves_what_was_there(
    name: str, tmp_path: Path, small_disk: SmallDisk, run_main: RunMain
) -> None:
    matrix = np.random.default_rng(1).standard_normal((2000, 64)).astype(np.float32)
    save(Vectors([f"w{i}" for i in range(2000)], matrix), tmp_path / "big")
    small_disk.mount(200)
    target = small_disk.path / name
    save(Vectors(["old"], [[1.0]]), target)
    before = sorted(file.name for file in small_disk.path.iterdir())
    assert "disk is full" in run_main("convert", tmp_path / "big", target).error()
    assert load(target).index_to_key == ["old"]
    assert sorted(file.name for file in small_disk.path.iterdir()) == before

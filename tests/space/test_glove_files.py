import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from rowspace.errors import FormatError
from rowspace.space import text_rows
from rowspace.space.formats import load, recognise, save
from rowspace.space.vectors import Vectors


def make(n: int, dim: int) -> Vectors:
    matrix = np.random.default_rng(4).standard_normal((n, dim)).astype(np.float32)
    return Vectors([f"w{i}" for i in range(n - 1)] + ["<unk>"], matrix)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:Exception ignored")
def test_gensim_reads_ours_and_we_what_gensim_writes(tmp_path: Path) -> None:
    vectors = make(70, 9)
    save(vectors, tmp_path / "v.txt", format="glove")
    peer = KeyedVectors.load_word2vec_format(tmp_path / "v.txt", binary=False, no_header=True)
    assert peer.index_to_key == vectors.index_to_key
    np.testing.assert_array_equal(peer.vectors, vectors.matrix)
    peer.save_word2vec_format(tmp_path / "w.txt", binary=False, write_header=False)
    assert recognise(tmp_path / "w.txt").name == "glove"
    loaded = load(tmp_path / "w.txt")
    assert loaded.index_to_key[-1] == "<unk>"
    np.testing.assert_array_equal(loaded.matrix, vectors.matrix)


def test_words_with_spaces_and_numbers_are_counted_from_the_right(tmp_path: Path) -> None:
    lines = [". . . 1 2 3", "5 6 7 8", "at name@x.org 1 2 3", "1 2 0 0 0", "x 4 5 6", "y 7 8 9", ""]
    (tmp_path / "v.txt").write_text("\n".join(lines))
    vectors = load(tmp_path / "v.txt")
    assert vectors.index_to_key == [". . .", "5", "at name@x.org", "1 2", "x", "y"]
    assert vectors.matrix[1].tolist() == [6.0, 7.0, 8.0]


@pytest.mark.parametrize("ending", ["", "\n", " \r\n\n", "\n \n\t\n"])
def test_files_may_end_in_any_way(ending: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(("a 1 2\nb 3 4" + ending).encode())
    vectors = load(tmp_path / "v.txt")
    assert (vectors.index_to_key, vectors.matrix.tolist()) == (["a", "b"], [[1, 2], [3, 4]])


@pytest.mark.parametrize("block", [1, 100, 5000])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_matrix_grows_as_lines_are_found(
    block: int, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = make(3000, 2)
    short = Vectors([f"{'long' * 20}{i}" for i in range(20)], np.ones((20, 2), dtype=np.float32))
    for path, some in ((tmp_path / "b.txt", vectors), (tmp_path / "a.txt", short)):
        save(some, path, format="glove")
    content = b"".join((tmp_path / name).read_bytes() for name in ("a.txt", "b.txt"))
    path = tmp_path / f"v.txt{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    monkeypatch.setattr(text_rows, "BLOCK_BYTES", block)
    loaded = load(path)
    assert loaded.index_to_key == short.index_to_key + vectors.index_to_key
    np.testing.assert_array_equal(loaded.matrix[20:], vectors.matrix)
    assert load(path, limit=25).index_to_key == loaded.index_to_key[:25]


def test_a_limit_takes_the_memory_of_what_it_reads(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(b"a 1 2 3 4\n" + b"b 1 2 3 4\n" * 2_000_000)
    load(tmp_path / "v.txt", limit=1)
    tracemalloc.start()
    assert len(load(tmp_path / "v.txt", limit=1)) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000  # blocks of 8 MB


BROKEN = {
    "a short line": (b"a 1 2\nb 3 4\nc 5\n", "line 3 has 1 values where most of the first lines"),
    "no number": (b"a 1 2\nb 3 x\nc 5 6\n", "line 2 does not end in 2 numbers .*'x'"),
    "a blank line": (b"a 1 2\n\nc 5 6\n", "line 2 has 0 values"),
    "not finite": (b"a 1 2\nb 1 inf\n", "line 2 holds NaN, infinity"),
    "a header": (b"2 2\na 1 2\nb 1 2\n", "line 1 has the number of vectors, .* format='word2vec'"),
    "words": (
        b"once upon\na time\n",
        "should be a word and its values; it starts with 'once upon'",
    ),
    "nothing": (b" \n", "empty; give a GloVe file"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_says_which_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        load(tmp_path / "v.txt", format="glove")
    assert "\n" not in str(caught.value)

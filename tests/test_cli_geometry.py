import json
from pathlib import Path

import numpy as np
import pytest

from rowspace.space.compress import CompressedVectors
from rowspace.space.formats import load
from rowspace.space.vectors import Vectors
from tests import naive_geometry
from tests.program import RunMain
from tests.search.test_report import vectors_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """120 words in six bunches of twelve numbers."""
    vectors_of(120).save(tmp_path / "words")
    return tmp_path / "words"


def test_figures_are_printed_with_what_they_mean(model: Path, run_main: RunMain) -> None:
    ran = run_main("geometry", model, "--clusters", "6")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "120 of 120 vectors of 12 numbers measured"
    assert any(line.startswith("isotropy: 0.") for line in lines)
    assert any(line.startswith("clusters: 6, silhouette 0.") for line in lines)
    assert sum(line.startswith("    ") and "better" in line for line in lines) >= 3
    assert ran.err == ""


def test_top_measures_fewer_words_and_says_so(model: Path, run_main: RunMain) -> None:
    ran = run_main("geometry", model, "--top", "50", "--clusters", "none")
    first = ran.out.splitlines()[0]
    assert first == "50 of 120 vectors of 12 numbers measured, the most frequent (--top)"
    assert "clusters" not in ran.out


def test_json_holds_the_figures(model: Path, run_main: RunMain) -> None:
    ran = run_main("geometry", model, "--json", "--bias", "aaa:aab,aac:aad", "--other", model)
    record = json.loads(ran.out)
    matrix = vectors_of(120).matrix.astype(np.float64)
    expected = naive_geometry.mean_cosine(matrix.tolist())
    assert record["isotropy"]["mean_cosine"] == pytest.approx(expected, rel=1e-5)
    assert record["isotropy"]["isoscore"] == pytest.approx(naive_geometry.isoscore(matrix))
    assert record["clusters"]["clusters"]
    assert record["drift"]["residual"] == pytest.approx(0, abs=1e-9)
    assert record["drift"]["neighbours_lost"] == 0
    assert record["bias"]["pairs"] == [["aaa", "aab"], ["aac", "aad"]]


def test_pairs_come_from_a_file_too(model: Path, tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "pairs.txt").write_text("# two\naaa:aab\naac aad\n")
    asked = [run_main("geometry", model, "--bias", b) for b in (tmp_path / "pairs.txt", "aaa:aab,aac:aad")]  # fmt: skip # noqa: E501
    assert asked[0].out == asked[1].out
    assert "\ntoward aaa: " in asked[0].out
    assert "\ntoward aab: " in asked[0].out


def test_a_page_or_drawings_are_written(model: Path, tmp_path: Path, run_main: RunMain) -> None:
    ran = run_main("geometry", model, "--out", tmp_path / "g.html", "--clustering", "ward")
    assert ran.out.splitlines()[-1] == f"wrote {tmp_path / 'g.html'}"
    assert "Ward" in (tmp_path / "g.html").read_text()
    ran = run_main("geometry", model, "--out", tmp_path / "drawn", "--json")
    written = json.loads(ran.out)["out"]
    assert sorted(written) == sorted(str(path) for path in (tmp_path / "drawn").iterdir())
    assert len(written) == 5


def test_zero_vectors_are_left_out_and_counted(tmp_path: Path, run_main: RunMain) -> None:
    Vectors(["a", "zero", "b", "c"], [[1, 0], [0, 0], [0, 1], [1, 1]]).save(tmp_path / "v.txt")
    ran = run_main("geometry", tmp_path / "v.txt", "--clusters", "1")
    assert "zero vectors, which have no direction, left out: 1\n" in ran.out
    assert ran.out.startswith("3 of 4 vectors of 2 numbers measured\n")


@pytest.mark.parametrize("matrix", [[[1.0], [2.0]], [[1, 0], [-1, 0], [0, 1], [0, -1]]])
def test_tiny_spaces_are_measured_and_drawn(
    matrix: list[list[float]], tmp_path: Path, run_main: RunMain
) -> None:
    Vectors(list("abcd")[: len(matrix)], np.array(matrix)).save(tmp_path / "v.txt")
    for clusters in ("auto", "1", "2"):
        arguments = ("--clusters", clusters, "--out", tmp_path / "g.html")
        ran = run_main("geometry", tmp_path / "v.txt", *arguments)
        assert ran.code == 0, ran


def test_expected_errors_are_one_line(model: Path, tmp_path: Path, run_main: RunMain) -> None:
    Vectors(["x", "y"], np.eye(2)).save(tmp_path / "other.txt")
    Vectors(["x", "y"], np.eye(12)[:2]).save(tmp_path / "strange.txt")
    (tmp_path / "nan.txt").write_text("2 2\na 1 nan\nb 1 1\n")
    for arguments, message in (
        (["--clusters", "200"], "200 clusters of 120 vectors cannot be made; give 1 to 120"),
        (["--clusters", "0"], "--clusters 0 is no number; give 1 or more, auto or none"),
        (["--bias", "aaa"], "'aaa' is not a pair of words; give pairs as he:she,man:woman"),
        (["--bias", "aaa:aax"], "no vector for 'aax'"),
        (["--bias", "no.txt"], "there is no file 'no.txt'; give one, or pairs"),
        (["--other", tmp_path / "other.txt"], "spaces of 12 and 2 dimensions cannot be turned"),
        (["--other", tmp_path / "strange.txt"], "the two spaces share no word"),
        (["--other", tmp_path / "none"], "there is no file or folder"),
        (["--out", tmp_path / "g.pdf"], "is no folder and no .html page; give one of the two"),
    ):
        assert message in run_main("geometry", model, *arguments).error()
    assert "nan" in run_main("geometry", tmp_path / "nan.txt").error().lower()
    assert run_main("geometry", model, "--top", "1").code == 2


# --- transform -----------------------------------------------------------------------------------


def test_steps_are_taken_in_order(model: Path, tmp_path: Path, run_main: RunMain) -> None:
    out = tmp_path / "out.safetensors"
    ran = run_main("transform", model, out, "--whiten", "--pca", "5", "--all-but-the-top", "2")
    assert "steps: all-but-the-top 2, pca 5, whiten 5\n" in ran.out
    found = load(out)
    assert found.dim == 5
    assert found.index_to_key == vectors_of(120).index_to_key
    np.testing.assert_allclose(np.cov(found.matrix.T), np.eye(5), atol=1e-4)
    np.testing.assert_array_equal(found.counts, vectors_of(120).counts)


def test_a_space_is_turned_onto_another(model: Path, tmp_path: Path, run_main: RunMain) -> None:
    vectors = vectors_of(120)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 12)))[0]
    Vectors(vectors.index_to_key, vectors.matrix @ turn).save(tmp_path / "turned.npy")
    out = tmp_path / "back.txt"
    ran = run_main("transform", tmp_path / "turned.npy", out, "--align-to", model, "--json")
    assert json.loads(ran.out)["alignment"]["anchors"] == 120
    assert json.loads(ran.out)["alignment"]["residual"] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(load(out).matrix, vectors.matrix, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "n_bytes"),
    [(["int8"], 12), (["int8-rows"], 20), (["pq"], 3), (["pq", "--parts", "6"], 6)],
)
def test_quantized_vectors_answer_every_command(
    model: Path, tmp_path: Path, run_main: RunMain, arguments: list[str], n_bytes: int
) -> None:
    out = tmp_path / "small.safetensors"
    ran = run_main("transform", model, out, "--quantize", *arguments)
    assert f"{n_bytes} bytes a vector instead of 48" in ran.out
    assert "recall@10 0." in ran.out or "recall@10 1." in ran.out
    small = CompressedVectors.load(out)
    assert small.bytes_per_vector == n_bytes
    first = run_main("neighbors", out, "aaa", "-k", "1").out.split()[0]
    assert first == small.most_similar("aaa", 1)[0][0]
    ran = run_main("transform", model, out, "--quantize", *arguments, "--json")
    assert json.loads(ran.out)["quantized"]["bytes_per_vector"] == n_bytes


def test_reduce_is_offered(model: Path, tmp_path: Path, run_main: RunMain) -> None:
    ran = run_main("transform", model, tmp_path / "v.npy", "--reduce", "9")
    assert "all-but-the-top 7, pca 9, all-but-the-top 7" in ran.out


def test_expected_errors_of_transform_are_one_line(
    model: Path, tmp_path: Path, run_main: RunMain
) -> None:
    Vectors(["x", "y"], np.eye(2)).save(tmp_path / "other.txt")
    out = tmp_path / "out.txt"
    for target, arguments, message in (
        (out, [], "no transform is named; give one, such as --all-but-the-top 2"),
        (out, ["--pca", "13"], "PCA to 13 dimensions of vectors that vary in 12; give 1 to 12"),
        (out, ["--all-but-the-top", "12"], "leaves nothing; give 0 to 11"),
        (out, ["--quantize", "int8"], "quantized vectors are a .safetensors file"),
        (out, ["--parts", "3"], "--parts is for --quantize pq; leave it out"),
        (out, ["--align-to", tmp_path / "other.txt"], "12 and 2 dimensions cannot be turned"),
        (tmp_path / "out.kv", ["--whiten"], "names no format"),
        (
            tmp_path / "o.safetensors",
            ["--quantize", "pq", "--parts", "13"],
            "12 dimensions cannot be cut into 13 parts; give 1 to 12",
        ),
    ):
        assert message in run_main("transform", model, target, *arguments).error()
    assert not out.exists()

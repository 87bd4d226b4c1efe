import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rowspace.cli import cli
from rowspace.errors import FormatError, VocabularyError
from rowspace.space.vectors import Vectors

KEYS = ["man", "king", "woman", "queen", "北京"]
MATRIX = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [1, -2, -1]], dtype=np.float32)


@pytest.fixture
def model(tmp_path: Path) -> str:
    Vectors(KEYS, MATRIX).save(tmp_path / "docs.space" / "model", format="rowspace")
    return str(tmp_path / "docs.space")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_neighbors_prints_aligned_columns(model: str) -> None:
    assert run("neighbors", model, "king", "-k", "3").stdout == (
        "queen   0.8165\nman     0.7071\nwoman   0.5000\n"
    )
    assert run("neighbors", model, "king").stdout.endswith("北京   -0.2887\n")


def test_neighbors_and_analogies_leave_out_rare_words(tmp_path: Path) -> None:
    path = tmp_path / "counted"
    Vectors(KEYS, MATRIX, counts=[9, 9, 2, 1, 1]).save(path, format="rowspace")
    first = {count: run("neighbors", str(path), "king", "--min-count", count) for count in "129"}
    assert [ran.stdout.split()[0::2] for ran in first.values()] == [
        ["queen", "man", "woman", "北京"],
        ["man", "woman"],
        ["man"],
    ]
    assert run("neighbors", str(path), "king").stdout == first["2"].stdout
    assert run("analogy", str(path), "king", "man", "queen").stdout.split()[0::2] == ["woman"]
    Vectors(KEYS, MATRIX, counts=[1, 1, 9, 9, 9]).save(tmp_path / "unsorted", format="rowspace")
    assert len(run("neighbors", str(tmp_path / "unsorted"), "king").stdout.splitlines()) == 4


def test_neighbors_of_several_words_are_headed(model: str) -> None:
    assert run("neighbors", model, "king", "woman", "-k", "1").stdout == (
        "king:\nqueen   0.8165\n\nwoman:\nqueen   0.8165\n"
    )


def test_neighbors_as_json(model: str) -> None:
    answer = json.loads(run("neighbors", model, "king", "-k", "1", "--json").stdout)
    assert answer == [
        {"word": "king", "neighbors": [{"word": "queen", "score": pytest.approx(0.8164966)}]}
    ]
    answer = json.loads(run("neighbors", model, "king", "--metric", "euclidean", "--json").stdout)
    assert answer[0]["neighbors"][0] == {"word": "man", "distance": 1.0}


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_analogy_is_a_minus_b_plus_c(model: str, method: str) -> None:
    arguments = ("analogy", model, "king", "man", "woman", "--method", method)
    assert run(*arguments, "-k", "1").stdout.split()[0] == "queen"
    answer = json.loads(run(*arguments, "--json").stdout)
    assert answer["question"] == "king - man + woman"
    assert answer["method"] == method
    assert answer["answers"][0]["word"] == "queen"


def test_similarity(model: str) -> None:
    assert run("similarity", model, "man", "king").stdout == "0.7071\n"
    answer = json.loads(run("similarity", model, "man", "king", "--json").stdout)
    assert answer == {"a": "man", "b": "king", "similarity": pytest.approx(0.70710678)}


def test_keys_that_are_not_utf8_are_printed_with_question_marks(tmp_path: Path) -> None:
    Vectors(["a", "caf\udce9"], [[1.0], [1.0]]).save(tmp_path / "v.bin")
    assert run("neighbors", str(tmp_path / "v.bin"), "a").stdout == "caf?   1.0000\n"
    assert json.loads(run("neighbors", str(tmp_path / "v.bin"), "a", "--json").stdout)


def test_expected_errors_reach_main_as_one_line(model: str, tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"no vector for 'King' .* did you mean 'king'"):
        run("neighbors", model, "King")
    with pytest.raises(FormatError, match="there is no file or folder"):
        run("similarity", str(tmp_path / "none"), "a", "b")
    assert run("neighbors", model, "king", "-k", "0").exit_code == 2

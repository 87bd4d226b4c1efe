"""`rowspace eval`: what is printed, and what is not kept silent."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from rowspace.cli import cli
from rowspace.errors import EvaluationError
from rowspace.space.formats import save
from tests.evaluate.test_analogy import offset_vectors
from tests.evaluate.test_tasks import write_data


class LetterEncoder:
    """A text's vector counts its letters: enough to rank documents."""

    dim = 26
    fingerprint = "letters"

    @classmethod
    def from_vectors(cls, vectors: object) -> LetterEncoder:
        return cls()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        letters = "abcdefghijklmnopqrstuvwxyz"
        return np.array([[text.lower().count(x) for x in letters] for text in texts], np.float32)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Vectors on disk; retrieval encodes with letters, so that no other stage is tested here."""
    stub = SimpleNamespace(SIFEncoder=LetterEncoder)
    monkeypatch.setitem(sys.modules, "rowspace.static.sif", stub)
    path = tmp_path / "vectors.txt"
    save(offset_vectors(noise=0.9), path)
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["eval", *arguments])


def test_every_task_has_a_line_in_the_tables(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data))
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["word", "similarity", "spearman", "pearson", "scored", "pairs"] in lines
    assert ["places", "3", "4"] in [[line[0], *line[-2:]] for line in lines if line]
    assert ["analogies:", "capitals,", "3cosadd", "accuracy", "correct", "scored", "questions"] in (
        lines
    )
    assert any(line[:1] == ["syntactic"] and line[1] == "–" for line in lines)
    assert any(line[:1] == ["drinks"] and line[-2:] == ["2", "3"] for line in lines)
    assert "drinks: queries without a relevant document in this split, left out: 1" in result.stdout
    assert "not scored" not in result.stdout


def test_what_is_missing_is_said_with_the_reason(model: str, data: Path) -> None:
    (data / "word" / "analogy" / "capitals.txt").write_text("only three words\n")
    (data / "retrieval" / "drinks" / "qrels" / "test.tsv").unlink()
    result = _run(model, "--data", str(data))
    assert result.exit_code == 0, result.output
    table = result.stdout.split("not scored")[1]
    assert "capitals.txt line 1 has 3 words" in table
    assert "no qrels/test.tsv" in table


def test_json_holds_the_same_numbers(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data), "--json", "-k", "2")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["model"] == model
    assert found["similarity"]["places"]["unknown_words"] == ["xyzzy"]
    assert found["analogy"]["capitals"]["total"]["n_scored"] == 2
    assert found["analogy"]["capitals"]["syntactic"]["accuracy"] is None
    assert found["retrieval"]["dense"]["drinks"]["k"] == 2
    assert 0 < found["retrieval"]["dense"]["drinks"]["scores"]["ndcg_at_k"] <= 1
    assert found["skipped"] == []


def test_only_the_task_asked_for_is_run(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data), "--task", "analogy", "--method", "3cosmul")
    assert result.stdout.startswith("analogies: capitals, 3cosmul")
    assert "retrieval" not in result.stdout
    assert "similarity" not in result.stdout


def test_each_mode_has_its_table(model: str, data: Path) -> None:
    modes = ("dense", "lexical", "hybrid")
    arguments = [part for mode in modes for part in ("--mode", mode)]
    result = _run(model, "--data", str(data), "--task", "retrieval", "--json", *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["retrieval"]
    assert list(found) == list(modes)
    # Both queries share a word with d1 only, which is relevant to the first of them.
    assert found["lexical"]["drinks"]["scores"]["reciprocal_rank"] == 0.5


def test_nothing_scored_is_an_error_with_the_reasons(model: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = _run(model, "--data", str(tmp_path / "empty"))
    assert isinstance(result.exception, EvaluationError)
    assert "has no folder word/similarity" in str(result.exception)
    assert result.stdout == ""


def test_the_data_folder_may_come_from_the_environment(
    model: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWSPACE_DATA", str(data))
    assert _run(model, "--task", "similarity").exit_code == 0


def test_without_a_data_folder_the_option_is_named(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROWSPACE_DATA", raising=False)
    result = _run(model)
    assert result.exit_code == 2
    assert "--data" in result.stderr

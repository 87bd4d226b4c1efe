"""`rowspace eval --task sequence`: tables, a page, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rowspace.cli import cli
from rowspace.errors import ConfigError, EvaluationError, FormatError
from rowspace.space.formats import save
from rowspace.space.vectors import Vectors

pytest.importorskip("torch")

from rowspace.evaluate import next_word_training

WORDS = [f"w{i}" for i in range(40)]


@pytest.fixture
def model(tmp_path: Path) -> str:
    matrix = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    save(Vectors(WORDS, matrix), tmp_path / "vectors.txt")
    return str(tmp_path / "vectors.txt")


@pytest.fixture
def data(tmp_path: Path) -> str:
    draw = np.random.default_rng(0)
    folder = tmp_path / "data" / "classify" / "trec"
    folder.mkdir(parents=True)
    rows = [
        f"{i % 2}\t{' '.join(draw.choice(WORDS[20 * (i % 2) :][:20], size=5))}" for i in range(60)
    ]
    (folder / "all.tsv").write_text("\n".join(["label\ttext", *rows]) + "\n")
    articles = "".join(f" = W {i} = \n {' '.join(WORDS[:10] * 4)} \n" for i in range(10))
    (tmp_path / "data" / "lm").mkdir()
    (tmp_path / "data" / "lm" / "wikitext2.valid.txt").write_text(articles)
    return str(tmp_path / "data")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["eval", *arguments])


def test_all_of_a_tables_kinds_are_in_the_table_and_on_the_page(
    model: str, data: str, tmp_path: Path
) -> None:
    small = ("--cells", "mean", "--sizes", "20,30", "--seeds", "2")
    out = tmp_path / "out"
    arguments = (model, "--data", data, "--task", "sequence", *small)
    result = _run(*arguments, "--only", "trec,wikitext2", "--out", str(out))
    assert result.exit_code == 0, result.output
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["sequence:", "trec", "cell", "20", "texts", "30", "texts"]
    kinds = ["random", "random, frozen", "vectors.txt, frozen", "vectors.txt, fine-tuned"]
    assert [row.split("  ")[0] for row in rows[:4]] == kinds
    assert "next word: wikitext2" in result.stdout and "counts of pairs" in result.stdout
    page = (out / "report.html").read_text()
    assert all(kind in page for kind in kinds) and page.count('class="spread"') == 4 * 2
    found = json.loads((out / "results.json").read_text())
    assert len(found["curves"][0]["curves"]) == 4
    assert set(found["next_words"]["wikitext2"]) == {"counts of words", "counts of pairs", *kinds}
    runs = sorted((out / "runs").iterdir())
    assert len(runs) == 4 * 2 * 2 + 4  # the last are those of the next word
    as_json = _run(*arguments, "--only", "trec", "--out", str(out), "--json")
    assert json.loads(as_json.stdout)["curves"] == found["curves"]


def test_a_next_word_model_is_not_trained_again(
    model: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (model, "--data", data, "--task", "sequence", "--only", "wikitext2")
    first = _run(*arguments, "--out", str(tmp_path / "out"))
    assert first.exit_code == 0, first.output
    monkeypatch.delattr(next_word_training, "train_next_word")
    again = _run(*arguments, "--out", str(tmp_path / "out"))
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    (run, *_) = (tmp_path / "out" / "runs").iterdir()
    run.write_text("{")
    damaged = _run(*arguments, "--out", str(tmp_path / "out"))
    assert isinstance(damaged.exception, FormatError)
    assert f"{run} is damaged" in str(damaged.exception)


def test_what_cannot_be_asked_for_together(model: str, data: str) -> None:
    both = _run(model, "--data", data, "--task", "sequence", "--task", "similarity")
    assert isinstance(both.exception, ConfigError)
    assert "--task similarity was given too; run it on its own" in str(both.exception)
    sizes = _run(model, "--data", data, "--task", "similarity", "--sizes", "20")
    assert "--sizes is of sequence models; add --task sequence" in str(sizes.exception)
    unknown = _run(model, "--data", data, "--task", "sequence", "--only", "nothing")
    assert isinstance(unknown.exception, EvaluationError)
    assert "no task 'nothing'; give some of trec, wikitext2" in str(unknown.exception)

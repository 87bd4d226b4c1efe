"""`rowspace extrapolate`: a table on stdout, progress on stderr, one line where it cannot work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.program import RunMain

TINY = (
    "--train-length", "8", "--eval-lengths", "8,16", "--seeds", "1", "--steps", "3",
    "--batch-size", "2", "--dim", "16", "--n-layers", "1", "--n-heads", "2", "--vocab-size", "300",
    "--held-out", "0.2", "--finetune-share", "0", "--n-threads", "1",
)  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat, and the dog sat on the log.\n" * 200)
    return path


def test_it_prints_tables_and_tells_of_each_model_on_stderr(
    corpus: Path, run_main: RunMain
) -> None:
    out = corpus.parent / "out"
    ran = run_main("extrapolate", corpus, *TINY, "--positions", "learned, alibi", "--out", out)
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    titles = "perplexity in windows of 8 16 ratio sliding against it"
    assert " ".join(lines[0].split()) == titles
    assert lines[1].startswith("learned")
    assert "refused beyond 8" in lines[1]
    assert lines[2].startswith("alibi")
    assert lines[-1] == f"see {out / 'report.html'}"
    assert [line.split(":")[0] for line in ran.err.splitlines()] == [
        "learned, seed 1",
        "alibi, seed 1",
    ]


def test_json_is_what_the_file_has(corpus: Path, run_main: RunMain) -> None:
    out = corpus.parent / "out"
    ran = run_main("extrapolate", corpus, *TINY, "--positions", "none", "--out", out, "--json")
    record = json.loads(ran.out)
    assert record.pop("out") == str(out)
    assert record == json.loads((out / "results.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--positions", "rotary"), "positions has 'rotary', which is not known; known are: none"),
        (("--eval-lengths", "8,x"), "--eval-lengths has 'x', which is no number"),
        (("--eval-lengths", "8,4"), "eval_lengths has 4, below train_length, 8"),
        (("--eval-lengths", "8,0"), "eval_lengths has 0, below train_length, 8"),
        (("--eval-lengths", "8,90000"), "the longest window takes 90,001; give more text"),
    ],
)
def test_an_error_is_one_line(
    corpus: Path, run_main: RunMain, arguments: tuple[str, str], message: str
) -> None:
    ran = run_main("extrapolate", corpus, *TINY, *arguments, "--out", corpus.parent / "out")
    assert message in ran.error()
    assert not list(corpus.parent.glob("out*"))


def test_a_folder_that_exists_is_left_alone(corpus: Path, run_main: RunMain) -> None:
    out = corpus.parent / "out"
    out.mkdir()
    ran = run_main("extrapolate", corpus, *TINY, "--out", out)
    assert ran.error() == f"{out} exists; give another --out, or remove it"

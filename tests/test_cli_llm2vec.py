from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.program import RunMain
from tests.sentence.test_llm2vec import _write


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(f"the bank of a river was muddy _ {n}" for n in range(50)))
    return path


@pytest.fixture
def model(tmp_path: Path, corpus: Path) -> Path:
    from rowspace.transformer.model import LanguageModel

    return _write(LanguageModel, tmp_path / "lm", corpus)


FEW = (
    "--mntp-steps", "2", "--mntp-batch-size", "2", "--mntp-length", "16", "--held-out", "0.1",
    "--contrastive-steps", "1", "--contrastive-batch-size", "4", "--rank", "2", "--n-threads", "1",
)  # fmt: skip


def test_a_language_model_becomes_an_embedder_that_encode_reads(
    model: Path, corpus: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out = tmp_path / "out"
    lines = run_main("llm2vec", model, corpus, "--out", out, *FEW).out.splitlines()
    assert lines[:2] == ["bidirectional: done", "mntp: done"]
    assert "parameters learned, 2 steps in" in lines[2]
    assert "with _ for a hidden token" in lines[2]
    assert lines[3].startswith("  held-out loss: ")
    assert lines[4:] == [
        "contrastive: done",
        f"the embedder is in {out / 'contrastive'}",
        f"try: rowspace encode {out / 'contrastive'} TEXTS --out vectors.npy",
    ]
    again = run_main("llm2vec", model, corpus, "--out", out, *FEW, "--resume", "--json")
    told = json.loads(again.out)
    assert told["steps"] == told["done_before"] == ["bidirectional", "mntp", "contrastive"]
    assert told["out"] == str(out / "contrastive")
    assert told["mntp"] is None


def test_pairs_make_it_supervised(
    model: Path, corpus: Path, tmp_path: Path, run_main: RunMain
) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"muddy {n}\tthe bank {n}\n" for n in range(8)))
    out = tmp_path / "out"
    ran = run_main("llm2vec", model, corpus, "--out", out, *FEW, "--pairs", pairs, "--json")
    assert json.loads(ran.out)["mntp"]["n_steps"] == 2
    settings = json.loads((out / "settings.json").read_text())
    assert settings["config"]["contrastive"] == "supervised"


def test_expected_errors_are_one_line(
    model: Path, corpus: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out = tmp_path / "out"
    for arguments, message in (
        ([tmp_path / "none", corpus, "--out", out], "there is no folder"),
        ([model, corpus, "--out", model], "exists; add --resume"),
        ([model, tmp_path / "no.txt", "--out", out, *FEW], "no.txt"),
        ([model, corpus, "--out", out, "--contrastive", "supervised"], "no pairs are given"),
    ):
        assert message in run_main("llm2vec", *arguments).error()

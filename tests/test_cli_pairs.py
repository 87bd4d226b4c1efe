from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rowspace.sentence import mining
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.example import Example
from rowspace.sentence.pairs import PairFile
from tests.evaluate.test_beir import write_task
from tests.program import RunMain
from tests.transformer.small_encoders import write_encoder

WIKI = "Tea\nTea is a drink.\nIt is hot.\n\nOak\nAn oak is a tree.\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("model") / "bert", "bert")


def write_pairs(path: Path, n: int = 12) -> Path:
    lines = [f"the number {i} bank\ta text of {i} rivers\n" for i in range(n)]
    path.write_text("".join(lines))
    return path


def test_titles_become_pairs(tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "wiki.txt").write_text(WIKI)
    out = tmp_path / "pairs.jsonl"
    ran = run_main("pairs", tmp_path / "wiki.txt", "--out", out, "--paragraphs", "2", "--json")
    assert json.loads(ran.out) == {"out": str(out), "pairs": 3, "empty": 0}
    assert list(PairFile(out)) == [
        Example("Tea", "Tea is a drink."),
        Example("Tea", "It is hot."),
        Example("Oak", "An oak is a tree."),
    ]
    assert "exists; give another --out" in run_main("pairs", "x", "--out", out).error()


def test_judgements_become_pairs_beside_titles(tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "wiki.txt").write_text(WIKI)
    task = write_task(tmp_path / "drinks")
    out = tmp_path / "pairs.jsonl"
    ran = run_main("pairs", task, tmp_path / "wiki.txt", "--out", out, "--split", "test")
    assert ran.out == f"5 pairs in {out}\n"
    assert PairFile(out)[0] == Example("hot drink", "Tea leaves in hot water")
    message = run_main("pairs", task, "--out", tmp_path / "other.jsonl").error()
    assert message.endswith("has no qrels/train.tsv; it has test")


def test_a_corpus_without_titles_leaves_nothing_behind(tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "a.txt").write_text("no title here\n")
    ran = run_main("pairs", tmp_path / "a.txt", "--out", tmp_path / "pairs.jsonl")
    assert "no document has a title and a paragraph" in ran.error()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_pairs_get_negatives(model: Path, tmp_path: Path, run_main: RunMain) -> None:
    pairs, out = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "mined.jsonl"
    task = write_task(tmp_path / "drinks")
    (tmp_path / "more.txt").write_text("a bank\n\na river\n")
    corpus = ("--corpus", task, "--corpus", tmp_path / "more.txt")
    ran = run_main(
        "mine", pairs, "--model", model, "--out", out, *corpus, "--ranks", "1-99",
        "--n-negatives", "3", "--teacher", model, "--json",
    )  # fmt: skip
    told = json.loads(ran.out)
    assert (told["pairs"], told["texts"], told["short"], told["without"]) == (12, 17, 0, 0)
    mined = PairFile(out)
    assert mined.kind == "margins"
    assert [e.positive for e in mined] == [e.positive for e in PairFile(pairs)]
    for example in mined:
        assert len(set(example.negatives) - {example.positive}) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "drinks", "mined.jsonl", "more.txt", "pairs.tsv"
    ]  # fmt: skip


def test_a_margin_that_leaves_nothing_is_told(
    model: Path, tmp_path: Path, run_main: RunMain
) -> None:
    pairs, out = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "mined.jsonl"
    ran = run_main("mine", pairs, "--model", model, "--out", out, "--max-score", "-1")
    assert ran.out.splitlines() == [
        f"12 pairs with negatives of 12 texts in {out}",
        "fewer than 5 negatives: 12, none: 12",
    ]


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    model: Path, tmp_path: Path, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mining, "_TEXTS_AT_ONCE", 4)
    pairs, out = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "mined.jsonl"
    mine = ("mine", pairs, "--model", model, "--n-negatives", "2", "--out")
    run_main(*mine, tmp_path / "whole.jsonl")
    encode, n_calls = SentenceEncoder.encode, 0

    def interrupted(*arguments: Any, **named: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 5:
            raise KeyboardInterrupt
        return encode(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(SentenceEncoder, "encode", interrupted)
        ran = run_main(*mine, out)
    assert (ran.code, "add --resume to go on" in ran.err) == (130, True)
    assert not out.exists()
    assert "add --resume, or remove it" in run_main(*mine, out).error()
    with monkeypatch.context() as patch:
        n_calls = 5
        patch.setattr(SentenceEncoder, "encode", interrupted)
        assert run_main(*mine, out, "--resume").code == 0
    assert n_calls == 5 + 2  # three blocks of queries and one of documents were there
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.tsv", out.name, "whole.jsonl"}


def test_settings_that_cannot_be_are_told(tmp_path: Path, run_main: RunMain) -> None:
    pairs, out = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "mined.jsonl"
    mine = ("mine", pairs, "--model", tmp_path / "none", "--out", out)
    assert "--ranks is '10'; give two whole" in run_main(*mine, "--ranks", "10").error()
    assert "ranks is 9-3, which holds none" in run_main(*mine, "--ranks", "9-3").error()
    assert "none" in run_main(*mine).error()
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]

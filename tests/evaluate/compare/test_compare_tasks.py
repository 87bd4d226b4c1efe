"""Which tasks of a folder are scored, and that what is not is said once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import pytest

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.compare.tasks import find_scorers
from rowspace.evaluate.tasks import Kind
from tests.data import shared_data
from tests.evaluate.test_tasks import write_data

ALL = [
    "similarity/packed.v2",
    "similarity/places",
    "analogy/capitals",
    "sts/same",
    "sts/trips",
    "retrieval/drinks",
    "sense/coarsewsd20",
    "sense/wic",
    "classification/places",
    "clustering/cities",
    "sequence/places",
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path)


def test_every_task_has_a_scorer_by_kind(data: Path) -> None:
    scorers, not_scored = find_scorers(data)
    assert [scorer.name for scorer in scorers] == ALL
    assert all(scorer.name.startswith(f"{scorer.kind}/") for scorer in scorers)
    (entry,) = not_scored
    assert entry.task == "clustering/places"
    assert entry.reason.startswith("places has 2 labels")


def test_kinds_and_names_choose(data: Path) -> None:
    assert [s.name for s in find_scorers(data, ["sense"])[0]] == ["sense/coarsewsd20", "sense/wic"]
    scorers, not_scored = find_scorers(data, only=["places", "sts/trips"])
    assert [scorer.name for scorer in scorers] == [
        "similarity/places",
        "sts/trips",
        "classification/places",
        "sequence/places",
    ]
    assert [entry.task for entry in not_scored] == ["clustering/places"]
    with pytest.raises(EvaluationError, match="there is no task 'nowhere'; give some of simil"):
        find_scorers(data, only=["nowhere"])


def test_what_cannot_be_read_is_said_and_the_rest_is_scored(data: Path) -> None:
    (data / "word" / "similarity" / "places.tsv").write_text("")
    (data / "sentence" / "same" / "test.tsv").unlink()
    (data / "retrieval" / "drinks" / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nnobody\td1\t1\n"
    )
    (data / "classify" / "places" / "train.tsv").write_bytes(b"\xff\xfe")
    (data / "word" / "categorization" / "cities.tsv").write_text("no tab\n")
    (data / "context" / "wic" / "dev.tsv").write_text("what?\n")
    (data / "word" / "analogy" / "notes.md").write_text("")
    scorers, not_scored = find_scorers(data)
    reasons = {entry.task: entry.reason for entry in not_scored}
    assert [scorer.name for scorer in scorers] == [
        "similarity/packed.v2",
        "analogy/capitals",
        "sts/trips",
        "sense/coarsewsd20",
    ]
    assert "holds no word pairs" in reasons["similarity/places"]
    assert "has no test.tsv nor dev.tsv; it has train" in reasons["sts/same"]
    assert "no query of drinks has a relevant document" in reasons["retrieval/drinks"]
    assert "is not UTF-8" in reasons["classification/places"]
    assert "line 1 is not `word TAB category`" in reasons["clustering/cities"]
    assert "dev.tsv holds no occurrence" in reasons["sense/wic"]
    assert reasons["analogy/notes.md"] == "not a .txt"


def test_what_nobody_foresaw_in_a_file_is_said_too(data: Path) -> None:
    (data / "retrieval" / "drinks" / "queries.jsonl").write_text("[" * 200_000)
    scorers, not_scored = find_scorers(data, ["retrieval", "analogy"])
    assert [scorer.name for scorer in scorers] == ["analogy/capitals"]
    assert not_scored[0].task == "retrieval/drinks"
    assert not_scored[0].reason.startswith("RecursionError: ")


def test_labelled_texts_that_no_sequence_model_reads_are_said(data: Path) -> None:
    shutil.copytree(data / "classify" / "places", data / "classify" / "trec")
    scorers, not_scored = find_scorers(data, ["sequence"])
    assert [scorer.name for scorer in scorers] == ["sequence/trec"]
    assert [one.task for one in not_scored] == ["sequence/places"]
    assert not_scored[0].reason.endswith("so of labelled texts they read trec")


def test_files_that_change_afterwards_do_not_change_what_was_read(data: Path) -> None:
    (before,) = find_scorers(data, ["analogy"])[0]
    read = before.fingerprint
    path = data / "word" / "analogy" / "capitals.txt"
    (unchanged,) = find_scorers(data, ["analogy"])[0]
    path.write_text(path.read_text().replace("capitals", "more capitals"))
    assert unchanged.fingerprint == read
    assert find_scorers(data, ["analogy"])[0][0].fingerprint != read


def test_missing_parts_are_said(tmp_path: Path) -> None:
    scorers, not_scored = find_scorers(tmp_path)
    assert scorers == []
    assert {entry.kind for entry in not_scored} == set(get_args(Kind))
    with pytest.raises(EvaluationError, match="there is no folder"):
        find_scorers(tmp_path / "nowhere")


def test_a_limit_below_one_is_an_error() -> None:
    with pytest.raises(ConfigError, match="n_test is 0, so nothing is scored; give 1 or more"):
        CompareSettings(n_test=0)


@pytest.mark.slow
def test_the_tasks_of_the_shared_data() -> None:
    scorers, not_scored = find_scorers(shared_data())
    names = {scorer.name for scorer in scorers}
    assert {"retrieval/scifact", "sts/stsb", "similarity/simlex999"} <= names
    assert {"analogy/questions-words", "sense/coarsewsd20", "classification/trec"} <= names
    assert {"clustering/agnews", "clustering/ap", "sense/wic"} <= names
    reasons = {entry.task: entry.reason for entry in not_scored}
    assert "label 'neutral'; give 0 or 1" in reasons["sts/snli"]
    assert "has 2 labels" in reasons["clustering/imdb"]

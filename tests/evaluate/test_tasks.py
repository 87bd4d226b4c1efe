"""Which tasks a folder holds, and a report that hides nothing."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.beir import RetrievalTask
from rowspace.evaluate.tasks import Settings, find_tasks, run_tasks
from tests.evaluate.test_analogy import offset_vectors
from tests.evaluate.test_beir import write_task


def write_data(folder: Path) -> Path:
    """A small data folder: two word-pair sets, one of analogies, one retrieval task."""
    pairs, questions = folder / "word" / "similarity", folder / "word" / "analogy"
    pairs.mkdir(parents=True)
    questions.mkdir(parents=True)
    text = "France\tSpain\t8\nParis\tMadrid\t7\nOslo\tPeru\t1\nParis\txyzzy\t2\n"
    (pairs / "places.tsv").write_text(text)
    (pairs / "packed.v2.tsv.gz").write_bytes(gzip.compress(text.encode()))
    (questions / "capitals.txt").write_text(
        ": capitals\nFrance Paris Spain Madrid\nFrance Paris Italy Rome\n: gram1\nx y z w\n"
    )
    write_task(folder / "retrieval" / "drinks")
    return folder


def first_documents(task: RetrievalTask, k: int) -> Mapping[str, Sequence[str]]:
    """A ranker that finds the first k documents for every query."""
    return {query: list(task.documents)[:k] for query in task.judged_queries}


def test_tasks_are_found_by_kind(tmp_path: Path) -> None:
    tasks, skipped = find_tasks(write_data(tmp_path))
    assert [(task.kind, task.name) for task in tasks] == [
        ("similarity", "packed.v2"),
        ("similarity", "places"),
        ("analogy", "capitals"),
        ("retrieval", "drinks"),
    ]
    assert skipped == []


def test_only_the_kinds_asked_for_are_looked_for(tmp_path: Path) -> None:
    tasks, skipped = find_tasks(write_data(tmp_path), ["analogy"])
    assert [task.name for task in tasks] == ["capitals"]
    assert skipped == []


def test_a_missing_folder_is_skipped_with_the_reason(tmp_path: Path) -> None:
    tasks, skipped = find_tasks(tmp_path)
    assert tasks == []
    assert [(entry.kind, entry.name) for entry in skipped] == [
        ("similarity", "word/similarity"),
        ("analogy", "word/analogy"),
        ("retrieval", "retrieval"),
    ]
    assert skipped[2].reason == f"{tmp_path} has no folder retrieval"


def test_files_that_are_no_task_are_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "word" / "analogy").mkdir(parents=True)
    (tmp_path / "word" / "analogy" / "notes.md").write_text("x")
    (tmp_path / "word" / "analogy" / ".hidden").write_text("x")
    _, skipped = find_tasks(tmp_path, ["analogy"])
    assert [(entry.name, entry.reason) for entry in skipped] == [
        ("notes.md", "not a .txt"),
        ("word/analogy", f"{tmp_path / 'word' / 'analogy'} holds no task"),
    ]


def test_two_files_of_one_stem_keep_their_suffix(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    (data / "word" / "similarity" / "places.csv").write_text("a,b,1\n")
    tasks, _ = find_tasks(data, ["similarity"])
    assert [task.name for task in tasks] == ["packed.v2", "places.csv", "places.tsv"]


def test_a_missing_data_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="there is no folder"):
        find_tasks(tmp_path / "nowhere")


def test_every_task_is_in_the_report(tmp_path: Path) -> None:
    tasks, _ = find_tasks(write_data(tmp_path))
    vectors = offset_vectors(noise=0.9)
    report = run_tasks(vectors, tasks, rankers={"first": first_documents}, settings=Settings(k=2))
    assert list(report.similarity) == ["packed.v2", "places"]
    assert report.similarity["places"].unknown_words == ("xyzzy",)
    assert report.analogy["capitals"].total.n_scored == 2
    assert report.retrieval["first"]["drinks"].k == 2
    assert report.skipped == []


def test_a_task_that_cannot_be_read_is_skipped_and_the_rest_goes_on(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    (data / "word" / "similarity" / "broken.tsv").write_text("no tabs here\n")
    (data / "word" / "similarity" / "cut.tsv.gz").write_bytes(gzip.compress(b"a\tb\t1\n")[:-9])
    (data / "retrieval" / "drinks" / "queries.jsonl").unlink()
    tasks, _ = find_tasks(data)
    report = run_tasks(offset_vectors(noise=0.9), tasks, rankers={"first": first_documents})
    assert list(report.similarity) == ["packed.v2", "places"]
    reasons = {entry.name: entry.reason for entry in report.skipped}
    assert "broken.tsv line 1" in reasons["broken"]
    assert "damaged or cut short" in reasons["cut"]
    assert "has no queries.jsonl" in reasons["drinks"]


def test_settings_reach_the_tasks(tmp_path: Path) -> None:
    tasks, _ = find_tasks(write_data(tmp_path), ["similarity", "analogy"])
    settings = Settings(method="3cosmul", restrict_vocab=8)
    report = run_tasks(offset_vectors(noise=0.9), tasks, settings=settings)
    assert report.similarity["places"].n_scored == 2  # Oslo is the tenth word
    assert report.analogy["capitals"].method == "3cosmul"
    assert report.analogy["capitals"].total.n_scored == 1


@pytest.mark.parametrize("settings", [{"k": 0}, {"restrict_vocab": 0}])
def test_settings_that_cannot_work_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="give 1 or more"):
        Settings(**settings)  # type: ignore[arg-type]

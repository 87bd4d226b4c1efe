"""Which tasks a folder holds, and a report that hides nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.beir import RetrievalTask
from rowspace.evaluate.occurrence_encoders import NeighborOccurrences
from rowspace.evaluate.sense import SenseSettings
from rowspace.evaluate.tasks import Settings, choose_tasks, find_tasks, run_tasks
from rowspace.space.vectors import Vectors
from tests.evaluate.test_analogy import offset_vectors
from tests.evaluate.test_beir import write_task


def write_data(folder: Path) -> Path:
    """A small data folder: two word-pair sets, and one task of each other kind."""
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
    write_sentences(folder / "sentence")
    write_senses(folder / "context")
    write_labelled(folder)
    return folder


def write_sentences(folder: Path) -> None:
    """Scored pairs in two files, and labelled ones of which the test part is one file."""
    header = "score\tsentence1\tsentence2\n"
    for name, text in {
        "trips/a.tsv": f"{header}5\tParis\tParis\n3\tParis\tRome\n1\tParis\tPeru\n",
        "trips/b.tsv": f"{header}5\tOslo\tOslo\n1\tOslo\tSpain\n2\tOslo\t?\n",
        "same/test.tsv": "sentence1\tsentence2\tlabel\nOslo\tOslo\t1\nOslo\tSpain\t0\n",
        "same/train.tsv": "sentence1\tsentence2\tlabel\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def write_labelled(folder: Path) -> None:
    """Texts of two labels, of which one has no vector, and words of two categories."""
    texts, words = folder / "classify" / "places", folder / "word" / "categorization"
    texts.mkdir(parents=True)
    words.mkdir(parents=True)
    header = "label\ttext\n"
    (texts / "train.tsv").write_text(f"{header}city\tParis\ncity\tOslo\nland\tPeru\nland\tItaly\n")
    (texts / "test.tsv").write_text(f"{header}city\tRome\nland\tSpain\nland\t?\n")
    (words / "cities.tsv").write_text("Paris\tcity\nRome\tcity\nPeru\tland\n\tland\nx\tland\n")


class OneWord:
    """A text of one word has its vector."""

    fingerprint = "words"

    def __init__(self, vectors: Vectors) -> None:
        self.vectors, self.dim = vectors, vectors.dim

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        known = self.vectors.key_to_index
        zero = np.zeros(self.dim, dtype=np.float32)
        return np.array([self.vectors[text] if text in known else zero for text in texts])


def write_senses(folder: Path) -> None:
    """One word, its occurrences told apart by one neighbour, and pairs of ten lemmas."""
    for family in ("coarsewsd20", "senseval", "wic"):
        (folder / family).mkdir(parents=True)
    lines = "".join(f"{s}\t1\t{s} oslo {s}\n" for s in ("France", "Peru") for _ in range(3))
    for part in ("train", "test"):
        (folder / "coarsewsd20" / f"oslo.{part}.tsv").write_text("sense\tindex\tsentence\n" + lines)
    pairs = "".join(f"{'TF'[i % 2]}\tl{i}\tN\t0\t0\tOslo\tOslo Peru\n" for i in range(10))
    header = "label\tlemma\tpos\tindex1\tindex2\tsentence1\tsentence2\n"
    (folder / "wic" / "dev.tsv").write_text(header + pairs)


def first_documents(task: RetrievalTask, k: int) -> Mapping[str, Sequence[str]]:
    """A ranker that finds the first k documents for every query."""
    return {query: list(task.documents)[:k] for query in task.judged_queries}


def test_tasks_are_found_by_kind(tmp_path: Path) -> None:
    tasks, skipped = find_tasks(write_data(tmp_path))
    assert [(task.kind, task.name) for task in tasks] == [
        ("similarity", "packed.v2"),
        ("similarity", "places"),
        ("analogy", "capitals"),
        ("sts", "same"),
        ("sts", "trips"),
        ("retrieval", "drinks"),
        ("sense", "coarsewsd20/oslo"),
        ("sense", "wic/dev"),
        ("classification", "places"),
        ("clustering", "cities"),
        ("clustering", "places"),
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
        ("sts", "sentence"),
        ("retrieval", "retrieval"),
        ("sense", "context"),
        ("classification", "classify"),
        ("clustering", "word/categorization"),
        ("clustering", "classify"),
    ]
    assert skipped[3].reason == f"{tmp_path} has no folder retrieval"


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
    report = run_tasks(
        vectors,
        tasks,
        encoders={"word": OneWord(vectors)},
        rankers={"first": first_documents},
        occurrence_encoders={"neighbors": NeighborOccurrences(vectors)},
        settings=Settings(k=2, sense=SenseSettings(n_examples=(2,))),
    )
    assert list(report.similarity) == ["packed.v2", "places"]
    assert report.similarity["places"].unknown_words == ("xyzzy",)
    assert report.analogy["capitals"].total.n_scored == 2
    assert (report.sts["word"]["trips"].n_pairs, report.sts["word"]["trips"].n_zero) == (6, 1)
    assert report.sts["word"]["trips"].parts["a"].n_pairs == 3
    assert report.pairs["word"]["same"].best_accuracy == 1.0
    assert report.retrieval["first"]["drinks"].k == 2
    (score,) = report.senses["neighbors"]["coarsewsd20/oslo"].scores["centroid"]
    assert (score.n_examples, score.accuracy) == (2, 1.0)
    assert report.wic["neighbors"]["wic/dev"].n_pairs == 10
    told = report.classification["word"]["places"]
    assert (told.n_train, told.n_test, told.n_labels, told.n_zero) == (4, 3, 2, 1)
    cities, places = report.clustering["words"]["cities"], report.clustering["word"]["places"]
    assert (cities.n_items, cities.n_clusters, cities.n_without_vector) == (4, 2, 1)
    assert cities.notes == ("lines without a text, left out: 1",)
    assert (places.n_items, places.n_without_vector) == (3, 1)
    completeness = 1 - 2 / 3 * np.log(2) / np.log(3)  # each alone, so homogeneity is 1
    assert places.v_measure == pytest.approx(2 * completeness / (1 + completeness))
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
    assert reasons["trips"] == "nothing was given that gives texts their vectors"
    assert reasons["places"] == "nothing was given that gives texts their vectors"
    assert reasons["wic/dev"] == "nothing was given that gives words in sentences their vectors"


def test_a_word_without_a_test_part_loses_no_other_score(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    folder = data / "context" / "senseval"
    once = [{"sense": sense, "index": 0, "tokens": ["oslo", sense]} for sense in "ab"]
    (folder / "once.jsonl").write_text("".join(json.dumps(record) + "\n" for record in once))
    tasks, _ = find_tasks(data, ["sense"])
    encoders = {"neighbors": NeighborOccurrences(offset_vectors(noise=0.9))}
    report = run_tasks(None, tasks, occurrence_encoders=encoders)
    assert "coarsewsd20/oslo" in report.senses["neighbors"]
    (skipped,) = report.skipped
    assert skipped.reason.startswith("senseval/once has no occurrence in its test part")


def test_word_tasks_without_vectors_are_skipped_with_the_reason(tmp_path: Path) -> None:
    tasks, _ = find_tasks(write_data(tmp_path), ["analogy"])
    (skipped,) = run_tasks(None, tasks).skipped
    assert skipped.reason == "no word vectors were given"


def test_sense_folders_without_a_file_are_said(tmp_path: Path) -> None:
    for family in ("coarsewsd20", "senseval", "wic"):
        (tmp_path / "context" / family).mkdir(parents=True)
    tasks, (skipped,) = find_tasks(tmp_path, ["sense"])
    assert tasks == []
    assert skipped.reason == f"{tmp_path / 'context'} holds no task"


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


def test_tasks_are_chosen_by_name(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    (data / "word" / "analogy" / "notes.md").write_text("x")
    tasks, skipped = choose_tasks(*find_tasks(data), ["wic/dev", "trips", "notes.md"])
    assert [task.name for task in tasks] == ["trips", "wic/dev"]
    assert [entry.name for entry in skipped] == ["notes.md"]


def test_a_name_that_is_no_task_is_refused_with_those_that_are(tmp_path: Path) -> None:
    tasks, skipped = find_tasks(write_data(tmp_path), ["sts"])
    with pytest.raises(EvaluationError, match="no task 'drinks'; give some of same, trips"):
        choose_tasks(tasks, skipped, ["drinks"])

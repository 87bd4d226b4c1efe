"""Reading sentence pairs: what is a task, and one clear line for what cannot be read."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rowspace.errors import EvaluationError
from rowspace.evaluate.sentence_data import read_sentence_pairs, read_sentence_task
from tests.data import shared_data

HEADER = "score\tsentence1\tsentence2\n"


def _write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def _lee(folder: Path, matrix: str) -> Path:
    _write(folder, "docs.txt", "one\ntwo\nthree\n")
    _write(folder, "human-similarity-3x3.txt", matrix)
    return folder


def test_columns_are_found_by_the_header(tmp_path: Path) -> None:
    text = 'genre\tsentence2\tscore\tsentence1\nnews\tb "c\t2.5\ta\n'
    assert read_sentence_pairs(_write(tmp_path, "x.tsv", text)) == [("a", 'b "c', 2.5)]


def test_files_of_other_names_are_all_parts(tmp_path: Path) -> None:
    _write(tmp_path, "images.tsv", HEADER + "1\ta\tb\n")
    _write(tmp_path, "a.news.tsv.gz", HEADER + "2\tc\td\n3\te\tf\n")
    _write(tmp_path, "README.md", "no task")
    task = read_sentence_task(tmp_path)
    assert {name: len(pairs) for name, pairs in task.parts.items()} == {"a.news": 2, "images": 1}
    assert task.pairs == [("c", "d", 2.0), ("e", "f", 3.0), ("a", "b", 1.0)]


@pytest.mark.parametrize("name", ["dev", "val", "validation"])
def test_one_split_is_read(tmp_path: Path, name: str) -> None:
    _write(tmp_path, "train.tsv.gz", HEADER + "1\tnot\tthis\n")
    _write(tmp_path, f"{name}.tsv", HEADER + "2\ta\tb\n")
    assert read_sentence_task(tmp_path, "dev").pairs == [("a", "b", 2.0)]


def test_a_split_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    _write(tmp_path, "train.tsv", HEADER)
    _write(tmp_path, "val.tsv", HEADER)
    with pytest.raises(EvaluationError, match=r"has no test\.tsv; it has train, dev$"):
        read_sentence_task(tmp_path)


def test_a_folder_with_labels_is_a_task_of_labels(tmp_path: Path) -> None:
    _write(tmp_path, "dev.tsv", "sentence1\tsentence2\tlabel\na\tb\t1\nc\td\t0\n")
    task = read_sentence_task(tmp_path, "dev")
    assert (task.column, task.pairs) == ("label", [("a", "b", 1.0), ("c", "d", 0.0)])


def test_a_matrix_of_documents_is_read_above_its_diagonal(tmp_path: Path) -> None:
    task = read_sentence_task(_lee(tmp_path, "1 .5 .2\n0 1 .4\n0 0 1\n"))
    assert task.column == "score"
    assert task.pairs == [("one", "two", 0.5), ("one", "three", 0.2), ("two", "three", 0.4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "2.5\ta\tb\n",
            r"x\.tsv has no column sentence1, sentence2, score in its first line",
        ),
        (HEADER + "good\ta\tb\n", r"x\.tsv line 2 has the score 'good', which is no number"),
        (HEADER + "nan\ta\tb\n", r"x\.tsv line 2 has the score 'nan'"),
        (HEADER + "\n1\ta\n", r"x\.tsv line 3 has 2 columns"),
        (HEADER, r"x\.tsv holds no sentence pairs"),
        ("", r"x\.tsv holds no sentence pairs"),
        ("label\tsentence1\tsentence2\nneutral\ta\tb\n", r"line 2 has the label 'neutral'; give 0"),
        ("label\tsentence1\tsentence2\n2\ta\tb\n", r"line 2 has the label '2'; give 0 or 1"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    _write(tmp_path, "x.tsv", text)
    with pytest.raises(EvaluationError, match=message) as raised:
        read_sentence_task(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ("1 1 1\n0 1 1\n", "has 2 lines and docs.txt 3"),
        ("1 1 1\n0 1\n0 0 1\n", "line 2 has 2 numbers for 3 documents"),
        ("1 1 x\n0 1 1\n0 0 1\n", "line 1 has the score 'x'"),
    ],
)
def test_a_matrix_that_does_not_fit_is_said(tmp_path: Path, matrix: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        read_sentence_task(_lee(tmp_path, matrix))


def test_documents_without_their_matrix_are_said(tmp_path: Path) -> None:
    _write(tmp_path, "docs.txt", "one\ntwo\n")
    with pytest.raises(EvaluationError, match="0 files human-similarity"):
        read_sentence_task(tmp_path)


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"has no \.tsv"):
        read_sentence_task(tmp_path)


@pytest.mark.slow
def test_the_published_sets_have_their_sizes() -> None:
    # Cer et al. (2017), table 2, and Lee et al. (2005): 50 documents, so 1,225 pairs.
    assert len(read_sentence_task(shared_data("sentence", "stsb"), "dev").pairs) == 1500
    assert len(read_sentence_task(shared_data("sentence", "stsb"), "train").pairs) == 5749
    assert len(read_sentence_task(shared_data("sentence", "lee50")).pairs) == 1225

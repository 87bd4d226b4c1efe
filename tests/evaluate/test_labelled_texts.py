"""Folders of labelled texts: parts, splits, and lines that are no text."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from rowspace.errors import EvaluationError
from rowspace.evaluate.labelled_texts import TextTask, read_labelled, read_text_task
from tests.data import shared_data


def write(folder: Path, **files: str) -> Path:
    """Files of `label TAB text`, by their names without suffix."""
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        (folder / f"{name}.tsv").write_text(f"label\ttext\n{lines}")
    return folder


def many(n: int) -> str:
    """n texts of label a and n / 2 of label b."""
    return "".join(f"{'aab'[i % 3]}\ttext {i}\n" for i in range(n * 3 // 2))


def test_train_and_test_are_used_as_such(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", train="a\tone\nb\ttwo\n", test="b\tthree\n", dev="a\tfour\n")
    task = read_text_task(folder)
    assert (task.name, task.train.texts, task.train.labels) == ("x", ["one", "two"], ["a", "b"])
    assert (task.test.texts, task.test.labels, task.notes) == (["three"], ["b"], ())


@pytest.mark.parametrize("name", ["dev", "val", "validation"])
def test_without_a_test_part_dev_is_tried_on_and_said(tmp_path: Path, name: str) -> None:
    task = read_text_task(write(tmp_path / "x", train="a\tone\nb\ttwo\n", **{name: "b\tthree\n"}))
    assert task.test.texts == ["three"]
    assert task.notes == (f"no test part: tried on {name}.tsv",)


def test_files_without_parts_are_split_by_label(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", one=many(30), two="b\tanother\n")
    task = read_text_task(folder)
    assert Counter(task.test.labels) == {"a": 10, "b": 5}
    assert Counter(task.train.labels) == {"a": 20, "b": 11}
    assert not set(task.train.texts) & set(task.test.texts)
    assert task.notes == ("no split in the files: 15 of 46 held out",)
    other = read_text_task(folder, seed=1)
    assert set(other.test.texts) != set(task.test.texts)


def test_a_split_does_not_depend_on_the_order_of_lines(tmp_path: Path) -> None:
    lines = many(30).splitlines(keepends=True)
    one = read_text_task(write(tmp_path / "x", train="".join(lines)))
    two = read_text_task(write(tmp_path / "y", train="".join(reversed(lines))))
    assert set(one.test.texts) == set(two.test.texts)


def test_a_text_counts_once_with_its_first_label(tmp_path: Path) -> None:
    lines = "a\tsame\nb\tother\na\tsame\nb\tsame\na\t \n"
    task = read_text_task(write(tmp_path / "x", train=lines, test="a\tnew\n"))
    assert dict(zip(task.train.texts, task.train.labels, strict=True)) == {
        "same": "a",
        "other": "b",
    }
    assert task.notes == (
        "lines without a text, left out: 1",
        "lines that repeat a text, left out: 2",
        "of these, with another label: 1",
    )


def test_a_text_of_both_parts_is_in_the_test_part_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", train="a\tone\nb\ttwo\na\tthree\n", test="a\tthree\n")
    task = read_text_task(folder)
    assert (task.train.texts, task.test.texts) == (["one", "two"], ["three"])
    assert task.notes == ("training texts that are in the test part too: 1",)


def test_a_title_is_put_before_the_text_in_any_order_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "part.tsv.gz"
    path.write_bytes(gzip.compress(b'title\tid\ttext\tlabel\nA title\t7\t"the text"\tnews\n'))
    assert list(read_labelled(path)) == [("news", 'A title "the text"')]


def test_limits_keep_the_shares_of_labels_and_are_said(tmp_path: Path) -> None:
    task: TextTask = read_text_task(write(tmp_path / "x", all=many(300))).limited(30, 9)
    assert Counter(task.train.labels) == {"a": 20, "b": 10}
    assert Counter(task.test.labels) == {"a": 6, "b": 3}
    assert task.notes[1:] == (
        "30 of 300 texts of the training part",
        "9 of 150 texts of the test part",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text\nhello\n", r"x\.tsv has no columns label and text in its first line 'text'; begin"),
        ("", r"x\.tsv has no columns label and text in its first line ''"),
        ("label\ttext\n", r"x\.tsv holds no texts; give some below a header"),
        ("label\ttext\na\tone\nb\n", r"x\.tsv line 3 has not the label and the text .*: 'b';"),
        ("label\ttext\n\tone\n", r"x\.tsv line 2 has not the label and the text"),
        ("label\ttext\na\tone\na\ttwo\n", "has 1 label in its training part, so there is"),
        ("label\ttext\na\tone\nb\ttwo\n", "has 2 texts and none to be tried on; give more"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.tsv").write_text(content)
    with pytest.raises(EvaluationError, match=message):
        read_text_task(tmp_path)


def test_bytes_that_are_no_text_and_folders_without_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"has no \.tsv; give one whose header is `label TAB"):
        read_text_task(tmp_path)
    (tmp_path / "x.tsv").write_bytes(b"label\ttext\na\tcaf\xe9\n")
    with pytest.raises(EvaluationError, match=r"x\.tsv line 2 is not UTF-8"):
        read_text_task(tmp_path)


def test_real_tasks_are_read_whole() -> None:
    task = read_text_task(shared_data("classify", "trec"))
    # 5,452 lines, of which 71 repeat a question.
    assert len(task.train) + len(task.test) == 5452 - 71
    assert set(task.test.labels) == set("012345")

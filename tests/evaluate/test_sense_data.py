"""Readers of labelled occurrences: every field in its place, and damaged lines named."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import CorpusError, EvaluationError
from rowspace.evaluate.sense_data import (
    Occurrence,
    by_frequency,
    read_coarse_wsd,
    read_senseval,
    read_wic,
    stratified,
)
from rowspace.evaluate.sense_tasks import find_sense_tasks, read_sense_task
from tests.data import shared_data

COARSE = "sense\tindex\tsentence\nshore\t1\ta bank of the river\nmoney\t3\ther money in bank\n"
WIC = (
    "label\tlemma\tpos\tindex1\tindex2\tsentence1\tsentence2\n"
    "F\tcarry\tV\t2\t1\tYou must carry it .\tSound carries well .\n"
    "T\tgo\tV\t0\t1\tGo home .\tThey went home .\n"
)


def _coarse(folder: Path, text: str, name: str = "bank.train.tsv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["bank.train.tsv", "bank.train.tsv.gz"])
def test_a_word_is_read_plain_and_packed(tmp_path: Path, name: str) -> None:
    path = _coarse(tmp_path, COARSE, name)
    task = read_coarse_wsd(path, path, "bank")
    assert task.train == (
        Occurrence(("a", "bank", "of", "the", "river"), 1, "shore"),
        Occurrence(("her", "money", "in", "bank"), 3, "money"),
    )
    assert [o.word for o in task.test] == ["bank", "bank"]


@pytest.mark.parametrize(
    "line",
    [
        "shore\t9\ta bank",
        "shore\t-1\ta bank",
        "shore\tone\ta bank",
        "shore\t1",
        "shore\t1\ta bank\tmore",
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = _coarse(tmp_path, COARSE + line + "\n")
    with pytest.raises(EvaluationError, match=r"bank\.train\.tsv line 4 is not `sense TAB index"):
        read_coarse_wsd(path, path, "bank")


@pytest.mark.parametrize("header", ["", "\ufeffsense\tindex\tsentence\n", "label\tplace\ttext\n"])
def test_a_header_is_left_out_and_no_occurrence_is(tmp_path: Path, header: str) -> None:
    path = _coarse(tmp_path, header + COARSE.split("\n", 1)[1])
    assert [o.sense for o in read_coarse_wsd(path, path, "bank").train] == ["shore", "money"]
    pairs = _coarse(tmp_path, WIC.split("\n", 1)[1], "train.tsv")
    assert [pair.lemma for pair in read_wic(pairs)] == ["carry", "go"]


def test_a_damaged_first_line_is_no_header(tmp_path: Path) -> None:
    path = _coarse(tmp_path, "shore\t9\ta bank\n" + COARSE.split("\n", 1)[1])
    with pytest.raises(EvaluationError, match=r"bank\.train\.tsv line 1 is not"):
        read_coarse_wsd(path, path, "bank")


def test_a_file_of_a_header_alone_is_an_error(tmp_path: Path) -> None:
    path = _coarse(tmp_path, COARSE.split("\n")[0] + "\n")
    with pytest.raises(EvaluationError, match="holds no occurrence"):
        read_coarse_wsd(path, path, "bank")


def test_a_file_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "bank.train.tsv.gz"
    path.write_bytes(gzip.compress(COARSE.encode())[:-9])
    with pytest.raises(CorpusError, match="damaged or cut short"):
        read_coarse_wsd(path, path, "bank")


def _senseval_file(folder: Path) -> Path:
    records = [
        {"sense": sense, "index": 1, "tokens": [str(i), "line"]}
        for i, sense in enumerate(["cord"] * 9 + ["text"] * 6 + ["once"])
    ]
    path = folder / "line.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_third_of_each_sense_is_the_test_part_always_the_same(tmp_path: Path) -> None:
    path = _senseval_file(tmp_path)
    task = read_senseval(path, "line")
    assert Counter(o.sense for o in task.test) == {"cord": 3, "text": 2}
    assert Counter(o.sense for o in task.train) == {"cord": 6, "text": 4, "once": 1}
    assert not {o.tokens for o in task.test} & {o.tokens for o in task.train}
    assert read_senseval(path, "line") == task


def test_a_sentence_that_is_there_twice_is_in_one_part(tmp_path: Path) -> None:
    path = _senseval_file(tmp_path)
    path.write_text(path.read_text() * 2)
    task = read_senseval(path, "line")
    assert not {o.tokens for o in task.test} & {o.tokens for o in task.train}
    assert Counter(o.sense for o in task.test) == {"cord": 6, "text": 4}
    assert Counter(o.sense for o in task.train) == {"cord": 12, "text": 8, "once": 2}


def test_two_places_in_a_sentence_are_two_occurrences(tmp_path: Path) -> None:
    path = tmp_path / "line.jsonl"
    records = [{"sense": s, "index": i, "tokens": ["line"] * 4} for i, s in enumerate("aabb")]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    task = read_senseval(path, "line")
    assert (len(task.train), len(task.test)) == (2, 2)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"sense": "a", "index": 0}',
        '{"sense": "a", "index": 1, "tokens": ["x"]}',
        '{"sense": "a", "index": true, "tokens": ["x", "y"]}',
        '{"sense": 1, "index": 0, "tokens": ["x"]}',
        '{"sense": "a", "index": 0, "tokens": "xy"}',
        '{"sense": "a", "index": 0, "tokens": [""]}',
        '{"sense": "a", "index": 0, "tokens": ["x", 1]}',
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, line: str) -> None:
    path = _senseval_file(tmp_path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(EvaluationError, match=r"line\.jsonl line 17 is not"):
        read_senseval(path, "line")


def test_pairs_are_read_with_their_labels(tmp_path: Path) -> None:
    first, second = read_wic(_coarse(tmp_path, WIC, "train.tsv.gz"))
    assert (first.lemma, first.first.word, first.second.word) == ("carry", "carry", "carries")
    assert (second.lemma, second.first.word, second.second.word) == ("go", "Go", "went")
    assert (first.is_same, second.is_same) == (False, True)


@pytest.mark.parametrize("line", ["X\tgo\tV\t0\t0\tGo .\tGo .", "T\tgo\tV\t0\t2\tGo .\tGo ."])
def test_a_damaged_pair_is_named(tmp_path: Path, line: str) -> None:
    path = _coarse(tmp_path, WIC + line + "\n", "train.tsv")
    with pytest.raises(EvaluationError, match=r"train\.tsv line 4 is not `label TAB lemma"):
        read_wic(path)


def test_a_stratified_part_has_its_share_of_each_sense() -> None:
    senses = ["a"] * 100 + ["b"] * 10 + ["c"] * 2 + ["d"]
    drawn = stratified(senses, 0.2, seed=3, n_left=1)
    counts = Counter(s for s, is_drawn in zip(senses, drawn, strict=True) if is_drawn)
    assert counts == {"a": 20, "b": 2, "c": 1}
    assert (stratified(senses, 0.2, seed=4, n_left=1) != drawn).any()
    assert set(np.array(senses)[stratified(senses, 0.2, seed=3)]) == {"a", "b", "c", "d"}


def test_senses_are_ordered_by_frequency_then_name() -> None:
    assert by_frequency(["b", "c", "a", "c", "b"]) == ["b", "c", "a"]


def test_tasks_are_found_and_what_is_none_is_said(tmp_path: Path) -> None:
    coarse = tmp_path / "context" / "coarsewsd20"
    coarse.mkdir(parents=True)
    (tmp_path / "context" / "senseval").mkdir()
    _senseval_file(tmp_path / "context" / "senseval")
    for name in ("bank.train.tsv.gz", "bank.test.tsv", "lone.test.tsv", "notes.md", "x.tsv"):
        _coarse(coarse, COARSE, name)
    found, skipped = find_sense_tasks(tmp_path)
    assert [name for name, _ in found] == [
        "coarsewsd20/bank",
        "coarsewsd20/lone",
        "senseval/line",
    ]
    assert [name for name, _ in skipped] == [
        "coarsewsd20/notes.md",
        "coarsewsd20/x.tsv",
        "context/wic",
    ]
    assert len(read_sense_task(*found[0]).train) == 2
    assert len(read_sense_task(*found[2]).test) == 5
    with pytest.raises(EvaluationError, match=r"lone\.test\.tsv has no lone\.train\.tsv beside it"):
        read_sense_task(*found[1])


@pytest.mark.slow
def test_the_published_files_have_the_words_where_they_say() -> None:
    found, skipped = find_sense_tasks(shared_data("context").parent)
    assert skipped == []
    assert len(found) == 10 + 4 + 1
    for name, path in found:
        if name.startswith("coarsewsd20"):
            task = read_sense_task(name, path)
            assert {o.word for o in (*task.train, *task.test)} == {name.split("/")[1]}
    pairs = read_wic(found[-1][1])
    assert len(pairs) == 5428  # Pilehvar & Camacho-Collados (2019), table 2
    assert sum(pair.is_same for pair in pairs) == 2714

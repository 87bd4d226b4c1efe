from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from rowspace.errors import CorpusError
from rowspace.sentence.synthesize.filters import Filters
from rowspace.sentence.synthesize.leaks import Leaks, read_leaks
from rowspace.sentence.synthesize.minhash import NearDuplicates
from rowspace.sentence.synthesize.synthetic_pair import SyntheticPair


def _jaccard(one: list[str], other: list[str], size: int) -> float:
    """Of the sets of runs of `size` words, by definition."""
    a, b = ({tuple(t[i : i + size]) for i in range(len(t) - size + 1)} for t in (one, other))
    return len(a & b) / len(a | b)


def test_near_texts_are_found_and_others_are_not() -> None:
    draw = random.Random(3)
    n_near = n_found = n_far = 0
    for number in range(200):
        one = [f"w{draw.randrange(5000)}" for _ in range(60)]
        other = list(one)
        for _ in range(draw.choice([1, 4, 8])):
            other[draw.randrange(60)] = "changed"
        seen = NearDuplicates((3,))
        seen.add(seen.sign(" ".join(one)), str(number))
        similarity = _jaccard(one, other, 3)
        found = seen.find(seen.sign(" ".join(other)))
        if similarity > 0.88:
            n_near += 1
            n_found += found == str(number)
        elif similarity < 0.6:
            n_far += 1
            assert found is None, similarity
    assert n_near > 30
    assert n_far > 30
    assert n_found >= 0.95 * n_near


def test_short_texts_and_texts_of_one_owner() -> None:
    seen = NearDuplicates((3,))
    seen.add(seen.sign("Oslo"), "a")
    assert seen.find(seen.sign("oslo!")) == "a"
    assert seen.find(seen.sign("oslo"), but="a") is None
    assert seen.find(seen.sign("Bergen")) is None


def _example(anchor: str, positive: str, *negatives: str) -> SyntheticPair:
    return SyntheticPair(anchor, positive, negatives, "any")


TEXT = "The lake has lost nine tenths of its water since nineteen sixty three because of drought."


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (_example("HOW large: is Lake Chad", "It varies a lot."), "repeats an anchor"),
        (
            _example("how large is lake chad today then or in the year of our lord", TEXT),
            "repeats a positive",
        ),
        (_example("shrinking lakes", TEXT + " Yes"), "nearly repeats a positive"),
        (_example("a b c", "A, b, c!"), "anchor and positive are one"),
        (_example("a b c", "an answer", "An answer."), "positive and negative are one"),
        (_example("?", "an answer"), "no words"),
        (_example("tea", "Which is the capital of France"), "is in a test set"),
    ],
)
def test_what_repeats_or_leaks_is_rejected_and_counted(example: SyntheticPair, reason: str) -> None:
    filters = Filters(Leaks(["which is the capital of France?"]))
    assert filters.accept(_example("How large is Lake Chad?", TEXT), "one")
    assert not filters.accept(example, "two")
    assert filters.rejected == {reason: 1}
    assert filters.accept(_example("another thing", "another answer"), "three")


def test_two_anchors_may_share_a_text_of_one_owner() -> None:
    filters = Filters()
    assert filters.accept(_example("how large is it", TEXT), "one")
    assert filters.accept(_example("why does it shrink", TEXT), "one")
    assert not filters.accept(_example("where is it", TEXT), "two")


def test_nearly_the_same_question_is_rejected() -> None:
    filters = Filters()
    long = "which of the lakes in the north of the country of Chad are shrinking because of drought"
    assert filters.accept(_example(long, "a text"), "one")
    assert not filters.accept(_example(long + " now", "another text"), "two")
    assert filters.rejected == {"nearly repeats an anchor": 1}


@pytest.mark.parametrize(
    ("example", "leaks"),
    [
        (_example("what is tea", "a drink of leaves"), True),
        (_example("What is TEA?", "a drink of leaves"), True),
        (_example("q", "p", "what is tea"), True),
        (_example("what is tea made of", "leaves"), False),  # three words stand anywhere
        (_example("q", "They asked: which river is the longest in Asia, and why?"), True),
        (_example("q", "which river is the longest in Africa"), False),
    ],
)
def test_texts_of_test_sets_are_found(example: SyntheticPair, leaks: bool) -> None:
    held_out = Leaks(["What is tea", "Which river is the longest in Asia", "", "?"])
    assert len(held_out) == 2
    assert held_out.holds(example) == leaks


def test_test_sets_are_read_in_all_their_forms(tmp_path: Path) -> None:
    folder = tmp_path / "beir"
    folder.mkdir()
    query = json.dumps({"_id": "q one", "text": "asked in a folder"})
    (folder / "queries.jsonl.gz").write_bytes(gzip.compress(query.encode()))
    (folder / "corpus.jsonl").write_text(json.dumps({"_id": "1", "text": "a document"}))
    (tmp_path / "a.jsonl").write_text('{"query": "of a line", "pos": ["in a list"], "n": 3}\n\n')
    (tmp_path / "b.tsv").write_text("left side\tright side\t0.5\n")
    (tmp_path / "c.txt").write_text("one a line\n\nand another\n")
    names = ("beir", "a.jsonl", "b.tsv", "c.txt")
    leaks = read_leaks(tmp_path / name for name in names)
    for text in (
        "asked in a folder", "of a line", "in a list", "left side", "right side", "one a line",
        "and another",
    ):  # fmt: skip
        assert leaks.holds(_example(text, "x")), text
    for text in ("a document", "q one", "left side right side 0 5"):
        assert not leaks.holds(_example(text, "x")), text


def test_test_sets_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "bad.jsonl").write_text('{"a": "b"}\n{')
    for name, message in (
        ("empty.txt", "has no text in it"),
        ("bad.jsonl", "line 2 is not JSON"),
        ("none", "there is no file"),
        (".", "has no queries.jsonl"),
    ):
        with pytest.raises(CorpusError, match=message):
            read_leaks([tmp_path / name])

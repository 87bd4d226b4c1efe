from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from rowspace.errors import CorpusError, EvaluationError
from rowspace.sentence.development import MOST, DevelopmentSet
from rowspace.sentence.example import Example
from rowspace.sentence.folder import SentenceConfig


class _Encoder:
    """Vectors by text; documents have other ones than queries."""

    def __init__(self, queries: dict[str, Any], documents: dict[str, Any] | None = None) -> None:
        self.queries, self.documents = queries, documents or queries
        self.config = SentenceConfig()

    def encode(self, lines: list[str], prompt: str) -> NDArray[np.float32]:
        assert prompt == self.config.prompts.alike
        return self.encode_query(lines)

    def encode_query(self, lines: list[str]) -> NDArray[np.float32]:
        return np.array([self.queries[line] for line in lines], dtype=np.float32)

    def encode_document(self, lines: list[str]) -> NDArray[np.float32]:
        return np.array([self.documents[line] for line in lines], dtype=np.float32)


def _score(examples: list[Example], kind: Any, encoder: _Encoder) -> float:
    return DevelopmentSet(examples, kind).score(encoder)  # type: ignore[arg-type]


def test_scored_pairs_give_spearmans_correlation_of_their_cosines() -> None:
    random = np.random.default_rng(0)
    vectors = {f"{side}{i}": random.normal(size=5) for side in "ab" for i in range(30)}
    vectors["a3"] = np.zeros(5)
    scores = random.integers(0, 6, size=30).tolist()
    given = [Example(f"a{i}", f"b{i}", score=scores[i]) for i in range(30)]
    cosines = [
        0.0 if i == 3 else vectors[f"a{i}"] @ vectors[f"b{i}"]
        / np.linalg.norm(vectors[f"a{i}"]) / np.linalg.norm(vectors[f"b{i}"])
        for i in range(30)
    ]  # fmt: skip
    found = _score(given, "scored", _Encoder(vectors))
    assert found == pytest.approx(spearmanr(cosines, scores).statistic)
    assert DevelopmentSet(given, "scored").metric == "spearman"


def test_vectors_that_are_all_alike_order_nothing() -> None:
    same = _Encoder({key: [1.0, 2.0] for key in "abcdef"})
    scored = [Example("a", "b", score=0.0), Example("c", "d", score=1.0)]
    assert _score(scored, "scored", same) == 0.0
    pairs = [Example("a", "b"), Example("c", "d"), Example("e", "f")]
    assert _score(pairs, "pairs", same) == pytest.approx(1 / 3)  # the right one comes last


def test_ranks_are_those_among_positives_and_negatives() -> None:
    queries = {"x": [1.0, 0.0], "y": [0.0, 1.0], "z": [1.0, 1.0]}
    documents = {
        "x1": [0.6, 0.8],  # cosine .6 with x, .8 with y, .99 with z
        "x2": [-1.0, 0.0],
        "y1": [0.8, 0.6],  # .8 with x, .6 with y, .99 with z
        "z1": [1.0, 0.9],  # .74 with x, .67 with y, .999 with z
        "n": [0.9, 0.1],  # .99 with x, .11 with y
    }
    given = [
        Example("x", "x1", ("n",)),
        Example("x", "x2"),
        Example("x", "x1", ("n",)),  # once more changes nothing
        Example("y", "y1"),
        Example("z", "z1"),
    ]
    # x1 is after n, y1, z1; x2 comes last, and the better one counts. y1 is after x1 and z1.
    expected = (1 / 4 + 1 / 3 + 1) / 3
    assert _score(given, "triplets", _Encoder(queries, documents)) == pytest.approx(expected)


def test_a_rank_below_ten_counts_nothing() -> None:
    angles = {f"d{i}": [np.cos(i / 20), np.sin(i / 20)] for i in range(13)}
    queries = {f"q{i}": [1.0, 0.0] for i in range(13)}
    given = [Example(f"q{i}", f"d{i}") for i in range(13)]
    expected = sum(1 / rank for rank in range(1, 11)) / 13
    assert _score(given, "pairs", _Encoder(queries, angles)) == pytest.approx(expected)


def test_lost_vectors_are_an_error() -> None:
    vectors = {"a": [1.0, np.nan], "b": [1.0, 0.0], "c": [0.0, 1.0], "d": [1.0, 1.0]}
    for kind, scores in (("pairs", (None, None)), ("scored", (0.0, 1.0))):
        given = [Example("a", "b", score=scores[0]), Example("c", "d", score=scores[1])]
        with pytest.raises(EvaluationError, match="vectors have numbers that are not finite"):
            _score(given, kind, _Encoder(vectors))


def test_a_set_that_can_tell_nothing_is_an_error() -> None:
    with pytest.raises(CorpusError, match="has 1 examples; give 2 or more"):
        DevelopmentSet([Example("a", "b")], "pairs")
    with pytest.raises(CorpusError, match=r"scores are all 0\.5, and have no order"):
        DevelopmentSet([Example(each, "b", score=0.5) for each in "acd"], "scored")


def test_no_more_than_enough_is_looked_at() -> None:
    given = [Example(f"a{i}", f"b{i}") for i in range(MOST + 5)]
    assert len(DevelopmentSet(given, "pairs").examples) == MOST


def test_a_set_is_told_from_another() -> None:
    one = [Example("a", "b"), Example("c", "d")]
    other = [Example("a", "b"), Example("c", "e")]
    same, another = DevelopmentSet(list(one), "pairs"), DevelopmentSet(other, "pairs")
    assert DevelopmentSet(one, "pairs").fingerprint == same.fingerprint != another.fingerprint


def test_files_and_folders_in_beirs_layout_are_read(tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text("a\tb\t0.5\nc\td\t1\n")
    assert DevelopmentSet.read(tmp_path / "dev.tsv").kind == "scored"
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": name, "title": "", "text": f"document {name}"} for name in "xyz"]
    queries = [{"_id": name, "text": f"query {name}"} for name in "ab"]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    header = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / "dev.tsv").write_text(header + "a\tx\t1\na\ty\t1\nb\tz\t1\n")
    (folder / "qrels" / "test.tsv").write_text(header + "b\ty\t1\n")
    found = DevelopmentSet.read(folder)
    assert {(each.anchor, each.positive) for each in found.examples} == {
        ("query a", "document x"), ("query a", "document y"), ("query b", "document z"),
    }  # fmt: skip
    with pytest.raises(CorpusError, match="1 examples"):
        DevelopmentSet.read(folder, "test")

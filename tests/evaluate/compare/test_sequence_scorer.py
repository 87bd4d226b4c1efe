"""Sequence models as tasks of a comparison."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from rowspace.evaluate.compare.bootstrap import interval, score
from rowspace.evaluate.compare.outcome import Items, LackingError
from rowspace.evaluate.compare.scorers.sequence import NextWordScorer, SequenceScorer
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.compare.tasks import find_scorers
from rowspace.evaluate.sequence import TokenVectors
from rowspace.evaluate.sequence_tokens import ContextualTokens, WordTokens
from rowspace.space.vectors import Vectors
from rowspace.transformer.load_encoder import load_encoder
from tests.evaluate.compare.made import Model
from tests.transformer.small_encoders import write_encoder

WORDS = [f"w{i}" for i in range(40)]


class _Reading(Model):
    """A contender whose words are read by something."""

    reader: TokenVectors

    def token_vectors(self) -> TokenVectors:
        return self.reader


def _model(reader: TokenVectors) -> _Reading:
    model = _Reading("made")
    model.reader = reader
    return model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Labelled texts that a word's half tells, and articles that go round."""
    draw = np.random.default_rng(0)
    lines = ["label\ttext"]
    for i in range(90):
        words = draw.choice(WORDS[20 * (i % 2) : 20 * (i % 2) + 20], size=5)
        lines.append(f"{i % 2}\t{' '.join(words)}")
    (tmp_path / "classify" / "trec").mkdir(parents=True)
    (tmp_path / "classify" / "trec" / "all.tsv").write_text("\n".join(lines) + "\n")
    articles = "".join(f" = W {i} = \n {' '.join(WORDS[:10] * 6)} \n" for i in range(20))
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm" / "wikitext2.valid.txt").write_text(articles)
    return tmp_path


@pytest.fixture
def reader() -> WordTokens:
    halves = np.repeat([[1.0, 0.0], [0.0, 1.0]], 20, axis=0)
    noise = np.random.default_rng(0).normal(scale=0.2, size=(40, 2))
    return WordTokens(Vectors(WORDS, (halves + noise).astype(np.float32)))


def test_the_tasks_are_found_where_they_are_asked_for(data: Path) -> None:
    scorers, _ = find_scorers(data, ["sequence"])
    assert [scorer.name for scorer in scorers] == ["sequence/trec", "sequence/wikitext2"]
    others, _ = find_scorers(data, ["classification"])
    assert [scorer.kind for scorer in others] == ["classification"]


def test_each_text_is_right_or_wrong_and_the_same_again(data: Path, reader: WordTokens) -> None:
    scorer = SequenceScorer("sequence/trec", data / "classify" / "trec")
    items = scorer.score(_model(reader))
    assert score(items) > 0.9 and len(items.columns["value"]) == 30
    assert items.coverage == 1
    assert (scorer.score(_model(reader)).columns["value"] == items.columns["value"]).all()
    nothing = scorer.score(_model(WordTokens(Vectors(["other"], np.ones((1, 2), np.float32)))))
    assert nothing.coverage == 0 and score(nothing) == pytest.approx(0.5, abs=0.1)


def test_another_seed_draws_other_texts(data: Path, reader: WordTokens) -> None:
    settings = CompareSettings(n_train=20, seed=3)
    scorer = SequenceScorer("sequence/trec", data / "classify" / "trec", settings)
    assert score(scorer.score(_model(reader))) > 0.9


def test_other_settings_are_another_fingerprint(data: Path) -> None:
    path = data / "classify" / "trec"
    one, other = (
        SequenceScorer("sequence/trec", path, CompareSettings(n_train=n)) for n in (50, 60)
    )
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == SequenceScorer("x", path, CompareSettings(n_train=50)).fingerprint


def test_next_words_are_scored_by_one_over_the_perplexity(data: Path, reader: WordTokens) -> None:
    scorer = NextWordScorer("sequence/wikitext2", data / "lm" / "wikitext2.valid.txt")
    items = scorer.score(_model(reader))
    losses, counts = items.columns["loss"], items.columns["count"]
    assert score(items) == pytest.approx(math.exp(-losses.sum() / counts.sum()))
    assert items.notes[0] == f"perplexity {1 / score(items):.1f}"


def test_a_model_that_looks_ahead_lacks_what_it_takes(data: Path, tmp_path: Path) -> None:
    scorer = NextWordScorer("sequence/wikitext2", data / "lm" / "wikitext2.valid.txt")
    both_ways = ContextualTokens(load_encoder(write_encoder(tmp_path / "bert", "bert")))
    with pytest.raises(LackingError, match="knows the next word"):
        scorer.score(_model(both_ways))


def test_a_resample_of_texts_weighs_them_by_their_words() -> None:
    items = Items(
        statistic="inverse_perplexity",
        columns={"loss": np.array([1.0, 8.0]), "count": np.array([1, 4])},
        metric="1 / perplexity",
    )
    value, low, high = interval(items)
    assert value == pytest.approx(math.exp(-9 / 5))
    assert (low, high) == pytest.approx((math.exp(-2), math.exp(-1)))

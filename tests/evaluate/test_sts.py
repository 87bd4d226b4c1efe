"""Sentence similarity against scipy and sentence-transformers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rowspace.errors import EvaluationError
from rowspace.evaluate.sentence_data import SentencePair, SentenceTask
from rowspace.evaluate.sts import evaluate_sts, evaluate_sts_task
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.folder import SentenceConfig
from rowspace.sentence.prompts import Prompts


class TableEncoder:
    """Texts are keys of a table; one that is not in it has a zero vector."""

    dim = 4
    fingerprint = "table"

    def __init__(self, n_texts: int = 40, seed: int = 0) -> None:
        matrix = np.random.default_rng(seed).normal(size=(n_texts, self.dim))
        self.table = {f"t{i}": row.astype(np.float32) for i, row in enumerate(matrix)}
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        zero = np.zeros(self.dim, dtype=np.float32)
        return np.array([self.table.get(text, zero) for text in texts])

    def cosine(self, first: str, second: str) -> float:
        x, y = (self.encode([text])[0].astype(np.float64) for text in (first, second))
        norms = np.linalg.norm(x) * np.linalg.norm(y)
        return float(x @ y / norms) if norms else 0.0


class PromptedEncoder(SentenceEncoder):
    """A table behind the prompts of a sentence encoder."""

    def __init__(self, query: str, document: str, default: str | None = None) -> None:
        prompts = Prompts({"query": query, "document": document}, default)
        self.config = SentenceConfig(prompts=prompts)
        self.table = TableEncoder()
        self.read: list[str] = []

    def encode(self, texts: Any, *, prompt: str | None = None, **settings: Any) -> NDArray[Any]:
        self.read.append(self.config.prompts.resolve(None, prompt))
        return self.table.encode(texts)


def random_pairs(n_pairs: int = 30, n_texts: int = 40, seed: int = 1) -> list[SentencePair]:
    """Few different scores, so that many are tied."""
    rng = np.random.default_rng(seed)
    return [
        (f"t{a}", f"t{b}", float(score))
        for (a, b), score in zip(
            rng.integers(0, n_texts, (n_pairs, 2)), rng.integers(0, 4, n_pairs), strict=True
        )
    ]


def test_correlations_equal_scipy_with_ties() -> None:
    encoder, pairs = TableEncoder(), random_pairs()
    cosines = [encoder.cosine(a, b) for a, b, _ in pairs]
    human = [score for *_, score in pairs]
    result = evaluate_sts(encoder, pairs)
    assert result.spearman == pytest.approx(stats.spearmanr(human, cosines).statistic)
    assert result.pearson == pytest.approx(stats.pearsonr(human, cosines).statistic)
    assert (result.n_pairs, result.n_zero, result.notes) == (30, 0, ())


def test_each_text_is_encoded_once() -> None:
    encoder = TableEncoder()
    evaluate_sts(encoder, [("t1", "t2", 1.0), ("t2", "t1", 2.0), ("t1", "t3", 3.0)])
    assert encoder.asked == ["t1", "t2", "t3"]


def test_a_text_without_a_vector_has_cosine_0_and_is_counted() -> None:
    encoder = TableEncoder()
    pairs = [*random_pairs(), ("t1", "unknown", 3.0), ("unknown", "unknown", 5.0)]
    cosines = [encoder.cosine(a, b) for a, b, _ in pairs]
    result = evaluate_sts(encoder, pairs)
    human = [score for *_, score in pairs]
    assert result.pearson == pytest.approx(stats.pearsonr(human, cosines).statistic)
    assert (result.n_pairs, result.n_zero) == (32, 2)


def test_copies_of_a_text_tie_whatever_the_text() -> None:
    encoder = TableEncoder()
    copies = [(f"t{i}", f"t{i}", float(i % 3)) for i in range(20)]
    pairs = [*random_pairs(), *copies]
    human = [score for *_, score in pairs]
    exact = [1.0 if a == b else encoder.cosine(a, b) for a, b, _ in pairs]
    expected = stats.spearmanr(human, exact).statistic
    assert evaluate_sts(encoder, pairs).spearman == pytest.approx(expected, abs=1e-12)


def test_equal_cosines_have_no_correlation() -> None:
    result = evaluate_sts(TableEncoder(), [("x", "y", 1.0), ("y", "z", 2.0)])
    assert math.isnan(result.spearman)
    assert math.isnan(result.pearson)


@pytest.mark.parametrize(
    ("query", "document", "read"),
    [
        ("query: ", "passage: ", "query: "),  # E5's card: "query: " for symmetric tasks
        ("Represent this sentence: ", "", ""),  # BGE's card: an instruction for searches only
    ],
)
def test_of_two_prompts_one_is_taken_for_both_texts_and_said(
    query: str, document: str, read: str
) -> None:
    encoder, pairs = PromptedEncoder(query, document), random_pairs()
    result = evaluate_sts(encoder, pairs)
    assert encoder.read == [read]
    (note,) = result.notes
    assert note.endswith(f"all texts were encoded with {read!r}")
    assert result.spearman == evaluate_sts(TableEncoder(), pairs).spearman


@pytest.mark.parametrize(
    "encoder", [PromptedEncoder("q: ", "q: "), PromptedEncoder("q: ", "d: ", default="query")]
)
def test_a_prompt_that_is_beyond_doubt_needs_no_note(encoder: PromptedEncoder) -> None:
    assert evaluate_sts(encoder, random_pairs()).notes == ()
    assert encoder.read == ["q: "]


def test_files_are_scored_alone_and_together() -> None:
    encoder = TableEncoder()
    parts = {name: random_pairs(seed=seed) for name, seed in (("a", 1), ("b", 2))}
    result = evaluate_sts_task(encoder, SentenceTask(name="x", column="score", parts=parts))
    alone = {name: evaluate_sts(encoder, pairs) for name, pairs in parts.items()}
    assert result.parts == alone
    assert result.spearman == evaluate_sts(encoder, parts["a"] + parts["b"]).spearman
    assert result.mean_spearman == (alone["a"].spearman + alone["b"].spearman) / 2
    assert result.mean_pearson == (alone["a"].pearson + alone["b"].pearson) / 2


def test_one_file_has_no_parts() -> None:
    task = SentenceTask(name="x", column="score", parts={"dev": random_pairs()})
    result = evaluate_sts_task(TableEncoder(), task)
    assert result.parts == {}
    assert result.mean_spearman == result.spearman


def test_one_pair_has_no_correlation() -> None:
    with pytest.raises(
        EvaluationError, match="takes two sentence pairs or more, and the task holds 1"
    ):
        evaluate_sts(TableEncoder(), [("t1", "t2", 1.0)])
    parts = {"a": random_pairs(), "short": [("t1", "t2", 1.0)]}
    with pytest.raises(EvaluationError, match="and short holds 1; give more"):
        evaluate_sts_task(TableEncoder(), SentenceTask(name="x", column="score", parts=parts))


@pytest.mark.slow
def test_correlations_equal_those_of_sentence_transformers() -> None:
    evaluators = pytest.importorskip("sentence_transformers.evaluation")
    encoder, pairs = TableEncoder(), random_pairs()
    first, second, human = zip(*pairs, strict=True)
    peer = evaluators.EmbeddingSimilarityEvaluator(
        list(first), list(second), list(human), main_similarity="cosine", write_csv=False
    )
    peer.embed_inputs = lambda _, texts, **options: encoder.encode(texts)  # no model is needed
    model = SimpleNamespace(similarity_fn_name="cosine", model_card_data=_NoCard())
    theirs = peer(model)
    ours = evaluate_sts(encoder, pairs)
    assert ours.spearman == pytest.approx(theirs["spearman_cosine"], abs=1e-6)
    assert ours.pearson == pytest.approx(theirs["pearson_cosine"], abs=1e-6)


class _NoCard:
    def set_evaluation_metrics(self, *arguments: object) -> None:
        """Nothing is kept."""

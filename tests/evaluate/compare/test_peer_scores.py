"""Scores of a real encoder that sentence-transformers measures too.

That it is as published on all of SciFact is shown by `benchmarks.sentence_quality`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from rowspace.evaluate.compare.bootstrap import score
from rowspace.evaluate.compare.scorers.retrieval import RetrievalScorer
from rowspace.evaluate.compare.scorers.sts import STSScorer
from rowspace.space.encoder import Encoder
from tests.data import shared_data
from tests.evaluate.compare.made import Model
from tests.minilm import minilm_folder

pytestmark = pytest.mark.slow


class EncoderModel(Model):
    """A contender that is an encoder of texts."""

    def __init__(self) -> None:
        super().__init__("encoder")
        loading = pytest.importorskip("rowspace.sentence.loading")
        self.of_texts: Encoder = loading.load_encoder(minilm_folder(), dtype="float32")

    def encoder(self) -> Encoder:
        return self.of_texts


def test_sts_benchmark_is_that_of_sentence_transformers() -> None:
    peer = pytest.importorskip("sentence_transformers")
    evaluators = pytest.importorskip("sentence_transformers.evaluation")
    scorer = STSScorer("sts/stsb", shared_data("sentence", "stsb"))
    assert len(scorer.task.pairs) == 1500
    scorer.task = replace(scorer.task, parts={"every fourth": scorer.task.pairs[::4]})
    first, second, human = zip(*scorer.task.pairs, strict=True)
    evaluator = evaluators.EmbeddingSimilarityEvaluator(
        list(first), list(second), list(human), main_similarity="cosine", write_csv=False
    )
    theirs = evaluator(peer.SentenceTransformer(str(minilm_folder()), device="cpu"))
    items = scorer.score(EncoderModel())
    assert score(items) == pytest.approx(theirs["spearman_cosine"], abs=1e-4)


def test_scifact_is_that_of_sentence_transformers() -> None:
    peer = pytest.importorskip("sentence_transformers")
    evaluators = pytest.importorskip("sentence_transformers.evaluation")
    scorer = RetrievalScorer("retrieval/scifact", shared_data("retrieval", "scifact"))
    task = scorer.task
    assert len(task.judged_queries) == 300
    asked = task.judged_queries[:50]
    relevant = {query: {one for one, n in task.qrels[query].items() if n > 0} for query in asked}
    kept = set.union(*relevant.values(), list(task.documents)[::50])
    scorer.task = replace(
        task,
        documents={name: text for name, text in task.documents.items() if name in kept},
        queries={name: task.queries[name] for name in asked},
        qrels={name: task.qrels[name] for name in asked},
    )
    evaluator = evaluators.InformationRetrievalEvaluator(
        dict(scorer.task.queries), dict(scorer.task.documents), relevant, write_csv=False
    )
    theirs = evaluator(peer.SentenceTransformer(str(minilm_folder()), device="cpu"))
    items = scorer.score(EncoderModel())
    assert 0.5 < score(items) < 1
    assert score(items) == pytest.approx(theirs["cosine_ndcg@10"], abs=1e-4)

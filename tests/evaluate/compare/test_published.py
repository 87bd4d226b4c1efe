"""Scores of a real encoder that others published, or measure themselves."""

from __future__ import annotations

import numpy as np
import pytest

from rowspace.evaluate.compare.bootstrap import interval, score
from rowspace.evaluate.compare.scorers.retrieval import RetrievalScorer
from rowspace.evaluate.compare.scorers.sts import STSScorer
from rowspace.space.encoder import Encoder
from tests.data import shared_data
from tests.evaluate.compare.made import Model
from tests.minilm import minilm_folder


class EncoderModel(Model):
    """A contender that is an encoder of texts."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__("encoder")
        self.of_texts = encoder

    def encoder(self) -> Encoder:
        return self.of_texts


@pytest.mark.slow
def test_sts_benchmark_is_that_of_sentence_transformers() -> None:
    peer = pytest.importorskip("sentence_transformers")
    evaluators = pytest.importorskip("sentence_transformers.evaluation")
    loading = pytest.importorskip("rowspace.sentence.loading")
    folder = minilm_folder()
    scorer = STSScorer("sts/stsb", shared_data("sentence", "stsb"))
    items = scorer.score(EncoderModel(loading.load_encoder(folder, dtype="float32")))
    first, second, human = zip(*scorer.task.pairs, strict=True)
    evaluator = evaluators.EmbeddingSimilarityEvaluator(
        list(first), list(second), list(human), main_similarity="cosine", write_csv=False
    )
    theirs = evaluator(peer.SentenceTransformer(str(folder), device="cpu"))
    assert len(scorer.task.pairs) == 1500
    assert score(items) == pytest.approx(theirs["spearman_cosine"], abs=1e-4)


@pytest.mark.slow
def test_scifact_is_as_published() -> None:
    loading = pytest.importorskip("rowspace.sentence.loading")
    model = EncoderModel(loading.load_encoder(minilm_folder()))
    items = RetrievalScorer("retrieval/scifact", shared_data("retrieval", "scifact")).score(model)
    value, low, high = interval(items)
    # MTEB's leaderboard has 64.5 for all-MiniLM-L6-v2.
    assert value == pytest.approx(0.645, abs=0.01)
    assert low < 0.645 < high
    assert len(np.asarray(items.columns["value"])) == 300

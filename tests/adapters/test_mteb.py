"""mteb itself runs tasks on our encoders; what it finds is what our own evaluators find."""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when mteb is imported: nothing is fetched

import mteb
import numpy as np
import pytest
import torch
from mteb.models import CrossEncoderProtocol, EncoderProtocol, SearchProtocol
from mteb.models.model_meta import ModelMeta, ScoringFunction
from mteb.similarity_functions import pairwise_cos_sim, pairwise_dot_score
from mteb.types import PromptType
from numpy.typing import NDArray

from rowspace.adapters.models import open_encoder
from rowspace.adapters.mteb import MtebEncoder, as_mteb
from rowspace.errors import ConfigError, FormatError, MissingExtraError
from rowspace.evaluate.beir import RetrievalTask, read_retrieval_task
from rowspace.evaluate.retrieval import evaluate_rankings, retrieve_dense
from rowspace.evaluate.sentence_data import SentencePair, read_sentence_task
from rowspace.evaluate.sts import evaluate_sts
from rowspace.sentence.encoder import SentenceEncoder, pair_similarities
from rowspace.sentence.loading import load_encoder
from rowspace.sentence.prompts import Prompts
from rowspace.space.encoder import Encoder
from rowspace.space.vectors import Vectors
from rowspace.static.mean import MeanEncoder
from rowspace.static.sif import SIFEncoder
from tests.adapters.mteb_tasks import SPLIT, LocalRetrieval, LocalSTS, metadata
from tests.data import shared_data
from tests.minilm import minilm_folder
from tests.sentence.server import embed, serve
from tests.sentence.small_folders import write_sentence_encoder

PAIRS: list[SentencePair] = [
    ("a cat sits on the mat", "a dog sits on the mat", 4.0),
    ("a deep lake", "salt water", 2.5),
    ("the tax law", "the cat runs", 0.0),
    ("the river bank", "a deep river", 3.0),
    ("a dog runs", "a dog runs on", 5.0),
]
WORDS = sorted({word for first, second, _ in PAIRS for word in (first + " " + second).split()})
SMALL = RetrievalTask(
    name="small",
    documents={
        "lake": "the deep lake water",
        "law": "tax law on salt",
        "cat": "a cat sits on a mat",
        "bank": "a dog runs on the river bank",
    },
    queries={"1": "salt lake", "2": "dog on the mat", "3": "the law"},
    qrels={"1": {"lake": 2, "law": 1}, "2": {"cat": 1, "bank": 1}, "3": {"law": 1}},
)


def vectors() -> Vectors:
    matrix = np.random.default_rng(3).normal(size=(len(WORDS), 8)).astype(np.float32)
    return Vectors(WORDS, matrix)


def scores(model: MtebEncoder, task: Any) -> dict[str, Any]:
    found = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    (result,) = found.task_results
    return cast("dict[str, Any]", result.scores[SPLIT][0])


def check_sts(encoder: Encoder, pairs: list[SentencePair]) -> None:
    found, ours = scores(as_mteb(encoder), LocalSTS(pairs)), evaluate_sts(encoder, pairs)
    for theirs in ("cosine_spearman", "spearman"):
        assert found[theirs] == pytest.approx(ours.spearman, abs=1e-4)
    for theirs in ("cosine_pearson", "pearson"):
        assert found[theirs] == pytest.approx(ours.pearson, abs=1e-4)


def check_retrieval(encoder: Encoder, task: RetrievalTask) -> None:
    found = scores(as_mteb(encoder), LocalRetrieval(task))
    ours = evaluate_rankings(task, retrieve_dense(encoder, task, 10)).scores
    names = {
        "ndcg": "ndcg_at_k",
        "recall": "recall_at_k",
        "mrr": "reciprocal_rank",
        "map": "average_precision",
    }
    for theirs, name in names.items():
        assert found[f"{theirs}_at_10"] == pytest.approx(ours[name], abs=1e-4)


@pytest.mark.parametrize("make", [SIFEncoder, MeanEncoder])
def test_word_vectors_score_as_our_own_evaluators_say(make: Any) -> None:
    check_sts(make(vectors()), PAIRS)
    check_retrieval(make(vectors()), SMALL)


@pytest.mark.slow
def test_minilm_scores_as_our_own_evaluators_say() -> None:
    encoder = load_encoder(minilm_folder())
    pairs = read_sentence_task(shared_data("sentence", "stsb"), "dev").pairs[::3]
    check_sts(encoder, pairs)
    task = read_retrieval_task(shared_data("retrieval", "adi"))
    documents = {name: text[:800] for name, text in task.documents.items()}  # not cut by tokens
    check_retrieval(encoder, dataclasses.replace(task, documents=documents))


def test_mteb_takes_it_for_an_encoder_and_nothing_else() -> None:
    model = as_mteb(MeanEncoder(vectors()))
    assert isinstance(model, EncoderProtocol)
    assert not isinstance(model, SearchProtocol | CrossEncoderProtocol)
    typed: EncoderProtocol = model  # mypy compares the signatures
    assert typed.mteb_model_meta is model.mteb_model_meta


def test_the_metadata_are_the_encoders(tmp_path: Path) -> None:
    encoder = load_encoder(write_sentence_encoder(tmp_path / "small", similarity="dot"))
    meta = as_mteb(encoder).mteb_model_meta
    assert isinstance(meta, ModelMeta)
    assert (meta.name, meta.revision) == ("rowspace/small", encoder.fingerprint)
    assert (meta.embed_dim, meta.max_tokens) == (encoder.dim, encoder.max_length)
    assert meta.similarity_fn_name is ScoringFunction.DOT_PRODUCT
    assert meta.use_instructions is True
    meta = as_mteb(MeanEncoder(vectors()), "me/mean").mteb_model_meta
    assert (meta.name, meta.max_tokens, meta.use_instructions) == ("me/mean", None, False)
    assert as_mteb(MeanEncoder(vectors())).mteb_model_meta.name == "rowspace/MeanEncoder"


def test_mtebs_cache_keeps_results_and_not_those_of_other_weights(tmp_path: Path) -> None:
    cache, task = mteb.ResultCache(cache_path=tmp_path), LocalSTS(PAIRS)

    def run(encoder: Encoder) -> float:
        model = as_mteb(encoder, "me/words")
        found = mteb.evaluate(model, task, cache=cache, co2_tracker=False, show_progress_bar=False)
        return float(found.task_results[0].get_score())

    other = Vectors(WORDS, vectors().matrix[::-1].copy())
    first, second = run(MeanEncoder(vectors())), run(MeanEncoder(other))
    assert abs(first - second) > 0.01
    task.dataset = None  # what is cached needs no data
    assert (run(MeanEncoder(vectors())), run(MeanEncoder(other))) == pytest.approx((first, second))


class Recording(SentenceEncoder):
    """Remembers the prompts that it was called with."""

    def __init__(self, encoder: SentenceEncoder, prompts: Prompts) -> None:
        config = dataclasses.replace(encoder.config, prompts=prompts)
        super().__init__(encoder.embedding, config)
        self.asked: list[str] = []

    def encode(self, texts: Any, **settings: Any) -> NDArray[Any]:
        self.asked.append(settings["prompt"])
        return super().encode(texts, **settings)


E5 = {"query": "query: ", "passage": "passage: "}
BGE = {"query": "find: ", "document": ""}
NOMIC = {"query": "search_query: ", "document": "search_document: ", "clustering": "cluster: "}
TASKS = {"STS": "sts: ", "Clustering-query": "c: ", "LocalTask": "this: ", "query": "q: "}


# E5's, BGE's and Nomic's cards say what they read; mteb's documentation says its names' order.
@pytest.mark.parametrize(
    ("prompts", "kind", "prompt_type", "read"),
    [
        (E5, "Retrieval", PromptType.query, "query: "),
        (E5, "Retrieval", PromptType.document, "passage: "),
        (E5, "STS", None, "query: "),
        (BGE, "Retrieval", PromptType.query, "find: "),
        (BGE, "Retrieval", PromptType.document, ""),
        (BGE, "STS", None, ""),
        (NOMIC, "Clustering", None, "cluster: "),
        (NOMIC, "Retrieval", PromptType.document, "search_document: "),
        (TASKS, "STS", None, "this: "),
        ({}, "STS", None, ""),
        ({name: TASKS[name] for name in TASKS if name != "LocalTask"}, "STS", None, "sts: "),
        ({"Clustering-query": "c: "}, "Clustering", PromptType.query, "c: "),
    ],
)
def test_texts_are_read_with_the_prompt_of_their_task(
    prompts: dict[str, str], kind: str, prompt_type: Any, read: str, small: SentenceEncoder
) -> None:
    encoder = Recording(small, Prompts(prompts))
    task = metadata("LocalTask", kind, "ndcg_at_10")
    as_mteb(encoder).encode([{"text": ["a"]}], task_metadata=task, prompt_type=prompt_type)
    assert encoder.asked == [read]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    return load_encoder(write_sentence_encoder(tmp_path_factory.mktemp("small") / "model"))


def test_batches_are_joined_in_their_order(small: SentenceEncoder) -> None:
    task = metadata("LocalTask", "Retrieval", "ndcg_at_10")
    batches: Any = [{"text": ["a river", "a bank"]}, {"text": ["water"]}]
    found = as_mteb(small).encode(batches, task_metadata=task, prompt_type=PromptType.query)
    expected = small.encode_query(["a river", "a bank", "water"])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarities_take_tensors_and_agree_with_each_other(kind: str, tmp_path: Path) -> None:
    model = as_mteb(load_encoder(write_sentence_encoder(tmp_path / "m", similarity=kind)))
    a, b = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
    matrix, pairs = model.similarity(a, b), model.similarity_pairwise(a, b)
    assert matrix.shape == (5, 5)
    np.testing.assert_allclose(np.diagonal(matrix), pairs, rtol=1e-5)
    theirs = {
        "cosine": pairwise_cos_sim(a, b),
        "dot": pairwise_dot_score(a, b),
        "euclidean": -(a - b).pow(2).sum(1).sqrt(),
        "manhattan": -(a - b).abs().sum(1),
    }
    np.testing.assert_allclose(pairs, theirs[kind], rtol=1e-5)


def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, small: SentenceEncoder) -> None:
    task = metadata("LocalTask", "STS", "cosine_spearman")
    image: Any = [{"image": [1]}]
    with pytest.raises(ConfigError, match="inputs have image and no text; choose tasks of text"):
        as_mteb(small).encode(image, task_metadata=task)
    with pytest.raises(ConfigError, match=r"precision is 'int8'.*leave it out"):
        as_mteb(small).encode([{"text": ["a"]}], task_metadata=task, precision="int8")
    with pytest.raises(ConfigError, match="similarity is 'taxi'"):
        pair_similarities(np.ones((1, 2)), np.ones((1, 2)), "taxi")
    with pytest.raises(FormatError, match="there is no path"):
        as_mteb(str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match=r"'small' is no name for mteb; .* as 'me/small'"):
        as_mteb(small, "small")


def test_models_are_opened_by_their_path(tmp_path: Path) -> None:
    vectors().save(tmp_path / "words")
    assert isinstance(as_mteb(tmp_path / "words").encoder, SIFEncoder)
    assert as_mteb(tmp_path / "words").mteb_model_meta.name == "rowspace/words"
    mean = as_mteb(f"{tmp_path / 'words'}@mean")  # as `rowspace compare` writes it
    texts = ["a deep lake", "a cat"]
    np.testing.assert_array_equal(mean.encoder.encode(texts), MeanEncoder(vectors()).encode(texts))
    assert mean.mteb_model_meta.name == "rowspace/words@mean"
    write_sentence_encoder(tmp_path / "sentence")
    assert isinstance(open_encoder(str(tmp_path / "sentence")), SentenceEncoder)


def test_a_missing_mteb_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.delitem(sys.modules, "rowspace.adapters.mteb")
    with pytest.raises(MissingExtraError, match=r"rowspace\[mteb\]"):
        importlib.import_module("rowspace.adapters.mteb")


def test_a_model_behind_an_api_is_one_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where vectors that were paid for stay
    with serve(embed) as server:
        model = as_mteb(f"{server.url}#small-embedder")
        task = metadata("LocalTask", "Retrieval", "ndcg_at_10")
        inputs: Any = [{"text": ["a lake", "a law"]}]
        found = model.encode(inputs, task_metadata=task, prompt_type=PromptType.query)
        assert (found.shape, server.texts[-2:]) == (
            (2, model.mteb_model_meta.embed_dim),
            ["a lake", "a law"],
        )
    assert model.mteb_model_meta.name == "rowspace/small-embedder"

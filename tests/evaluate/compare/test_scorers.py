"""What each kind of task makes of a model: the numbers of `rowspace.evaluate`, item by item."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.analogy import read_analogies
from rowspace.evaluate.compare.bootstrap import interval, score
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.analogy import AnalogyScorer
from rowspace.evaluate.compare.scorers.classification import ClassificationScorer
from rowspace.evaluate.compare.scorers.clustering import TextClusteringScorer, WordClusteringScorer
from rowspace.evaluate.compare.scorers.retrieval import RetrievalScorer, ranker_items
from rowspace.evaluate.compare.scorers.sense import SenseScorer, WicScorer
from rowspace.evaluate.compare.scorers.similarity import SimilarityScorer
from rowspace.evaluate.compare.scorers.sts import STSScorer
from rowspace.evaluate.compare.settings import CompareSettings
from rowspace.evaluate.occurrence_encoders import NeighborOccurrences, OccurrenceEncoder
from rowspace.evaluate.pair_classification import evaluate_pair_classification
from rowspace.evaluate.retrieval import evaluate_rankings, retrieve_dense
from rowspace.evaluate.sense import SenseSettings, evaluate_senses
from rowspace.evaluate.sense_tasks import read_sense_task
from rowspace.evaluate.sentence_data import read_sentence_task
from rowspace.evaluate.similarity import read_pairs, word_similarity
from rowspace.evaluate.sts import evaluate_sts_task
from rowspace.evaluate.wic import evaluate_wic
from rowspace.space.encoder import Encoder
from rowspace.space.vectors import Vectors
from tests.evaluate.compare.made import Model
from tests.evaluate.test_analogy import offset_vectors
from tests.evaluate.test_tasks import OneWord, first_documents, write_data

WORDS = offset_vectors(noise=0.9)


class WordModel(Model):
    """A contender made of word vectors; a text has one if it is a word."""

    def __init__(self, vectors: Vectors = WORDS) -> None:
        super().__init__("words")
        self.vectors = vectors

    def words(self, words: Sequence[str]) -> NDArray[np.float32]:
        known = self.vectors.key_to_index
        zero = np.zeros(self.vectors.dim, dtype=np.float32)
        return np.array([self.vectors[word] if word in known else zero for word in words])

    def encoder(self) -> Encoder:
        return OneWord(self.vectors)

    def occurrences(self) -> OccurrenceEncoder:
        return NeighborOccurrences(self.vectors)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path)


def test_a_pair_with_an_unknown_word_counts_as_cosine_0(data: Path) -> None:
    path = data / "word" / "similarity" / "places.tsv"
    items = SimilarityScorer("similarity/places", path).score(WordModel())
    expected = word_similarity(WORDS, read_pairs(path), dummy4unknown=True)
    assert score(items) == pytest.approx(expected.spearman)
    assert items.coverage == 0.75
    assert items.columns["model"][-1] == 0.0
    assert items.notes == ("1 of 4 pairs have an unknown word, counted as cosine 0",)


def test_a_model_that_knows_no_word_is_not_scored(data: Path) -> None:
    nothing = WordModel(Vectors(["other"], np.ones((1, 10), dtype=np.float32)))
    with pytest.raises(EvaluationError, match="Spearman is undefined, since the model says the sa"):
        SimilarityScorer("x", data / "word" / "similarity" / "places.tsv").score(nothing)
    with pytest.raises(EvaluationError, match="has a vector for none of 10 words"):
        AnalogyScorer("x", data / "word" / "analogy" / "capitals.txt").score(nothing)


def test_analogies_are_answered_among_the_words_of_the_file(tmp_path: Path) -> None:
    # x is the answer by cosine, but no word of the file, so it cannot be given.
    vectors = Vectors(
        ["a", "b", "c", "d", "e", "x"],
        np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0.5, 1], [1, 0, 1], [0, 1, 1]], np.float32),
    )
    path = tmp_path / "q.txt"
    path.write_text(": one\na b c d\na b c e\n: two\na b c unknown\n")
    items = AnalogyScorer("analogy/q", path).score(WordModel(vectors))
    assert items.columns["value"].tolist() == [1, 0, 0]
    assert items.metric == "accuracy, closed"
    assert items.coverage == pytest.approx(2 / 3)
    assert items.notes == (
        "answers among the file's 6 words",
        "1 of 3 questions have an unknown word and failed",
    )
    assert sum(len(section.questions) for section in read_analogies(path)) == 3


def test_scored_pairs_of_all_files_are_one_task(data: Path) -> None:
    items = STSScorer("sts/trips", data / "sentence" / "trips").score(WordModel())
    expected = evaluate_sts_task(OneWord(WORDS), read_sentence_task(data / "sentence" / "trips"))
    assert score(items) == pytest.approx(expected.spearman)
    assert items.coverage == pytest.approx(5 / 6)
    assert items.notes == (
        "scored on the pairs of a, b",
        "pairs with a text without a vector, counted with cosine 0: 1",
    )


def test_labelled_pairs_have_an_average_precision_and_a_limit(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    lines = "".join(f"{i % 2}\tfiller{i}\tfiller{(i * 7) % 20}\n" for i in range(20))
    (folder / "dev.tsv").write_text(f"label\tsentence1\tsentence2\n{lines}")
    items = STSScorer("sts/pairs", folder).score(WordModel())
    expected = evaluate_pair_classification(OneWord(WORDS), read_sentence_task(folder, "dev").pairs)
    assert items.metric == "average precision"
    assert score(items) == pytest.approx(expected.average_precision)
    assert items.notes == ("scored on the pairs of dev",)
    few = STSScorer("sts/pairs", folder, CompareSettings(n_labelled_pairs=10)).score(WordModel())
    assert sorted(few.columns["label"]) == [0] * 5 + [1] * 5
    assert few.notes == ("scored on the pairs of dev", "10 of 20 pairs")


def test_retrieval_has_a_score_a_query(data: Path) -> None:
    scorer = RetrievalScorer("retrieval/drinks", data / "retrieval" / "drinks")
    task = scorer.task
    texts = [*task.documents.values(), *task.queries.values()]
    matrix = np.random.default_rng(0).normal(size=(len(set(texts)), 5)).astype(np.float32)
    vectors = Vectors(list(dict.fromkeys(texts)), matrix)  # a vector for each whole text
    items = scorer.score(WordModel(vectors))
    expected = evaluate_rankings(task, retrieve_dense(OneWord(vectors), task, 10))
    assert items.metric == "nDCG@10"
    assert score(items) == pytest.approx(expected.ndcg_at_k)
    assert len(items.columns["value"]) == len(task.judged_queries)
    assert "queries without a relevant document in this split, left out: 1" in items.notes


def test_any_ranker_is_scored_on_the_same_queries(data: Path) -> None:
    task = RetrievalScorer("retrieval/drinks", data / "retrieval" / "drinks").task
    items = ranker_items(task, first_documents, k=2)
    assert items.metric == "nDCG@2"
    assert score(items) == evaluate_rankings(task, first_documents(task, 2), 2).ndcg_at_k
    nothing = ranker_items(task, lambda task, k: {query: [] for query in task.judged_queries})
    assert (score(nothing), nothing.coverage) == (0.0, 0.0)
    assert "queries for which nothing was found, scored 0: 2" in nothing.notes


def sense_data(folder: Path) -> dict[str, Path]:
    """Two words of two senses, told apart by one neighbour, with noise."""
    rng = np.random.default_rng(0)
    home = folder / "senseval"
    home.mkdir()
    for word in ("plant", "bar"):
        lines = []
        for i in range(90):
            sense = i % 2 if i < 60 else 0
            near = f"filler{rng.integers(10) + 10 * (sense ^ (rng.random() < 0.2))}"
            record = {"sense": f"{word}{sense}", "index": 0, "tokens": [word, near, f"t{i}"]}
            lines.append(json.dumps(record) + "\n")
        (home / f"{word}.jsonl").write_text("".join(lines))
    return {f"senseval/{word}": home / f"{word}.jsonl" for word in ("plant", "bar")}


def test_senses_of_all_words_are_one_task(tmp_path: Path) -> None:
    words = sense_data(tmp_path)
    settings = CompareSettings(n_examples=5, n_occurrences=20)
    items = SenseScorer("sense/senseval", words, settings).score(WordModel())
    each = SenseSettings(n_examples=(5,), seeds=(0,), limit=20)
    expected = [
        evaluate_senses(NeighborOccurrences(WORDS), read_sense_task(name, path), each)
        for name, path in words.items()
    ]
    f1 = [result.scores["centroid"][0].macro_f1 for result in expected]
    assert score(items) == pytest.approx(np.mean(f1))
    assert np.bincount(items.columns["group"]).tolist() == [20, 20]
    assert items.notes == ("2 words, 5 examples a sense",)
    _, low, high = interval(items)
    assert low < score(items) < high


def test_a_word_that_cannot_be_read_is_left_out_and_said(tmp_path: Path) -> None:
    words = sense_data(tmp_path)
    words["senseval/bar"].write_text("{}\n")
    scorer = SenseScorer("sense/senseval", words)
    items = scorer.score(WordModel())
    assert items.notes[0].startswith("1 words")
    assert items.notes[1].startswith("senseval/bar is left out: bar.jsonl line 1 is not")
    words["senseval/plant"].unlink()
    with pytest.raises(EvaluationError, match=r"no word of sense/senseval can be read: .*plant"):
        _ = SenseScorer("sense/senseval", words).task


def test_pairs_of_word_in_context_are_right_or_wrong(data: Path) -> None:
    path = data / "context" / "wic" / "dev.tsv"
    scorer = WicScorer("sense/wic", {"wic/dev": path})
    items = scorer.score(WordModel())
    expected = evaluate_wic(NeighborOccurrences(WORDS), scorer.task)
    assert score(items) == expected.accuracy
    assert (items.coverage, items.notes) == (0.0, ("pairs of which one has no vector: 10",))


def test_classification_says_what_was_told_of_each_text(data: Path) -> None:
    items = ClassificationScorer("classification/places", data / "classify" / "places").score(
        WordModel()
    )
    assert items.columns["truth"].tolist() == [0, 1, 1]
    assert items.coverage == pytest.approx(2 / 3)
    assert items.notes == ("test texts without a vector, all given one label: 1",)


def test_words_in_clusters_have_a_purity(data: Path) -> None:
    items = WordClusteringScorer(
        "clustering/cities", data / "word" / "categorization" / "cities.tsv"
    ).score(WordModel())
    assert items.metric == "purity"
    assert items.columns["value"][-1] == 0  # it has no vector
    assert items.coverage == 0.75


def test_texts_of_three_labels_are_clustered_and_of_two_are_not(data: Path) -> None:
    folder = data / "classify" / "three"
    folder.mkdir()
    lines = "".join(f"{i % 3}\tfiller{i}\n" for i in range(20))
    (folder / "all.tsv").write_text(f"label\ttext\n{lines}")
    items: Items = TextClusteringScorer("clustering/three", folder).score(WordModel())
    assert (items.metric, len(items.columns["cluster"])) == ("V-measure", 6)
    two = TextClusteringScorer("clustering/places", data / "classify" / "places")
    with pytest.raises(EvaluationError, match="places has 2 labels, and what parts texts most"):
        two.score(WordModel())


class FirstWord(OneWord):
    """Reads the first word of each text."""

    n_truncated = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.n_truncated = sum(" " in text for text in texts)
        return super().encode([text.split(" ")[0] for text in texts])


class Cutting(WordModel):
    def encoder(self) -> Encoder:
        return FirstWord(self.vectors)


def test_texts_that_were_cut_are_in_the_notes(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(
        "score\tsentence1\tsentence2\n1\tParis is\tRome\n2\tOslo\tPeru is far\n3\tRome\tRome\n"
    )
    items = STSScorer("sts/x", tmp_path).score(Cutting())
    assert items.notes[-1] == (
        "2 of 4 texts are longer than the model reads, and their ends were left out"
    )


def test_a_fingerprint_changes_with_the_files_and_what_matters(data: Path) -> None:
    def of(settings: CompareSettings) -> list[str]:
        places = data / "classify" / "places"
        return [
            ClassificationScorer("a", places, settings).fingerprint,
            RetrievalScorer("b", data / "retrieval" / "drinks", settings).fingerprint,
        ]

    before = of(CompareSettings())
    assert of(CompareSettings()) == before
    after = of(CompareSettings(n_train=7))
    assert (after[0] == before[0], after[1] == before[1]) == (False, True)
    (data / "classify" / "places" / "test.tsv").write_text("label\ttext\ncity\tRome\n")
    assert of(CompareSettings())[0] != before[0]

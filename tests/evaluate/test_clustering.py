"""Words and texts in clusters: purity by hand, V-measure by scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import v_measure_score

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.clustering import (
    NO_CLUSTER,
    Clustered,
    ClusteringSettings,
    cluster,
    clustering_result,
    evaluate_text_clustering,
    evaluate_word_clustering,
    is_in_majority,
    read_categories,
)
from rowspace.evaluate.labelled_texts import LabelledTexts
from rowspace.space.similarity import unit_rows
from rowspace.space.vectors import Vectors
from tests.data import shared_data
from tests.evaluate.test_classification import clouds


def test_purity_by_hand() -> None:
    # Manning, Raghavan & Schütze (2008), figure 16.4: 17 items, purity (5 + 4 + 3) / 17.
    groups = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 2, 0, 0, 2, 2, 2])
    clusters = np.repeat([0, 1, 2], [6, 6, 5])
    assert is_in_majority(groups, clusters).mean() == pytest.approx(12 / 17)


def test_what_has_no_vector_is_never_right() -> None:
    groups = np.array([0, 0, 1, 1])
    clusters = np.array([0, NO_CLUSTER, 1, NO_CLUSTER])
    assert is_in_majority(groups, clusters).tolist() == [True, False, True, False]
    result = clustering_result(Clustered(groups=groups, clusters=clusters))
    assert (result.purity, result.n_without_vector, result.n_clusters) == (0.5, 2, 2)
    assert result.v_measure == pytest.approx(v_measure_score(groups, clusters))


def test_well_parted_clouds_are_found_again() -> None:
    encoder, task = clouds(0.05)
    result = evaluate_text_clustering(encoder, task)
    assert result.v_measure == pytest.approx(1.0)
    assert result.purity == 1.0
    assert (result.n_items, result.n_clusters) == (100, 3)


def test_clusters_are_as_tight_as_those_of_scikit_learn() -> None:
    encoder, task = clouds(0.7)
    units = unit_rows(encoder.encode(task.test.texts))
    found = cluster(encoder.encode(task.test.texts), task.test.labels)

    def tightness(clusters: NDArray[np.int64]) -> float:
        return float(sum(np.linalg.norm(units[clusters == c].sum(axis=0)) for c in range(3)))

    theirs = KMeans(3, n_init=10, random_state=0).fit_predict(units)
    assert tightness(found.clusters) >= tightness(theirs) - 1e-9


def test_length_does_not_count_and_seeds_repeat() -> None:
    encoder, task = clouds(1.0)
    lengths = np.random.default_rng(1).uniform(0.1, 10, size=(len(encoder.matrix), 1))
    vectors = encoder.encode(task.test.texts)
    longer = (encoder.matrix * lengths).astype(np.float32)[[int(t) for t in task.test.texts]]
    first, second = (cluster(v, task.test.labels).clusters for v in (vectors, longer))
    assert v_measure_score(first, second) == pytest.approx(1.0)
    assert cluster(vectors, task.test.labels).clusters.tolist() == first.tolist()


def test_texts_can_be_limited() -> None:
    encoder, task = clouds(0.5)
    result = evaluate_text_clustering(encoder, task, ClusteringSettings(n_texts=40))
    assert result.n_items == 40
    assert result.notes == ("40 of 100 texts of the test part",)


def test_words_are_looked_up_in_any_case() -> None:
    matrix = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [5, 5]], dtype=np.float32)
    vectors = Vectors(["paris", "Rome", "dog", "cat", "rome"], matrix)
    words = LabelledTexts(texts=["Paris", "rome", "Dog", "CAT", "x"], labels=list("ccddd"))
    result = evaluate_word_clustering(vectors, words)
    assert (result.purity, result.n_without_vector) == (0.8, 1)
    strict = evaluate_word_clustering(
        vectors, LabelledTexts(texts=["dog", "cat", "Rome"], labels=list("ddc")),
        case_insensitive=False,
    )  # fmt: skip
    assert strict.purity == 1.0


@pytest.mark.parametrize(
    ("rows", "labels"), [([[1, 0], [0, 1]], "aa"), ([[1, 0], [0, 0], [0, 0]], "abc")]
)
def test_too_little_to_cluster_is_an_error(rows: Sequence[Sequence[int]], labels: str) -> None:
    with pytest.raises(EvaluationError, match="clustering takes two labels and as many vectors"):
        cluster(np.array(rows, dtype=np.float32), list(labels))


def test_no_starts_are_an_error() -> None:
    with pytest.raises(ConfigError, match="n_starts is 0, so there are no clusters"):
        ClusteringSettings(n_starts=0)


def test_categories_are_read_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("cat\tanimal\n\tanimal\noak\ttree\ncat\tanimal\noak\twood\n")
    words, notes = read_categories(path)
    assert (words.texts, words.labels) == (["cat", "oak"], ["animal", "tree"])
    assert notes == (
        "lines without a text, left out: 1",
        "lines that repeat a text, left out: 2",
        "of these, with another label: 1",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cat\tanimal\ndog\n", r"x\.tsv line 2 is not `word TAB category`: 'dog'; correct"),
        ("cat\t\n", r"x\.tsv line 1 is not `word TAB category`"),
        ("\tanimal\n", r"x\.tsv holds no words; give `word TAB category` lines"),
        ("", r"x\.tsv holds no words"),
    ],
)
def test_a_line_without_a_category_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(content)
    with pytest.raises(EvaluationError, match=message):
        read_categories(path)


def test_the_set_of_almuhareb_and_poesio_is_whole() -> None:
    words, notes = read_categories(shared_data("word", "categorization", "ap.tsv"))
    # 402 nouns of 21 classes in the paper; the file has a line without a word for each class.
    assert (len(words), len(set(words.labels))) == (402, 21)
    assert notes == ("lines without a text, left out: 21",)

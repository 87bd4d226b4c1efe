from __future__ import annotations

import numpy as np
import pytest

from rowspace.explore import map_clusters
from rowspace.explore.cluster_labels import cluster_labels, dense_middle
from rowspace.explore.map_clusters import NONE, Clusters, make_clusters
from rowspace.explore.telling_words import class_tf_idf, telling_words
from rowspace.explore.words import WordPoints
from rowspace.space.vectors import Vectors
from tests import naive_maps
from tests.explore.shown import ArrayPoints, blobs


def clusters(points: ArrayPoints | WordPoints, seed: int = 0) -> Clusters:
    return make_clusters(points, seed, lambda share, message: None)


def test_groups_are_found_the_largest_first_and_named_by_what_tells_most() -> None:
    matrix, groups = blobs(400, n_groups=6)
    names = ["lava", "ship", "bread", "river", "goat", "piano"]
    texts = [f"the thing and {names[group]}" for group in groups]
    found = clusters(ArrayPoints(matrix, texts))
    coarse = found.codes[:, 0].astype(np.int64)
    assert len(found.names[0]) == 6
    for code, name in enumerate(found.names[0]):
        assert {names[group] for group in groups[coarse == code]} == {name.split(", ")[0]}
    sizes = np.bincount(coarse)
    assert (np.diff(sizes) <= 0).all()
    assert 0.5 < found.silhouette <= 1
    assert len(found.names[1]) > 6


def test_what_a_sample_does_not_hold_goes_to_the_nearest_centre(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix, groups = blobs(500, n_groups=6)
    monkeypatch.setattr(map_clusters, "GROUPED", 120)
    coarse = clusters(ArrayPoints(matrix)).codes[:, 0]
    assert all(len(set(groups[coarse == code])) == 1 for code in np.unique(coarse))


def test_points_without_a_direction_are_in_no_group() -> None:
    matrix, _ = blobs(60)
    matrix[7] = 0
    found = clusters(ArrayPoints(matrix))
    assert (found.codes[7] == NONE).all() and (np.delete(found.codes, 7, 0) != NONE).all()
    assert clusters(ArrayPoints(np.zeros((3, 4)))).names == ([], [])


@pytest.mark.parametrize("n", [1, 2, 5, 13, 40])
def test_few_points_are_grouped_too(n: int) -> None:
    found = clusters(ArrayPoints(blobs(n)[0]))
    for level in (0, 1):
        assert len(found.names[level]) == found.codes[:, level].max() + 1


def test_the_seed_decides() -> None:
    points = ArrayPoints(np.random.default_rng(0).standard_normal((200, 6)))
    assert np.array_equal(clusters(points).codes, clusters(points).codes)
    assert not np.array_equal(clusters(points).codes, clusters(points, 1).codes)


def test_words_are_named_by_the_most_central_frequent_ones() -> None:
    matrix, _ = blobs(300, n_groups=6)
    keys = [f"w{row}" for row in range(300)]
    points = WordPoints(Vectors(keys, matrix, np.arange(300, 0, -1)))
    found = clusters(points)
    for code, name in enumerate(found.names[0]):
        rows = [int(word[1:]) for word in name.split(", ")]
        members = np.flatnonzero(found.codes[:, 0] == code)
        assert set(rows) <= set(members[:30].tolist())


def test_class_tf_idf_is_that_of_a_plain_loop_and_of_one_by_hand() -> None:
    texts = [["lava", "lava", "ash", "sea"], ["sea", "ship"], ["sea", "lava", "net", "cod"]]
    words = sorted({word for words in texts for word in words})
    counts = np.array([[words_.count(word) for word in words] for words_ in texts])
    weights = class_tf_idf(counts)
    for group in range(3):
        for place, word in enumerate(words):
            assert weights[group, place] == pytest.approx(
                naive_maps.class_tf_idf(texts, word, group)
            )
    # "lava": 2 of the 4 words of group 0; 3 in all; (4 + 2 + 4) / 3 words a group.
    assert weights[0, words.index("lava")] == pytest.approx(0.5 * np.log(1 + (10 / 3) / 3))


def test_a_plural_is_not_named_beside_its_singular() -> None:
    texts = ["island islands island islands reef", "army army armies war war war soldier"]
    found = telling_words(texts, np.array([0, 1]), 2)
    assert found == [["island", "reef"], ["war", "army", "soldier"]]


def test_groups_without_words_have_empty_names() -> None:
    assert telling_words(["12 34", "!"], np.array([0, 1]), 3) == [[], [], []]


def test_a_label_stands_in_the_dense_part_of_its_group() -> None:
    random = np.random.default_rng(0)
    dense = random.normal([0.5, 0.5], 0.02, (200, 2))
    scattered = random.uniform(-1, 0, (150, 2))
    places = np.concatenate([dense, scattered]).astype(np.float32)
    assert dense_middle(places) == pytest.approx([0.5, 0.5], abs=0.03)


def test_labels_have_sizes_and_leave_out_groups_that_are_empty() -> None:
    places = np.array([[-0.5, 0], [-0.5, 0], [0.5, 0]], np.float32)
    codes = np.array([0, 0, 2], np.uint16)
    assert cluster_labels(places, codes, ["a", "b", "c"]) == [
        {"text": "a", "x": -0.5, "y": 0.0, "n": 2, "cluster": 0},
        {"text": "c", "x": 0.5, "y": 0.0, "n": 1, "cluster": 2},
    ]

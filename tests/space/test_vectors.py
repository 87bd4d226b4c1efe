from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from rowspace.errors import ConfigError, VocabularyError
from rowspace.space.vectors import Neighbors, Vectors

N, DIM = 120, 9
KEYS = [f"w{i}" for i in range(N)]
MATRIX = np.random.default_rng(5).standard_normal((N, DIM)).astype(np.float32)
ARRAY = MATRIX[7] + MATRIX[9]


@pytest.fixture
def vectors() -> Vectors:
    return Vectors(KEYS, MATRIX)


@pytest.fixture
def gensim_vectors() -> KeyedVectors:
    peer = KeyedVectors(DIM)
    peer.add_vectors(KEYS, MATRIX)
    return peer


def assert_same(ours: Neighbors, theirs: Neighbors) -> None:
    assert [key for key, _ in ours] == [key for key, _ in theirs]
    np.testing.assert_allclose([s for _, s in ours], [s for _, s in theirs], rtol=2e-5, atol=1e-6)


QUERIES = {
    "a key": {"positive": "w1"},
    "an analogy": {"positive": ["w1", "w2"], "negative": ["w3"]},
    "negative only": {"negative": "w4"},
    "weighted": {"positive": [("w1", 0.3), ("w5", 2.0)], "negative": [("w6", -0.5)]},
    "a vector and a key": {"positive": [ARRAY, "w1"]},
    "one vector": {"positive": ARRAY},
    "the first keys": {"positive": "w1", "restrict_vocab": 20},
    "everything": {"positive": "w1", "topn": 10**6},
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_most_similar_is_gensims(
    query: dict[str, object], vectors: Vectors, gensim_vectors: KeyedVectors
) -> None:
    ours = vectors.most_similar(**query)  # type: ignore[arg-type]
    assert_same(ours, gensim_vectors.most_similar(**query))


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`:DeprecationWarning")
@pytest.mark.parametrize(
    "query", [QUERIES[name] for name in ("a key", "an analogy", "everything")], ids=str
)
def test_cosmul_is_gensims(
    query: dict[str, object], vectors: Vectors, gensim_vectors: KeyedVectors
) -> None:
    ours = vectors.most_similar_cosmul(**query)  # type: ignore[arg-type]
    assert_same(ours, gensim_vectors.most_similar_cosmul(**query))


def test_pairs_and_sets_score_as_in_gensim(vectors: Vectors, gensim_vectors: KeyedVectors) -> None:
    some, others = KEYS[:4], KEYS[10:15]
    assert vectors.similarity("w1", "w2") == pytest.approx(
        gensim_vectors.similarity("w1", "w2"), rel=1e-5
    )
    assert vectors.distance("w1", "w2") == pytest.approx(
        gensim_vectors.distance("w1", "w2"), rel=1e-5
    )
    assert vectors.n_similarity(some, others) == pytest.approx(
        float(gensim_vectors.n_similarity(some, others)), rel=1e-5
    )
    np.testing.assert_allclose(vectors.distances("w1"), gensim_vectors.distances("w1"), atol=1e-6)
    np.testing.assert_allclose(
        vectors.distances(ARRAY, others), gensim_vectors.distances(ARRAY, others), atol=1e-6
    )
    np.testing.assert_allclose(
        Vectors.cosine_similarities(ARRAY, MATRIX),
        KeyedVectors.cosine_similarities(ARRAY, MATRIX),
        atol=1e-6,
    )
    assert_same(vectors.similar_by_key("w1"), gensim_vectors.similar_by_key("w1"))
    assert_same(vectors.similar_by_vector(ARRAY), gensim_vectors.similar_by_vector(ARRAY))


@pytest.mark.parametrize("start", range(0, 60, 6))
def test_the_odd_one_and_ranks_are_gensims(
    start: int, vectors: Vectors, gensim_vectors: KeyedVectors
) -> None:
    some = KEYS[start : start + 6]
    assert vectors.doesnt_match(some) == gensim_vectors.doesnt_match(some)
    assert vectors.rank(*some[:2]) == gensim_vectors.rank(*some[:2])
    assert vectors.closer_than(*some[:2]) == gensim_vectors.closer_than(*some[:2])


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "dot"])
def test_a_batch_answers_as_one_by_one(metric: str, vectors: Vectors) -> None:
    batch = vectors.most_similar_batch(KEYS[:30], topn=7, metric=metric)
    for key, found in zip(KEYS, batch, strict=False):
        assert_same(found, vectors.most_similar(key, topn=7, metric=metric))


def test_a_batch_of_vectors_leaves_nothing_out(vectors: Vectors) -> None:
    assert [found[0][0] for found in vectors.most_similar_batch(MATRIX[:5])] == KEYS[:5]


def test_most_similar_by_hand() -> None:
    vectors = Vectors(["a", "b", "c", "d"], [[1, 0], [3, 4], [0, 2], [-1, 0]])
    assert vectors.most_similar("a") == [("b", pytest.approx(0.6)), ("c", 0.0), ("d", -1.0)]
    assert vectors.most_similar("a", metric="dot") == [("b", 3.0), ("c", 0.0), ("d", -1.0)]
    assert [key for key, _ in vectors.most_similar("a", metric="euclidean")] == ["d", "c", "b"]
    assert vectors.most_similar(["a", "d"], metric="euclidean")[0] == ("c", 2.0)  # their centroid


def test_a_memory_mapped_matrix_is_not_copied_or_read_early(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "matrix", np.float32, "w+", shape=(N, DIM))
    mapped[:] = MATRIX
    vectors = Vectors(KEYS, mapped)
    assert np.shares_memory(vectors.matrix, mapped)
    assert vectors.most_similar("w1") == Vectors(KEYS, MATRIX).most_similar("w1")
    mapped[3, 0] = np.nan
    with pytest.raises(ConfigError, match=r"vector of 'w3' \(row 3\) holds NaN"):
        Vectors(KEYS, mapped).most_similar("w1")


def test_what_it_holds(vectors: Vectors) -> None:
    counted = Vectors(["a", "b"], [[1.0, 0.0], [0.0, 2.0]], counts=[5, 3], metadata={"window": 5})
    assert "a" in counted
    assert "z" not in counted
    assert (len(counted), counted.dim, counted.vector_size) == (2, 2, 2)
    assert list(counted) == counted.index_to_key == ["a", "b"]
    assert counted.key_to_index == {"a": 0, "b": 1}
    assert counted.counts is not None
    assert counted.counts.tolist() == [5, 3]
    assert counted.metadata == {"window": 5}
    assert counted.get_vector("b", norm=True).tolist() == [0.0, 1.0]
    assert counted[["b", "a"]].tolist() == [[0.0, 2.0], [1.0, 0.0]]
    assert repr(counted) == "Vectors(2 keys, dim 2)"
    assert np.shares_memory(vectors.vectors, MATRIX)
    with pytest.raises(ValueError, match="read-only"):
        vectors["w1"][0] = 1.0


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ("Cat", "did you mean 'cat'"),
        ("new york", "did you mean 'New_York'"),
        ("caat", "did you mean 'cat'"),
        ("Tree", "did you mean 'Ġtree'"),
        ("qqqqqq", "among 4 keys; check its spelling"),
        (1, "for a row by number use .matrix"),
    ],
)
def test_an_unknown_key_names_a_near_miss(asked: str, advice: str) -> None:
    vectors = Vectors(["cat", "New_York", "cart", "Ġtree"], np.eye(4))
    with pytest.raises(VocabularyError, match=advice):
        vectors[asked] if isinstance(asked, str) else vectors.get_vector(asked)


def test_unknown_keys_in_a_set_are_left_out_with_a_warning(vectors: Vectors) -> None:
    with pytest.warns(UserWarning, match="have no vector: 'zebra'"):
        assert vectors.doesnt_match(["zebra", *KEYS[:6]]) == vectors.doesnt_match(KEYS[:6])
    with pytest.raises(VocabularyError, match="none of 'zebra', 'gnu' has a vector"):
        vectors.doesnt_match(["zebra", "gnu"])
    with pytest.raises(VocabularyError, match="no keys have a vector"):
        vectors.n_similarity([], ["w1"])


def test_impossible_queries_are_one_line(vectors: Vectors) -> None:
    with pytest.raises(ConfigError, match="nothing to look for; give a key or a vector"):
        vectors.most_similar()
    with pytest.raises(ConfigError, match="topn is 0"):
        vectors.most_similar("w1", topn=0)
    with pytest.raises(ConfigError, match="topn is -1"):
        vectors.most_similar_cosmul("w1", topn=-1)
    with pytest.raises(ConfigError, match="restrict_vocab is 0"):
        vectors.most_similar("w1", restrict_vocab=0)
    with pytest.raises(ConfigError, match=r"shape \(2,\); give one of dimension 9"):
        vectors.most_similar(np.zeros(2))
    with pytest.raises(ConfigError, match="query vector holds NaN"):
        vectors.similar_by_vector(np.full(DIM, np.nan))
    with pytest.raises(ConfigError, match="at least one positive"):
        vectors.most_similar_cosmul(negative="w1")
    with pytest.raises(ConfigError, match="3CosMul takes no weights"):
        vectors.most_similar_cosmul([("w1", 0.5)])
    with pytest.raises(ConfigError, match="one string, 'w1'; give a list"):
        vectors.most_similar_batch("w1")
    with pytest.raises(ConfigError, match="give a vector a row"):
        vectors.most_similar_batch(np.zeros(DIM))


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 keys for a matrix of 3 rows"):
        Vectors(["a", "b"], np.eye(3))
    with pytest.raises(ConfigError, match="'a' occurs more than once"):
        Vectors(["a", "b", "a"], np.eye(3))
    with pytest.raises(ConfigError, match="key 1 is not a string"):
        Vectors(["a", 1], np.eye(2))  # type: ignore[list-item]
    with pytest.raises(ConfigError, match=r"counts have shape \(1,\) for 2 keys"):
        Vectors(["a", "b"], np.eye(2), counts=[1])
    with pytest.raises(ConfigError, match=r"'b' \(row 1\) holds NaN.* 1 of 2"):
        Vectors(["a", "b"], [[1.0], [np.nan]])
    with pytest.raises(ConfigError, match=r"shape \(2,\)"):
        Vectors(["a", "b"], [1.0, 2.0])
    with pytest.raises(ConfigError, match="do not form a matrix"):
        Vectors(["a", "b"], [[1.0], [2.0, 3.0]])
    with pytest.raises(VocabularyError, match="there are no keys"):
        Vectors([], np.empty((0, 2)))


def test_a_rare_word_is_asked_about_among_frequent_ones_that_are_all_alike() -> None:
    vectors = Vectors([f"k{i}" for i in range(40)], np.ones((40, 2)), counts=[5] * 39 + [1])
    found = vectors.most_similar("k39", topn=3, restrict_vocab=vectors.n_frequent(2))
    assert [key for key, _ in found] == ["k0", "k1", "k2"]

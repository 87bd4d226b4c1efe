import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from rowspace.errors import ConfigError, VocabularyError
from rowspace.space import bias
from rowspace.space.bias import (
    bias_direction,
    equalize,
    hard_debias,
    neutralize,
    parse_pairs,
    projections,
    weat,
)
from rowspace.space.vectors import Vectors
from tests import naive_geometry

KEYS = ["he", "she", "man", "woman", "nurse", "engineer", "king", "queen"]
PAIRS = [("he", "she"), ("man", "woman")]


def space(seed: int = 0) -> Vectors:
    return Vectors(KEYS, np.random.default_rng(seed).standard_normal((8, 5)))


def test_the_direction_is_that_of_the_papers_pca() -> None:
    vectors = space()
    rows = []
    for first, second in PAIRS:
        a, b = (vectors.get_vector(word, norm=True).astype(np.float64) for word in (first, second))
        rows += [a - (a + b) / 2, b - (a + b) / 2]
    peer = PCA().fit(rows)
    found = bias_direction(vectors, PAIRS)
    assert abs(found.vector @ peer.components_[0]) == pytest.approx(1, abs=1e-6)
    assert found.share == pytest.approx(peer.explained_variance_ratio_[0], rel=1e-6)
    assert projections(vectors, found.vector, ["he", "she", "man", "woman"]) @ [1, -1, 1, -1] > 0


def test_the_first_words_are_on_the_positive_side() -> None:
    vectors = space(3)
    turned = bias_direction(vectors, [(second, first) for first, second in PAIRS])
    np.testing.assert_allclose(turned.vector, -bias_direction(vectors, PAIRS).vector, atol=1e-9)


def test_projections_are_cosines() -> None:
    vectors = Vectors(["a", "b", "zero"], [[3, 4], [0, -2], [0, 0]])
    assert projections(vectors, np.array([0.0, 5.0])).tolist() == pytest.approx([0.8, -1, 0])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_hard_debiasing_does_what_the_paper_says(seed: int) -> None:
    vectors = space(seed)
    direction = bias_direction(vectors, PAIRS).vector
    found = hard_debias(vectors, PAIRS, keep=["king", "queen"])
    np.testing.assert_allclose(found.norms, 1, atol=1e-5)
    # Neutral words have nothing of the direction and are as near to one of a pair as the other.
    assert abs(projections(found, direction, ["nurse", "engineer"])).max() < 1e-6
    for word in ("nurse", "engineer"):
        for first, second in PAIRS:
            assert found.similarity(word, first) == pytest.approx(
                found.similarity(word, second), abs=1e-5
            )
    for first, second in PAIRS:  # equally far out on opposite sides
        one, other = projections(found, direction, [first, second])
        assert one == pytest.approx(-other, abs=1e-6)
    np.testing.assert_allclose(
        found["king"], vectors.get_vector("king", norm=True), atol=1e-6
    )  # kept as it was


def test_neutralising_by_hand() -> None:
    vectors = Vectors(["a", "b"], [[3, 4], [1, 0]])
    found = neutralize(vectors, np.array([0.0, 1.0]))
    np.testing.assert_allclose(found.matrix, [[1, 0], [1, 0]], atol=1e-7)


def test_equalising_by_hand() -> None:
    """a and b share half of their height along x: ν = (0, .4), and √(1 - .16) is left for x."""
    vectors = Vectors(["a", "b"], np.array([[1, 0], [-0.6, 0.8]]))
    found = equalize(vectors, np.array([1.0, 0.0]), [("a", "b")])
    side = np.sqrt(0.84)
    np.testing.assert_allclose(found.matrix, [[side, 0.4], [-side, 0.4]], atol=1e-6)


def test_weat_by_hand() -> None:
    """Associations 1, .2 and -1, -.2: difference 1.2, deviation √(2.08 / 3); 1 of 6 partitions."""
    vectors = Vectors(
        ["x1", "x2", "y1", "y2", "a", "b"],
        np.array([[1, 0], [4, 3], [0, 1], [3, 4], [2, 0], [0, 5]]),
    )
    found = weat(vectors, (["x1", "x2"], ["y1", "y2"]), (["a"], ["b"]))
    assert found.effect_size == pytest.approx(1.2 / np.sqrt(2.08 / 3))
    assert found.p_value == pytest.approx(1 / 6)
    assert found.statistic == pytest.approx(2.4)
    assert found.is_exact
    turned = weat(vectors, (["y1", "y2"], ["x1", "x2"]), (["a"], ["b"]))
    assert turned.effect_size == pytest.approx(-found.effect_size)
    assert turned.p_value == 1


@pytest.mark.parametrize("seed", range(4))
def test_weat_is_that_of_the_slow_version(seed: int) -> None:
    vectors = Vectors(KEYS, np.random.default_rng(seed).standard_normal((8, 3)))
    rows = vectors.matrix.astype(np.float64).tolist()
    found = weat(vectors, (KEYS[:2], KEYS[2:4]), (KEYS[4:6], KEYS[6:]))
    effect, p = naive_geometry.weat(rows[:2], rows[2:4], rows[4:6], rows[6:])
    assert found.effect_size == pytest.approx(effect, rel=1e-6)
    assert found.p_value == pytest.approx(p)


def test_sampled_partitions_come_near_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = Vectors(
        [f"w{i}" for i in range(14)], np.random.default_rng(1).standard_normal((14, 4))
    )
    keys = vectors.index_to_key
    targets, attributes = (keys[:5], keys[5:10]), (keys[10:12], keys[12:])
    exact = weat(vectors, targets, attributes)
    monkeypatch.setattr(bias, "MAX_EXACT", 10)
    sampled = weat(vectors, targets, attributes, seed=1)
    assert exact.is_exact
    assert not sampled.is_exact
    assert sampled.p_value == pytest.approx(exact.p_value, abs=0.02)
    assert sampled.effect_size == exact.effect_size


def test_pairs_are_read_from_lines_too() -> None:
    text = "# pronouns\nhe:she, him : her\n\nman woman  # nouns\n"
    assert parse_pairs(text) == [("he", "she"), ("him", "her"), ("man", "woman")]
    for wrong in ("he", "he:she:it", "he:", "a b c"):
        with pytest.raises(ConfigError, match="is not a pair of words; give pairs as he:she"):
            parse_pairs(wrong)
    with pytest.raises(ConfigError, match="there are no pairs of words"):
        parse_pairs("# nothing\n")


def test_bad_arguments_say_what_to_give() -> None:
    vectors = space()
    with pytest.raises(VocabularyError, match=r"no vector for 'hee'.*did you mean 'he'"):
        bias_direction(vectors, [("hee", "she")])
    with pytest.raises(ConfigError, match="a direction needs pairs of words"):
        bias_direction(vectors, [])
    with pytest.raises(ConfigError, match=r"\('he', 'he'\) have the same vector"):
        bias_direction(vectors, [("he", "he")])
    with pytest.raises(ConfigError, match="the vector of 'zero' is zero or not finite"):
        bias_direction(Vectors(["a", "zero"], [[1.0], [0.0]]), [("a", "zero")])
    with pytest.raises(ConfigError, match=r"direction has shape \(2,\); give one of dimension 5"):
        projections(vectors, np.ones(2))
    with pytest.raises(ConfigError, match="'a' lies along the direction"):
        neutralize(Vectors(["a"], [[0, 2]]), np.array([0.0, 1.0]))
    with pytest.raises(ConfigError, match="do not differ along the direction"):
        equalize(Vectors(["a", "b"], [[1, 0], [0, 1]]), np.array([1.0, 1.0]), [("a", "b")])
    with pytest.raises(ConfigError, match="WEAT has an empty set"):
        weat(vectors, (["he"], []), (["man"], ["woman"]))
    with pytest.raises(ConfigError, match="'he' is in both target sets"):
        weat(vectors, (["he"], ["he", "she"]), (["man"], ["woman"]))
    with pytest.raises(ConfigError, match="all targets are associated alike"):
        weat(vectors, (["he"], ["she"]), (["man"], ["man"]))

"""Word similarity against gensim and slow oracles."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import EvaluationError
from rowspace.evaluate.similarity import Pair, read_pairs, word_similarity
from rowspace.space.vectors import Vectors
from tests.data import shared_data
from tests.naive_metrics import naive_pearson, naive_spearman

WORDS = ["Tiger", "cat", "tiger", "dog", "car", "CAT", "plane", "sea"]


def random_vectors(words: list[str], seed: int = 0, dim: int = 8) -> Vectors:
    matrix = np.random.default_rng(seed).normal(size=(len(words), dim)).astype(np.float32)
    return Vectors(words, matrix)


def _cosine(vectors: Vectors, a: str, b: str) -> float:
    x, y = vectors[a].astype(np.float64), vectors[b].astype(np.float64)
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def test_correlations_equal_the_slow_oracles_with_ties() -> None:
    vectors = random_vectors(WORDS)
    pairs = [("cat", "dog", 7.0), ("cat", "car", 2.0), ("dog", "sea", 2.0), ("plane", "car", 6.0)]
    cosines = [_cosine(vectors, a, b) for a, b, _ in pairs]
    human = [score for _, _, score in pairs]
    result = word_similarity(vectors, pairs, case_insensitive=False)
    assert result.spearman == pytest.approx(naive_spearman(human, cosines))
    assert result.pearson == pytest.approx(naive_pearson(human, cosines))
    assert (result.n_pairs, result.n_scored, result.unknown_words) == (4, 4, ())


def test_case_is_folded_to_the_first_variant() -> None:
    vectors = random_vectors(WORDS)
    pairs = [("TIGER", "CAT", 7.0), ("dog", "CAR", 2.0), ("Plane", "car", 6.0)]
    cosines = [
        _cosine(vectors, *words) for words in (("Tiger", "cat"), ("dog", "car"), ("plane", "car"))
    ]
    result = word_similarity(vectors, pairs)
    assert result.pearson == pytest.approx(naive_pearson([7, 2, 6], cosines))


def test_without_folding_case_matters() -> None:
    pairs = [("tiger", "cat", 7.0), ("dog", "car", 2.0), ("Plane", "Sea", 6.0)]
    result = word_similarity(random_vectors(WORDS), pairs, case_insensitive=False)
    assert (result.n_scored, result.unknown_words) == (2, ("Plane", "Sea"))


def test_unknown_words_are_listed_once_in_order() -> None:
    pairs = [("x", "cat", 1.0), ("cat", "dog", 2.0), ("y", "x", 3.0), ("car", "sea", 4.0)]
    result = word_similarity(random_vectors(WORDS), pairs)
    assert (result.n_pairs, result.n_scored, result.unknown_words) == (4, 2, ("x", "y"))


def test_pairs_outside_the_restricted_vocabulary_are_left_out() -> None:
    pairs = [("cat", "dog", 1.0), ("tiger", "cat", 2.0), ("plane", "sea", 3.0)]
    assert word_similarity(random_vectors(WORDS), pairs, restrict_vocab=4).n_scored == 2


@pytest.mark.parametrize("n_known", [0, 1])
def test_fewer_than_two_known_pairs_are_an_error(n_known: int) -> None:
    pairs: list[Pair] = [("cat", "dog", 1.0), ("x", "y", 2.0), ("x", "z", 2.0)]
    with pytest.raises(EvaluationError, match=f"only {n_known} of {3 - (1 - n_known)} pairs"):
        word_similarity(random_vectors(WORDS), pairs[1 - n_known :])


def test_equal_scores_have_no_correlation() -> None:
    result = word_similarity(random_vectors(WORDS), [("cat", "dog", 1.0), ("car", "sea", 1.0)])
    assert math.isnan(result.spearman)
    assert math.isnan(result.pearson)


def test_a_zero_vector_has_similarity_zero() -> None:
    matrix = np.array([[0, 0], [1, 0], [1, 1]], dtype=np.float32)
    pairs = [("zero", "a", 1.0), ("a", "b", 2.0), ("a", "a", 3.0)]
    result = word_similarity(Vectors(["zero", "a", "b"], matrix), pairs)
    assert result.pearson == pytest.approx(naive_pearson([1, 2, 3], [0, math.sqrt(0.5), 1]))


@pytest.mark.parametrize("restrict_vocab", [300_000, 30])
@pytest.mark.parametrize("dummy4unknown", [False, True])
@pytest.mark.parametrize("case_insensitive", [False, True])
def test_equals_gensim(
    tmp_path: Path, case_insensitive: bool, dummy4unknown: bool, restrict_vocab: int
) -> None:
    keyedvectors = pytest.importorskip("gensim.models.keyedvectors")
    generator = np.random.default_rng(3)
    words = [f"w{i}" if i % 3 else f"W{i - 1}" for i in range(1, 60)]
    ours = random_vectors(words, seed=1)
    theirs = keyedvectors.KeyedVectors(vector_size=ours.vector_size)
    theirs.add_vectors(words, ours.matrix)
    path = tmp_path / "pairs.tsv"
    lines = [
        f"w{generator.integers(80)}\tW{generator.integers(80)}\t{generator.integers(10)}"
        if i % 2
        else f"{words[generator.integers(59)]}\t{words[generator.integers(59)]}\t{i % 7}.5"
        for i in range(200)
    ]
    path.write_text("# a comment\n" + "\n".join(lines) + "\n")
    pearson, spearman, unknown = theirs.evaluate_word_pairs(
        str(path),
        case_insensitive=case_insensitive,
        dummy4unknown=dummy4unknown,
        restrict_vocab=restrict_vocab,
    )
    result = word_similarity(
        ours,
        read_pairs(path),
        case_insensitive=case_insensitive,
        dummy4unknown=dummy4unknown,
        restrict_vocab=restrict_vocab,
    )
    assert result.pearson == pytest.approx(pearson[0], abs=1e-6)
    # A pair that stands there twice, in either order, ties here and may not in float32.
    assert result.spearman == pytest.approx(spearman[0], abs=1e-4)
    if not dummy4unknown:
        assert 100 * (1 - result.n_scored / result.n_pairs) == pytest.approx(unknown)


def test_tabs_comments_and_empty_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("\ufeff# WordSim\nnew york\tcity\t7.5\n\ntiger\tcat\t7\textra\n")
    assert read_pairs(path) == [("new york", "city", 7.5), ("tiger", "cat", 7.0)]


def test_a_csv_with_a_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "combined.csv"
    path.write_text('Word 1,Word 2,Human (mean)\nlove,sex,6.77\n"a,b",cat,7\n')
    assert read_pairs(path) == [("love", "sex", 6.77), ("a,b", "cat", 7.0)]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv.gz"
    path.write_bytes(gzip.compress(b"tiger,cat,7\n"))
    assert read_pairs(path) == [("tiger", "cat", 7.0)]


@pytest.mark.parametrize("line", ["tiger cat 7", "tiger\tcat", "tiger\tcat\tmuch", "a\tb\tnan"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(f"love\tsex\t6.77\n{line}\n")
    with pytest.raises(EvaluationError, match=r"pairs\.tsv line 2 is not `word1 TAB word2"):
        read_pairs(path)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes("love\tsex\t6.77\ncafé\tbar\t5\n".encode("latin-1"))
    with pytest.raises(EvaluationError, match=r"pairs\.tsv line 2 is not UTF-8"):
        read_pairs(path)


def test_a_file_without_pairs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("word1\tword2\tscore\n")
    with pytest.raises(EvaluationError, match="holds no word pairs"):
        read_pairs(path)


def test_the_shared_sets_are_read_whole() -> None:
    sizes = {
        path.stem: len(read_pairs(path)) for path in shared_data("word", "similarity").iterdir()
    }
    assert (sizes["wordsim353"], sizes["simlex999"], sizes["rg65"]) == (353, 999, 65)

"""Analogies against gensim and a slow oracle."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import EvaluationError
from rowspace.evaluate.analogy import AnalogySection, Method, evaluate_analogies, read_analogies
from rowspace.space.vectors import Vectors
from tests.data import shared_data
from tests.naive_metrics import naive_analogy

COUNTRIES = ["France", "Spain", "Italy", "Norway", "Japan", "Peru"]
CAPITALS = ["Paris", "Madrid", "Rome", "Oslo", "Tokyo", "Lima"]


def offset_vectors(noise: float, variants: bool = True, seed: int = 0) -> Vectors:
    """Capitals are their countries moved by one offset, with noise; other cases lie close by."""
    generator = np.random.default_rng(seed)
    countries = generator.normal(size=(6, 10))
    capitals = countries + generator.normal(size=10) + noise * generator.normal(size=(6, 10))
    words = [*COUNTRIES, *CAPITALS]
    matrix = np.concatenate([countries, capitals])
    if variants:
        words += [word.lower() for word in words[::2]] + [word.upper() for word in words[1::2]]
        near = np.concatenate([matrix[::2], matrix[1::2]])
        matrix = np.concatenate([matrix, near + 0.1 * generator.normal(size=near.shape)])
    words += [f"filler{i}" for i in range(20)]
    matrix = np.concatenate([matrix, generator.normal(size=(20, 10))])
    return Vectors(words, matrix.astype(np.float32))


def _sections() -> list[AnalogySection]:
    pairs = list(zip(COUNTRIES, CAPITALS, strict=True))
    questions = [(*first, *second) for first, second in itertools.permutations(pairs, 2)]
    backwards = [(b, a, d, c) for a, b, c, d in questions]
    return [
        AnalogySection(name="capitals", questions=tuple(questions)),
        AnalogySection(name="gram1-backwards", questions=tuple(backwards)),
        AnalogySection(name="gram2-unknown", questions=(("x", "y", "z", "Paris"),)),
    ]


def _write(path: Path, sections: list[AnalogySection]) -> Path:
    lines = []
    for section in sections:
        lines.append(f": {section.name}")
        lines += [" ".join(question) for question in section.questions]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
@pytest.mark.parametrize("variants", [False, True])
def test_accuracy_equals_the_slow_oracle(method: Method, variants: bool) -> None:
    vectors = offset_vectors(noise=0.9, variants=variants)
    result = evaluate_analogies(vectors, _sections()[:2], method=method)
    expected = [
        sum(
            naive_analogy(vectors.index_to_key, vectors.matrix, (a, b, c), method).upper()
            == d.upper()
            for a, b, c, d in section.questions
        )
        for section in _sections()[:2]
    ]
    assert [section.n_correct for section in result.sections] == expected
    assert 0 < sum(expected) < 60  # neither trivial nor hopeless


def test_the_offset_without_noise_is_always_found() -> None:
    # Country i is e_i + e_6, its capital e_i + e_7: all of one length, so the offset is exact.
    identity = np.eye(8, dtype=np.float32)
    matrix = np.concatenate([identity[:6] + identity[6], identity[:6] + identity[7]])
    result = evaluate_analogies(Vectors([*COUNTRIES, *CAPITALS], matrix), _sections())
    assert result.total.accuracy == 1.0


@pytest.mark.parametrize("restrict_vocab", [300_000, 11])
@pytest.mark.parametrize("dummy4unknown", [False, True])
@pytest.mark.parametrize("case_insensitive", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_equals_gensim(
    tmp_path: Path, seed: int, case_insensitive: bool, dummy4unknown: bool, restrict_vocab: int
) -> None:
    keyedvectors = pytest.importorskip("gensim.models.keyedvectors")
    ours = offset_vectors(noise=0.9, seed=seed)
    theirs = keyedvectors.KeyedVectors(vector_size=ours.vector_size)
    theirs.add_vectors(ours.index_to_key, ours.matrix)
    path = _write(tmp_path / "questions.txt", _sections())
    options = {
        "case_insensitive": case_insensitive,
        "dummy4unknown": dummy4unknown,
        "restrict_vocab": restrict_vocab,
    }
    accuracy, sections = theirs.evaluate_word_analogies(str(path), **options)
    result = evaluate_analogies(ours, read_analogies(path), **options)  # type: ignore[arg-type]
    assert [(s.name, s.n_correct, s.n_scored - s.n_correct) for s in result.sections] == [
        (section["section"], len(section["correct"]), len(section["incorrect"]))
        for section in sections[:-1]
    ]
    assert result.total.accuracy == pytest.approx(accuracy)


def test_questions_with_unknown_words_are_left_out_and_counted() -> None:
    result = evaluate_analogies(offset_vectors(noise=0.9), _sections())
    assert result.n_unknown == 1
    assert (result.total.n_questions, result.total.n_scored) == (61, 60)
    assert np.isnan(result.sections[2].accuracy)


def test_sections_that_start_with_gram_are_syntactic() -> None:
    result = evaluate_analogies(offset_vectors(noise=0.9), _sections())
    assert result.semantic is not None
    assert result.syntactic is not None
    assert result.semantic.n_correct == result.sections[0].n_correct
    assert (result.syntactic.n_questions, result.syntactic.n_scored) == (31, 30)


def test_a_set_without_gram_sections_is_not_split() -> None:
    result = evaluate_analogies(offset_vectors(noise=0.9), _sections()[:1])
    assert result.semantic is None
    assert result.syntactic is None


def test_a_variant_of_a_questions_word_is_never_the_answer() -> None:
    # "KING" is nearest to king - man + woman, then "queen".
    words = ["man", "woman", "king", "KING", "queen"]
    matrix = np.array([[1, 0, 0], [9, 4, 0], [1, 0, 1], [6, 4, 7], [6, 8, 7]], np.float32)
    section = AnalogySection(name="family", questions=(("man", "woman", "king", "queen"),))
    vectors = Vectors(words, matrix)
    assert evaluate_analogies(vectors, [section]).total.n_correct == 1
    assert evaluate_analogies(vectors, [section], case_insensitive=False).total.n_correct == 0


def test_no_word_left_to_answer_is_wrong_not_an_error() -> None:
    vectors = Vectors(["a", "b", "c", "C"], np.eye(4, dtype=np.float32))
    section = AnalogySection(name="s", questions=(("a", "b", "c", "c"),))
    assert evaluate_analogies(vectors, [section]).total.n_correct == 0


def test_no_known_question_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="none of 1 questions has four words among the 5"):
        evaluate_analogies(offset_vectors(noise=0.9), _sections()[2:], restrict_vocab=5)


def test_questions_before_a_section_take_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("a b c d\n\n: second kind\ne f g h\n")
    assert [(s.name, len(s.questions)) for s in read_analogies(path)] == [
        ("mine", 1),
        ("second kind", 1),
    ]


def test_a_line_without_four_words_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(": s\na b c d\nnew york usa x y\n")
    with pytest.raises(EvaluationError, match=r"bad\.txt line 3 has 5 words"):
        read_analogies(path)


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_text(": s\n")
    with pytest.raises(EvaluationError, match="holds no questions"):
        read_analogies(path)


def test_the_google_set_is_read_whole() -> None:
    sections = read_analogies(shared_data("word", "analogy", "questions-words.txt"))
    assert (len(sections), sum(len(section.questions) for section in sections)) == (14, 19_544)
